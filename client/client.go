package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/skidway/skidway/wire"
)

// Client is a program's access to a cluster: it finds brokers and topics for the Producers, Consumers and Admins that
// are made of it. Safe for concurrent use.
type Client struct {
	opts  Options
	seeds []string
	meta  *metadata
	links *links // to brokers that must answer themselves: coordinators

	ctx    context.Context // ends with the Client
	cancel context.CancelFunc
	tasks  sync.WaitGroup // goroutines of the Client itself

	dialling chan struct{} // holds one token: who has it may replace control
	mu       sync.Mutex    // guards all below; nothing is called under it
	control  *link         // for metadata and Admins; nil: to be dialled
	last     *link         // the last control that there was, open or not
	parts    map[part]struct{}
	closed   bool
}

// part is what is made of a Client and ends with it.
type part interface {
	Close(ctx context.Context) error
}

// Connect finds a broker at one of addrs ("host:port"; DefaultAddress if there are none), in that order, and asks it
// for the cluster. The error names each address and why it failed (ErrUnreachable).
func Connect(ctx context.Context, addrs []string, o Options) (*Client, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		addrs = []string{DefaultAddress}
	}
	c := &Client{opts: o, seeds: slices.Clone(addrs), dialling: make(chan struct{}, 1), parts: map[part]struct{}{}}
	c.meta, c.links = newMetadata(c), newLinks(c)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if err := c.connect(ctx); err != nil {
		c.cancel()
		return nil, err
	}
	r := c.meta.ask(nil, FailMissing)
	select {
	case <-r.done:
		if r.all == nil {
			return c, nil
		}
		_ = c.Close(ctx)
		return nil, r.all
	case <-ctx.Done():
		_ = c.Close(ctx)
		return nil, timedOut(ctx, nowhere(c.Address()), "asking for the cluster", OutcomeFailed)
	}
}

func (c *Client) connect(ctx context.Context) error {
	_, err := c.controlLink(ctx)
	if err != nil {
		return err
	}
	return nil
}

// Close closes what was made of the Client, Producers with a flush, and its connections. ctx bounds the flush: what
// is not written then fails. It may be called more than once.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	var parts []part
	for p := range c.parts {
		parts = append(parts, p)
	}
	c.mu.Unlock()
	var errs []error
	for _, p := range parts {
		errs = append(errs, p.Close(ctx))
	}
	c.cancel()
	c.links.close()
	c.dialling <- struct{}{} // nobody dials, and nobody will
	c.mu.Lock()
	control := c.control
	c.control = nil
	c.mu.Unlock()
	<-c.dialling
	if control != nil {
		control.close(nil)
	}
	c.tasks.Wait()
	return errors.Join(errs...)
}

// add takes note of a Producer or Consumer. It refuses when the Client is closed.
func (c *Client) add(p part) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed("client")
	}
	c.parts[p] = struct{}{}
	return nil
}

// remove forgets a Producer or Consumer.
func (c *Client) remove(p part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.parts, p)
}

// Hello returns what the broker said of itself that answers requests for metadata now, or the last that did. It must
// not be changed.
func (c *Client) Hello() *wire.HelloResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.hello()
}

// Address returns the address of the broker that answers requests for metadata now, or the last that did.
func (c *Client) Address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.address
}

// controlLink returns the connection for metadata and administration, and opens it if need be. Its error is an *Error.
func (c *Client) controlLink(ctx context.Context) (*link, error) {
	if l := c.openControl(); l != nil {
		return l, nil
	}
	select {
	case c.dialling <- struct{}{}:
		defer func() { <-c.dialling }()
	case <-ctx.Done():
		return nil, timedOut(ctx, nowhere(""), "connecting", OutcomeFailed)
	}
	if l := c.openControl(); l != nil {
		return l, nil
	}
	if c.ctx.Err() != nil {
		return nil, errClosed("client")
	}
	l, err := c.dialAny(ctx)
	if err != nil {
		return nil, err
	}
	c.setControl(l)
	return l, nil
}

// setControl has a connection be the one for metadata and administration. Called with dialling held.
func (c *Client) setControl(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.control, c.last = l, l
}

// openControl returns the connection if it is open.
func (c *Client) openControl() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.control != nil && c.control.broken() {
		c.control = nil
	}
	return c.control
}

// dialAny connects to the first address that answers: the one that did last, those that the user gave, those that
// brokers advertise; none of those to be skipped.
func (c *Client) dialAny(ctx context.Context, skip ...string) (*link, error) {
	var tried, reasons []string
	var causes []error
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	try := c.seeds
	cluster := ""
	if last != nil {
		try = append([]string{last.address}, try...)
		cluster = last.hello().ClusterID
	}
	for _, address := range append(slices.Clone(try), c.meta.addresses()...) {
		if slices.Contains(tried, address) || slices.Contains(skip, address) {
			continue
		}
		tried = append(tried, address)
		l, err := c.dial(ctx, address)
		if err == nil && cluster != "" && l.hello().ClusterID != cluster {
			other := newError(CodeUnreachable, nowhere(address), "the broker belongs to cluster %q, not %q",
				l.hello().ClusterID, cluster)
			l.close(other)
			err = other
		}
		if err == nil {
			return l, nil
		}
		reasons, causes = append(reasons, address+": "+reason(err)), append(causes, err)
	}
	e := newError(CodeUnreachable, nowhere(strings.Join(tried, ", ")), "cannot reach any broker: %s",
		strings.Join(reasons, "; "))
	e.Err = errors.Join(causes...)
	return nil, e
}

// query asks for something without an effect: it is repeated for whatever reason may pass.
func query[T wire.Response](ctx context.Context, c *Client, q wire.Request) (T, error) {
	return persist[T](ctx, c, q, (*Error).Retriable)
}

// request asks for an effect: it is repeated only if it has had none.
func request[T wire.Response](ctx context.Context, c *Client, q wire.Request) (T, error) {
	return persist[T](ctx, c, q, withoutEffect)
}

// persist carries a request out, again while again says so and RequestTimeout is not over. Its error is an *Error.
func persist[T wire.Response](ctx context.Context, c *Client, q wire.Request, again func(*Error) bool) (T, error) {
	return insist(ctx, c, q.API(), again, func(ctx context.Context) (T, *Error) {
		r, err := c.exchange(ctx, q)
		return answerOf[T](r, err, q, c.Address())
	})
}

// insist does something once, and again while again says so and neither RequestTimeout is over nor the Client closed.
// Its error is an *Error.
func insist[T any](ctx context.Context, c *Client, api wire.API, again func(*Error) bool,
	once func(context.Context) (T, *Error)) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	for pauses := c.opts.pauses(); ; {
		r, err := once(ctx)
		if err == nil {
			return r, nil
		}
		if c.ctx.Err() != nil {
			return none, errClosed("client")
		}
		if !again(err) || ctx.Err() != nil || !sleep(ctx, pauses.NextBackOff()) {
			return none, err
		}
		c.opts.Hooks.retry(api, err)
	}
}

// answerOf returns the answer to q as what its kind of request is answered with, or err.
func answerOf[T wire.Response](r wire.Response, err *Error, q wire.Request, address string) (T, *Error) {
	typed, ok := r.(T)
	if err == nil && !ok {
		err = newError(wire.CodeInternal, nowhere(address), "the broker answered %s with another kind of response",
			q.API())
	}
	return typed, err
}

// exchange carries a request out once.
func (c *Client) exchange(ctx context.Context, q wire.Request) (wire.Response, *Error) {
	l, err := c.controlLink(ctx)
	if err != nil {
		return nil, err.(*Error)
	}
	return l.do(ctx, q)
}
