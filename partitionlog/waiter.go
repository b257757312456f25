package partitionlog

import "slices"

// Waiter is woken when one of the logs that it watches moves: its durable end,
// its truncation or its deletion. One serves a whole long poll over many logs.
// Watch first and read then, so that nothing slips between.
type Waiter struct {
	c chan struct{}
}

// NewWaiter makes a waiter that watches nothing.
func NewWaiter() *Waiter { return &Waiter{c: make(chan struct{}, 1)} }

// C has a value when a watched log has moved since the last receive. Many
// moves may make one value, and a value may tell of what was read already.
func (w *Waiter) C() <-chan struct{} { return w.c }

func (w *Waiter) wake() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// Watch makes w hear of l until Unwatch. A waiter of a deleted log is woken at
// once. Watching twice is hearing twice, and takes two Unwatch.
func (l *Log) Watch(w *Waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == stateDeleted {
		w.wake()
		return
	}
	l.waiters = append(l.waiters, w)
}

// Unwatch ends Watch. It does nothing where w does not watch l. It looks
// through the log's waiters, of which there are few.
func (l *Log) Unwatch(w *Waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiters, w)
	if i < 0 {
		return
	}
	last := len(l.waiters) - 1
	l.waiters[i] = l.waiters[last]
	l.waiters[last] = nil
	if l.waiters = l.waiters[:last]; last == 0 {
		l.waiters = nil
	}
}

// wakeAll is called with mu held.
func (l *Log) wakeAll() {
	for _, w := range l.waiters {
		w.wake()
	}
}
