package wire

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// raw is a connection that sends what it likes.
type raw struct {
	net.Conn
	t testing.TB
}

func (s *testServer) raw(t testing.TB) raw {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return raw{c, t}
}

func (c raw) send(b []byte) {
	c.t.Helper()
	_, err := c.Write(b)
	require.NoError(c.t, err)
}

// greeted says hello and takes the answer.
func (s *testServer) greeted(t testing.TB) raw {
	t.Helper()
	c := s.raw(t)
	c.send(frameOf(&HelloRequest{}))
	c.response()
	return c
}

// response reads one response frame.
func (c raw) response() []byte {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
	head := make([]byte, 4)
	_, err := io.ReadFull(c, head)
	require.NoError(c.t, err)
	body := make([]byte, int(head[2])<<8|int(head[3]))
	_, err = io.ReadFull(c, body)
	require.NoError(c.t, err)
	return body
}

// closed waits for the server to close the connection.
func (c raw) closed(within time.Duration) {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(within)))
	_, err := io.Copy(io.Discard, c)
	var ne net.Error
	require.False(c.t, errors.As(err, &ne) && ne.Timeout(), "the server did not close the connection")
}

func frameOf(r Request) []byte {
	e := newEncoder()
	encodeRequest(e, 1, 1, r)
	return flatten(e)
}

// closings collects why a server closed its connections.
type closings struct {
	mu   sync.Mutex
	list []error
}

func (c *closings) events() Events {
	return Events{Closed: func(_ net.Addr, why error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.list = append(c.list, why)
	}}
}

func (c *closings) require(t testing.TB, text string) {
	t.Helper()
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.ContainsFunc(c.list, func(err error) bool { return err != nil && err.Error() == text })
	}, 5*time.Second, time.Millisecond, "%q", text)
}

