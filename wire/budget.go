package wire

import (
	"container/list"
	"context"
	"sync"
)

// budget shares memory among frames that arrive. A frame leases what it needs as
// its bytes arrive, so that several may each hold a part and wait for more. Two
// rules keep that from locking up: frames that have begun go before new ones,
// and when none of them can go on, the one that waits longest may overdraw the
// budget until it is done. The overdraft is at most one frame. Within each of
// the two queues the order is that of arrival.
type budget struct {
	mu sync.Mutex
	// free may be negative while overdrawn.
	free      int64
	overdrawn bool      // invariant: at most one lease has overdraft set, and this tells whether
	growing   list.List // of *waiter: leases that hold memory already
	fresh     list.List // of *waiter: leases that hold none
}

// lease is one frame's part of the budget. Not safe for concurrent use.
type lease struct {
	b         *budget
	n         int64
	overdraft bool
}

type waiter struct {
	l     *lease
	n     int64
	ready chan struct{} // closed under mu when granted
}

func newBudget(total int64) *budget { return &budget{free: total} }

// grow adds n bytes to the lease, waiting for them as long as ctx lasts.
func (l *lease) grow(ctx context.Context, n int64) error {
	b := l.b
	b.mu.Lock()
	queue := &b.fresh
	if l.n > 0 {
		queue = &b.growing
	}
	w := &waiter{l: l, n: n}
	if l.overdraft || (b.growing.Len() == 0 && queue.Len() == 0 && b.free >= n) {
		b.grant(w)
		b.mu.Unlock()
		return nil
	}
	w.ready = make(chan struct{})
	place := queue.PushBack(w)
	b.dispatch()
	b.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready: // granted meanwhile: the lease has it and will release it
		return nil
	default:
	}
	queue.Remove(place)
	b.dispatch()
	return ctx.Err()
}

// release gives everything back. The lease may be used anew.
func (l *lease) release() {
	if l.n == 0 {
		return
	}
	b := l.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += l.n
	if l.overdraft {
		b.overdrawn = false
	}
	l.n, l.overdraft = 0, false
	b.dispatch()
}

// grant is called under mu.
func (b *budget) grant(w *waiter) {
	b.free -= w.n
	w.l.n += w.n
	if w.ready != nil {
		close(w.ready)
	}
}

// dispatch grants what can be granted; called under mu.
func (b *budget) dispatch() {
	for b.growing.Len() > 0 {
		e := b.growing.Front()
		w := e.Value.(*waiter)
		if b.free < w.n {
			if b.overdrawn {
				return
			}
			b.overdrawn, w.l.overdraft = true, true
		}
		b.growing.Remove(e)
		b.grant(w)
	}
	for b.fresh.Len() > 0 {
		e := b.fresh.Front()
		w := e.Value.(*waiter)
		if b.free < w.n {
			return
		}
		b.fresh.Remove(e)
		b.grant(w)
	}
}

// available is what is free now; negative when overdrawn.
func (b *budget) available() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.free
}
