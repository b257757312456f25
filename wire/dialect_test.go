package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo is a dialect whose answers are its requests' bytes, but for requests that begin with
//
//   - which have no answer        w  which wait for release
//     ?  which are no request        !  whose answer is an error
//     S, A, D  which panic in Start, Append and Done
//     h  whose bytes are held beyond their answer
type echo struct {
	release chan struct{}
	mu      sync.Mutex
	done    map[string]Sent // by first byte
}

func newEcho() *echo { return &echo{release: make(chan struct{}), done: map[string]Sent{}} }

func (d *echo) Open(*Peer) Speaker { return d }

func (d *echo) Start(_ context.Context, frame []byte) (Reply, error) {
	switch frame[0] {
	case '?':
		return nil, errors.New("that is no request")
	case 'S':
		panic("in Start")
	}
	return &echoReply{d, frame}, nil
}

type echoReply struct {
	*echo
	frame []byte
}

func (r *echoReply) String() string { return "echo" }

func (r *echoReply) Ready() bool { return r.frame[0] != 'w' }

func (r *echoReply) Append(ctx context.Context, f *Frame) error {
	switch r.frame[0] {
	case '-':
		return nil
	case '!':
		return errors.New("that has no answer")
	case 'A':
		panic("in Append")
	case 'w':
		select {
		case <-r.release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	half := len(r.frame) / 2
	f.Append(func(dst []byte) []byte { return append(dst, r.frame[:half]...) })
	f.Refer(r.frame[half:])
	return nil
}

func (r *echoReply) Done(s Sent) (held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[string(r.frame[:1])] = s
	if r.frame[0] == 'D' {
		panic("in Done")
	}
	return r.frame[0] == 'h'
}

// told is what Done was told of the request that begins with first.
func (d *echo) told(first string) (Sent, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.done[first]
	return s, ok
}

// dialEcho connects to a server that speaks d.
func dialEcho(t *testing.T, s *testServer) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return c
}

func framed(body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func sendFrames(t *testing.T, c net.Conn, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		_, err := c.Write(framed(b))
		require.NoError(t, err)
	}
}

func readEcho(t *testing.T, c net.Conn) string {
	t.Helper()
	var length [4]byte
	_, err := io.ReadFull(c, length[:])
	require.NoError(t, err)
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err = io.ReadFull(c, body)
	require.NoError(t, err)
	return string(body)
}

// A server with a dialect answers in order, small and large, and nothing where there is no answer.
func TestDialect(t *testing.T) {
	d := newEcho()
	s := startServer(t, ServerOptions{Dialect: d, MaxFrameBytes: 1 << 20})
	c := dialEcho(t, s)
	large := "large" + string(make([]byte, 700_000))
	held := "held" + string(make([]byte, 100_000))
	sendFrames(t, c, "hello", "-none", large, held, "waits")
	require.Equal(t, "hello", readEcho(t, c))
	require.Equal(t, large, readEcho(t, c))
	require.Equal(t, held, readEcho(t, c))
	close(d.release)
	require.Equal(t, "waits", readEcho(t, c))
	for first, want := range map[string]int{"l": len(large) + 4, "-": 0, "h": len(held) + 4} {
		require.Eventually(t, func() bool { _, told := d.told(first); return told }, time.Minute, time.Millisecond)
		sent, _ := d.told(first)
		require.Equal(t, want, sent.BytesOut)
		require.Positive(t, sent.BytesIn)
	}
	require.Equal(t, 1, s.Stats().Greeted)
}

// What is no request, what has no answer, and what panics closes its connection, and no other; what came before is
// answered.
func TestDialectFaults(t *testing.T) {
	d := newEcho()
	s := startServer(t, ServerOptions{Dialect: d, MaxFrameBytes: 1 << 20})
	other := dialEcho(t, s)
	for _, bad := range []string{"?no request", "!no answer", "Start", "Append"} {
		c := dialEcho(t, s)
		sendFrames(t, c, "hello")
		require.Equal(t, "hello", readEcho(t, c))
		sendFrames(t, c, bad)
		_, err := io.ReadAll(c) // until it is closed
		require.NotErrorIs(t, err, io.ErrNoProgress)
		if _, timeout := err.(net.Error); timeout {
			require.False(t, err.(net.Error).Timeout(), bad)
		}
		sendFrames(t, other, "hello")
		require.Equal(t, "hello", readEcho(t, other))
	}
	c := dialEcho(t, s)
	sendFrames(t, c, "Done!")
	require.Equal(t, "Done!", readEcho(t, c))
	_, _ = io.ReadAll(c)
	require.Eventually(t, func() bool { return s.Stats().Panics == 3 }, time.Minute, time.Millisecond)
}

// A connection that is lost while a request is under way gives everything back.
func TestDialectLostConnection(t *testing.T) {
	d := newEcho()
	s := startServer(t, ServerOptions{Dialect: d, MaxFrameBytes: 1 << 20})
	c := dialEcho(t, s)
	sendFrames(t, c, "waits"+string(make([]byte, 100_000)))
	require.Eventually(t, func() bool { return s.Stats().MemoryFree < s.opts.MemoryBytes }, time.Minute, time.Millisecond)
	require.NoError(t, c.(*net.TCPConn).SetLinger(0))
	c.Close()
	require.Eventually(t, func() bool { _, told := d.told("w"); return told }, time.Minute, time.Millisecond)
	sent, _ := d.told("w")
	require.Zero(t, sent.BytesOut)
}
