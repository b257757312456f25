package broker

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/wire"
)

// A fetch of many partitions that has room for a few batches reads about those from the disk, not one of every
// partition for nothing.
func TestFetchReadsWhatItAnswers(t *testing.T) {
	const partitions = 50
	n := startNode(t)
	id := n.create("orders", partitions)
	for range 3 {
		for p := range int32(partitions) {
			n.append(id, p, strings.Repeat("x", 100<<10))
		}
	}
	dir := n.cfg.DataDir
	n.stopNode()
	n = startNode(t, func(c *Config) { c.DataDir = dir }) // with no batch in memory
	req := fetchFrom(id, 0, 0)
	req.MaxBytes = 450 << 10 // four batches
	req.Topics[0].Partitions = nil
	for p := range int32(partitions) {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, wire.FetchPartition{Index: p, MaxBytes: 1 << 20})
	}
	do[*wire.FetchResponse](n, req) // opens the logs
	before := n.store.Metrics()
	size := 0
	for _, r := range do[*wire.FetchResponse](n, req).Topics[0].Partitions {
		size += len(r.Batches)
	}
	after := n.store.Metrics()
	require.Greater(t, size, 400<<10)
	looked := after.CacheHits + after.CacheMisses - before.CacheHits - before.CacheMisses
	require.Less(t, looked, int64(partitions), "blocks looked at for four batches")
}

// An answer that has no room for a batch that is there leaves at once, below min_bytes or not: there is nothing to wait
// for.
func TestFetchDoesNotWaitForRoom(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.FetchWait = time.Hour })
	id := n.create("orders", 2)
	req := fetchFrom(id, 0, 0)
	req.MaxWaitMs, req.MinBytes, req.MaxBytes = 1<<30, 1<<20, 1<<20
	req.Topics[0].Partitions = nil
	for p := range int32(2) {
		n.append(id, p, strings.Repeat("x", 600<<10))
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, wire.FetchPartition{Index: p, MaxBytes: 1 << 20})
	}
	parts := do[*wire.FetchResponse](n, req).Topics[0].Partitions
	require.Len(t, parts, 1)
	require.Len(t, values(t, parts[0].Batches, 0), 1)
}

// I-6: the charge of an answer is all of its buffer, also where the records of a log are of very different sizes, so
// that much more or much less was expected.
func TestFetchChargesItsBufferI6(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 3)
	large, small := strings.Repeat("x", 700<<10), "small"
	for p, sizes := range [][]string{{large, small}, {small, large}, {small, large}} {
		for _, value := range sizes {
			for range 3 {
				n.append(id, int32(p), value)
			}
		}
	}
	req := fetchFrom(id, 0, 3)
	for _, parts := range [][]wire.FetchPartition{
		{{Index: 0, Offset: 3, MaxBytes: 8 << 20}},                                           // less than expected
		{{Index: 1, Offset: 3, MaxBytes: 8 << 20}},                                           // more
		{{Index: 1, Offset: 3, MaxBytes: 8 << 20}, {Index: 2, Offset: 3, MaxBytes: 8 << 20}}, // grown under the first
	} {
		req.Topics[0].Partitions = parts
		c := n.startFetch(req).(*fetchCall)
		resp, err := c.Wait(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, cap(c.buf.b), n.answers.inUse())
		answer := resp.(*fetchAnswer)
		require.Len(t, answer.Topics[0].Partitions, len(parts))
		for i, r := range answer.Topics[0].Partitions {
			require.Same(t, &c.buf.b[c.parts[i].from], &r.Batches[0], "nothing lies elsewhere")
		}
		answer.Release()
		require.Zero(t, n.answers.inUse())
	}
}

// The buffer of an answer is used again when the answer is written, and not before: one whose client is slow to take it
// is whole after others were answered.
func TestFetchBufferIsKeptUntilWritten(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 2)
	value := func(p int32, i int) string { return strings.Repeat(fmt.Sprintf("%d/%d ", p, i), 1<<17) }
	for p := range int32(2) {
		for i := range 14 { // 7 MiB: more than sockets hold
			n.append(id, p, value(p, i))
		}
	}
	take := make(chan struct{})
	conn, err := wire.Dial(t.Context(), slowRelay(t, n.Addr().String(), take), wire.DialOptions{ClientName: "slow"})
	require.NoError(t, err)
	defer conn.Close()
	slow, err := conn.Start(fetchFrom(id, 0, 0))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return n.answers.inUse() > 7<<20 }, 30*time.Second, time.Millisecond)
	var others sync.WaitGroup
	for range 4 {
		other := n.dial()
		others.Go(func() {
			for range 3 {
				_, err := other.Do(t.Context(), fetchFrom(id, 1, 0))
				assert.NoError(t, err)
			}
		})
	}
	others.Wait()
	close(take)
	resp, err := slow.Wait(t.Context())
	require.NoError(t, err)
	for i, got := range values(t, onlyResult(resp.(*wire.FetchResponse)).Batches, 0) {
		require.True(t, value(0, i) == got, "record %d", i)
	}
	n.answersGivenBack()
}

// slowRelay passes one connection on to a broker; what the broker sends after its hello waits for take to be closed.
func slowRelay(t *testing.T, broker string, take <-chan struct{}) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	up, err := net.Dial("tcp", broker)
	require.NoError(t, err)
	var copies sync.WaitGroup
	t.Cleanup(copies.Wait)
	copies.Go(func() {
		defer up.Close()
		defer l.Close()
		down, err := l.Accept()
		if err != nil {
			return
		}
		defer down.Close()
		copies.Go(func() { _, _ = io.Copy(up, down); _ = up.Close() })
		b := make([]byte, 64<<10)
		for greeted := false; ; greeted = true {
			if greeted {
				<-take
			}
			k, err := up.Read(b)
			if err != nil {
				return
			}
			if _, err := down.Write(b[:k]); err != nil {
				return
			}
		}
	})
	return l.Addr().String()
}

func TestFetchBufferSizes(t *testing.T) {
	var pool fetchBuffers
	for _, n := range []int{0, 1, 4 << 10, 4<<10 + 1, 1<<20 - 1, 8 << 20, 8<<20 + 1, 50 << 20} {
		f := pool.get(n)
		require.Empty(t, f.b)
		require.GreaterOrEqual(t, cap(f.b), n)
		require.Equal(t, bufferSize(n), cap(f.b))
		f.b = append(f.b, "used"...)
		pool.put(f)
	}
	for _, size := range []int{0, 1, 5 << 10, 20 << 20} { // as append left them
		pool.put(&fetchBuffer{make([]byte, size)})
	}
	for _, n := range []int{1, 4 << 10, 6 << 10, 1 << 20, 8 << 20} {
		f := pool.get(n)
		require.Empty(t, f.b)
		require.GreaterOrEqual(t, cap(f.b), n, "whatever is in the pool")
	}
}
