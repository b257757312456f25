package wire

import (
	"bufio"
	"container/list"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

const (
	// readAhead is the buffer that an idle connection keeps: small requests are
	// read with one system call, large ones past it.
	readAhead = 512
	// firstChunk is how much of a frame is allocated before any of it arrived.
	firstChunk = 16 << 10
	// maxEnvelope is the longest that comes before a request's body: an array
	// header of 5 bytes and three integers of 9.
	maxEnvelope = 32
	// paceSlice is how much of a frame is read under one deadline.
	paceSlice = 64 << 10
	// lingerTime is how long a closing connection waits for its peer to take
	// what was written.
	lingerTime = time.Second
	// halfClosedTime is how long requests may go on whose client has stopped
	// sending: it may be gone, or be waiting for its answers.
	halfClosedTime = 2 * time.Second
)

// serverConn is one connection: a goroutine that reads and starts requests
// (readAll) and one that answers them in order (writeAll).
type serverConn struct {
	s    *Server
	c    net.Conn
	r    *bufio.Reader
	peer Peer
	// ctx ends when the connection can no longer answer.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// queue holds the requests that were started, in order. The reader closes it.
	queue chan *exchange
	// outstanding is the number of requests read and not yet answered, held the
	// bytes of their frames.
	outstanding atomic.Int32
	held        atomic.Int64
	// room is signalled when held has shrunk.
	room     chan struct{}
	draining atomic.Bool
	// linger tells the writer to let the peer take the last answers; written by
	// the reader before it closes queue.
	linger bool
	// end is why the reader stopped, nil if in good order; written as linger is.
	end error
	// speaker is that of the server's dialect; nil: Skidway's own protocol.
	speaker Speaker
	// greeted: the hello is done, or the first request of a dialect. Of the reader.
	greeted bool
	// trusted is the size of the last body that came whole. Of the reader.
	trusted int
	// opened is when the connection was accepted.
	opened time.Time
	// fresh is the place in Server.fresh, nil after the hello; under Server.mu.
	fresh *list.Element
}

// exchange is one request on its way to its answer.
type exchange struct {
	env     envelope
	pending Pending // nil: a request of a dialect
	reply   Reply   // of a dialect; nil if its frame was no request
	lease   lease
	buf     *frameBuffer // nil when nothing refers to the frame any more
	body    int          // the frame's size without its length field
	known   bool         // env could be read
	begun   time.Time
}

func newServerConn(s *Server, c net.Conn) *serverConn {
	sc := &serverConn{
		s: s, c: c,
		r:      bufio.NewReaderSize(c, readAhead),
		peer:   Peer{ID: s.nextID.Add(1), Remote: c.RemoteAddr()},
		queue:  make(chan *exchange, s.opts.MaxOutstanding),
		room:   make(chan struct{}, 1),
		opened: time.Now(),
	}
	sc.ctx, sc.cancel = context.WithCancelCause(s.ctx)
	if s.opts.Dialect != nil {
		sc.speaker = s.opts.Dialect.Open(&sc.peer)
	}
	return sc
}

// String names the kind of request, if it could be read.
func (ex *exchange) String() string {
	switch {
	case ex.reply != nil:
		return ex.reply.String()
	case ex.known:
		return ex.env.api.String()
	}
	return "unknown"
}

// fail cuts the connection now. The first reason counts.
func (c *serverConn) fail(why error) {
	c.cancel(why)
	_ = c.c.Close()
}

// drain makes the reader stop at once; what has begun is still answered.
func (c *serverConn) drain() {
	c.draining.Store(true)
	_ = c.c.SetReadDeadline(time.Unix(1, 0))
}

// deadline sets when the next read fails: after d, or when the hello is due, or
// at once if the connection drains.
func (c *serverConn) deadline(d time.Duration) {
	if !c.greeted {
		d = time.Until(c.opened.Add(c.s.opts.HelloTimeout))
	}
	_ = c.c.SetReadDeadline(time.Now().Add(d))
	if c.draining.Load() {
		_ = c.c.SetReadDeadline(time.Unix(1, 0))
	}
}

// readAll reads requests and starts them, until the connection ends.
func (c *serverConn) readAll() {
	defer c.s.running.Done()
	defer close(c.queue)
	for {
		ex, err := c.readRequest()
		if ex != nil {
			c.queue <- ex
		}
		if err != nil {
			c.stopReading(err)
			return
		}
	}
}

// stopReading decides what the end of reading means for requests under way.
func (c *serverConn) stopReading(err error) {
	var fault *closeAfter
	switch {
	case errors.Is(err, io.EOF):
		// The peer may have closed its half only and wait for answers.
		if c.outstanding.Load() > 0 {
			time.AfterFunc(halfClosedTime, func() { c.cancel(io.EOF) })
		}
	case c.draining.Load():
		c.linger = true
	case errors.As(err, &fault):
		c.end, c.linger = fault.why, true
	default:
		c.end = err
		c.cancel(err)
	}
}

// closeAfter ends a connection in good order: what is queued is written first.
type closeAfter struct{ why error }

func (e *closeAfter) Error() string { return e.why.Error() }

// readRequest reads one frame and starts what it asks for. It may return both an
// exchange, which is to be answered, and an error, which ends reading.
func (c *serverConn) readRequest() (*exchange, error) {
	n, err := c.readLength()
	if err != nil {
		return nil, err
	}
	if c.ctx.Err() != nil {
		return nil, context.Cause(c.ctx) // what is buffered cannot be answered any more
	}
	ex := &exchange{lease: lease{b: c.s.large}, body: n}
	if n <= firstChunk {
		ex.lease.b = c.s.small
	}
	if err := c.waitForRoom(n); err != nil {
		return nil, err
	}
	if err := c.readBody(ex, n); err != nil {
		ex.lease.release()
		return nil, err
	}
	ex.begun = time.Now()
	c.outstanding.Add(1)
	c.held.Add(int64(n))
	return ex, c.start(ex, n)
}

// readLength waits for a frame and reads its length.
func (c *serverConn) readLength() (int, error) {
	if c.r.Buffered() == 0 {
		if err := c.waitForFrame(); err != nil {
			return 0, err
		}
	}
	if c.r.Buffered() < frameHeader {
		c.deadline(c.s.opts.BodyTimeout)
	}
	head, err := c.r.Peek(frameHeader)
	if err != nil {
		return 0, midFrame(err)
	}
	n := int64(head[0])<<24 | int64(head[1])<<16 | int64(head[2])<<8 | int64(head[3])
	limit := c.s.opts.MaxFrameBytes
	if !c.greeted && c.speaker == nil {
		limit = min(limit, helloFrameBytes)
	}
	if n < minFrameBytes || n > limit {
		return 0, c.badLength(n, limit)
	}
	_, _ = c.r.Discard(frameHeader)
	return int(n), nil
}

// waitForFrame waits for the first byte of a frame.
func (c *serverConn) waitForFrame() error {
	for {
		c.deadline(c.s.opts.IdleTimeout)
		_, err := c.r.Peek(1)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded) || c.draining.Load():
			return err
		case !c.greeted:
			return errors.New("wire: no hello in time")
		case c.outstanding.Load() == 0:
			return errIdle
		}
	}
}

