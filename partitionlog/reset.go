package partitionlog

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/skidway/skidway/kv"
)

// Reset is what a log becomes: empty, at DataStart.
type Reset struct {
	Generation uint64
	// DataStart is the offset of the next record. LogStart may lie above it: it
	// is kept, and adopted as the high watermark passes it.
	DataStart, LogStart int64
	// History is the leader's; what begins at DataStart or above comes again with
	// the batches. Producers are those of the leader, from ProducerRows; nil: none.
	// What they did at DataStart or above comes again too.
	History   []EpochStart
	Producers []ProducerRow
}

// ProducerRow is the state of one idempotent producer.
type ProducerRow struct {
	ID    int64
	Value []byte // opaque: a 'p' row
}

// Reset deletes all that the log holds but its promise, lets it begin anew and begins
// a generation, in one commit. It clears MarkVoid. It reads nothing of what it
// deletes. Errors, upon which nothing has changed: ErrStaleGeneration, ErrDeleted,
// ErrBadReset. Only after Replicate.
func (l *Log) Reset(r Reset) (Change, error) {
	producers, err := r.producers()
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return Change{}, fmt.Errorf("%w: topic id %d partition %d: %w", ErrBadReset, l.part.Topic, l.part.Index, err)
	}
	l.slow.Lock()
	defer l.slow.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.begin(r.Generation); err != nil {
		return Change{}, err
	}
	l.clear(&r, producers)
	it := &resetItem{producers: rowsOf(producers)}
	it.turn = l.newTurn()
	return it.turn.enqueue(it), nil
}

// check is nil or what is wrong with the offsets and the history.
func (r *Reset) check() error {
	if r.DataStart < 0 || r.LogStart < r.DataStart {
		return fmt.Errorf("log start %d, data start %d", r.LogStart, r.DataStart)
	}
	last := EpochStart{Epoch: NoEpoch, Start: -1}
	for _, e := range r.History {
		if e.Epoch <= last.Epoch || e.Start <= last.Start {
			return fmt.Errorf("epoch %d begins at %d, behind epoch %d at %d", e.Epoch, e.Start, last.Epoch, last.Start)
		}
		last = e
	}
	return nil
}

// producers are those who have a batch below DataStart, with what they did there, in
// the order of their last one.
func (r *Reset) producers() (found []*producer, err error) {
	seen := make(map[int64]bool, len(r.Producers))
	for _, row := range r.Producers {
		s, err := decodeProducer(row.Value)
		if err != nil || row.ID < 0 || seen[row.ID] {
			return nil, fmt.Errorf("producer %d: a row that is damaged or there twice", row.ID)
		}
		seen[row.ID] = true
		for s.count > 0 && s.newest().lastOffset() >= r.DataStart {
			s.count--
		}
		if s.count > 0 {
			found = append(found, &producer{id: row.ID, producerState: s})
		}
	}
	sortProducers(found)
	return found, nil
}

func sortProducers(found []*producer) {
	slices.SortFunc(found, func(a, b *producer) int {
		return cmp.Compare(a.newest().lastOffset(), b.newest().lastOffset())
	})
}

func rowsOf(producers []*producer) (rows []ProducerRow) {
	for _, p := range producers {
		rows = append(rows, ProducerRow{ID: p.id, Value: p.append(make([]byte, 0, maxProducerRow))})
	}
	return rows
}

// clear empties the log in memory. Called with mu held.
func (l *Log) clear(r *Reset, producers []*producer) {
	at := r.DataStart
	l.resets++
	l.void = false
	l.indexer, l.floor, l.cut, l.damage = newIndexer(), nil, cut{}, nil
	l.startBytes, l.settledOldest, l.oldest = 0, 0, 0
	l.savedStart, l.settled, l.settledData, l.dataStart = at, at, at, at
	l.start, l.hw, l.end, l.applied, l.next = at, at, at, at, at
	l.goal = 0
	if r.LogStart > at {
		l.goal = r.LogStart
	}
	l.epochs = epochsBelow(slices.Clone(r.History), at)
	l.appliedEpochs = l.epochs
	l.recent.dropFrom(0)
	l.dropProducers()
	l.setProducers(producers)
	l.loaded |= loadedRow | loadedEpochs | loadedData | loadedTail | loadedIndex
}

// resetItem empties a log.
type resetItem struct {
	turn      *turn
	producers []ProducerRow
}

// Rows implements kv.Item. Where another Reset waits behind, that one does it.
func (it *resetItem) Rows(w *kv.Rows) {
	l := it.turn.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if it.turn.resets != l.resets {
		return
	}
	w.DeletePartition(l.part)
	w.PutMeta(l.part, l.putMeta(it.turn.resets).append(make([]byte, 0, metaSize)))
	for _, e := range it.turn.change.History {
		w.PutEpoch(l.part, e.Epoch, e.Start)
	}
	for _, p := range it.producers {
		w.PutProducer(l.part, p.ID, p.Value)
	}
}

// Size implements kv.Item.
func (it *resetItem) Size() int {
	return 1024 + 64*len(it.turn.change.History) + (maxProducerRow+64)*len(it.producers)
}

// Durable implements kv.Item.
func (it *resetItem) Durable() {
	l := it.turn.log
	l.mu.Lock()
	defer l.mu.Unlock()
	it.turn.durable()
}

// ProducerRows gives the producers' states as they are in memory: a follower that
// is Reset needs them, or a retry after a failover would be appended twice.
func (l *Log) ProducerRows() ([]ProducerRow, error) {
	if err := l.lockLoaded(loadedProducers); err != nil {
		return nil, err
	}
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	var producers []*producer
	for e := l.producers.byUse.Back(); e != nil; e = e.Prev() {
		producers = append(producers, e.Value.(*producer))
	}
	return rowsOf(producers), nil
}
