package client

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/wire"
)

// topic is a Producer's side of a topic: its partitions once they are known, and records that came before.
type topic struct {
	p      *Producer
	name   string
	spread spread
	id     atomic.Uint64
	parts  atomic.Pointer[[]*partition] // nil: not known. Partitions stay what they are while the topic lives

	mu      sync.Mutex // guards all below; see the order of locks in the package's comment
	waiting []early
	closed  bool // the Producer is closed
}

// early is a record that came before the partitions of its topic were known.
type early struct {
	record  Record
	ms      int64
	promise func(Record, error)
	cost    int64 // of the budget
	came    time.Time
	flushes []*flush
}

// count is the number of partitions, 1 if it is not known.
func (t *topic) count() int32 {
	if parts := t.parts.Load(); parts != nil {
		return int32(len(*parts))
	}
	return 1
}

// put hands a record to its partition, or keeps it until that is known. Its bytes are acquired. An error means that
// it was not taken.
func (t *topic) put(r *Record, ms int64, promise func(Record, error)) *Error {
	for {
		if parts := t.parts.Load(); parts != nil {
			taken, err := t.place(*parts, r, ms, promise)
			if taken || err != nil {
				return err
			}
		}
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			return errClosed("producer")
		}
		if t.parts.Load() != nil { // they became known this moment
			t.mu.Unlock()
			continue
		}
		e := early{record: *r, ms: ms, promise: promise, cost: r.cost() + overhead, came: time.Now()}
		e.record.copyBytes()
		t.waiting = append(t.waiting, e)
		first := len(t.waiting) == 1
		t.mu.Unlock()
		if first {
			t.p.want(t)
		}
		return nil
	}
}

// place hands a record to one of the partitions. False without an error: the topic has fallen.
func (t *topic) place(parts []*partition, r *Record, ms int64, promise func(Record, error)) (bool, *Error) {
	n := int32(len(parts))
	index := t.p.opts.Partitioner.choose(t.name, r.Key, r.Partition, n, &t.spread)
	if index < 0 || index >= n {
		return false, newError(wire.CodeUnknownPartition, where{topic: t.name, partition: index},
			"the topic has %d partitions", n)
	}
	return parts[index].add(r, ms, promise), nil
}

// apply follows what the broker says of the topic.
func (t *topic) apply(info *topicInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.id.Store(info.id)
	var parts, gone []*partition
	if old := t.parts.Load(); old != nil {
		parts = append(parts, *old...)
	}
	if n := len(info.leaders); n < len(parts) { // only a topic created again has fewer
		parts, gone = parts[:n:n], parts[n:]
	}
	for i := len(parts); i < len(info.leaders); i++ {
		parts = append(parts, newPartition(t, int32(i), info.id))
	}
	for i, p := range parts {
		p.lead(t.p.senderOf(info.leaders[i].broker))
	}
	if len(parts) == 0 {
		return
	}
	early := t.waiting
	t.waiting = nil
	for i := range early {
		t.admit(parts, &early[i])
	}
	t.parts.Store(&parts)
	if t.closed {
		t.seal(parts)
	}
	for _, p := range gone {
		p.fall(newError(wire.CodeUnknownPartition, p.at(), "the topic was created again with %d partitions",
			len(parts)))
	}
}

// seal lets the partitions take no more records.
func (t *topic) seal(parts []*partition) {
	for _, p := range parts {
		p.mu.Lock()
		p.dead = true
		p.mu.Unlock()
	}
}

// admit hands on a record that waited.
func (t *topic) admit(parts []*partition, e *early) {
	taken, err := t.place(parts, &e.record, e.ms, e.promise)
	if err == nil && !taken {
		err = newError(wire.CodeUnknownTopic, where{topic: t.name, partition: -1}, "the topic was deleted")
	}
	if err != nil {
		t.refuse(e, err)
		return
	}
	for _, f := range e.flushes { // this record may not be the last of its partition: the flush covers them all
		for _, p := range parts {
			p.hurry(f)
		}
		t.p.promises.put(outcome{flushes: []*flush{f}})
	}
}

// refuse fails a record that waited.
func (t *topic) refuse(e *early, why *Error) {
	t.p.budget.release(e.cost)
	b := &batch{err: why, base: -1, stamped: -1}
	if e.promise != nil {
		b.entries = []entry{{timestamp: e.ms, key: e.record.Key, value: e.record.Value, headers: e.record.Headers,
			promise: e.promise}}
	}
	t.p.promises.put(outcome{topic: t.name, partition: why.Partition, batch: b, flushes: e.flushes})
}

// fall fails all that is on its way to the topic: it is gone. A later record asks for it anew.
func (t *topic) fall(why *Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.parts.Load(); old != nil {
		t.parts.Store(nil)
		for _, p := range *old {
			p.fall(why)
		}
	}
	for i := range t.waiting {
		e := *why
		e.Topic, e.Partition = t.name, -1
		t.refuse(&t.waiting[i], &e)
	}
	t.waiting = nil
}

// expire fails what has waited for longer than the delivery time.
func (t *topic) expire(now time.Time) {
	t.mu.Lock()
	n := 0
	for n < len(t.waiting) && now.Sub(t.waiting[n].came) >= t.p.opts.DeliveryTimeout {
		e := newError(wire.CodeTimedOut, where{topic: t.name, partition: -1},
			"the topic's partitions were not known within %v", t.p.opts.DeliveryTimeout)
		if cause := t.p.trouble.Load(); cause != nil {
			e.Message, e.Err = e.Message+": "+cause.Error(), cause
		}
		t.refuse(&t.waiting[n], e)
		n++
	}
	t.waiting = t.waiting[n:]
	asks := len(t.waiting) > 0
	t.mu.Unlock()
	if parts := t.parts.Load(); parts != nil {
		for _, p := range *parts {
			p.expire(now)
			asks = asks || p.stranded()
		}
	}
	if asks {
		t.p.want(t)
	}
}

// flush has f wait for all that was accepted so far.
func (t *topic) flush(f *flush) {
	t.mu.Lock()
	if n := len(t.waiting); n > 0 {
		t.waiting[n-1].flushes = append(t.waiting[n-1].flushes, f.more())
	}
	parts := t.parts.Load()
	t.mu.Unlock()
	if parts != nil {
		for _, p := range *parts {
			p.hurry(f)
		}
	}
}

// lead gives the partition to the sender of its leader, nil if there is none.
func (t *partition) lead(s *sender) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sender == s {
		return
	}
	if t.sender != nil {
		notify(t.sender.wake) // it may wait for an answer that is of no use any more
	}
	t.sender, t.term, t.listed = s, t.term+1, false
	if len(t.batches) > 0 {
		if b := t.open(); b != nil {
			b.hurried = true
		}
		t.list()
	}
}

// stranded tells whether batches wait for a leader.
func (t *partition) stranded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sender == nil && len(t.batches) > 0
}
