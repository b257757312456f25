package partitionlog

import (
	"fmt"
	"math"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// AppendOptions say how a batch is appended.
type AppendOptions struct {
	// Now is the append time, ms. A log's append times never go back: an
	// earlier one counts as the newest before it.
	Now int64
	// TimestampType LogAppendTime replaces the records' timestamps by the
	// append time.
	TimestampType record.TimestampType
}

// Append assigns the next offsets to a batch that the caller has validated,
// stamps them and the leader epoch, and hands it to the store. It does not wait
// for the disk: the receipt tells when the batch is durable, and only then do
// readers see it. b is copied: it is neither changed nor needed afterwards.
//
// A batch of an idempotent producer that is one of its last five gets the
// offsets of the first time, and is done when that one is.
//
// An error means that nothing was appended: kv.ErrDiskFull, ErrDeleted,
// *SequenceError, ErrProducerFenced, ErrTruncating, ErrOffsetsExhausted,
// ErrStaleEpoch, or what the first touch of a log met when it read its rows.
func (l *Log) Append(b record.Batch, o AppendOptions) (Receipt, error) {
	if err := l.logs.store.Writable(); err != nil {
		return Receipt{}, err
	}
	l.logs.sawNow(o.Now)
	need := loadedTail | loadedIndex
	if b.ProducerID() >= 0 {
		need |= loadedProducers
	}
	for {
		l.mu.Lock()
		if l.loaded&need == need || l.state == stateDeleted {
			r, evicted, err := l.appendLocked(b, o)
			l.mu.Unlock()
			evict(evicted)
			return r, err
		}
		l.mu.Unlock()
		if err := l.load(need); err != nil {
			return Receipt{}, err
		}
	}
}

// appendLocked is Append with mu held and everything loaded.
func (l *Log) appendLocked(b record.Batch, o AppendOptions) (Receipt, []*chunk, error) {
	if err := l.appendable(b); err != nil {
		return Receipt{}, nil, err
	}
	if b.ProducerID() >= 0 {
		original, err := l.producers.check(b)
		if err != nil {
			return Receipt{}, nil, err
		}
		if original != nil {
			return l.duplicate(original), nil, nil
		}
	}
	now := max(o.Now, l.appended)
	p := l.logs.arena.take(l, len(b))
	mem := record.Batch(p.mem)
	copy(mem, b)
	mem.Stamp(l.next, l.logs.opts.LeaderEpoch)
	if o.TimestampType == record.LogAppendTime {
		mem.StampAppendTime(now)
	}
	it := &appendItem{log: l, generation: l.generation, batch: mem, last: mem.LastOffset(), epoch: -1}
	l.addRows(it, now)
	if p.chunk != nil {
		l.recent.add(recentEntry{last: it.last, seq: p.chunk.seq, mem: mem})
	}
	r := Receipt{Base: l.next, Last: it.last, AppendTime: now}
	l.next = it.last + 1
	l.last = l.logs.store.Enqueue(it)
	r.commit = l.last
	l.check()
	return r, p.evicted, nil
}

// appendable is nil or why nothing can be appended now. Called with mu held.
func (l *Log) appendable(b record.Batch) error {
	if err := l.usable(); err != nil {
		return err
	}
	if l.state == stateTruncating {
		return ErrTruncating
	}
	if l.next > math.MaxInt64-1-int64(b.LastOffsetDelta()) {
		return fmt.Errorf("%w: topic id %d partition %d ends at %d",
			ErrOffsetsExhausted, l.part.Topic, l.part.Index, l.next)
	}
	if n := len(l.epochs); n > 0 && l.epochs[n-1].epoch > l.logs.opts.LeaderEpoch {
		return fmt.Errorf("%w: %d, ours is %d", ErrStaleEpoch, l.epochs[n-1].epoch, l.logs.opts.LeaderEpoch)
	}
	return nil
}

// duplicate answers a batch that was appended before. Called with mu held.
func (l *Log) duplicate(original *sequenced) Receipt {
	r := Receipt{Base: original.base, Last: original.lastOffset(), AppendTime: original.appended, Duplicate: true}
	if r.Last < l.end {
		r.done = l.logs.closed
		return r
	}
	r.commit = l.last // at least as late as the original's
	return r
}

// addRows adds to it the rows that go with its batch, and accounts for them.
// Called with mu held.
func (l *Log) addRows(it *appendItem, now int64) {
	if l.start == l.next {
		l.oldest = now
		if l.settled == l.start {
			l.settledOldest, it.meta = now, true
		}
	}
	it.meta = it.meta || !l.hasMeta
	l.hasMeta = true
	epoch := l.logs.opts.LeaderEpoch
	if n := len(l.epochs); n == 0 || l.epochs[n-1].epoch < epoch {
		l.epochs = append(l.epochs, epochStart{epoch: epoch, start: l.next})
		it.epoch, it.epochStart = epoch, l.next
	}
	if it.batch.ProducerID() >= 0 {
		l.producers.add(it, now)
	}
	if l.indexer.add(it.batch, now, &l.logs.opts) {
		it.timeRow = l.row.append(make([]byte, 0, 48))
	}
}

// appendItem is one batch and the rows that go with it. Nothing of it changes
// once it is enqueued.
type appendItem struct {
	log        *Log
	generation uint32
	meta       bool  // put the 'm' row
	epoch      int32 // put its 'e' row; -1: none
	epochStart int64

	batch       record.Batch // in the arena
	last        int64        // its last offset
	timeRow     []byte       // nil: none
	producerRow []byte       // nil: none
	forget      int64        // producer whose row is deleted; where producerRow is set and >= 0
}

// Rows implements kv.Item.
func (it *appendItem) Rows(w *kv.Rows) {
	p := it.log.part
	if it.meta {
		it.log.mu.Lock()
		m := it.log.meta()
		it.log.mu.Unlock()
		w.PutMeta(p, m.append(make([]byte, 0, metaSize)))
	}
	if it.epoch >= 0 {
		w.PutEpoch(p, it.epoch, it.epochStart)
	}
	w.PutBatch(p, it.last, it.batch)
	if it.timeRow != nil {
		w.PutTime(p, it.last, it.timeRow)
	}
	if it.producerRow != nil {
		if it.forget >= 0 {
			w.DeleteProducer(p, it.forget)
		}
		w.PutProducer(p, it.batch.ProducerID(), it.producerRow)
	}
}

// Size implements kv.Item. It counts keys too.
func (it *appendItem) Size() int {
	const row = 64
	return len(it.batch) + len(it.timeRow) + len(it.producerRow) + metaSize + 5*row
}

// Durable implements kv.Item: it publishes the durable end.
func (it *appendItem) Durable() {
	l := it.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if it.generation != l.generation || l.state == stateDeleted {
		return
	}
	l.end = it.last + 1
	l.check()
	l.wakeAll()
}
