package partitionlog

import (
	"fmt"
	"math"

	"github.com/skidway/skidway/record"
)

// AppendShipped appends batches as a leader stamped them: offsets and epochs are
// kept. All rows come out as they are in the leader's log. The batches are copied.
// All of them are queued, or, upon an error, none: ErrDiscontinuous (a base
// that is not the log's end, an epoch that goes back or is not promised, a checksum;
// it names topic, partition and offset), ErrStaleGeneration, ErrTruncating, ErrVoid,
// ErrDeleted, kv.ErrDiskFull, or what the first touch of a log met. The receipt is of
// the last batch. Only after Replicate.
func (l *Log) AppendShipped(generation uint64, batches []Shipped) (Receipt, error) {
	if err := l.logs.store.Writable(); err != nil {
		return Receipt{}, err
	}
	need := loadedTail | loadedIndex | loadedEpochs
	for i := range batches {
		if err := l.checkShipped(&batches[i]); err != nil {
			return Receipt{}, err
		}
		if batches[i].Batch.ProducerID() >= 0 {
			need |= loadedProducers
		}
		l.logs.sawNow(batches[i].Appended)
	}
	if err := l.lockLoaded(need); err != nil {
		return Receipt{}, err
	}
	r, evicted, err := l.followLocked(generation, batches)
	l.mu.Unlock()
	evict(evicted)
	return r, err
}

// checkShipped checks a batch by itself.
func (l *Log) checkShipped(s *Shipped) error {
	b, rest, err := record.Split(s.Batch)
	switch {
	case err != nil:
		return l.discontinuous(-1, err.Error())
	case len(rest) != 0:
		return l.discontinuous(b.BaseOffset(), fmt.Sprintf("%d bytes behind the batch", len(rest)))
	case b.BaseOffset() < 0 || b.LastOffsetDelta() < 0 || b.BaseOffset() > math.MaxInt64-1-int64(b.LastOffsetDelta()):
		return l.discontinuous(b.BaseOffset(), "its offsets are out of bounds")
	case s.Gap < -1 || s.Appended < 0 || s.Gap > s.Appended:
		return l.discontinuous(b.BaseOffset(), "its append time is out of bounds")
	}
	if err := b.VerifyCRC(); err != nil {
		return l.discontinuous(b.BaseOffset(), err.Error())
	}
	return nil
}

func (l *Log) discontinuous(offset int64, why string) error {
	return fmt.Errorf("%w: topic id %d partition %d offset %d: %s",
		ErrDiscontinuous, l.part.Topic, l.part.Index, offset, why)
}

// followLocked is AppendShipped with mu held and everything loaded.
func (l *Log) followLocked(generation uint64, batches []Shipped) (Receipt, []*chunk, error) {
	if err := l.followable(generation, batches); err != nil {
		return Receipt{}, nil, err
	}
	r := Receipt{done: l.logs.closed}
	var evicted []*chunk
	for i := range batches {
		s := batches[i]
		now := max(s.Appended, l.appended)
		p := l.logs.arena.take(l, len(s.Batch))
		copy(p.mem, s.Batch)
		s.Batch = p.mem
		it := l.newItem(s.Batch, now)
		hasRow := l.indexer.addShipped(&s, now, &l.logs.opts)
		r = l.push(it, p.chunk, now, hasRow)
		evicted = append(evicted, p.evicted...)
	}
	l.check()
	return r, evicted, nil
}

// followable is nil or why the batches do not continue the log. Called with mu held.
func (l *Log) followable(generation uint64, batches []Shipped) error {
	if err := l.writable(); err != nil {
		return err
	}
	if !l.replica || l.leading || generation != l.generation {
		return l.stale(generation)
	}
	next, epoch := l.next, epochAt(l.epochs, l.next-1)
	for i := range batches {
		b := batches[i].Batch
		switch {
		case b.BaseOffset() != next:
			return l.discontinuous(b.BaseOffset(), fmt.Sprintf("the log ends at %d", next))
		case b.LeaderEpoch() < max(epoch, 0):
			return l.discontinuous(next, fmt.Sprintf("leader epoch %d behind records of %d", b.LeaderEpoch(), epoch))
		case b.LeaderEpoch() > l.promised:
			return l.discontinuous(next, fmt.Sprintf("leader epoch %d, promised is %d", b.LeaderEpoch(), l.promised))
		}
		next, epoch = b.LastOffset()+1, b.LeaderEpoch()
	}
	return nil
}
