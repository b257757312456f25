package broker

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMemoryBudget(t *testing.T) {
	m := newMemory(100)
	require.EqualValues(t, 100, m.acquire(t.Context(), nil, 1000, 0), "all of it, where more is wanted")
	require.False(t, m.try(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Zero(t, m.acquire(ctx, nil, 1, time.Hour))
	stop := make(chan struct{})
	close(stop)
	require.Zero(t, m.acquire(t.Context(), stop, 1, time.Hour))
	require.Zero(t, m.acquire(t.Context(), nil, 1, time.Millisecond))
	require.Zero(t, m.waits)
	m.release(100)
	require.True(t, m.try(60))
	m.force(70)
	require.EqualValues(t, 130, m.inUse())
	m.release(130)
	require.Panics(t, func() { m.release(1) })
}

// Those who wait get their turn, and never more than the budget is out.
func TestMemoryIsNeverExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(10)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				for range 20 {
					got := m.acquire(t.Context(), nil, int64(1+i%7), time.Hour)
					if used := m.inUse(); used > 10 {
						t.Errorf("%d of 10 in use", used)
					}
					time.Sleep(time.Millisecond)
					m.release(got)
				}
			})
		}
		all.Wait()
		require.Zero(t, m.inUse())
	})
}

func TestRates(t *testing.T) {
	var c counters
	c.sample(0)
	for range 60 {
		c.recordsIn.Add(100)
		c.sample(time.Second)
	}
	in, out := c.rates()
	require.InDelta(t, 100, in, 0.1)
	require.Zero(t, out)
	c.sample(5 * time.Second)
	in, _ = c.rates()
	require.InDelta(t, 37, in, 1, "63 % of the change is seen after the window")
	for range 60 {
		c.sample(time.Second)
	}
	in, _ = c.rates()
	require.Zero(t, in)
}

func TestRepeats(t *testing.T) {
	for _, n := range []int{2, fewRepeats, fewRepeats + 1, 1000} {
		var r repeats
		r.expect(n)
		for i := range n {
			require.False(t, r.again(uint64(i%3), int32(i)))
		}
		require.True(t, r.again(0, 0))
		require.False(t, r.again(1, 0))
	}
}
