package client

import (
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// partition is a Producer's side of one partition: the batches on their way, in the order of their records.
//
// An idempotent producer's rules, which keep one copy of each record, in order:
//   - A batch gets its sequence when it is sent first; what follows gets the next ones.
//   - When a batch is refused, nothing more is sent until all that is under way was answered; then all that was
//     refused is sent again, in
//
// order.
//   - A batch that a request without an answer carried is pinned: it is sent again as it was, under the same
//     sequence, or fails as unknown.
//   - When a batch before it is missing for good, a batch that is not pinned gets a new number under a new identity.
//     A pinned one fails as
//
// unknown: the log may hold it.
//   - Until the broker has taken a batch under an identity, one is under way: it might take any sequence for the
//     first one.
type partition struct {
	p     *Producer
	topic *topic
	index int32

	mu      sync.Mutex // guards all below, and the batches; see the order of locks in the package's comment
	id      uint64     // of the topic
	sender  *sender    // the leader's; nil: there is no leader now
	carrier *sender    // whose requests carry what is sent
	batches []*batch   // done, sent and refused ones come first, an open one last
	sent    int        // requests without an answer that carry a batch of this partition
	term    uint64     // counts the changes of sender
	listed  bool       // on the list of its sender, in this term
	dead    bool       // the topic is gone: takes no records

	ident  identity // what the next batch is numbered under
	next   int32    // the next batch's sequence
	guess  int32    // the sequence that a batch gets if all before it goes well: what it is sealed with
	proven bool     // the broker took a batch under ident
	broken bool     // a batch under ident failed: those that follow need another identity

	retryAt time.Time                   // nothing is sent before; zero: now
	pauses  *backoff.ExponentialBackOff // nil: nothing was refused since the last success
}

func newPartition(t *topic, index int32, id uint64) *partition {
	return &partition{p: t.p, topic: t, index: index, id: id, ident: noIdentity()}
}

func (t *partition) at() where { return where{topic: t.topic.name, partition: t.index} }

// add appends a record. False: the partition takes none any more.
func (t *partition) add(r *Record, ms int64, promise func(Record, error)) bool {
	cost := r.cost()
	t.mu.Lock()
	if t.dead {
		t.mu.Unlock()
		return false
	}
	var full *batch
	b := t.open()
	if b != nil && b.builder.Size()+int(cost) > t.p.batchBytes {
		full, b = b, nil
		t.close(full)
	}
	if b == nil {
		b = t.begin()
	}
	b.builder.Append(record.Record{Timestamp: ms, Key: r.Key, Value: r.Value, Headers: r.Headers})
	if promise != nil {
		b.entries = append(b.entries, entry{delta: b.count, timestamp: ms, key: r.Key, value: r.Value,
			headers: r.Headers, promise: promise})
	}
	b.count++
	b.cost += cost + overhead
	t.mu.Unlock()
	if full != nil {
		t.topic.spread.full(t.index, t.topic.count())
		t.seal(full)
		t.relist()
	}
	return true
}

// open returns the batch that takes records, nil if there is none.
func (t *partition) open() *batch {
	if n := len(t.batches); n > 0 && t.batches[n-1].state == batchOpen {
		return t.batches[n-1]
	}
	return nil
}

// begin opens a batch and sees to it that it is sent in time.
func (t *partition) begin() *batch {
	b := &batch{builder: t.p.pools.builder(), entries: t.p.pools.entrySlice(), born: time.Now(), ident: noIdentity(),
		base: -1, stamped: -1}
	t.batches = append(t.batches, b)
	switch {
	case t.p.opts.Linger == 0 || t.p.budget.short():
		b.hurried = true
		t.list()
	case t.sender == nil: // who becomes it will not let it linger
	default:
		t.sender.linger(t, b.born.Add(t.p.opts.Linger))
	}
	return b
}

// close ends a batch. The caller must seal it, without the lock.
func (t *partition) close(b *batch) {
	if t.firstUnsent() == b {
		t.guess = t.next
	}
	b.state, b.ident, b.seq = batchClosed, t.ident, t.guess
	t.guess = advance(t.guess, b.count)
}

// firstUnsent returns the first batch that waits to be sent, nil if there is none.
func (t *partition) firstUnsent() *batch {
	for _, b := range t.batches {
		if b.state < batchSent {
			return b
		}
	}
	return nil
}

// seal encodes a closed batch. It is called without the lock; the builder belongs to the caller meanwhile.
func (t *partition) seal(b *batch) {
	seq := b.seq
	if b.ident.gen == 0 {
		seq = -1
	}
	b.builder.SetProducer(b.ident.id, b.ident.epoch, seq)
	memory := t.p.pools.bytes(b.builder.Size())
	data, err := b.builder.Seal(memory)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.pools.putBuilder(b.builder)
	b.builder = nil
	switch {
	case b.state != batchClosed: // its time ran out meanwhile
	case err != nil:
		e := newError(wire.CodeInvalidBatch, t.at(), "encoding a batch: %v", err)
		e.Err = err
		b.finish(e)
		t.reap()
	default:
		b.data, b.seq, b.state = data, seq, batchReady
		if cap(memory) > 0 && &data[0] == &memory[:1][0] {
			b.memory = memory
		}
	}
}

// relist is list, without the lock.
func (t *partition) relist() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list()
}

