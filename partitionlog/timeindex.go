package partitionlog

import (
	"math"

	"github.com/skidway/skidway/record"
)

// OffsetTime is a record's place and timestamp.
type OffsetTime struct {
	Offset    int64
	Timestamp int64 // ms
}

// OffsetForTime finds the first record, in the order of offsets, whose
// timestamp is ms or later; found is false where none is durable yet. With
// LogAppendTime all records of a batch have the batch's time. Producers' clocks
// need not agree.
func (l *Log) OffsetForTime(ms int64) (off OffsetTime, found bool, err error) {
	l.mu.Lock()
	start, end := l.start, l.readEnd()
	err = l.usable()
	if start == end || l.loaded&loadedTail != 0 && l.max < ms {
		end = start
	}
	l.mu.Unlock()
	if err != nil || start == end {
		return OffsetTime{}, false, err
	}
	s := timeSearch{log: l, ms: ms, start: start, end: end}
	if err := s.run(); err != nil {
		if cut := l.cutSince(start, end); cut {
			return l.OffsetForTime(ms)
		}
		return OffsetTime{}, false, err
	}
	if s.found && l.cutSince(min(start, s.hit.Offset), s.hit.Offset+1) {
		return l.OffsetForTime(ms)
	}
	for _, gap := range s.gaps {
		l.mend(gap)
	}
	return s.hit, s.found, nil
}

// TimestampAt gives the first record at or after offset, with its timestamp; found is false where none is durable
// yet. An offset below the log's start stands for the start. It costs one look-up and reads one batch.
func (l *Log) TimestampAt(offset int64) (off OffsetTime, found bool, err error) {
	l.mu.Lock()
	start, end := l.start, l.readEnd()
	err = l.usable()
	l.mu.Unlock()
	offset = max(offset, start)
	if err != nil || offset >= end {
		return OffsetTime{}, false, err
	}
	s := timeSearch{log: l, ms: math.MinInt64, start: offset, end: end}
	if err := s.scan(offset, end); err != nil {
		if l.cutSince(offset, end) {
			return l.TimestampAt(offset)
		}
		return OffsetTime{}, false, err
	}
	return s.hit, s.found, nil
}

// cutSince says whether start..end is no longer within the log's bounds.
func (l *Log) cutSince(start, end int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start > start || l.readEnd() < end
}

// timeSearch looks for the first record of start..end-1 with a timestamp of ms
// or later.
type timeSearch struct {
	log        *Log
	ms         int64
	start, end int64

	hit   OffsetTime
	found bool
	// gaps are where time rows were missing.
	gaps []between
}

// run goes from row to row: by the running maximum to the first segment that
// may hold it, then, since the record with that maximum may be deleted, by each
// segment's own maximum, and last through what lies behind the rows.
func (s *timeSearch) run() error {
	b, err := s.log.search(s.start, s.end, func(r *timeRow) bool { return r.max >= s.ms })
	if err != nil {
		return err
	}
	before := b.before
	at := max(s.start, before.last+1)
	for more := b.at.exists(); more; {
		next := noRow()
		err := s.log.rows(at, s.end, func(r timeRow) bool {
			gap := gapBetween(before, r, s.start)
			if gap {
				s.gaps = append(s.gaps, between{before: before, at: r})
			}
			if gap || r.segmentMax >= s.ms {
				next = r
				return false
			}
			before, at = r, r.last+1
			return true
		})
		if err != nil {
			return err
		}
		if more = next.exists(); !more {
			break
		}
		if err := s.scan(at, next.last+1); err != nil || s.found {
			return err
		}
		before, at = next, next.last+1
	}
	if at >= s.end {
		return nil
	}
	return s.scan(at, s.end)
}

// gapBetween says whether time rows are missing between before and r, the
// next one that was found at or above start.
func gapBetween(before, r timeRow, start int64) bool {
	if before.exists() {
		return r.prev != before.last
	}
	return r.prev >= start
}

// scan looks through the records of the batches that hold from..to-1.
func (s *timeSearch) scan(from, to int64) error {
	var bad error
	err := s.log.scan(from, to, func(b record.Batch) bool {
		if b.MaxTimestamp() < s.ms {
			return true
		}
		for r, err := range b.Records(record.Limits{}) {
			if err != nil {
				bad = corrupt(s.log.part, b.BaseOffset(), err)
				return false
			}
			if r.Timestamp >= s.ms && r.Offset >= s.start {
				s.hit, s.found = OffsetTime{Offset: r.Offset, Timestamp: r.Timestamp}, true
				return false
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return bad
}

// cut is a place to which the log may be cut at its front.
type cut struct {
	offset int64
	oldest int64 // lower bound of the append time of the record at offset
}

// StartForAge gives the first offset that was appended at appendedBefore (ms) or
// later: what lies before may go. It is exact to the time index's interval, a
// second at most, and never beyond; the end where all is older. It costs
// nothing where Stats.OldestAppend tells that nothing is older.
func (l *Log) StartForAge(appendedBefore int64) (offset int64, err error) {
	l.mu.Lock()
	start, end, oldest := l.start, l.readEnd(), l.oldest
	err = l.usable()
	l.mu.Unlock()
	if err != nil || start == end || oldest >= appendedBefore {
		return start, err
	}
	if err := l.load(loadedTail); err != nil {
		return start, err
	}
	b, err := l.search(start, end, func(r *timeRow) bool { return r.appended >= appendedBefore })
	if err != nil {
		return start, err
	}
	c := cut{offset: start, oldest: oldest}
	if b.before.exists() { // what lies between the two rows may be younger
		c = cut{offset: b.before.last + 1, oldest: b.before.appended}
	}
	if r := &b.at; r.exists() && r.appended-r.gap < appendedBefore && !gapBetween(b.before, *r, start) {
		// All before that row's batch is older.
		c = cut{offset: r.base, oldest: r.appended}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !b.at.exists() && l.next == end && l.readEnd() == end && l.appendedBound < appendedBefore {
		c = cut{offset: end}
	}
	return l.found(c), nil
}

// found remembers a cut and gives its offset, moved into the bounds as they are
// now. Called with mu held.
func (l *Log) found(c cut) int64 {
	if c.offset <= l.start {
		l.oldest = max(l.oldest, c.oldest)
		return l.start
	}
	if end := l.readEnd(); c.offset > end {
		return end
	}
	l.cut = c
	return c.offset
}

// StartForBytes gives the first offset from which on keep bytes of batches are
// left, or less by a batch: what lies before may go. Offsets that are not
// durable yet count as kept, and never more than where readers stop is given.
func (l *Log) StartForBytes(keep int64) (offset int64, err error) {
	if err := l.load(loadedTail); err != nil {
		return 0, err
	}
	l.mu.Lock()
	start, end := l.start, l.readEnd()
	at, bytes := l.settled, l.startBytes
	target := l.bytes - max(keep, 0)
	err = l.usable()
	l.mu.Unlock()
	if err != nil || start == end || bytes >= target {
		return start, err
	}
	b, err := l.search(start, end, func(r *timeRow) bool { return r.total() >= target })
	if err != nil {
		return start, err
	}
	if b.before.exists() {
		at, bytes = b.before.last+1, b.before.total()
	}
	if bytes < target && at < end {
		err = l.scan(at, end, func(b record.Batch) bool {
			at, bytes = b.LastOffset()+1, bytes+int64(len(b))
			return bytes < target
		})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.start > start || l.readEnd() < end {
		return l.start, l.usable() // cut meanwhile: the next look starts from there
	}
	if err != nil {
		return start, err
	}
	return l.found(cut{offset: at, oldest: b.before.appended}), nil
}
