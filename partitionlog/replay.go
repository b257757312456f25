package partitionlog

import (
	"maps"

	"github.com/skidway/skidway/record"
)

// producersWithout gives, for each producer with a batch at or above end, what
// is left of it below. Called with slow held while no one appends.
func (l *Log) producersWithout(start, end int64) ([]*producer, error) {
	var touched []*producer
	missing := make(map[int64]*producer)
	l.mu.Lock()
	for e := l.producers.byUse.Back(); e != nil; e = e.Prev() {
		p := e.Value.(*producer)
		if p.newest().lastOffset() < end {
			continue
		}
		left := &producer{id: p.id, producerState: p.producerState}
		for left.count > 0 && left.newest().lastOffset() >= end {
			left.count--
		}
		touched = append(touched, left)
		if left.count == 0 || p.count == remembered { // there may be more than is remembered
			missing[p.id] = left
		}
	}
	l.mu.Unlock()
	return touched, l.replay(missing, start, end)
}

// rebuildBytes is how far back a producer's state that is damaged is looked for.
const rebuildBytes = 32 << 20

// rebuildProducers makes states anew, from the log's last batches, whose row is
// damaged, or missing or behind for a producer that has a batch among the newest.
// Called with slow held.
func (l *Log) rebuildProducers(found []*producer, damaged map[int64]*producer) (rebuilt []*producer, err error) {
	l.mu.Lock()
	start, end, from, bytes := l.settled, l.end, max(l.row.base, l.settled), l.bytes
	l.mu.Unlock()
	byID := make(map[int64]*producer, len(found))
	for _, p := range found {
		byID[p.id] = p
	}
	if from < end && len(found) < l.logs.opts.MaxProducers { // else it was forgotten rightly
		err := l.scan(from, end, func(b record.Batch) bool {
			id := b.ProducerID()
			if p := byID[id]; id >= 0 && (p == nil || p.newest().lastOffset() < b.LastOffset()) {
				damaged[id] = &producer{id: id}
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	if len(damaged) == 0 {
		return nil, nil
	}
	near, err := l.search(start, end, func(r *timeRow) bool { return r.total() >= bytes-rebuildBytes })
	if err != nil {
		return nil, err
	}
	missing := maps.Clone(damaged)
	if err := l.replay(missing, max(start, near.before.last+1), end); err != nil {
		return nil, err
	}
	for id, p := range damaged {
		switch known := byID[id]; {
		case p.count == 0:
		case known != nil:
			known.producerState = p.producerState
		default:
			rebuilt = append(rebuilt, p)
		}
	}
	return rebuilt, nil
}

// replayStep is how many offsets replay reads at first; it doubles.
const replayStep = 4096

// replay completes the states of producers from the batches in start..end-1: the
// last five of the newest epoch. It goes from the end backwards, as far as it
// has to: a producer that has fewer makes it read all.
func (l *Log) replay(missing map[int64]*producer, start, end int64) error {
	high := end
	for step := int64(replayStep); len(missing) > 0 && high > start; step *= 2 {
		low := max(start, high-step)
		found := make(map[int64]*producer)
		first := high
		row, err := l.rowBefore(high)
		if err != nil {
			return err
		}
		err = l.scan(low, high, func(b record.Batch) bool {
			first = min(first, b.BaseOffset())
			if p := missing[b.ProducerID()]; p != nil && (p.count == 0 || b.BaseOffset() < p.batches[0].base) {
				replayBatch(found, b, row.appended)
			}
			return true
		})
		if err != nil {
			return err
		}
		for id, p := range found {
			if missing[id].prepend(&p.producerState) {
				delete(missing, id)
			}
		}
		high = max(first, start)
	}
	return nil
}

// replayBatch lets a batch of an idempotent producer happen again.
func replayBatch(found map[int64]*producer, b record.Batch, appended int64) {
	p := found[b.ProducerID()]
	if p == nil {
		p = &producer{id: b.ProducerID()}
		found[p.id] = p
	}
	if p.epoch != b.ProducerEpoch() {
		p.producerState = producerState{epoch: b.ProducerEpoch()}
	}
	if b.TimestampType() == record.LogAppendTime {
		appended = b.MaxTimestamp()
	}
	p.add(sequenced{first: b.BaseSequence(), span: b.LastOffsetDelta(), base: b.BaseOffset(), appended: appended})
}

// prepend puts what happened before in front of s, and says whether s needs
// nothing from further back.
func (s *producerState) prepend(older *producerState) (whole bool) {
	if s.count == 0 {
		*s = *older
		return s.count == remembered
	}
	if older.epoch != s.epoch {
		return true
	}
	n := min(remembered-s.count, older.count)
	merged := producerState{epoch: s.epoch}
	for _, b := range older.batches[older.count-n : older.count] {
		merged.add(b)
	}
	for _, b := range s.list() {
		merged.add(b)
	}
	*s = merged
	return s.count == remembered
}
