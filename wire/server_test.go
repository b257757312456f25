package wire

import (
	"bytes"
	"context"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOptionsReportEveryFault(t *testing.T) {
	_, err := NewServer(ServerOptions{MaxFrameBytes: 1, MaxConnections: -1, MaxOutstanding: 20_000, IdleTimeout: -1,
		MinBytesPerSecond: -1})
	for _, part := range []string{"Handler", "MaxFrameBytes", "MaxConnections", "MaxOutstanding", "IdleTimeout",
		"MinBytesPerSecond"} {
		require.ErrorContains(t, err, part)
	}
	_, err = NewServer(ServerOptions{Handler: newMemoryLog(), MaxFrameBytes: 1 << 20, MemoryBytes: 1 << 20})
	require.ErrorContains(t, err, "MemoryBytes is 1048576, at least twice MaxFrameBytes (1048576) is needed")
}

func TestHelloOffersWhatFits(t *testing.T) {
	for batch, want := range map[int64]int64{0: 1<<20 - produceOverhead, 5: 5, 1 << 30: 1<<20 - produceOverhead} {
		s, err := NewServer(ServerOptions{Handler: newMemoryLog(), MaxFrameBytes: 1 << 20,
			Hello: HelloResponse{MaxBatchBytes: batch}})
		require.NoError(t, err)
		require.Equal(t, want, s.opts.Hello.MaxBatchBytes)
		require.Equal(t, APIs(), s.opts.Hello.APIs)
	}
}

// A shutdown answers what has begun, takes nothing new, and ends everything.
func TestShutdownDrains(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c, idle := s.dial(t), s.dial(t)
	slow := produceOne(7, []byte("slow"))
	slow.TimeoutMs = 1
	var calls []*Call
	for range 3 {
		call, err := c.Start(slow)
		require.NoError(t, err)
		calls = append(calls, call)
	}
	require.Eventually(t, func() bool { return s.log.count(7) == 3 }, 5*time.Second, time.Millisecond)
	down := make(chan error)
	go func() { down <- s.Shutdown(t.Context()) }()
	<-idle.Done() // closed at once
	_, err := net.DialTimeout("tcp", s.addr, time.Second)
	require.Error(t, err)
	select {
	case <-down:
		require.Fail(t, "shut down with requests under way")
	case <-time.After(20 * time.Millisecond):
	}
	close(s.log.release)
	for _, call := range calls {
		resp, err := call.Wait(t.Context())
		require.NoError(t, err)
		require.Len(t, resp.(*ProduceResponse).Topics, 1)
	}
	require.NoError(t, <-down)
	require.Zero(t, s.Stats().Connections)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, s.Serve(l), ErrServerClosed)
}

// A shutdown that runs out of time cuts what is left; the client learns that the
// outcome is unknown.
func TestShutdownGivesUp(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := s.dial(t)
	slow := produceOne(7, []byte("slow"))
	slow.TimeoutMs = 1
	call, err := c.Start(slow)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.log.count(7) == 1 }, 5*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
	_, err = call.Wait(t.Context())
	require.ErrorIs(t, err, ErrOutcomeUnknown)
}

// What is done is answered at once, together; it does not wait for what is not,
// and what is not comes in its turn.
func TestAnswersDoNotWaitForLaterOnes(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := s.dial(t)
	slow := produceOne(7, []byte("slow"))
	slow.TimeoutMs = 1
	var calls []*Call
	for i, req := range []Request{fetchOne(7, 0), fetchOne(7, 0), slow, fetchOne(7, 0), slow, fetchOne(7, 0)} {
		call, err := c.Start(req)
		require.NoError(t, err, i)
		calls = append(calls, call)
	}
	for _, call := range calls[:2] {
		_, err := call.Wait(t.Context())
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return s.log.count(7) == 2 }, 5*time.Second, time.Millisecond)
	for _, call := range calls[2:] {
		select {
		case <-call.Done():
			require.Fail(t, "answered out of turn")
		default:
		}
	}
	close(s.log.release)
	for _, call := range calls[2:] {
		_, err := call.Wait(t.Context())
		require.NoError(t, err)
	}
}

