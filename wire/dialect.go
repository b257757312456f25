package wire

import (
	"context"
	"time"
)

// Dialect is another protocol that a Server speaks instead of Skidway's own. Its
// frames, too, are a length of four bytes in network order and as many bytes, and
// its requests are answered in their order. Everything that keeps hostile or slow
// peers in bounds is the server's and holds for every dialect: sizes, memory,
// time, the number of connections, draining, panics.
type Dialect interface {
	// Open begins a connection. Until the first Start has succeeded, what the
	// client says of itself may be written into peer.
	Open(peer *Peer) Speaker
}

// Speaker is a Dialect on one connection.
type Speaker interface {
	// Start decodes the body of a frame and starts what it asks for. As
	// Handler.Handle it is called on the connection's reader goroutine, one call at
	// a time in order of arrival, and must only start work. frame belongs to the
	// server; it may be read and written until Reply.Done. An error says that the
	// frame is no request: it is logged and the connection is closed, once the
	// requests before it are answered.
	Start(ctx context.Context, frame []byte) (Reply, error)
}

// Reply is a request of a Dialect under way. It is used by the connection's
// writer goroutine alone.
type Reply interface {
	// String names the kind of request.
	String() string
	// Ready tells whether Append would return at once, as far as one can know. It
	// may be called any number of times before Append.
	Ready() bool
	// Append waits for the answer and puts the body of its frame into f; nothing
	// when the request gets no answer. It is called exactly once, also when the
	// connection is already lost: then with a ctx that has ended. An error, the
	// answer being impossible to give, closes the connection.
	Append(ctx context.Context, f *Frame) error
	// Done is called exactly once, after the answer was written or dropped; what
	// Frame.Refer was given is not read afterwards. It returns true if something
	// still refers to the request's bytes: they are then left to the garbage
	// collector.
	Done(Sent) (held bool)
}

// Sent tells of a request of a Dialect that is done; see Answered.
type Sent struct {
	// Took is from the arrival of the whole frame to the end of writing.
	Took time.Duration
	// BytesIn and BytesOut are the frames' sizes; BytesOut is 0 when there was no
	// answer or it could not be written.
	BytesIn, BytesOut int
}

// Frame takes the body of one answer. Not safe for concurrent use.
type Frame struct{ e *encoder }

// Append adds what add appends to its argument.
func (f *Frame) Append(add func(dst []byte) []byte) { f.e.buf = add(f.e.buf) }

// Refer adds b. Unless it is short it is not copied: it must not change before
// Reply.Done.
func (f *Frame) Refer(b []byte) { f.e.raw(b) }

// startReply has the dialect decode the frame and start what it asks for.
func (c *serverConn) startReply(ex *exchange, n int) error {
	reply, err := c.speaker.Start(c.ctx, ex.buf.b[:n])
	if err != nil {
		c.s.warn("closing a connection: not a request", "remote", c.peer.Remote, "error", err)
		return &closeAfter{err}
	}
	ex.reply = reply
	if !c.greeted {
		c.greeted = true
		c.s.greeted(c)
	}
	return nil
}

// encodeReply waits for the answer of a dialect's request and puts it into e.
func (c *serverConn) encodeReply(e *encoder, ex *exchange) (size int) {
	if ex.reply == nil {
		return 0
	}
	m := e.begin()
	err := c.awaitReply(e, ex)
	if size = e.end(m); size == frameHeader || err != nil || c.ctx.Err() != nil || !fits(size) {
		e.rewind(m)
		size = 0
	}
	if err != nil && c.ctx.Err() == nil {
		c.s.warn("closing a connection: a request has no answer", "request", ex.String(), "remote", c.peer.Remote,
			"error", err)
		c.fail(err)
	}
	return size
}

// doneReply ends the use of the request's and the answer's memory.
func (c *serverConn) doneReply(a answer) {
	sent := Sent{Took: time.Since(a.ex.begun), BytesIn: a.ex.body + frameHeader, BytesOut: a.size}
	if a.ex.reply != nil && a.ex.reply.Done(sent) {
		a.ex.buf = nil
	}
	c.s.buffers.drop(a.ex)
}

// awaitReply is Reply.Append, with its panics caught.
func (c *serverConn) awaitReply(e *encoder, ex *exchange) (err error) {
	defer c.recovered(ex, &err)
	return ex.reply.Append(c.ctx, &Frame{e})
}
