package wire

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// chunked delivers b in pieces whose sizes are the bytes of cuts, over and over.
type chunked struct {
	b    []byte
	cuts []byte
	i    int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := len(c.b)
	if len(c.cuts) > 0 {
		n = max(1, int(c.cuts[c.i%len(c.cuts)]))
		c.i++
	}
	n = copy(p, c.b[:min(n, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}

// pipe is a connection that delivers in pieces and swallows what is written.
type pipe struct {
	net.Conn
	in  *chunked
	out bytes.Buffer
}

func (p *pipe) Read(b []byte) (int, error)       { return p.in.Read(b) }
func (p *pipe) Write(b []byte) (int, error)      { return p.out.Write(b) }
func (p *pipe) Close() error                     { return nil }
func (p *pipe) SetReadDeadline(time.Time) error  { return nil }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
func (p *pipe) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// serveBytes lets a server read b in pieces, and returns what it answers; nil if
// the handler was made to panic, which drops answers.
func serveBytes(t testing.TB, b, cuts []byte) []byte {
	s, err := NewServer(ServerOptions{Handler: newMemoryLog(), MaxFrameBytes: 64 << 10, MaxConnections: 10})
	require.NoError(t, err)
	p := &pipe{in: &chunked{b: b, cuts: cuts}}
	s.admit(p)
	s.running.Wait()
	require.Equal(t, s.opts.MemoryBytes, s.Stats().MemoryFree)
	require.Zero(t, s.Stats().Connections)
	s.cancel(nil)
	if s.Stats().Panics > 0 {
		return nil
	}
	return p.out.Bytes()
}

// FuzzFrames: however the bytes are cut into pieces, the answers are the same,
// nothing panics but the handler that is made to, and all memory comes back.
func FuzzFrames(f *testing.F) {
	hello := frameOf(&HelloRequest{})
	f.Add(hello, []byte{1})
	f.Add(append(bytes.Clone(hello), frameOf(produceOne(7, make([]byte, 40<<10)))...), []byte{200, 7})
	f.Add(append(bytes.Clone(hello), frameOf(fetchOne(7, 0))...), []byte{})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte{3})
	f.Add(append(bytes.Clone(hello), 0, 1, 0, 1, 0x94, 2, 1, 9, 0x93), []byte{2, 9})
	f.Add([]byte{0, 0, 0, 5, 0xdd, 255, 255, 255, 255}, []byte{1})
	f.Fuzz(func(t *testing.T, b, cuts []byte) {
		whole := serveBytes(t, b, nil)
		require.Equal(t, whole, serveBytes(t, b, cuts))
		r := newReader(&pipe{in: &chunked{b: bytes.Clone(whole), cuts: cuts}})
		d := newDecoder()
		for n := 0; n < len(whole); {
			frame, err := readFrame(r, 1<<20)
			require.NoError(t, err, "what a server writes are frames")
			_, err = decodeCorrelation(d, frame)
			require.NoError(t, err)
			n += len(frame) + frameHeader
		}
	})
}

func TestReadFrame(t *testing.T) {
	read := func(limit int64, b ...byte) ([]byte, error) {
		return readFrame(newReader(&pipe{in: &chunked{b: b, cuts: []byte{3}}}), limit)
	}
	frame, err := read(5, 0, 0, 0, 5, 1, 2, 3, 4, 5)
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2, 3, 4, 5}, frame)
	_, err = read(5, 0, 0, 0, 6, 1, 2, 3, 4, 5, 6)
	require.ErrorContains(t, err, "response frame length 6, 4 to 5 are accepted")
	_, err = read(5, 0, 0, 0, 3, 1, 2, 3)
	require.ErrorContains(t, err, "response frame length 3")
	_, err = read(1<<40, 0xff, 0xff, 0xff, 0xff, 1)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF) // and no 4 GiB
	_, err = read(5, 0, 0)
	require.ErrorIs(t, err, io.EOF)
	large := bytes.Repeat([]byte{9}, 3<<20)
	frame, err = read(4<<20, append([]byte{0, 0x30, 0, 0}, large...)...)
	require.NoError(t, err)
	require.Equal(t, large, frame)
}