// midFrame tells an end inside a frame from one between frames.
func midFrame(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &closeAfter{errors.New("wire: the peer closed the connection inside a frame")}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("wire: a frame has begun and came too slowly")
	}
	return err
}

// badLength ends a connection whose next frame has an impossible length. A
// client that merely sends too much is told, if its request can be made out.
func (c *serverConn) badLength(n, limit int64) error {
	if c.greeted {
		c.deadline(c.s.opts.BodyTimeout)
		_, _ = c.r.Peek(frameHeader + maxEnvelope)
	}
	start, _ := c.r.Peek(min(c.r.Buffered(), frameHeader+maxEnvelope))
	why := lengthFault(n, limit, start, c.speaker == nil)
	c.s.warn("closing a connection: not a frame", "remote", c.peer.Remote, "error", why)
	if c.speaker == nil && c.greeted && n > limit && len(start) > frameHeader {
		if env, err := decodeEnvelope(newDecoder(), start[frameHeader:]); err == nil {
			c.refuse(env, Errorf(CodeRequestTooLarge, "%s: the frame has %d bytes, this broker takes at most %d",
				env.api, n, limit))
		}
	}
	return &closeAfter{why}
}

// refuse answers a request that was not read.
func (c *serverConn) refuse(env envelope, err *Error) {
	c.outstanding.Add(1)
	c.queue <- &exchange{env: env, pending: Ready(nil, err), begun: time.Now(), known: true,
		lease: lease{b: c.s.small}}
}

// waitForRoom keeps one connection from taking more than a quarter of the
// memory of all, unless a single frame needs it.
func (c *serverConn) waitForRoom(n int) error {
	share := max(c.s.opts.MemoryBytes/4, c.s.opts.MaxFrameBytes)
	for {
		held := c.held.Load()
		if held == 0 || held+int64(n) <= share {
			return nil
		}
		select {
		case <-c.room:
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

// readBody reads the n bytes of a frame. The buffer doubles as they arrive, so
// that a length alone costs no more than the peer has sent in the frame before:
// who goes on as it began has its frames read where they stay.
func (c *serverConn) readBody(ex *exchange, n int) error {
	size := min(n, max(firstChunk, c.trusted))
	if err := ex.lease.grow(c.ctx, int64(size)); err != nil {
		return err
	}
	ex.buf = c.s.buffers.get(size)
	have := 0
	pace := pace{begun: time.Now()}
	for {
		if err := c.readPart(ex.buf.b[have:size], &pace); err != nil {
			c.s.buffers.drop(ex)
			return err
		}
		if size == n {
			c.trusted = n
			return nil
		}
		have, size = size, min(n, 2*size)
		asked := time.Now()
		if err := ex.lease.grow(c.ctx, int64(size-have)); err != nil {
			c.s.buffers.drop(ex)
			return err
		}
		pace.begun = pace.begun.Add(time.Since(asked)) // our fault, not the peer's
		larger := c.s.buffers.get(size)
		copy(larger.b, ex.buf.b)
		c.s.buffers.drop(ex)
		ex.buf = larger
	}
}

// pace is how a frame comes along.
type pace struct {
	begun time.Time
	read  int
}

// readPart fills b. The peer has BodyTimeout of grace once for the whole frame,
// and for each slice again, so that it can neither drip nor stop for long.
func (c *serverConn) readPart(b []byte, p *pace) error {
	for len(b) > 0 {
		slice := b[:min(len(b), paceSlice)]
		if c.r.Buffered() < len(slice) {
			grace, rate := c.s.opts.BodyTimeout, c.s.opts.MinBytesPerSecond
			whole := time.Until(p.begun.Add(grace + atRate(p.read+len(slice), rate)))
			c.deadline(min(whole, grace+atRate(len(slice), rate)))
		}
		if _, err := io.ReadFull(c.r, slice); err != nil {
			return midFrame(err)
		}
		p.read += len(slice)
		b = b[len(slice):]
	}
	return nil
}

// atRate is the time that n bytes take.
func atRate(n int, bytesPerSecond int64) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(bytesPerSecond)
}
