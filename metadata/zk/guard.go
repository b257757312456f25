package zk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Sizes of frames, without the four bytes of their length.
const (
	minGreeting = 36 // version, timeout, session id, password
	maxGreeting = 256
	minFrame    = 16 // xid, zxid, error
	// maxReply bounds a reply that the library is given: the names of some 200,000 children.
	maxReply = 16 << 20
	// maxFrame is larger than any reply of a ZooKeeper: what announces more is something else.
	maxFrame = 1 << 30
)

// errTooLargeCode is the error in the reply that stands for one of more than maxReply: ZooKeeper's "nothing", which
// no server sends for the requests of this package.
const errTooLargeCode = -117

// opSetWatches is the request with which the library sets its watches again over a new connection.
const opSetWatches = 101

// guard is a connection to a server as the library needs it, which
//   - waits for ever for the body of a greeting: here the greeting has a deadline (D15);
//   - crashes at a frame without a whole header, and allocates whatever length a server says: here both end the
//     connection, and a reply too large becomes an error of its request alone (D10);
//   - sets its watches again as of the last reply that it has seen, which may be one of the new connection, so that
//     what changed meanwhile goes unseen: here it is the last of the connections before.
//
// Its reads are the library's, one after the other; so are its writes.
type guard struct {
	net.Conn
	server  string
	trace   *trace
	greetBy time.Time
	opened  time.Time
	// seen is the last transaction that replies of earlier connections, and of this one, were of.
	seen, seenBefore int64

	greeted bool
	timeout time.Duration // granted in the greeting
	head    [4 + minFrame]byte
	pending []byte // of head, not yet read
	body    int    // bytes of the frame that follow head, not yet read
}

var errNotZooKeeper = errors.New("it does not speak ZooKeeper's protocol")

// Read reads of one frame at most.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.read(p)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		g.trace.note(g.server, g.explained(err))
	}
	return n, err
}

func (g *guard) read(p []byte) (int, error) {
	if len(g.pending) == 0 && g.body == 0 {
		if err := g.nextFrame(); err != nil {
			return 0, err
		}
	}
	if len(g.pending) > 0 {
		n := copy(p, g.pending)
		g.pending = g.pending[n:]
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(len(p), g.body)])
	g.body -= n
	return n, err
}

// nextFrame reads the start of a frame.
func (g *guard) nextFrame() error {
	if _, err := io.ReadFull(g.Conn, g.head[:4]); err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(g.head[:]))
	least, most := int64(minFrame), int64(maxFrame)
	if !g.greeted {
		least, most = minGreeting, maxGreeting
	}
	if size < least || size > most {
		return fmt.Errorf("%w: a frame of %d bytes", errNotZooKeeper, size)
	}
	if _, err := io.ReadFull(g.Conn, g.head[4:]); err != nil {
		return err
	}
	g.pending, g.body = g.head[:], int(size-minFrame)
	if !g.greeted {
		g.greeted = true
		g.timeout = time.Duration(int32(binary.BigEndian.Uint32(g.head[8:]))) * time.Millisecond
		return nil
	}
	xid, zxid := int32(binary.BigEndian.Uint32(g.head[4:])), int64(binary.BigEndian.Uint64(g.head[8:]))
	if xid >= 0 {
		g.seen = max(g.seen, zxid)
	}
	if size <= maxReply {
		return nil
	}
	if _, err := io.CopyN(io.Discard, g.Conn, size-minFrame); err != nil {
		return err
	}
	g.body = 0
	binary.BigEndian.PutUint32(g.head[:], minFrame)
	binary.BigEndian.PutUint32(g.head[16:], uint32(0x1_0000_0000+errTooLargeCode))
	return nil
}

// explained returns why the connection ended, for an operator.
func (g *guard) explained(err error) error {
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	timedOut := isTimeout(err)
	switch {
	case ended && !g.greeted:
		return errors.New("it closes the connection before it greets: it has no quorum, or takes no more clients")
	case ended:
		return errors.New("it has closed the connection")
	case timedOut && !g.greeted:
		return errors.New("it accepts the connection and does not greet in time")
	case timedOut:
		return errors.New("it does not answer any more")
	}
	return plain(err)
}

// Write writes one frame. When it sets watches, it sets them as of the connections before.
func (g *guard) Write(p []byte) (int, error) {
	const at = 12 // after length, xid and operation
	if len(p) < at+8 || binary.BigEndian.Uint32(p[8:]) != opSetWatches || !g.greeted {
		return g.Conn.Write(p)
	}
	p = bytes.Clone(p)
	binary.BigEndian.PutUint64(p[at:], uint64(g.seenBefore))
	return g.Conn.Write(p)
}

// SetReadDeadline sets the deadline, at the latest the greeting's until that is there.
func (g *guard) SetReadDeadline(t time.Time) error {
	if !g.greeted && (t.IsZero() || t.After(g.greetBy)) {
		t = g.greetBy
	}
	return g.Conn.SetReadDeadline(t)
}
