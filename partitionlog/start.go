package partitionlog

import (
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// RaiseStart makes offset the log start, at once and in memory: readers below it
// get an *OffsetRangeError from now on. FlushStarts makes it durable and deletes
// what lies below. An offset below the start does nothing, one beyond where readers
// stop means that: the durable end, or the high watermark of a replica's log.
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
	offset = min(offset, l.readEnd())
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
// the deletion of what lies below them, and the high watermarks that have moved; it
// also forgets producers that have expired. It gives false where there is nothing to
// do. Space comes back with kv.Store.Reclaim.
func (ls *Logs) FlushStarts() (Receipt, bool) {
	ls.mu.Lock()
	dirty, hinted := ls.dirty, ls.hinted
	ls.dirty, ls.hinted = nil, nil
	ls.mu.Unlock()
	expired := ls.sweepProducers()
	if len(dirty) == 0 && len(hinted) == 0 && len(expired) == 0 {
		return Receipt{}, false
	}
	it := &startsItem{expired: expired}
	for _, l := range dirty {
		it.logs = append(it.logs, l.settleStart())
	}
	for _, l := range hinted {
		it.logs = append(it.logs, l.settleHint())
	}
	return Receipt{commit: ls.store.Enqueue(it)}, true
}

// settleHint lets the high watermark be persisted as it will be then.
func (l *Log) settleHint() flushed {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirtyHint = false
	return flushed{log: l, resets: l.resets}
}

// settleStart finds what goes with the start, so that it may be persisted: the
// bytes below it, the time row below it, the epochs. Damage must not stop
// retention: then less is counted as deleted, and old epochs stay.
func (l *Log) settleStart() flushed {
	l.slow.Lock()
	defer l.slow.Unlock()
	_ = l.loadSlow(loadedTail | loadedEpochs)
	l.mu.Lock()
	l.dirtyStart = false
	start, end, known := l.start, l.end, l.known()
	f := flushed{log: l, resets: l.resets}
	l.mu.Unlock()
	if start == known.offset {
		return f
	}
	s := l.settle(start, end, known)
	l.mu.Lock()
	defer l.mu.Unlock()
	if start > l.settled {
		l.settled, l.startBytes = start, max(l.startBytes, min(s.bytes, l.bytes))
		l.floor, l.settledData = s.floor, s.data
		if l.goal <= l.settled {
			l.goal = 0
		}
		if start == l.start {
			l.settledOldest = l.oldest
		}
	}
	l.check()
	return f
}

// known is what the log knows of its settled start. Called with mu held.
func (l *Log) known() settled {
	return settled{offset: l.settled, bytes: l.startBytes, data: l.settledData}
}

// settled is a log start and what goes with it.
type settled struct {
	offset int64
	bytes  int64 // of the batches that lie whole below offset
	data   int64 // behind the last of them: where the next one begins
	// floor is the newest time row below offset, nil where there is none. It
	// outlives the batch at which it stands, so that what lies between offset
	// and the first row above has a lower bound in time.
	floor *timeRow
}

// settle finds what goes with offset; known is a place below it.
func (l *Log) settle(offset, end int64, known settled) settled {
	s := settled{offset: offset, bytes: known.bytes, data: known.data}
	if offset == end { // all of it goes
		s.data = offset
	}
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
		s.data = max(s.data, at)
	}
	if at < offset {
		_ = l.scan(at, end, func(b record.Batch) bool {
			if b.LastOffset() >= offset {
				return false
			}
			s.bytes += int64(len(b))
			s.data = max(s.data, b.LastOffset()+1)
			return true
		})
	}
	return s
}

// TruncatePrefix deletes the records below offset, durably when the receipt is
// done; readers do not see them from now on. A batch that holds offset is kept
// whole. An offset beyond where readers stop is an *OffsetRangeError, one below the
// start is done already.
func (l *Log) TruncatePrefix(offset int64) (Receipt, error) {
	l.mu.Lock()
	err := l.usable()
	if err == nil && offset > l.readEnd() {
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
	it := &startsItem{logs: []flushed{l.settleStart()}}
	return Receipt{commit: l.logs.store.Enqueue(it)}, nil
}

// startsItem persists the starts and high watermarks of logs, as they are when it is
// applied, and deletes what lies below the starts.
type startsItem struct {
	logs    []flushed
	expired []expiredProducers
}

// flushed is one log of a startsItem.
type flushed struct {
	log    *Log
	resets uint32
	start  int64 // what Rows has put
}

// Rows implements kv.Item.
func (s *startsItem) Rows(w *kv.Rows) {
	for i := range s.logs {
		s.logs[i].rows(w)
	}
	for _, e := range s.expired {
		e.rows(w)
	}
}

// rows leaves out a log that is deleted, or that a Reset behind the item empties.
func (f *flushed) rows(w *kv.Rows) {
	l := f.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == stateDeleted || f.resets != l.resets {
		return
	}
	gone := l.trimEpochs()
	l.hasMeta = true
	l.dataStart = l.settledData
	m := l.putMeta(f.resets)
	f.start = l.settled
	w.PutMeta(l.part, m.append(make([]byte, 0, metaSize)))
	for _, epoch := range gone {
		w.DeleteEpoch(l.part, epoch)
	}
	if f.start <= l.savedStart { // a high watermark alone
		return
	}
	w.DeleteBefore(l.part, f.start)
	if l.floor != nil {
		w.PutTime(l.part, l.floor.last, l.floor.append(make([]byte, 0, maxTimeRow)))
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
	for i := range s.logs {
		s.logs[i].durable()
	}
}

func (f *flushed) durable() {
	l := f.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.resets == l.resets {
		l.savedStart = max(l.savedStart, f.start)
		l.check()
	}
}
