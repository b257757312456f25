package broker

import (
	"context"
	"sync"
	"time"
)

// memory is a budget of bytes that all answers share, so that no number of clients and no size that they ask for
// makes the broker hold more (I-6). A holder that waits for bytes holds none, so that holders cannot wait for each
// other. Safe for concurrent use.
type memory struct {
	total int64

	mu    sync.Mutex // guards what follows; held for a few instructions
	used  int64      // may pass total by what force took
	waits int        // who sleeps on freed
	freed chan struct{}
}

func newMemory(total int64) *memory {
	return &memory{total: total, freed: make(chan struct{})}
}

// acquire waits until want bytes are free, at most for patience, and takes them; a want beyond the budget takes all of
// it. It returns what was taken, or 0 when the time was over, ctx ended or stop was closed first. Only who holds
// nothing may call it.
func (m *memory) acquire(ctx context.Context, stop <-chan struct{}, want int64, patience time.Duration) int64 {
	want = min(want, m.total)
	if m.try(want) {
		return want
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		m.mu.Lock()
		if m.used+want <= m.total {
			m.used += want
			m.mu.Unlock()
			return want
		}
		freed := m.freed
		m.waits++
		m.mu.Unlock()
		select {
		case <-freed: // release has counted the sleepers down
		case <-ctx.Done():
			m.leave(freed)
			return 0
		case <-stop:
			m.leave(freed)
			return 0
		case <-timer.C:
			m.leave(freed)
			return 0
		}
	}
}

// leave takes back a wait on freed, unless release has ended that wait already.
func (m *memory) leave(freed chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.freed == freed {
		m.waits--
	}
}

// try takes want bytes if they are free now.
func (m *memory) try(want int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used+want > m.total {
		return false
	}
	m.used += want
	return true
}

// force takes n bytes that are in use already: a batch that turned out larger than what was asked for, and what a
// buffer is larger than what lies in it. Each holder forces at most one batch, and as much again.
func (m *memory) force(n int64) {
	m.mu.Lock()
	m.used += n
	m.mu.Unlock()
}

// release gives n bytes back and wakes those who wait.
func (m *memory) release(n int64) {
	if n == 0 {
		return
	}
	m.mu.Lock()
	m.used -= n
	if m.used < 0 {
		panic("broker: more memory given back than taken")
	}
	if m.waits > 0 {
		close(m.freed)
		m.freed = make(chan struct{})
		m.waits = 0
	}
	m.mu.Unlock()
}

// inUse is the number of bytes taken.
func (m *memory) inUse() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}
