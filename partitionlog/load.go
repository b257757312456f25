package partitionlog

import (
	"math"

	"github.com/skidway/skidway/record"
)

// load reads what is still missing of parts. Nothing is appended meanwhile,
// since appends need what is missing; that of a replica's log that is in flight is
// waited for.
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
	if missing != 0 {
		if err := l.landed(); err != nil {
			return err
		}
	}
	if missing&loadedEpochs != 0 {
		if err := l.loadEpochs(); err != nil {
			return err
		}
	}
	if missing&(loadedTail|loadedIndex) != 0 {
		if err := l.loadTail(missing & (loadedTail | loadedIndex)); err != nil {
			return err
		}
	}
	if missing&loadedProducers != 0 {
		return l.loadProducers()
	}
	return nil
}

// landed waits until all that a replica's log has queued is in the store, so that
// it can be read there: a generation may have dropped appends, and with them what
// was known in memory. Called with slow held.
func (l *Log) landed() error {
	l.mu.Lock()
	inFlight := l.last
	if !l.replica {
		inFlight = nil
	}
	l.mu.Unlock()
	if inFlight == nil {
		return nil
	}
	<-inFlight.Done()
	return inFlight.Err()
}

// loadEpochs reads the leader epochs. Called with slow held.
func (l *Log) loadEpochs() error {
	var epochs []EpochStart
	err := l.logs.store.Epochs(l.part, func(epoch int32, start int64) bool {
		epochs = append(epochs, EpochStart{Epoch: epoch, Start: start})
		return true
	})
	if err != nil {
		return readError(l.part, 0, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded&loadedEpochs == 0 {
		l.epochs, l.appliedEpochs = epochs, epochs
		l.loaded |= loadedEpochs
	}
	return l.usable()
}

// loadTail reads the batches behind the last time row, of which there are
// TimeRowBytes at most. Called with slow held.
func (l *Log) loadTail(parts loadedParts) error {
	l.mu.Lock()
	row, settled, bytes, next := l.row, l.settled, l.startBytes, l.next
	hasRow := l.loaded&loadedRow != 0
	l.mu.Unlock()
	if !hasRow {
		newest, err := l.rowBefore(math.MaxInt64)
		if err != nil {
			return err
		}
		row = newest
	}
	now := l.logs.now.Load()
	t := newRecoverTail(row, now)
	t.bytes = max(t.bytes, bytes)
	if from := max(row.last+1, settled); from < next {
		err := l.scan(from, next, func(b record.Batch) bool {
			t.add(b, &l.logs.opts)
			return true
		})
		if err != nil {
			return err
		}
	}
	x, whole := t.finish(row, now)
	parts |= loadedRow | loadedTail
	if whole {
		parts |= loadedIndex
	}
	return l.adoptTail(x, parts, t.made)
}

// adoptTail makes what loadTail has found the log's, and writes the time rows
// that were missing.
func (l *Log) adoptTail(x indexer, parts loadedParts, made []timeRow) error {
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return err
	}
	l.adopt(x)
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
	sortProducers(found)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.setProducers(found)
	return nil
}
