package wire

import (
	"errors"
	"runtime/debug"
)

// start decodes the request in ex.buf and starts it: afterwards ex.pending is
// set. An error ends reading once ex is answered.
func (c *serverConn) start(ex *exchange, n int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			c.s.panicked(ex.String(), c.peer.Remote, v, debug.Stack())
			ex.buf = nil // whatever panicked may have let go of it, or not
			ex.pending = Ready(nil, Errorf(CodeInternal, "the broker failed"))
			c.fail(errPanicked)
			err = errPanicked
		}
	}()
	if c.speaker != nil {
		return c.startReply(ex, n)
	}
	req, err := c.decode(ex, n)
	switch {
	case err != nil:
		var refusal *Error
		if !errors.As(err, &refusal) {
			return err
		}
		ex.pending = Ready(nil, refusal)
		return c.refused(ex, refusal)
	case !c.greeted:
		return c.hello(ex, req)
	case ex.env.api == APIHello:
		ex.pending = Ready(nil, Errorf(CodeMalformedRequest, "hello: the connection has said hello before"))
		return nil
	}
	ex.pending = c.s.opts.Handler.Handle(c.ctx, &c.peer, req)
	if ex.pending == nil {
		panic("wire: Handler returned no Pending")
	}
	return nil
}

// decode reads the request, and gives the frame's buffer back where the request
// does not refer to it.
func (c *serverConn) decode(ex *exchange, n int) (Request, error) {
	d := c.s.decoders.Get().(*decoder)
	frame := ex.buf.b[:n]
	var req Request
	env, err := decodeEnvelope(d, frame)
	ex.env, ex.known = env, err == nil
	if err == nil {
		req, err = decodeBody(d, env)
	} else if like := lookalike(append([]byte{0, 0, 0, 0}, frame[:2]...), true); like != "" {
		c.s.warn("closing a connection: not a request", "remote", c.peer.Remote, "error", like)
	}
	d.reset(nil)
	c.s.decoders.Put(d)
	if err != nil || !env.api.kind().aliases {
		c.s.buffers.put(ex.buf)
		ex.buf = nil
	}
	return req, err
}

// refused decides whether the connection survives a request that was refused
// before it reached the handler: it does where the client can tell which of its
// requests is meant, and knows who it talks to.
func (c *serverConn) refused(ex *exchange, refusal *Error) error {
	switch {
	case !ex.known:
		return &closeAfter{refusal} // the correlation could not be read
	case !c.greeted && ex.env.api != APIHello:
		ex.pending = Ready(nil, errNotGreeted(ex.env.api))
		return &closeAfter{errNotGreeted(ex.env.api)}
	}
	return nil
}

func errNotGreeted(api API) *Error {
	return Errorf(CodeMalformedRequest, "%s: the first request on a connection must be hello", api)
}

// hello answers the first request.
func (c *serverConn) hello(ex *exchange, req Request) error {
	hello, ok := req.(*HelloRequest)
	if !ok {
		c.s.buffers.drop(ex)
		ex.pending = Ready(nil, errNotGreeted(ex.env.api))
		return &closeAfter{errNotGreeted(ex.env.api)}
	}
	c.peer.ClientName, c.peer.ClientVersion = hello.ClientName, hello.ClientVersion
	c.greeted = true
	c.s.greeted(c)
	c.s.opts.Logger.Debug("connection opened", "remote", c.peer.Remote,
		"client", hello.ClientName, "version", hello.ClientVersion)
	ex.pending = Ready(&c.s.opts.Hello, nil)
	return nil
}
