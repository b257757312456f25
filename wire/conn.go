package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// DialOptions configures a Conn. Zero fields take the default named.
type DialOptions struct {
	// ClientName and ClientVersion go into the hello; default "skidway-go" and
	// "".
	ClientName, ClientVersion string
	// MaxResponseBytes bounds a response frame: a larger one breaks the
	// connection. Default 128 MiB.
	MaxResponseBytes int64
	// PeerTimeout is how long the broker's machine may leave keepalives
	// unanswered; default 10 s.
	PeerTimeout time.Duration
	// WriteTimeout bounds each write of waiting requests, beside 1 s for each
	// 64 KiB of them; default 30 s. Where the broker takes longer, because it is
	// out of memory or busy, the connection breaks.
	WriteTimeout time.Duration
	// Dialer makes the connection; default: a net.Dialer.
	Dialer func(ctx context.Context, addr string) (net.Conn, error)
}

func (o DialOptions) withDefaults() DialOptions {
	setDefault(&o.ClientName, "skidway-go")
	setDefault(&o.MaxResponseBytes, 128<<20)
	setDefault(&o.PeerTimeout, 10*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	if o.Dialer == nil {
		o.Dialer = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	return o
}

// Conn is a client's connection to a broker. Requests are pipelined: many may be
// under way, and their answers come in their order, so that a long poll holds up
// what follows it. All methods are safe for concurrent use.
type Conn struct {
	opts  DialOptions
	addr  string
	c     net.Conn
	hello *HelloResponse
	// running counts the two goroutines.
	running sync.WaitGroup
	// work wakes the writer.
	work chan struct{}
	// done is closed when the connection is broken or closed.
	done chan struct{}

	mu   sync.Mutex // guards the fields below and the state of calls; never held during I/O
	err  error      // why the connection is broken; nil while it is not
	last uint32     // the last correlation given out
	// waiting are calls not yet taken by the writer, sent those that it took and
	// that are not answered: both in order.
	waiting, sent []*Call
	// bufs keeps encoders for reuse.
	bufs []*encoder
}

// Dial connects to a broker at HOST:PORT and exchanges hellos, within ctx.
func Dial(ctx context.Context, addr string, o DialOptions) (*Conn, error) {
	o = o.withDefaults()
	nc, err := o.Dialer(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("wire: connect to %s: %w", addr, err)
	}
	// Without the options a vanished peer is found later: not worth failing for.
	// A broker that does not read for a while is busy, not gone.
	_ = Tune(nc, o.PeerTimeout, 0)
	c := &Conn{opts: o, addr: addr, c: nc, work: make(chan struct{}, 1), done: make(chan struct{})}
	c.running.Add(2)
	go c.writeAll()
	go c.readAll()
	resp, err := c.Do(ctx, &HelloRequest{ClientName: o.ClientName, ClientVersion: o.ClientVersion})
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("wire: hello to %s: %w", addr, err)
	}
	c.mu.Lock()
	c.hello = resp.(*HelloResponse)
	c.mu.Unlock()
	return c, nil
}

// Hello is what the broker said of itself. It must not be changed.
func (c *Conn) Hello() *HelloResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hello
}

// Addr is the address that was dialled.
func (c *Conn) Addr() string { return c.addr }

// Done is closed when the connection is broken or closed: it serves no longer.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is why the connection is broken: ErrConnClosed after Close, nil while it
// is not.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close breaks the connection. Calls under way fail with a *ConnError. It
// returns when the connection's goroutines have ended.
func (c *Conn) Close() error {
	c.fail(ErrConnClosed)
	c.running.Wait()
	return nil
}

// Do sends a request and waits for its answer. The error is an *Error when the
// broker refused, and a *ConnError when the connection broke or ctx ended. In
// the latter case the connection goes on, the answer is dropped when it comes,
// and the bytes that req refers to must not be reused: they may still be sent.
func (c *Conn) Do(ctx context.Context, req Request) (Response, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, &ConnError{Addr: c.addr, Outcome: NotSent, Err: err}
	}
	call, err := c.Start(req)
	if err != nil {
		return nil, err
	}
	return call.Wait(ctx)
}

