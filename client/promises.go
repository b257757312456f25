package client

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/wire"
)

// outcome is one batch of which the promises are to be called; or a mark in their order, if batch is nil.
type outcome struct {
	topic     string
	partition int32
	batch     *batch
	flushes   []*flush
}

// promises calls the promises of batches, one after another, on one goroutine. Its queue is not bounded: a promise
// may call SendAsync, and what is in the queue counts no more for the buffer.
type promises struct {
	p     *Producer
	ready chan struct{} // holds a token when the queue may not be empty

	mu     sync.Mutex // guards all below; nothing is called under it
	queue  []outcome
	closed bool
}

func newPromises(p *Producer) *promises { return &promises{p: p, ready: make(chan struct{}, 1)} }

// put adds an outcome. Outcomes of one partition are put under its lock, so they are in its order.
func (q *promises) put(o outcome) {
	q.mu.Lock()
	q.queue = append(q.queue, o)
	q.mu.Unlock()
	notify(q.ready)
}

// close ends run when the queue is empty.
func (q *promises) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	notify(q.ready)
}

func (q *promises) run() {
	var spare []outcome
	for {
		q.mu.Lock()
		batch, closed := q.queue, q.closed
		if len(batch) > 0 {
			q.queue, spare = spare, nil
		}
		q.mu.Unlock()
		if len(batch) == 0 {
			if closed {
				return
			}
			<-q.ready
			continue
		}
		for i := range batch {
			q.tell(&batch[i])
			batch[i] = outcome{}
		}
		spare = batch[:0]
	}
}

// tell calls the promises of one batch.
func (q *promises) tell(o *outcome) {
	if b := o.batch; b != nil {
		r := Record{Topic: o.topic, Partition: o.partition}
		for i := range b.entries {
			e := &b.entries[i]
			r.Offset, r.Timestamp = -1, time.UnixMilli(e.timestamp)
			if b.err == nil && b.base >= 0 {
				r.Offset = b.base + int64(e.delta)
			}
			if b.err == nil && b.stamped >= 0 {
				r.Timestamp = time.UnixMilli(b.stamped)
			}
			r.Key, r.Value, r.Headers = e.key, e.value, e.headers
			if b.err != nil {
				e.promise(r, b.err)
				continue
			}
			e.promise(r, nil)
		}
		if b.err == nil {
			q.p.c.opts.Hooks.produceBatch(o.topic, o.partition, int(b.count), len(b.data))
		}
		q.p.release(b)
	}
	for _, f := range o.flushes {
		f.less()
	}
}

// flush waits for a number of outcomes.
type flush struct {
	left atomic.Int64
	done chan struct{} // closed when left is 0
}

func newFlush() *flush {
	f := &flush{done: make(chan struct{})}
	f.left.Store(1)
	return f
}

func (f *flush) more() *flush {
	f.left.Add(1)
	return f
}

func (f *flush) less() {
	if f.left.Add(-1) == 0 {
		close(f.done)
	}
}

// notify puts a token into a channel that holds one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// topicStale tells whether an error says that what is known of a topic is out of date.
func topicStale(c Code) bool {
	switch c {
	case wire.CodeUnknownTopic, wire.CodeUnknownTopicID, wire.CodeUnknownPartition, wire.CodeNotLeader,
		wire.CodeNotEnoughReplicas: // a leader that is cut off says so until another one leads
		return true
	}
	return false
}
