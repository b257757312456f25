package wire

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("wire: server closed")

// Why the server closes a connection; logged and given to Events.Closed.
var (
	errShed     = errors.New("wire: closed before its hello to make room for another connection")
	errIdle     = errors.New("wire: idle for too long")
	errGiveUp   = errors.New("wire: server gave up draining")
	errPanicked = errors.New("wire: panic while serving the connection")
)

// Server answers requests on the connections of its listeners. All methods are
// safe for concurrent use.
type Server struct {
	opts ServerOptions
	// small is the memory of frames of at most firstChunk bytes, large that of all
	// others: whoever holds up the large ones must not hold up hellos and fetches.
	small    *budget
	large    *budget
	buffers  bufferPool
	encoders sync.Pool // of *encoder
	decoders sync.Pool // of *decoder
	warnings *rate.Limiter
	// ctx ends when Shutdown gives up draining.
	ctx    context.Context
	cancel context.CancelCauseFunc
	nextID atomic.Uint64
	// refusing bounds the goroutines that turn connections away.
	refusing chan struct{}
	// running counts every goroutine of the server.
	running sync.WaitGroup
	panics  atomic.Int64

	mu        sync.Mutex // guards the fields below; nothing that blocks is done under it
	draining  bool
	listeners map[net.Listener]struct{}
	conns     map[*serverConn]struct{}
	// fresh are the connections of conns that have not said hello, oldest first.
	fresh list.List
}

// Stats is a view of a Server.
type Stats struct {
	// Connections are open now, Greeted of them after their hello.
	Connections, Greeted int
	// MemoryFree is what is left of ServerOptions.MemoryBytes; negative while one
	// frame overdraws it.
	MemoryFree int64
	// Panics were caught so far.
	Panics int64
}

// NewServer makes a server; the error names every option that is wrong. Call
// Serve to start it and Shutdown to stop it.
func NewServer(o ServerOptions) (*Server, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		opts:      o,
		small:     newBudget(o.MemoryBytes / 8),
		large:     newBudget(o.MemoryBytes - o.MemoryBytes/8),
		warnings:  rate.NewLimiter(1, 20),
		refusing:  make(chan struct{}, 64),
		listeners: map[net.Listener]struct{}{},
		conns:     map[*serverConn]struct{}{},
	}
	s.encoders.New = func() any { return newEncoder() }
	s.decoders.New = func() any { return newDecoder() }
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s, nil
}

// Stats may be called at any time.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	st := Stats{Connections: len(s.conns), Greeted: len(s.conns) - s.fresh.Len()}
	s.mu.Unlock()
	st.MemoryFree, st.Panics = s.small.available()+s.large.available(), s.panics.Load()
	return st
}

// Serve accepts connections on l until Shutdown, which makes it return
// ErrServerClosed, or until l fails for good. It closes l. Running out of file
// descriptors is no failure: it accepts again when there are some.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.listeners[l] = struct{}{}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()
	var pause time.Duration
	for {
		c, err := l.Accept()
		if err == nil {
			pause = 0
			s.admit(c)
			continue
		}
		s.mu.Lock()
		draining := s.draining
		if draining || errors.Is(err, net.ErrClosed) {
			delete(s.listeners, l)
		}
		s.mu.Unlock()
		if draining {
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.warn("cannot accept a connection; trying again", "error", err, "in", pause)
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
		}
	}
}

// warn logs what strangers can cause at will, and so not without limit.
func (s *Server) warn(msg string, args ...any) {
	if s.warnings.Allow() {
		s.opts.Logger.Warn(msg, args...)
	}
}

// admit starts serving c, sheds another connection for it, or turns it away.
func (s *Server) admit(c net.Conn) {
	var shed *serverConn
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		_ = c.Close()
		return
	}
	if len(s.conns) >= s.opts.MaxConnections {
		oldest := s.fresh.Front()
		if oldest == nil {
			s.mu.Unlock()
			s.refuse(c)
			return
		}
		shed = oldest.Value.(*serverConn)
		s.forgetLocked(shed)
	}
	sc := newServerConn(s, c)
	s.conns[sc] = struct{}{}
	sc.fresh = s.fresh.PushBack(sc)
	s.running.Add(2)
	s.mu.Unlock()
	if shed != nil {
		shed.fail(errShed)
	}
	if err := Tune(c, s.opts.PeerTimeout, s.opts.PeerTimeout); err != nil {
		s.opts.Logger.Debug("cannot set socket options", "remote", c.RemoteAddr(), "error", err)
	}
	s.opts.Events.Opened(c.RemoteAddr())
	go sc.readAll()
	go sc.writeAll()
}

// refuse tells c that there are too many connections, without letting it keep
// the server busy.
func (s *Server) refuse(c net.Conn) {
	s.opts.Events.Refused(c.RemoteAddr())
	s.warn("connection refused: too many are open", "remote", c.RemoteAddr(), "limit", s.opts.MaxConnections)
	select {
	case s.refusing <- struct{}{}:
	default:
		_ = c.Close()
		return
	}
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		defer func() { <-s.refusing }()
		defer c.Close()
		if s.opts.Dialect != nil {
			return // it has no word for that
		}
		e := newEncoder()
		encodeResponse(e, envelope{correlation: noCorrelation}, nil, Errorf(CodeLimitExceeded,
			"the broker has its most connections open already: %d", s.opts.MaxConnections))
		_ = c.SetDeadline(time.Now().Add(lingerTime))
		if _, err := e.buffers().WriteTo(c); err == nil {
			linger(c)
		}
	}()
}

// greeted notes that c has said hello: it is no longer shed.
func (s *Server) greeted(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.fresh != nil {
		s.fresh.Remove(c.fresh)
		c.fresh = nil
	}
}

// forget takes c out of the books. More than once is fine.
func (s *Server) forget(c *serverConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked(c)
}

func (s *Server) forgetLocked(c *serverConn) {
	if c.fresh != nil {
		s.fresh.Remove(c.fresh)
		c.fresh = nil
	}
	delete(s.conns, c)
}

// Shutdown stops accepting, reads no more requests, lets those that have begun
// be answered, and closes the connections. When ctx ends first, the contexts of
// Handle and Wait end and the connections are cut; it then returns ctx's error.
// All goroutines of the server have ended when it returns. A handler that holds
// long polls should answer them at once from the moment it knows of the
// shutdown.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for l := range s.listeners {
		_ = l.Close()
	}
	conns := make([]*serverConn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.drain()
	}
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
		s.cancel(errGiveUp)
		for _, c := range conns {
			c.fail(errGiveUp)
		}
		<-done
	}
	s.cancel(ErrServerClosed)
	return err
}

// panicked logs a caught panic and counts it.
func (s *Server) panicked(request string, remote net.Addr, value any, stack []byte) {
	s.panics.Add(1)
	s.opts.Logger.Error("panic while serving a request; its connection is closed",
		"request", request, "remote", remote, slog.Any("panic", value), "stack", string(stack))
	s.opts.Events.Panicked(request, value)
}
