package zk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// stream is a connection on which a server has sent what there is to read.
type stream struct {
	net.Conn
	io.Reader
	sent bytes.Buffer
}

func (s *stream) Read(p []byte) (int, error)        { return s.Reader.Read(p) }
func (s *stream) Write(p []byte) (int, error)       { return s.sent.Write(p) }
func (s *stream) SetReadDeadline(_ time.Time) error { return nil }

func guarding(r io.Reader) (*guard, *stream) {
	s := &stream{Reader: r}
	return &guard{Conn: s, server: "zk1:2181", trace: newTrace(slog.New(slog.DiscardHandler))}, s
}

// frame returns a frame with the body, filled up with zeros to size.
func frame(size int, body ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(size))
	return append(append(b, body...), make([]byte, size-len(body))...)
}

// reply is a frame with the head of a reply.
func reply(size int, xid int32, zxid int64) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(xid))
	return frame(size, binary.BigEndian.AppendUint64(head, uint64(zxid))...)
}

// greeting grants a session of 6 s.
func greeting() []byte { return frame(37, 0, 0, 0, 0, 0, 0, 0x17, 0x70, 1, 2, 3, 4, 5, 6, 7, 8) }

func TestGuardPassesFrames(t *testing.T) {
	in := append(greeting(), reply(16, 1, 7)...)
	in = append(in, reply(100, 2, 9)...)
	in = append(in, reply(40, -1, 12)...) // an event: its number is none
	in = append(in, reply(4096, 3, 8)...)
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(in), "halves": iotest.HalfReader(bytes.NewReader(in)),
		"bytes": iotest.OneByteReader(bytes.NewReader(in)),
	} {
		g, _ := guarding(r)
		got, err := io.ReadAll(iotest.HalfReader(g))
		require.NoError(t, err)
		require.True(t, bytes.Equal(in, got), name)
		require.Equal(t, 6*time.Second, g.timeout)
		require.EqualValues(t, 9, g.seen)
	}
}

// D10: a reply that is too large is an error of its request, and of nothing else.
func TestD10GuardReplacesLargeReplies(t *testing.T) {
	in := append(greeting(), reply(maxReply+1, 5, 77)...)
	in = append(in, reply(20, 6, 78)...)
	g, _ := guarding(bytes.NewReader(in))
	got, err := io.ReadAll(g)
	require.NoError(t, err)
	want := append(greeting(), reply(16, 5, 77)...)
	binary.BigEndian.PutUint32(want[len(want)-4:], 0xffff_ff8b) // -117
	require.Equal(t, append(want, reply(20, 6, 78)...), got)
}

func TestGuardRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []byte
		says string
	}{
		"no bytes":                     {nil, "before it greets"},
		"a greeting cut short":         {greeting()[:10], "before it greets"},
		"a greeting of no length":      {frame(0), "does not speak"},
		"a greeting too short":         {frame(35), "does not speak"},
		"a greeting too long":          {frame(257), "does not speak"},
		"a TLS alert":                  {[]byte{21, 3, 3, 0, 2, 2, 40}, "does not speak"},
		"a frame without a whole head": {append(greeting(), frame(15)...), "a frame of 15 bytes"},
		"a frame of two gigabytes":     {append(greeting(), 0x80, 0, 0, 0), "a frame of 2147483648 bytes"},
		"a reply cut short":            {append(greeting(), reply(20, 1, 1)[:12]...), "has closed"},
	} {
		g, _ := guarding(bytes.NewReader(tc.in))
		_, err := io.ReadAll(g)
		if err != nil { // ReadAll takes io.EOF for an end
			require.NotErrorIs(t, err, io.EOF, name)
		}
		require.Contains(t, g.trace.String(), "zk1:2181: ", name)
		require.Contains(t, g.trace.String(), tc.says, name)
	}
	g, _ := guarding(iotest.ErrReader(net.ErrClosed))
	_, err := g.Read(make([]byte, 4))
	require.ErrorIs(t, err, net.ErrClosed)
	require.Empty(t, g.trace.String(), "closed by the client itself")
	g, _ = guarding(iotest.ErrReader(&net.OpError{Op: "read", Err: errors.New("broken")}))
	_, _ = g.Read(make([]byte, 4))
	require.Equal(t, "zk1:2181: broken", g.trace.String())
}

// The watches of a session are set again as of what it has seen over the connections before, whatever the library says.
func TestGuardSetsWatchesFromBefore(t *testing.T) {
	g, s := guarding(bytes.NewReader(append(greeting(), reply(16, 1, 900)...)))
	g.seen, g.seenBefore = 100, 100
	_, err := io.ReadAll(g)
	require.NoError(t, err)
	setWatches := frame(40, 0, 0, 0, 9, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 3, 0x84) // 900
	kept := bytes.Clone(setWatches)
	_, err = g.Write(setWatches)
	require.NoError(t, err)
	require.Equal(t, kept, setWatches, "the library's buffer is its own")
	want := bytes.Clone(setWatches)
	binary.BigEndian.PutUint64(want[12:], 100)
	require.Equal(t, want, s.sent.Bytes())
	require.EqualValues(t, 900, g.seen)

	s.sent.Reset()
	other := frame(40, 0, 0, 0, 9, 0, 0, 0, 14, 9, 9, 9, 9, 9, 9, 9, 9)
	_, err = g.Write(other)
	require.NoError(t, err)
	require.Equal(t, other, s.sent.Bytes())
}

// Whatever a server sends, the library gets whole frames of sizes that it can take, or an error.
func FuzzGuard(f *testing.F) {
	f.Add(append(greeting(), reply(16, 1, 1)...))
	f.Add(append(greeting(), reply(100, -1, 0)...))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add(frame(0))
	f.Fuzz(func(t *testing.T, in []byte) {
		g, _ := guarding(bytes.NewReader(in))
		got, _ := io.ReadAll(g)
		for first := true; len(got) >= 4; first = false {
			size := int(binary.BigEndian.Uint32(got))
			require.GreaterOrEqual(t, size, minFrame)
			require.LessOrEqual(t, size, maxReply)
			require.False(t, first && size > maxGreeting)
			got = got[min(len(got), 4+size):]
		}
		require.Empty(t, got, "a length of which a part was passed on")
	})
}