// keeper keeps the batches that it is given, as a broker with a write of unknown
// outcome does.
type keeper struct {
	mu      sync.Mutex
	batches [][]byte
}

func (k *keeper) Handle(_ context.Context, _ *Peer, req Request) Pending {
	if p, ok := req.(*ProduceRequest); ok {
		k.mu.Lock()
		k.batches = append(k.batches, p.Topics[0].Partitions[0].Batch)
		k.mu.Unlock()
	}
	return &held{Ready(nil, Errorf(CodeTimedOut, "timed out"))}
}

type held struct{ Pending }

func (*held) Held() bool { return true }

// Bytes that a handler says it holds are never reused (compare CVE-2026-35554).
func TestHeldBytesAreNotReused(t *testing.T) {
	k := &keeper{}
	s := startServer(t, ServerOptions{Handler: k})
	c := s.dial(t)
	for i := range 50 {
		_, err := c.Do(t.Context(), produceOne(1, bytes.Repeat([]byte{byte(i)}, 1000)))
		require.ErrorIs(t, err, CodeTimedOut)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, b := range k.batches {
		require.Equal(t, bytes.Repeat([]byte{byte(i)}, 1000), b)
	}
}

// Every event is told, and every response released.
func TestEvents(t *testing.T) {
	var mu sync.Mutex
	var answered []Answered
	opened, closed := 0, 0
	s := startServer(t, ServerOptions{Events: Events{
		Opened:   func(net.Addr) { mu.Lock(); opened++; mu.Unlock() },
		Closed:   func(_ net.Addr, why error) { mu.Lock(); closed++; mu.Unlock(); require.NoError(t, why) },
		Answered: func(a Answered) { mu.Lock(); answered = append(answered, a); mu.Unlock() },
	}})
	c := s.dial(t)
	for range 3 {
		_, err := c.Do(t.Context(), fetchOne(7, 0))
		require.NoError(t, err)
	}
	_, err := c.Do(t.Context(), &ListTopicsRequest{})
	require.Error(t, err)
	require.NoError(t, c.Close())
	isClosed := func() bool { mu.Lock(); defer mu.Unlock(); return closed == 1 }
	require.Eventually(t, isClosed, 5*time.Second, time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 1, opened)
	require.Len(t, answered, 5)
	require.Equal(t, APIHello, answered[0].API)
	require.Equal(t, len(frameOf(fetchOne(7, 0))), answered[1].BytesIn)
	require.Positive(t, answered[1].BytesOut)
	require.Equal(t, CodeUnsupported, answered[4].Code)
	require.Equal(t, 3, s.log.released)
}

// Idle connections hold no buffers: as many as the limit on open files allows,
// up to 10,000 (both ends are in this process).
func TestIdleConnectionsAreCheap(t *testing.T) {
	n := min(10_000, int(openFiles()/2)-200)
	if testing.Short() || n < 100 {
		require.Empty(t, os.Getenv("CI"), "too few file descriptors")
		t.Skip("too few file descriptors: raise ulimit -n")
	}
	s := startServer(t, ServerOptions{MaxConnections: n + 1})
	hello := frameOf(&HelloRequest{ClientName: "idle"})
	conns := make([]net.Conn, n)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	before := memoryInUse()
	answer := make([]byte, 4096)
	for i := range conns {
		c, err := net.Dial("tcp", s.addr)
		require.NoError(t, err)
		conns[i] = c
		_, err = c.Write(hello)
		require.NoError(t, err)
		_, err = c.Read(answer)
		require.NoError(t, err)
	}
	require.Equal(t, n, s.Stats().Greeted)
	each := (memoryInUse() - before) / int64(n)
	t.Logf("%d idle connections, %d bytes each with the test's own end", n, each)
	if !raceEnabled {
		require.Less(t, each, int64(12<<10+1<<10), "12 KiB, and 1 KiB for the test's end")
	}
	s.serves(t)
}

// memoryInUse is heap and stacks after a collection.
func memoryInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