// I-2: many bytes are announced, and dripped. Memory follows what arrives, the
// connection is closed, and others are served meanwhile.
func TestSlowloris(t *testing.T) {
	var why closings
	s := startServer(t, ServerOptions{BodyTimeout: 100 * time.Millisecond, MinBytesPerSecond: 1 << 20,
		Events: why.events()})
	var drips []raw
	for range 20 {
		c := s.greeted(t)
		c.send([]byte{0, 0x7f, 0, 0, 0x94})
		drips = append(drips, c)
	}
	s.serves(t)
	require.GreaterOrEqual(t, s.Stats().MemoryFree, s.opts.MemoryBytes-21*firstChunk)
	for range 4 {
		for _, c := range drips {
			_, _ = c.Write([]byte{0x94})
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, c := range drips {
		c.closed(5 * time.Second)
	}
	why.require(t, "wire: a frame has begun and came too slowly")
	freed := func() bool { return s.Stats().MemoryFree == s.opts.MemoryBytes }
	require.Eventually(t, freed, 5*time.Second, time.Millisecond)
}

// A length without its body, and a length of which a part is missing.
func TestHalfALength(t *testing.T) {
	s := startServer(t, ServerOptions{BodyTimeout: 50 * time.Millisecond})
	c := s.greeted(t)
	c.send([]byte{0, 0})
	c.closed(5 * time.Second)
	c = s.greeted(t)
	c.send([]byte{0, 0, 1})
	require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
	c.closed(5 * time.Second)
	s.serves(t)
}

// A connection that says nothing is closed after the hello deadline, as is one
// that drips its hello; later, after the idle deadline.
func TestHelloAndIdleDeadlines(t *testing.T) {
	var why closings
	s := startServer(t, ServerOptions{HelloTimeout: 60 * time.Millisecond, IdleTimeout: 150 * time.Millisecond,
		Events: why.events()})
	silent, dripping := s.raw(t), s.raw(t)
	dripping.send(frameOf(&HelloRequest{})[:5])
	silent.closed(5 * time.Second)
	dripping.closed(5 * time.Second)
	why.require(t, "wire: no hello in time")

	idle := s.greeted(t)
	busy := s.greeted(t)
	slow := produceOne(7, nil)
	slow.TimeoutMs = 1
	busy.send(frameOf(slow))
	idle.closed(5 * time.Second)
	why.require(t, errIdle.Error())
	time.Sleep(200 * time.Millisecond) // busy has been silent for longer than the idle time, but waits
	close(s.log.release)
	require.NotEmpty(t, busy.response())
}

// I-5: a client that never reads its answers. Reading stops at MaxOutstanding,
// then the write deadline ends it.
func TestNeverReader(t *testing.T) {
	var why closings
	s := startServer(t, ServerOptions{WriteTimeout: 200 * time.Millisecond, MinBytesPerSecond: 1 << 30,
		MaxOutstanding: 4, Events: why.events()})
	filler := s.dial(t)
	_, err := filler.Do(t.Context(), produceOne(7, make([]byte, 4<<20)))
	require.NoError(t, err)
	c := s.greeted(t)
	fetch := frameOf(fetchOne(7, 0))
	for range 100 { // 400 MB of answers
		if _, err := c.Write(fetch); err != nil {
			break
		}
	}
	s.serves(t)
	require.Eventually(t, func() bool {
		why.mu.Lock()
		defer why.mu.Unlock()
		return slices.ContainsFunc(why.list, func(err error) bool {
			var ne net.Error
			return errors.As(err, &ne) && ne.Timeout()
		})
	}, 10*time.Second, time.Millisecond)
	s.log.mu.Lock()
	released := s.log.released
	s.log.mu.Unlock()
	require.Less(t, released, 20, "requests carried out for a client that does not read")
}

// With MaxOutstanding requests unanswered, no more are read.
func TestReadingStopsAtMaxOutstanding(t *testing.T) {
	s := startServer(t, ServerOptions{MaxOutstanding: 3})
	c := s.greeted(t)
	slow := produceOne(7, []byte("x"))
	slow.TimeoutMs = 1
	for range 50 {
		c.send(frameOf(slow))
	}
	begun := func() int { return s.log.count(7) }
	// One is with the writer, three are queued, one is in the reader's hands.
	require.Eventually(t, func() bool { return begun() == 5 }, 5*time.Second, time.Millisecond)
	time.Sleep(30 * time.Millisecond)
	require.Equal(t, 5, begun())
	close(s.log.release)
	for range 50 {
		c.response()
	}
}

// One connection cannot take all the memory: it is read on when it has been
// answered.
func TestShareOfMemory(t *testing.T) {
	s := startServer(t, ServerOptions{MaxFrameBytes: 64 << 10, MemoryBytes: 512 << 10})
	greedy := s.greeted(t)
	slow := produceOne(7, make([]byte, 60<<10))
	slow.TimeoutMs = 1
	go func() {
		for range 20 {
			_, _ = greedy.Write(frameOf(slow))
		}
	}()
	require.Eventually(t, func() bool { return s.Stats().MemoryFree < 512<<10 }, 5*time.Second, time.Millisecond)
	s.serves(t)
	require.GreaterOrEqual(t, s.Stats().MemoryFree, int64(384<<10))
	close(s.log.release)
	for range 20 {
		greedy.response()
	}
}

// Many connections whose half-sent frames exceed the memory together: all are
// answered in the end.
func TestMemoryExhaustedByHalves(t *testing.T) {
	s := startServer(t, ServerOptions{MaxFrameBytes: 256 << 10, MemoryBytes: 512 << 10})
	frame := frameOf(produceOne(7, make([]byte, 250<<10)))
	var conns []raw
	for range 12 {
		c := s.greeted(t)
		c.send(frame[:100<<10])
		conns = append(conns, c)
	}
	s.serves(t) // what is small
	require.Eventually(t, func() bool { return s.Stats().MemoryFree < 128<<10 }, 5*time.Second, time.Millisecond)
	var done sync.WaitGroup
	for _, c := range conns {
		done.Go(func() {
			_, err := c.Write(frame[100<<10:])
			require.NoError(t, err)
			require.NotEmpty(t, c.response())
		})
	}
	done.Wait()
	s.serves(t)
}

// I-3: at the limit the oldest connection without a hello makes room; when there
// is none, the new one is told.
func TestTooManyConnections(t *testing.T) {
	var why closings
	s := startServer(t, ServerOptions{MaxConnections: 3, Events: why.events()})
	old, young := s.raw(t), s.raw(t)
	require.Eventually(t, func() bool { return s.Stats().Connections == 2 }, 5*time.Second, time.Millisecond)
	first := s.dial(t)
	second := s.dial(t) // in place of old
	old.closed(5 * time.Second)
	why.require(t, errShed.Error())
	third := s.dial(t) // in place of young
	young.closed(5 * time.Second)
	require.Equal(t, 3, s.Stats().Greeted)

	_, err := Dial(t.Context(), s.addr, DialOptions{})
	require.ErrorIs(t, err, CodeLimitExceeded)
	require.ErrorContains(t, err, "most connections open already: 3")

	require.NoError(t, second.Close())
	require.Eventually(t, func() bool { return s.Stats().Connections == 2 }, 5*time.Second, time.Millisecond)
	s.serves(t)
	for _, c := range []*Conn{first, third} {
		_, err := c.Do(t.Context(), &MetadataRequest{})
		require.NoError(t, err)
	}
}

// exhausted is a listener that has no file descriptor left for some accepts.
type exhausted struct {
	net.Listener
	left int
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.left > 0 {
		l.left--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// C12: out of file descriptors, accepting pauses and goes on.
func TestAcceptWithoutDescriptors(t *testing.T) {
	s := startServer(t, ServerOptions{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = s.Serve(&exhausted{l, 4}) }()
	c, err := Dial(t.Context(), l.Addr().String(), DialOptions{})
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// Garbage of all kinds from many clients at once.
func TestGarbage(t *testing.T) {
	s := startServer(t, ServerOptions{BodyTimeout: 50 * time.Millisecond, HelloTimeout: 200 * time.Millisecond})
	garbage := [][]byte{
		{}, {0}, {0, 0, 0, 0}, []byte("GET / HTTP/1.1\r\n\r\n"), slices.Repeat([]byte{0x91}, 100_000),
		slices.Repeat([]byte{0xff}, 1000), frameOf(produceOne(1, []byte("x"))), frameOf(&HelloRequest{})[:7],
		append(frameOf(&HelloRequest{}), slices.Repeat([]byte{0, 0, 0, 9}, 1000)...),
		append(frameOf(&HelloRequest{}), frameOf(produceOne(666, nil))...),
	}
	var done sync.WaitGroup
	for i := range 100 {
		done.Go(func() {
			c, err := net.Dial("tcp", s.addr)
			require.NoError(t, err)
			_, _ = c.Write(garbage[i%len(garbage)])
			if i%3 > 0 {
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				_, _ = io.Copy(io.Discard, c)
			}
			_ = c.Close()
		})
	}
	for range 10 {
		s.serves(t)
	}
	done.Wait()
	s.serves(t)
	require.Equal(t, int64(10), s.Stats().Panics)
}
