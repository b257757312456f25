package client_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// spread fills partitions of "demo" in turn with "0" to "n-1", one batch each.
func spread(t *testing.T, c *client.Client, partitions int32, n int) {
	t.Helper()
	create(t, c, "demo", partitions)
	o := singles()
	o.Partitioner = client.RoundRobin
	p := newProducer(t, c, o)
	ctx := testContext(t)
	for i := range n {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(fmt.Sprint(i))},
			func(_ client.Record, err error) { require.NoError(t, err) })
	}
	require.NoError(t, p.Flush(ctx))
}

// connections counts the connections of a client that are open.
func connections(open *atomic.Int32) client.Hooks {
	return client.Hooks{
		OnConnect: func(_ string, _ time.Duration, err error) {
			if err == nil {
				open.Add(1)
			}
		},
		OnDisconnect: func(string, error) { open.Add(-1) },
	}
}

// H1, while reading: connections are cut before a fetch and in the middle of its answer, that of one lane and then that
// of the other. Each record comes once, in its order.
func TestFetchLanesAreCut(t *testing.T) {
	const partitions, n = 6, 600
	x, _, c := throughProxy(t, client.Options{RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond})
	spread(t, c, partitions, n)
	var cuts atomic.Int32
	x.rule(func(api client.API, n int) action {
		switch {
		case api != wire.APIFetch:
			return pass
		case n%3 == 0:
			cuts.Add(1)
			return dropAnswer
		case n%4 == 0:
			cuts.Add(1)
			return cutBefore
		}
		return pass
	})
	r := newConsumer(t, c, client.ConsumerOptions{MaxBytes: 600, PartitionMaxBytes: 300, MaxBufferedBytes: 2000})
	ctx := testContext(t)
	require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
	var next [partitions]int64
	for range n {
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		for _, rec := range records {
			require.Equal(t, next[rec.Partition], rec.Offset)
			next[rec.Partition]++
		}
		if next == [partitions]int64{100, 100, 100, 100, 100, 100} {
			break
		}
	}
	require.Equal(t, [partitions]int64{100, 100, 100, 100, 100, 100}, next)
	require.Greater(t, cuts.Load(), int32(5))
}

// A lane that rests because the other one has filled the buffer goes on when that is taken.
func TestFetchLanesDoNotStarve(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	spread(t, c, 4, 400)
	r := newConsumer(t, c, client.ConsumerOptions{MaxBufferedBytes: 1, MaxPollRecords: 1})
	ctx := testContext(t)
	require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
	for range 400 {
		_, err := r.Poll(ctx)
		require.NoError(t, err)
	}
}

// Several partitions of a broker are read over two connections, one over one; Close ends them, and all goroutines,
// while both wait for records.
func TestFetchLanesEnd(t *testing.T) {
	for partitions, lanes := range map[int32]int32{1: 1, 2: 2, 5: 2} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			s := startServer(t, nil)
			var open atomic.Int32
			c := connect(t, s.address(), client.Options{Hooks: connections(&open)})
			create(t, c, "demo", partitions)
			before, stay := open.Load(), goleak.IgnoreCurrent()
			r := newConsumer(t, c, client.ConsumerOptions{MaxWait: 5 * time.Minute})
			ctx, cancel := context.WithCancel(testContext(t))
			require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
			polled := make(chan error)
			go func() {
				_, err := r.Poll(ctx)
				polled <- err
			}()
			require.Eventually(t, func() bool { return open.Load() == before+lanes }, patience, time.Millisecond)
			cancel()
			require.ErrorIs(t, <-polled, context.Canceled)
			require.NoError(t, r.Close(testContext(t)))
			require.Equal(t, before, open.Load())
			// the broker's ends of the connections take a moment
			require.Eventually(t, func() bool { return goleak.Find(stay) == nil }, patience, time.Millisecond)
		})
	}
}
