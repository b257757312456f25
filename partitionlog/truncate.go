package partitionlog

import (
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// TruncateSuffix deletes the records from offset on, and with them their places
// in the time index, the epochs that began there, and what their producers did.
// A batch that holds offset goes whole: the log ends at its base then, though
// not below the log start. The receipt tells when that is durable; new appends
// may follow at once and are durable only with it.
//
// Appends are refused with ErrTruncating while it runs: it waits for those in
// flight and reads the store. An offset at or beyond the end is done already,
// one below the start is an *OffsetRangeError. A replica's log refuses it with
// ErrStaleGeneration: see Truncate.
func (l *Log) TruncateSuffix(offset int64) (Receipt, error) {
	l.slow.Lock()
	defer l.slow.Unlock()
	if err := l.loadSlow(loadedTail | loadedProducers); err != nil {
		return Receipt{}, err
	}
	l.mu.Lock()
	if err := l.truncatable(offset); err != nil || offset >= l.next {
		l.mu.Unlock()
		return Receipt{done: l.logs.closed}, err
	}
	l.state = stateTruncating
	inFlight, known := l.last, l.known()
	l.mu.Unlock()

	t, err := l.planTruncation(inFlight, known, offset)

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == stateDeleted {
		return Receipt{}, l.usable()
	}
	l.state = stateOpen
	if err != nil {
		return Receipt{}, err
	}
	l.generation++
	it := l.cutEnd(t, offset)
	l.last = l.logs.store.Enqueue(it)
	l.check()
	l.wakeAll()
	return Receipt{Base: it.end, Last: it.end, commit: l.last}, nil
}

// truncatable is nil or why a standalone log cannot be cut at offset. Called with mu
// held.
func (l *Log) truncatable(offset int64) error {
	if err := l.usable(); err != nil {
		return err
	}
	if l.replica {
		return l.stale(0)
	}
	if offset < l.start {
		return &OffsetRangeError{Offset: offset, Start: l.start, End: l.end}
	}
	return nil
}

// truncation is what is left of a log whose end is cut.
type truncation struct {
	end     int64
	empty   bool // no batch is left
	indexer indexer
	made    []timeRow // time rows that were missing
	// producers are those whose batches are cut: what is left of them. An
	// empty state: nothing.
	producers []*producer
}

// planTruncation reads what is left. The log changes only at its start
// meanwhile.
func (l *Log) planTruncation(inFlight *kv.Commit, known settled, offset int64) (*truncation, error) {
	if inFlight != nil {
		<-inFlight.Done()
		if err := inFlight.Err(); err != nil {
			return nil, err
		}
	}
	t := &truncation{end: offset}
	var bad error
	err := l.logs.store.Batches(l.part, offset, func(last int64, v []byte) bool {
		var b record.Batch
		if b, bad = checkStored(last, v, offset, true); bad == nil {
			t.end = b.BaseOffset()
		}
		return false
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, corrupt(l.part, offset, err)
	}
	t.empty = true
	if _, err := l.logs.store.FirstBatch(l.part, func(last int64, _ []byte) { t.empty = last >= t.end }); err != nil {
		return nil, readError(l.part, t.end, err)
	}
	row, err := l.rowBefore(t.end)
	if err != nil {
		return nil, err
	}
	now := l.logs.now.Load()
	tail := newRecoverTail(row, now)
	tail.bytes = max(tail.bytes, known.bytes)
	if from := max(row.last+1, known.offset); from < t.end {
		err = l.scan(from, t.end, func(b record.Batch) bool {
			tail.add(b, &l.logs.opts)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	t.indexer, _ = tail.finish(row, now)
	t.made = tail.made
	t.producers, err = l.producersWithout(known.offset, t.end)
	return t, err
}

// cutEnd cuts the log in memory and makes the item that does it in the store. to is
// what was asked for. Called with mu held.
func (l *Log) cutEnd(t *truncation, to int64) *truncateItem {
	end := max(t.end, l.start) // the start may have moved
	it := &truncateItem{log: l, end: end, resets: l.resets, rows: t.made, producers: t.producers}
	left := epochsBelow(l.epochs, end)
	if end > to {
		left = nil // what was below end is not what a leader has there
	}
	for _, e := range l.epochs[len(left):] {
		it.epochs = append(it.epochs, e.Epoch)
	}
	l.epochs, l.appliedEpochs = left, left
	l.next, l.end, l.applied, l.hw = end, end, end, min(l.hw, end)
	l.adopt(t.indexer)
	if end > t.end || t.empty { // nothing is left, and the end is the start
		l.settled, l.startBytes, l.settledOldest = end, l.bytes, 0
		l.dataStart, l.settledData, l.goal = end, end, 0
		it.start = end
	}
	l.cut = cut{}
	l.recent.dropFrom(end)
	l.damage = nil
	for _, p := range t.producers {
		if p.count == 0 {
			l.producers.remove(p.id)
		} else if known := l.producers.get(p.id); known != nil {
			known.producerState = p.producerState
		}
	}
	return it
}

// truncateItem deletes the end of a log.
type truncateItem struct {
	log       *Log
	end       int64
	resets    uint32
	turn      *turn // of a replica's log
	start     int64 // the log start that is to be persisted; 0: none
	epochs    []int32
	rows      []timeRow
	producers []*producer
}

// Rows implements kv.Item.
func (it *truncateItem) Rows(w *kv.Rows) {
	it.log.mu.Lock()
	defer it.log.mu.Unlock()
	if it.resets != it.log.resets { // what it leaves goes too
		return
	}
	p := it.log.part
	w.DeleteFrom(p, it.end)
	w.DeleteBefore(p, it.start)
	if it.start > 0 || it.turn != nil {
		w.PutMeta(p, it.log.putMeta(it.resets).append(make([]byte, 0, metaSize)))
	}
	for _, epoch := range it.epochs {
		w.DeleteEpoch(p, epoch)
	}
	for i := range it.rows {
		w.PutTime(p, it.rows[i].last, it.rows[i].append(make([]byte, 0, maxTimeRow)))
	}
	for _, r := range it.producers {
		if r.count == 0 {
			w.DeleteProducer(p, r.id)
			continue
		}
		w.PutProducer(p, r.id, r.append(make([]byte, 0, maxProducerRow)))
	}
}

// Size implements kv.Item.
func (it *truncateItem) Size() int {
	return 512 + len(it.epochs)*64 + len(it.rows)*(maxTimeRow+64) + len(it.producers)*(maxProducerRow+64)
}

// Durable implements kv.Item.
func (it *truncateItem) Durable() {
	l := it.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if it.resets == l.resets {
		l.savedStart = max(l.savedStart, it.start)
	}
	if it.turn != nil {
		it.turn.durable()
	}
}
