package wire

import (
	"context"
	"io"
	"math"
	"net"
	"runtime/debug"
	"time"
)

const (
	// maxBatch and maxBatchBytes end the collecting of answers for one write.
	maxBatch      = 16
	maxBatchBytes = 64 << 10
)

// answer is an exchange whose answer is encoded.
type answer struct {
	ex   *exchange
	resp Response
	code Code
	size int // of the frame; 0: there is none, because the connection is lost
}

// writeAll answers the requests of the queue in order, and closes the connection
// when the reader has stopped and all are answered.
func (c *serverConn) writeAll() {
	defer c.s.running.Done()
	var next *exchange
	for open := true; open; {
		if next == nil {
			next, open = <-c.queue
		}
		if next != nil {
			next = c.answer(next)
		}
	}
	if c.linger && c.ctx.Err() == nil {
		_ = c.c.SetReadDeadline(time.Now().Add(lingerTime))
		linger(c.c)
	}
	why := context.Cause(c.ctx)
	if why == nil || why == io.EOF {
		why = c.end
	}
	c.cancel(nil)
	_ = c.c.Close()
	c.s.forget(c)
	c.s.opts.Logger.Debug("connection closed", "remote", c.peer.Remote, "why", why)
	c.s.opts.Events.Closed(c.peer.Remote, why)
}

// linger closes our half and waits for the peer to close its own: closing with
// bytes unread would make the peer's system throw away the answers it has not
// yet read.
func linger(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok && t.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c)
	}
}

// answer waits for the first request, and answers it together with those behind
// it that are done, too. It returns the one that it took off the queue beyond
// that, if any.
func (c *serverConn) answer(first *exchange) (next *exchange) {
	e := c.s.encoders.Get().(*encoder)
	var batch [maxBatch]answer
	n := 0
	for next = first; next != nil && n < maxBatch && e.size() < maxBatchBytes; n++ {
		batch[n] = c.encode(e, next)
		select {
		case next = <-c.queue: // nil when closed
		default:
			next = nil
		}
		if next != nil && !c.ready(next) {
			n++
			break
		}
	}
	if !c.flush(e) {
		for i := range n {
			batch[i].size = 0
		}
	}
	e.reset()
	c.s.encoders.Put(e)
	for _, a := range batch[:n] {
		c.settle(a)
	}
	return next
}

// ready tells whether the request's answer is there, as far as one can know.
func (c *serverConn) ready(ex *exchange) (ready bool) {
	var err error
	defer c.recovered(ex, &err)
	if c.speaker != nil {
		return ex.reply == nil || ex.reply.Ready()
	}
	p, ok := ex.pending.(Poller)
	return ok && p.Ready()
}

// encode waits for the request and puts its answer into e.
func (c *serverConn) encode(e *encoder, ex *exchange) answer {
	if c.speaker != nil {
		return answer{ex: ex, size: c.encodeReply(e, ex)}
	}
	m := mark{len(e.buf), len(e.far), e.farLen}
	resp, err := c.wait(ex)
	a := answer{ex: ex, resp: resp}
	if c.ctx.Err() != nil {
		return a
	}
	var panicked error
	defer func() {
		if panicked != nil {
			e.rewind(m)
		}
	}()
	defer c.recovered(ex, &panicked)
	refusal := AsError(err)
	if refusal != nil && refusal.Code == CodeInternal {
		c.s.opts.Logger.Error("request failed", "request", ex.env.api.String(), "remote", c.peer.Remote, "error", err)
	}
	a.size = encodeResponse(e, ex.env, resp, refusal)
	if !fits(a.size) {
		e.rewind(m)
		refusal = Errorf(CodeInternal, "the answer would have %d bytes", a.size)
		a.size = encodeResponse(e, ex.env, nil, refusal)
	}
	if refusal != nil {
		a.code = refusal.Code
	}
	return a
}

// fits tells whether the length of a frame of that size can be written.
func fits(size int) bool { return size-frameHeader <= math.MaxInt32 }

// flush writes what is encoded, and tells whether it could.
func (c *serverConn) flush(e *encoder) bool {
	if c.ctx.Err() != nil {
		return false
	}
	_ = c.c.SetWriteDeadline(time.Now().Add(c.s.opts.WriteTimeout + atRate(e.size(), c.s.opts.MinBytesPerSecond)))
	if _, err := e.buffers().WriteTo(c.c); err != nil {
		c.fail(err)
		return false
	}
	return true
}

// settle gives back all that an answered request held.
func (c *serverConn) settle(a answer) {
	c.giveBack(a)
	a.ex.lease.release()
	c.held.Add(-int64(a.ex.body))
	c.outstanding.Add(-1)
	select {
	case c.room <- struct{}{}:
	default:
	}
	if c.speaker != nil {
		return // Reply.Done was told
	}
	c.s.opts.Events.Answered(Answered{API: a.ex.env.api, Code: a.code, Took: time.Since(a.ex.begun),
		BytesIn: a.ex.body + frameHeader, BytesOut: a.size})
}

// giveBack ends the use of the answer's memory and of the frame's; the latter
// unless the handler says that something still refers to it.
func (c *serverConn) giveBack(a answer) {
	var err error
	defer c.recovered(a.ex, &err)
	if c.speaker != nil {
		c.doneReply(a)
		return
	}
	if r, ok := a.resp.(Releaser); ok {
		r.Release()
	}
	if h, ok := a.ex.pending.(Holder); ok && h.Held() {
		a.ex.buf = nil
	}
	c.s.buffers.drop(a.ex)
}

// wait is Pending.Wait, with its panics caught.
func (c *serverConn) wait(ex *exchange) (resp Response, err error) {
	defer c.recovered(ex, &err)
	resp, err = ex.pending.Wait(c.ctx)
	if resp == nil && err == nil {
		panic("wire: Wait returned neither a response nor an error")
	}
	if resp != nil && resp.API() != ex.env.api {
		panic("wire: " + ex.env.api.String() + " was answered by a " + resp.API().String() + " response")
	}
	return resp, err
}

// recovered ends the connection, and only it, after a panic.
func (c *serverConn) recovered(ex *exchange, err *error) {
	if v := recover(); v != nil {
		c.s.panicked(ex.String(), c.peer.Remote, v, debug.Stack())
		ex.buf = nil // whatever panicked may still refer to it
		*err = errPanicked
		c.fail(errPanicked)
	}
}
