package client

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/wire"
)

// link is a connection with its hooks. Safe for concurrent use.
type link struct {
	c       *Client
	conn    *wire.Conn
	address string
	once    sync.Once             // the end is told once
	why     atomic.Pointer[Error] // why the Client itself ended it, nil if it did not or that was meant
	waiting atomic.Int32          // callers of do
	retired atomic.Pointer[Error] // why it is closed as soon as nobody waits; nil: it is not
}

// dial connects to a broker at an address, within DialTimeout.
func (c *Client) dial(ctx context.Context, address string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	begun := time.Now()
	conn, err := wire.Dial(ctx, address, wire.DialOptions{
		ClientName: c.opts.ClientName, ClientVersion: c.opts.ClientVersion, WriteTimeout: c.opts.RequestTimeout,
	})
	c.opts.Hooks.connect(address, time.Since(begun), err)
	if err != nil {
		return nil, err
	}
	return &link{c: c, conn: conn, address: address}, nil
}

// dialBroker connects to a broker where metadata says that it listens.
func (c *Client) dialBroker(ctx context.Context, broker int32) (*link, *Error) {
	address, ok := c.meta.address(broker)
	if !ok {
		return nil, newError(CodeUnreachable, nowhere(""), "the address of broker %d is not known", broker)
	}
	return c.dialAt(ctx, broker, address)
}

// dialAt connects to a broker at the address that it advertises, and makes sure that it is the one meant (E104).
func (c *Client) dialAt(ctx context.Context, broker int32, address string) (*link, *Error) {
	fail := func(err error) *Error {
		if address == c.Address() {
			e := newError(CodeUnreachable, nowhere(address), "cannot reach broker %d: %s: %s", broker, address,
				reason(err))
			e.Err = err
			return e
		}
		e := newError(CodeAdvertised, nowhere(address), "broker %d advertises %s, which does not answer as it: %s",
			broker, address, reason(err))
		e.Err = err
		return e
	}
	l, err := c.dial(ctx, address)
	if err != nil {
		return nil, fail(err)
	}
	want := c.Hello().ClusterID
	if h := l.hello(); h.BrokerID != broker || h.ClusterID != want {
		err := newError(CodeAdvertised, nowhere(address),
			"broker %d of cluster %q answers there, not broker %d of cluster %q",
			h.BrokerID, h.ClusterID, broker, want)
		l.close(err)
		return nil, err
	}
	return l, nil
}

func (l *link) hello() *wire.HelloResponse { return l.conn.Hello() }

// broken tells whether the connection serves no longer.
func (l *link) broken() bool {
	select {
	case <-l.conn.Done():
		l.ended(l.conn.Err())
		return true
	default:
		return false
	}
}

// ended tells of the connection's end.
func (l *link) ended(why error) {
	l.once.Do(func() { l.c.opts.Hooks.disconnect(l.address, why) })
}

// close ends the connection. why is nil when that is meant.
func (l *link) close(why *Error) {
	l.why.CompareAndSwap(nil, why)
	_ = l.conn.Close()
	l.ended(errorOrNil(why))
}

// retire ends the connection as soon as nobody waits for an answer.
func (l *link) retire(why *Error) {
	l.retired.Store(why)
	if l.waiting.Load() == 0 {
		l.close(why)
	}
}

// do sends a request and waits for its answer. A request that takes RequestTimeout ends the connection, since what
// follows it waits, too.
func (l *link) do(ctx context.Context, q wire.Request) (wire.Response, *Error) {
	l.waiting.Add(1)
	defer func() {
		if l.waiting.Add(-1) == 0 {
			if why := l.retired.Load(); why != nil {
				l.close(why)
			}
		}
	}()
	begun := time.Now()
	r, err := l.conn.Do(ctx, q)
	took := time.Since(begun)
	if err == nil {
		l.c.opts.Hooks.request(q.API(), took, nil)
		return r, nil
	}
	e := l.failure(err)
	l.c.opts.Hooks.request(q.API(), took, e)
	if ctx.Err() != nil && took >= l.c.opts.RequestTimeout {
		l.close(e)
	}
	l.broken()
	return nil, e
}

// failure turns the error of a call into an *Error.
func (l *link) failure(err error) *Error {
	var refused *wire.Error
	if errors.As(err, &refused) && refused == err {
		return fromWire(refused, nowhere(l.address))
	}
	outcome := OutcomeUnknown
	if errors.Is(err, wire.ErrNotSent) {
		outcome = OutcomeFailed
	}
	code, what := CodeUnreachable, "the connection was lost"
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		code, what = wire.CodeTimedOut, "no answer came in time"
		if errors.Is(err, context.Canceled) {
			what = "given up"
		}
	}
	if why := l.why.Load(); why != nil && errors.Is(err, wire.ErrConnClosed) {
		code, what, err = why.Code, "the connection was given up", why
	}
	e := newError(code, nowhere(l.address), "%s: %s: %s", what, l.address, reason(err))
	e.Outcome, e.Err = outcome, err
	return e
}

// reason returns the innermost cause that says something to people: "connection refused" rather than the chain that
// leads to it.
func reason(err error) string {
	var ce *wire.ConnError
	if errors.As(err, &ce) {
		err = ce.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
		var call *os.SyscallError
		if errors.As(err, &call) {
			err = call.Err
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timed out"
	}
	return err.Error()
}

// sleep waits, and tells whether it did so to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
