package bench

import (
	"context"
	"sync"
)

// slots hands out a producer's places for outstanding records. One goroutine takes, any gives back; it is meant to
// cost little beside a send, however many places there are.
type slots struct {
	taken []uint32      // the taker's own
	wake  chan struct{} // holds a token when free may have become non-empty

	mu   sync.Mutex
	free []uint32
}

func newSlots(n int) *slots {
	s := &slots{taken: make([]uint32, n), wake: make(chan struct{}, 1), free: make([]uint32, 0, n)}
	for i := range s.taken {
		s.taken[i] = uint32(n - 1 - i)
	}
	return s
}

// take returns a free place, and waits for one. False: ctx ended first.
func (s *slots) take(ctx context.Context) (uint32, bool) {
	for len(s.taken) == 0 {
		s.mu.Lock()
		s.taken, s.free = s.free, s.taken
		s.mu.Unlock()
		if len(s.taken) > 0 {
			break
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return 0, false
		}
	}
	last := len(s.taken) - 1
	slot := s.taken[last]
	s.taken = s.taken[:last]
	return slot, true
}

// give returns a place.
func (s *slots) give(slot uint32) {
	s.mu.Lock()
	first := len(s.free) == 0
	s.free = append(s.free, slot)
	s.mu.Unlock()
	if first {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}