// Start sends a request without waiting, not even for it to be written. The
// error is a *ConnError when the connection is broken already and an *Error when
// the request is larger than the broker takes. What req refers to must not
// change until the call is done.
func (c *Conn) Start(req Request) (*Call, error) {
	kind := req.API().kind()
	if kind == nil {
		return nil, Errorf(CodeUnknownRequest, "there is no request %d", req.API())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, &ConnError{Addr: c.addr, Outcome: NotSent, Err: c.err}
	}
	call := &Call{conn: c, kind: kind, done: make(chan struct{}), frame: c.encoderLocked()}
	c.last++
	if c.last == noCorrelation {
		c.last++
	}
	call.correlation = c.last
	call.size = encodeRequest(call.frame, kind.max, call.correlation, req)
	limit := int64(helloFrameBytes)
	if c.hello != nil {
		limit = c.hello.MaxFrameBytes
	}
	if n := int64(call.size - frameHeader); n > limit {
		c.reuseLocked(call.frame)
		return nil, Errorf(CodeRequestTooLarge, "%s: the frame has %d bytes, the broker takes at most %d",
			kind.name, n, limit)
	}
	c.waiting = append(c.waiting, call)
	select {
	case c.work <- struct{}{}:
	default:
	}
	return call, nil
}

// maxIdleEncoders bounds what a connection keeps for reuse.
const maxIdleEncoders = 8

func (c *Conn) encoderLocked() *encoder {
	if n := len(c.bufs); n > 0 {
		e := c.bufs[n-1]
		c.bufs = c.bufs[:n-1]
		return e
	}
	return newEncoder()
}

func (c *Conn) reuseLocked(e *encoder) {
	e.reset()
	if len(c.bufs) < maxIdleEncoders {
		c.bufs = append(c.bufs, e)
	}
}

// slowLink is the rate, in bytes a second, at which a write may go on for long.
const slowLink = 64 << 10

// writeAll writes what waits, as much as there is with one system call.
func (c *Conn) writeAll() {
	defer c.running.Done()
	var vec net.Buffers
	for {
		select {
		case <-c.work:
		case <-c.done:
			return
		}
		batch := c.take()
		if len(batch) == 0 {
			continue
		}
		vec = vec[:0]
		size := 0
		for _, call := range batch {
			size += call.size
			vec = append(vec, *call.frame.buffers()...)
		}
		out := vec
		_ = c.c.SetWriteDeadline(time.Now().Add(c.opts.WriteTimeout + atRate(size, slowLink)))
		n, err := out.WriteTo(c.c)
		clear(vec)
		c.written(batch, n, err)
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// take moves the calls that wait to those that are sent.
func (c *Conn) take() []*Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	batch := c.waiting
	c.waiting = nil // Start may append while the batch is written
	for _, call := range batch {
		call.taken, call.writing = true, true
	}
	c.sent = append(c.sent, batch...)
	return batch
}

// written reuses the frames of a batch, of which n bytes went out.
func (c *Conn) written(batch []*Call, n int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range batch {
		n -= int64(call.size)
		if err != nil && n < 0 {
			call.taken = false // a part of a frame is never carried out
		}
		call.writing = false
		if c.err != nil {
			call.fail(c.err) // the reader was first to find the connection broken
		}
		c.reuseLocked(call.frame)
		call.frame = nil
	}
}

// readAll reads answers and hands them out.
func (c *Conn) readAll() {
	defer c.running.Done()
	r := bufio.NewReaderSize(c.c, 4<<10)
	d := newDecoder()
	for {
		frame, err := readFrame(r, c.opts.MaxResponseBytes)
		if err == nil {
			err = c.receive(d, frame)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// receive hands out the answer in frame. Its error breaks the connection.
func (c *Conn) receive(d *decoder, frame []byte) error {
	defer d.reset(nil)
	correlation, err := decodeCorrelation(d, frame)
	if err != nil {
		return err
	}
	call := c.next()
	if correlation == noCorrelation {
		if refusal := d.err("error"); refusal != nil {
			return refusal // of the connection as a whole
		}
	}
	if call == nil || call.correlation != correlation {
		return fmt.Errorf("wire: response %d answers no request that is next", correlation)
	}
	resp := call.kind.newResponse()
	refusal, err := decodeAnswer(d, call.kind.max, resp)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err // every call was told so
	}
	c.sent[0] = nil
	c.sent = c.sent[1:]
	if refusal != nil {
		call.finish(nil, refusal)
	} else {
		call.finish(resp, nil)
	}
	return nil
}

// next is the call whose answer must come next.
func (c *Conn) next() *Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sent) == 0 {
		return nil
	}
	return c.sent[0]
}

// fail breaks the connection and tells every call. The first reason counts.
func (c *Conn) fail(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = why
	close(c.done)
	_ = c.c.Close()
	for _, call := range c.sent {
		if !call.writing { // else the writer, which Close has stopped, knows how far it came
			call.fail(why)
		}
	}
	for _, call := range c.waiting {
		call.fail(why)
	}
	c.sent, c.waiting = nil, nil
}

// ErrConnClosed is why calls fail after Conn.Close.
var ErrConnClosed = errors.New("wire: connection closed by this program")
