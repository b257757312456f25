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
	// Generation is that of the Promise under which a replica leads; its epoch
	// is stamped. 0 for a standalone log, which stamps Options.LeaderEpoch.
	Generation uint64
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
// ErrStaleEpoch, ErrStaleGeneration, ErrVoid, or what the first touch of a log met
// when it read its rows. A replica's append may be dropped later, by a newer
// generation: the receipt says so.
func (l *Log) Append(b record.Batch, o AppendOptions) (Receipt, error) {
	if err := l.logs.store.Writable(); err != nil {
		return Receipt{}, err
	}
	l.logs.sawNow(o.Now)
	need := loadedTail | loadedIndex | loadedEpochs
	if b.ProducerID() >= 0 {
		need |= loadedProducers
	}
	if err := l.lockLoaded(need); err != nil {
		return Receipt{}, err
	}
	r, evicted, err := l.appendLocked(b, o)
	l.mu.Unlock()
	evict(evicted)
	return r, err
}

// lockLoaded takes mu with the parts loaded, or the log deleted; upon an error it is not taken.
func (l *Log) lockLoaded(need loadedParts) error {
	for {
		l.mu.Lock()
		if l.loaded&need == need || l.state == stateDeleted {
			return nil
		}
		l.mu.Unlock()
		if err := l.load(need); err != nil {
			return err
		}
	}
}

// appendLocked is Append with mu held and everything loaded.
func (l *Log) appendLocked(b record.Batch, o AppendOptions) (Receipt, []*chunk, error) {
	if err := l.appendable(b, o.Generation); err != nil {
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
	mem.Stamp(l.next, l.epoch())
	if o.TimestampType == record.LogAppendTime {
		mem.StampAppendTime(now)
	}
	it := l.newItem(mem, now)
	hasRow := l.indexer.add(mem, now, &l.logs.opts)
	r := l.push(it, p.chunk, now, hasRow)
	l.check()
	return r, p.evicted, nil
}

// epoch is what Append stamps. Called with mu held.
func (l *Log) epoch() int32 {
	if l.replica {
		return l.promised
	}
	return l.logs.opts.LeaderEpoch
}

// newItem makes the item of a stamped batch, with the rows that go with it but for
// the time row. Called with mu held.
func (l *Log) newItem(mem record.Batch, now int64) *appendItem {
	it := &appendItem{log: l, generation: l.generation, replica: l.replica, batch: mem, last: mem.LastOffset()}
	l.addRows(it, now)
	return it
}

// push queues a batch whose rows are complete: hasRow says that the index's newest
// time row is its. Called with mu held.
func (l *Log) push(it *appendItem, c *chunk, now int64, hasRow bool) Receipt {
	gap := int64(-1)
	if hasRow {
		it.timeRow = l.row.append(make([]byte, 0, 48))
		gap = l.row.gap
	}
	if c != nil {
		l.recent.add(recentEntry{last: it.last, seq: c.seq, mem: it.batch, appended: now, gap: gap})
	}
	r := Receipt{Base: l.next, Last: it.last, AppendTime: now}
	l.next = it.last + 1
	l.last = l.logs.store.Enqueue(it)
	r.commit = l.last
	if it.replica {
		r.item = it
	}
	return r
}

// appendable is nil or why nothing can be appended now. Called with mu held.
func (l *Log) appendable(b record.Batch, generation uint64) error {
	if err := l.writable(); err != nil {
		return err
	}
	if (l.replica || generation != 0) && (!l.leading || generation != l.generation) {
		return l.stale(generation)
	}
	if l.next > math.MaxInt64-1-int64(b.LastOffsetDelta()) {
		return fmt.Errorf("%w: topic id %d partition %d ends at %d",
			ErrOffsetsExhausted, l.part.Topic, l.part.Index, l.next)
	}
	if n := len(l.epochs); n > 0 && l.epochs[n-1].Epoch > l.epoch() {
		return fmt.Errorf("%w: %d, ours is %d", ErrStaleEpoch, l.epochs[n-1].Epoch, l.epoch())
	}
	return nil
}

// writable is nil or why no role can append now. Called with mu held.
func (l *Log) writable() error {
	if err := l.usable(); err != nil {
		return err
	}
	if l.state == stateTruncating {
		return ErrTruncating
	}
	if l.void {
		return fmt.Errorf("%w: topic id %d partition %d", ErrVoid, l.part.Topic, l.part.Index)
	}
	return nil
}

// Duplicate says what Append would find: the receipt of the first append, and true,
// for one of the producer's last five batches; an error where Append would refuse it
// for its sequence or epoch. It changes nothing.
func (l *Log) Duplicate(b record.Batch) (Receipt, bool, error) {
	if b.ProducerID() < 0 {
		return Receipt{}, false, nil
	}
	if err := l.lockLoaded(loadedProducers); err != nil {
		return Receipt{}, false, err
	}
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return Receipt{}, false, err
	}
	original, err := l.producers.check(b)
	if err != nil || original == nil {
		return Receipt{}, false, err
	}
	return l.duplicate(original), true, nil
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

// addRows adds to it the rows that go with its batch, but for the time row, and
// accounts for them. Called with mu held.
func (l *Log) addRows(it *appendItem, now int64) {
	if l.start == l.next {
		l.oldest = now
		if l.settled == l.start {
			l.settledOldest, it.meta = now, true
		}
	}
	it.meta = it.meta || !l.hasMeta
	l.hasMeta = true
	l.epochs, it.epochs = noteEpoch(l.epochs, it.batch.LeaderEpoch(), l.next)
	if it.batch.ProducerID() >= 0 {
		l.producers.add(it, now)
	}
}

// appendItem is one batch and the rows that go with it. Nothing of it changes
// once it is enqueued, but for dropped.
type appendItem struct {
	log        *Log
	generation uint64
	replica    bool // a newer generation drops it
	meta       bool // put the 'm' row
	dropped    bool // written by Rows, read once the commit is done
	epochs     *epochChange

	batch       record.Batch // in the arena
	last        int64        // its last offset
	timeRow     []byte       // nil: none
	producerRow []byte       // nil: none
	forget      int64        // producer whose row is deleted; where producerRow is set and >= 0
}

// Rows implements kv.Item.
func (it *appendItem) Rows(w *kv.Rows) {
	p := it.log.part
	if it.replica && !it.admit() {
		it.dropped = true
		return
	}
	if it.meta {
		it.log.mu.Lock()
		m := it.log.putMeta(it.log.resets)
		it.log.mu.Unlock()
		w.PutMeta(p, m.append(make([]byte, 0, metaSize)))
	}
	it.epochs.rows(w, p)
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

// admit says whether the log's generation is still the item's. From then on none
// can drop it any more: it may be shipped.
func (it *appendItem) admit() bool {
	l := it.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if it.generation != l.generation {
		return false
	}
	l.applied = it.last + 1
	if it.epochs != nil {
		l.appliedEpochs, _ = noteEpoch(l.appliedEpochs, it.epochs.epoch, it.epochs.start)
	}
	l.publish()
	return true
}

// Size implements kv.Item. It counts keys too.
func (it *appendItem) Size() int {
	const row = 64
	return len(it.batch) + len(it.timeRow) + len(it.producerRow) + metaSize + 5*row + it.epochs.size()
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
	if it.replica {
		l.publish() // its readers wait for the high watermark
		return
	}
	l.wakeAll()
}
