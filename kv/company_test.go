package kv

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// loop is a disk on which a sync takes syncs, and clients that come again back after they were answered, if they do. It
// says how many items a commit had on average, and how long an item took, after the first hundred commits.
func loop(c *company, clients int, syncs, back time.Duration, again bool) (perCommit float64, each time.Duration) {
	var now time.Duration
	arrivals := make([]time.Duration, clients) // of the items that are not in a commit yet, in order
	fresh := func(from time.Duration) time.Duration { return from + 3*syncs }
	commits, items, spent := 0, 0, time.Duration(0)
	for n := range 400 {
		now = max(now, arrivals[0])
		here := arrived(arrivals, now)
		if d := c.patience(here); d > 0 {
			start, deadline := now, now+d
			for now < deadline && arrived(arrivals, now) < len(arrivals) {
				now += napTime
			}
			c.waited(here, arrived(arrivals, now)-here, now-start)
			here = arrived(arrivals, now)
		}
		done := now + syncs
		for _, at := range arrivals[:here] {
			if n >= 100 {
				items++
				spent += done - at
			}
		}
		if n >= 100 {
			commits++
		}
		arrivals = arrivals[here:]
		c.landed(here, arrived(arrivals, done), syncs)
		now = done
		for range here {
			if again {
				arrivals = append(arrivals, done+back)
			} else {
				arrivals = append(arrivals, fresh(done))
			}
		}
	}
	return float64(items) / float64(commits), spent / time.Duration(items)
}

// arrived counts those that came by now.
func arrived(arrivals []time.Duration, now time.Duration) (n int) {
	for n < len(arrivals) && arrivals[n] <= now {
		n++
	}
	return n
}

// Clients that come again as soon as they are answered share one fsync instead of waiting for two.
func TestCompanyBringsTurnsTogether(t *testing.T) {
	const syncs, back = 600 * time.Microsecond, 150 * time.Microsecond
	for _, clients := range []int{2, 5, 20} {
		c := &company{took: syncs}
		c.landed(clients/2, clients-clients/2, syncs) // they take turns
		perCommit, each := loop(c, clients, syncs, back, true)
		require.InDelta(t, clients, perCommit, 0.1, "of %d clients", clients)
		require.Less(t, each, syncs+back+2*napTime)
	}
}

// One who is alone waits for nobody.
func TestCompanyOfOne(t *testing.T) {
	c := &company{took: time.Millisecond}
	_, each := loop(c, 1, time.Millisecond, 10*time.Microsecond, true)
	require.Equal(t, time.Millisecond, each)
}

// Patience that does not pay is given up, but for a try now and then.
func TestCompanyThatDoesNotCome(t *testing.T) {
	c := &company{took: time.Millisecond}
	for range 10 {
		c.landed(5, 0, time.Millisecond)
		if d := c.patience(1); d > 0 {
			c.waited(1, 0, d)
		}
	}
	waits := 0
	for range 10 * probeEvery {
		c.landed(5, 0, time.Millisecond)
		if d := c.patience(1); d > 0 {
			require.LessOrEqual(t, d, mostPatience)
			waits++
			c.waited(1, 0, d)
		}
	}
	require.Equal(t, 10, waits)
	for range 4 * probeEvery { // they come again
		c.landed(5, 0, time.Millisecond)
		if d := c.patience(1); d > 0 {
			c.waited(1, 4, d/4)
		}
	}
	c.landed(5, 0, time.Millisecond)
	require.Positive(t, c.patience(1))
}

// Nobody waits longer than half the time of a sync.
func TestCompanyIsBounded(t *testing.T) {
	c := &company{}
	c.landed(100, 0, 100*time.Microsecond)
	require.LessOrEqual(t, c.patience(1), 50*time.Microsecond)
	require.Zero(t, c.patience(1), "nobody else is expected")
	for range 100 {
		c.landed(100, 0, time.Second)
	}
	require.Equal(t, mostPatience, c.patience(1))
}
