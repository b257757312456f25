//go:build linux

package chaos

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy is a listener whose connections lead to one target: for what a cut link is not. Bytes may be late, slow, stand
// still in one direction, or come twice. Safe for concurrent use.
type Proxy struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup

	forward, backward flow

	mu    sync.Mutex
	pairs map[*pair]bool
	shut  bool
}

// Line is what one direction of a Proxy is like. The zero Line passes everything on at once.
type Line struct {
	Delay time.Duration // of each piece, in order
	// BytesPerSecond bounds the speed of each connection; 0: it is not bounded.
	BytesPerSecond int
	// Stall keeps everything back, and all connections open: that is what a half-open one looks like.
	Stall bool
}

// flow is one direction of all connections.
type flow struct {
	mu      sync.Mutex
	line    Line
	changed chan struct{} // closed when line changes
	passed  atomic.Int64  // bytes
}

// pair is one connection, with what went last from client to target.
type pair struct {
	client, target net.Conn
	once           sync.Once
	over           chan struct{} // closed at its end

	mu   sync.Mutex // for writing to target
	last []byte
}

// pieceBytes is what is read at a time; queuedPieces bounds what waits in a direction of one connection.
const (
	pieceBytes   = 16 << 10
	queuedPieces = 256
)

// StartProxy listens at an address, port 0 taking any, for connections to the target.
func StartProxy(listen, target string) (*Proxy, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, pairs: map[*pair]bool{}}
	p.forward.changed, p.backward.changed = make(chan struct{}), make(chan struct{})
	p.done.Go(p.accept)
	return p, nil
}

// Address is where the proxy listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Set changes both directions: from clients to the target, and back.
func (p *Proxy) Set(forward, backward Line) {
	p.forward.set(forward)
	p.backward.set(backward)
}

// Passed counts the bytes that were passed on in each direction.
func (p *Proxy) Passed() (forward, backward int64) {
	return p.forward.passed.Load(), p.backward.passed.Load()
}

// Reset ends all connections as a machine does that knows nothing of them, and returns how many there were.
func (p *Proxy) Reset() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.end()
	}
	return len(p.pairs)
}

// Replay passes on again what each client sent last, and returns on how many connections that was done.
func (p *Proxy) Replay() (n int) {
	p.mu.Lock()
	var pairs []*pair
	for c := range p.pairs {
		pairs = append(pairs, c)
	}
	p.mu.Unlock()
	for _, c := range pairs {
		c.mu.Lock()
		if _, err := c.target.Write(c.last); err == nil && len(c.last) > 0 {
			n++
		}
		c.mu.Unlock()
	}
	return n
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Reset()
	p.done.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.done.Go(func() { p.serve(client) })
		}
	}
}

// serve joins a client to the target, until one of them ends.
func (p *Proxy) serve(client net.Conn) {
	target, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil {
		abort(client)
		return
	}
	c := &pair{client: client, target: target, over: make(chan struct{})}
	p.mu.Lock()
	p.pairs[c] = true
	if p.shut {
		c.end()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.forward.carry(c, target, client) })
	both.Go(func() { p.backward.carry(c, client, target) })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// end ends the connection at both ends.
func (c *pair) end() {
	c.once.Do(func() {
		close(c.over)
		abort(c.client)
		abort(c.target)
	})
}

// abort closes a connection as a machine does that knows nothing of it.
func abort(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// piece is what was read at a time.
type piece struct {
	at    time.Time
	bytes []byte
}

// carry passes on what comes from src, until either end is over; then both are. The end of src is late, or stands
// still, as bytes are.
func (f *flow) carry(c *pair, dst, src net.Conn) {
	defer c.end()
	pieces := make(chan piece, queuedPieces)
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() { c.read(src, pieces) })
	for q := range pieces {
		if !f.wait(q, c.over) || f.pass(c, dst, q.bytes) != nil {
			c.end()
			return
		}
	}
	f.wait(piece{at: time.Now()}, c.over)
}

// read takes pieces from a connection until it ends.
func (c *pair) read(src net.Conn, pieces chan<- piece) {
	defer close(pieces)
	for {
		b := make([]byte, pieceBytes)
		n, err := src.Read(b)
		if n > 0 {
			select {
			case pieces <- piece{time.Now(), b[:n]}:
			case <-c.over:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass writes a piece.
func (f *flow) pass(c *pair, dst net.Conn, b []byte) error {
	if dst == c.target {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.last = b
	}
	n, err := dst.Write(b)
	f.passed.Add(int64(n))
	return err
}

func (f *flow) set(l Line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.line = l
	close(f.changed)
	f.changed = make(chan struct{})
}

// wait returns when a piece may pass, or false when the connection is over.
func (f *flow) wait(q piece, over <-chan struct{}) bool {
	began := time.Now()
	for {
		f.mu.Lock()
		line, changed := f.line, f.changed
		f.mu.Unlock()
		due := q.at.Add(line.Delay)
		if line.BytesPerSecond > 0 {
			slow := began.Add(time.Duration(len(q.bytes)) * time.Second / time.Duration(line.BytesPerSecond))
			if slow.After(due) {
				due = slow
			}
		}
		left := time.Until(due)
		if !line.Stall && left <= 0 {
			return true
		}
		var ripe <-chan time.Time // never, while the line stands still
		if !line.Stall {
			ripe = time.After(left)
		}
		select {
		case <-ripe:
		case <-changed:
		case <-over:
			return false
		}
	}
}