// ripen lists the partition if its batch has lingered long enough by now.
func (t *partition) ripen(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.open()
	if b != nil && now.Sub(b.born) >= t.p.opts.Linger {
		b.hurried = true
		t.list()
	}
}

// list puts the partition on its sender's list.
func (t *partition) list() {
	if t.sender != nil && !t.listed {
		t.listed = true
		t.sender.list(listing{t, t.term})
	}
}

// take returns the next batch that the sender on whose list it is may send now, marked as sent; nil if there is none.
// Then, if the time is not zero, it is worth asking again at that time. The term is the listing's.
func (t *partition) take(term uint64, now time.Time) (*batch, time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.term == term {
		t.listed = false
	}
	for {
		if t.term != term || t.sent > 0 && t.carrier != t.sender || t.sent >= t.p.opts.MaxInFlight {
			return nil, time.Time{}
		}
		if t.retryAt.After(now) {
			return nil, t.retryAt
		}
		if t.id != t.topic.id.Load() {
			if t.sent > 0 {
				return nil, time.Time{}
			}
			t.rebase()
		}
		b := t.candidate()
		switch {
		case b == nil:
			return nil, time.Time{}
		case b.state == batchReady:
			if !t.dispatch(b) {
				return nil, time.Time{}
			}
			return b, time.Time{}
		}
		t.close(b)
		t.mu.Unlock()
		t.topic.spread.full(t.index, t.topic.count())
		t.seal(b)
		t.mu.Lock()
	}
}

// candidate returns the batch that is next to be sent: ready, or open and due. The first batch is one whose outcome
// is not known; none that comes MaxInFlight or more behind it is sent, since the broker remembers no more than the
// last five.
func (t *partition) candidate() *batch {
	for i, b := range t.batches {
		if i >= t.p.opts.MaxInFlight {
			return nil
		}
		switch b.state {
		case batchReady:
			return b
		case batchOpen:
			if b.hurried {
				return b
			}
			return nil
		case batchClosed, batchRefused:
			return nil
		}
	}
	return nil
}

// dispatch numbers a batch and marks it as sent. False: not now; the partition is listed again when that changes.
func (t *partition) dispatch(b *batch) bool {
	if t.p.opts.Idempotence == IdempotenceOn {
		if !b.pinned && (t.broken || t.ident.gen == 0) {
			if t.sent > 0 || !t.renew() {
				return false
			}
		}
		if !t.proven && t.sent > 0 {
			return false
		}
		if !b.pinned && (b.ident != t.ident || b.seq != t.next) {
			b.restamp(t.ident, t.next)
		}
		if b.seq == t.next { // else it is sent again, and what follows has its number
			t.next = advance(b.seq, b.count)
		}
	}
	b.state, b.gap = batchSent, false
	b.tries++
	t.sent++
	t.carrier = t.sender
	return true
}

// renew takes the producer's latest identity if the partition does not have it yet. False: it is being asked for.
func (t *partition) renew() bool {
	id, ok := t.p.identityAfter(t)
	if ok {
		t.ident, t.next, t.proven, t.broken = id, 0, false, false
	}
	return ok
}

// rebase follows a topic that was deleted and created again: the new one's partition knows nothing of this producer.
// What the old one may hold fails as unknown.
func (t *partition) rebase() {
	t.id = t.topic.id.Load()
	t.next, t.proven, t.broken = 0, false, false
	for _, b := range t.batches {
		if b.pinned && b.state != batchDone {
			e := newError(wire.CodeUnknownTopicID, t.at(), "the topic was deleted, and created again")
			e.Outcome = OutcomeUnknown
			b.finish(e)
		}
	}
	t.reap()
}

// reap hands the batches at the front whose outcome is known to the promises.
func (t *partition) reap() {
	n := 0
	for _, b := range t.batches {
		if b.state != batchDone {
			break
		}
		t.p.budget.release(b.cost)
		t.p.promises.put(outcome{topic: t.topic.name, partition: t.index, batch: b, flushes: b.flushes})
		t.batches[n] = nil
		n++
	}
	t.batches = t.batches[n:]
}
