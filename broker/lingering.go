package broker

import (
	"sync"

	"github.com/skidway/skidway/partitionlog"
)

// lingering are the appends that nobody waits for any more: a produce with acks=0, or one that timed out. Their bytes
// stay in use until the store has them on disk, so they stay charged to Broker.queued until then. Receipts become
// durable in the order in which they were given, so one goroutine can wait for all.
type lingering struct {
	mu     sync.Mutex // guards what follows
	wake   sync.Cond
	queue  []lingerer
	closed bool
	done   chan struct{} // closed when the goroutine has ended
}

type lingerer struct {
	last  partitionlog.Receipt
	after func()
}

// init starts the goroutine.
func (l *lingering) init() {
	l.wake.L = &l.mu
	l.done = make(chan struct{})
	go l.run()
}

// add calls after once last is settled. The caller bounds what is added by Broker.queued.
func (l *lingering) add(last partitionlog.Receipt, after func()) {
	l.mu.Lock()
	l.queue = append(l.queue, lingerer{last, after})
	l.mu.Unlock()
	l.wake.Signal()
}

func (l *lingering) run() {
	defer close(l.done)
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.wake.Wait()
		}
		queue := l.queue
		l.queue = nil
		l.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, e := range queue {
			<-e.last.Done()
			e.after()
		}
	}
}

// stop waits until all that was added is settled. The store must still be open, or have failed.
func (l *lingering) stop() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.wake.Signal()
	<-l.done
}
