package partitionlog

import (
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// RaiseStart makes offset the log start, at once and in memory: readers below it
// get an *OffsetRangeError from now on. FlushStarts makes it durable and deletes
// what lies below. An offset below the start does nothing, one beyond the
// durable end means the end.
func (l *Log) RaiseStart(offset int64) {
	l.mu.Lock()
	dirty := l.raise(offset)
	l.mu.Unlock()
	if dirty {
		l.logs.markDirty(l)
	}
}

// raise says whether the log has to be marked dirty. Called with mu held.
func (l *Log) raise(offset int64) (dirty bool) {
	offset = min(offset, l.end)
	if l.state == stateDeleted || offset <= l.start {
		return false
	}
	l.start = offset
	switch {
	case l.start == l.next:
		l.oldest = 0
	case l.cut.offset == offset:
		l.oldest = max(l.oldest, l.cut.oldest)
	}
	l.check()
	dirty = !l.dirtyStart
	l.dirtyStart = true
	return dirty
}

func (ls *Logs) markDirty(l *Log) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.dirty = append(ls.dirty, l)
}

// FlushStarts makes the raised starts of all logs durable in one commit, with
// the deletion of what lies below them; it also forgets producers that have
// expired. It gives false where there is nothing to do. Space comes back with
// kv.Store.Reclaim.
func (ls *Logs) FlushStarts() (Receipt, bool) {
	ls.mu.Lock()
	dirty := ls.dirty
	ls.dirty = nil
	ls.mu.Unlock()
	expired := ls.sweepProducers()
	if len(dirty) == 0 && len(expired) == 0 {
		return Receipt{}, false
	}
	it := &startsItem{logs: dirty, expired: expired}
	for _, l := range dirty {
		l.settleStart()
	}
	return Receipt{commit: ls.store.Enqueue(it)}, true
}

// settleStart finds what goes with the start, so that it may be persisted: the
// bytes below it, the time row below it, the epochs. Damage must not stop
// retention: then less is counted as deleted, and old epochs stay.
func (l *Log) settleStart() {
	l.slow.Lock()
	defer l.slow.Unlock()
	_ = l.loadSlow(loadedTail)
	l.mu.Lock()
	l.dirtyStart = false
	start, end, known := l.start, l.end, settled{offset: l.settled, bytes: l.startBytes}
	l.mu.Unlock()
	if start == known.offset {
		return
	}
	s := l.settle(start, end, known)
	l.mu.Lock()
	defer l.mu.Unlock()
	if start > l.settled {
		l.settled, l.startBytes = start, max(l.startBytes, min(s.bytes, l.bytes))
		l.floor = s.floor
		if start == l.start {
			l.settledOldest = l.oldest
		}
	}
	l.check()
}

// settled is a log start and what goes with it.
type settled struct {
	offset int64
	bytes  int64 // of the batches that lie whole below offset
	// floor is the newest time row below offset, nil where there is none. It
	// outlives the batch at which it stands, so that what lies between offset
	// and the first row above has a lower bound in time.
	floor *timeRow
}

// settle finds what goes with offset; known is a place below it.
func (l *Log) settle(offset, end int64, known settled) settled {
	s := settled{offset: offset, bytes: known.bytes}
	row, err := l.rowBefore(offset)
	if err != nil {
		return s
	}
	at := known.offset
	if row.exists() {
		s.floor = &row
	}
	if row.last >= at {
		at, s.bytes = row.last+1, row.total()
	}
	if at < offset {
		_ = l.scan(at, end, func(b record.Batch) bool {
			if b.LastOffset() >= offset {
				return false
			}
			s.bytes += int64(len(b))
			return true
		})
	}
	return s
}

// TruncatePrefix deletes the records below offset, durably when the receipt is
// done; readers do not see them from now on. A batch that holds offset is kept
// whole. An offset beyond the durable end is an *OffsetRangeError, one below the
// start is done already.
func (l *Log) TruncatePrefix(offset int64) (Receipt, error) {
	l.mu.Lock()
	err := l.usable()
	if err == nil && offset > l.end {
		err = l.inRange(offset)
	}
	done := offset <= l.savedStart
	if err == nil {
		l.raise(offset) // this call's own item follows: not for FlushStarts
	}
	l.mu.Unlock()
	if err != nil {
		return Receipt{}, err
	}
	if done {
		return Receipt{done: l.logs.closed}, nil
	}
	l.settleStart()
	return Receipt{commit: l.logs.store.Enqueue(&startsItem{logs: []*Log{l}})}, nil
}

// startsItem persists the starts of logs, as they are when it is applied, and
// deletes what lies below.
type startsItem struct {
	logs    []*Log
	starts  []int64 // what Rows has put
	expired []expiredProducers
}

// Rows implements kv.Item.
func (s *startsItem) Rows(w *kv.Rows) {
	v := make([]byte, 0, metaSize)
	s.starts = make([]int64, len(s.logs))
	for i, l := range s.logs {
		l.mu.Lock()
		m, floor, deleted := l.meta(), l.floor, l.state == stateDeleted
		gone := l.trimEpochs()
		l.hasMeta = true
		l.mu.Unlock()
		if deleted {
			continue
		}
		s.starts[i] = m.start
		w.PutMeta(l.part, m.append(v[:0]))
		w.DeleteBefore(l.part, m.start)
		if floor != nil {
			w.PutTime(l.part, floor.last, floor.append(make([]byte, 0, maxTimeRow)))
		}
		for _, epoch := range gone {
			w.DeleteEpoch(l.part, epoch)
		}
	}
	for _, e := range s.expired {
		e.rows(w)
	}
}

// Size implements kv.Item.
func (s *startsItem) Size() int {
	const perLog, perProducer = 512, 64
	size := len(s.logs) * perLog
	for _, e := range s.expired {
		size += len(e.ids) * perProducer
	}
	return size
}

// Durable implements kv.Item.
func (s *startsItem) Durable() {
	for i, l := range s.logs {
		l.mu.Lock()
		l.savedStart = max(l.savedStart, s.starts[i])
		l.check()
		l.mu.Unlock()
	}
}
