package partitionlog

import (
	"cmp"
	"slices"

	"github.com/skidway/skidway/record"
)

// load reads what is still missing of parts. Nothing is appended meanwhile,
// since appends need what is missing.
func (l *Log) load(parts loadedParts) error {
	l.slow.Lock()
	defer l.slow.Unlock()
	return l.loadSlow(parts)
}

// loadSlow is load with slow held.
func (l *Log) loadSlow(parts loadedParts) error {
	l.mu.Lock()
	missing := parts &^ l.loaded
	err := l.usable()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if missing&(loadedTail|loadedIndex) != 0 {
		if err := l.loadTail(missing); err != nil {
			return err
		}
	}
	if missing&loadedProducers != 0 {
		return l.loadProducers()
	}
	return nil
}

// loadTail reads the batches behind the last time row, of which there are
// TimeRowBytes at most, and the leader epochs. Called with slow held.
func (l *Log) loadTail(parts loadedParts) error {
	l.mu.Lock()
	row, settled, bytes, next := l.row, l.settled, l.startBytes, l.next
	l.mu.Unlock()
	var epochs []epochStart
	err := l.logs.store.Epochs(l.part, func(epoch int32, start int64) bool {
		epochs = append(epochs, epochStart{epoch: epoch, start: start})
		return true
	})
	if err != nil {
		return readError(l.part, settled, err)
	}
	now := l.logs.now.Load()
	t := newRecoverTail(row, now)
	t.bytes = max(t.bytes, bytes)
	if from := max(row.last+1, settled); from < next {
		err = l.scan(from, next, func(b record.Batch) bool {
			t.add(b, &l.logs.opts)
			return true
		})
		if err != nil {
			return err
		}
	}
	x, whole := t.finish(row, now)
	parts |= loadedTail
	if whole {
		parts |= loadedIndex
	}
	return l.adoptTail(x, parts&^loadedProducers, epochs, t.made)
}

// adoptTail makes what loadTail has found the log's, and writes the time rows
// that were missing.
func (l *Log) adoptTail(x indexer, parts loadedParts, epochs []epochStart, made []timeRow) error {
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return err
	}
	l.adopt(x)
	l.epochs = epochs
	l.loaded |= parts
	if len(made) > 0 {
		l.last = l.logs.store.Enqueue(&mendItem{log: l, generation: l.generation, rows: made})
	}
	l.check()
	l.mu.Unlock()
	l.rebuilt(made)
	return nil
}

// loadProducers reads the producers' rows, of which there are MaxProducers at
// most. Called with slow held.
func (l *Log) loadProducers() error {
	var found []*producer
	damaged := make(map[int64]*producer)
	err := l.logs.store.Producers(l.part, func(id int64, v []byte) bool {
		if s, err := decodeProducer(v); err == nil {
			found = append(found, &producer{id: id, producerState: s})
		} else {
			damaged[id] = &producer{id: id}
		}
		return true
	})
	if err != nil {
		return readError(l.part, 0, err)
	}
	rebuilt, err := l.rebuildProducers(found, damaged)
	if err != nil {
		return err
	}
	found = append(found, rebuilt...)
	slices.SortFunc(found, func(a, b *producer) int {
		return cmp.Compare(a.newest().lastOffset(), b.newest().lastOffset())
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.setProducers(found)
	return nil
}
