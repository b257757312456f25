package zk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	zookeeper "github.com/go-zookeeper/zk"

	"github.com/skidway/skidway/metadata"
)

// Session is one session with ZooKeeper: a metadata.Session. It may move from server to server; what it reads never
// goes back.
type Session struct {
	cfg     Config
	conn    *zookeeper.Conn
	trace   *trace
	watches *watches
	slots   chan struct{} // one is held by each request under way

	established chan struct{} // closed when id and timeout are set
	done        chan struct{} // closed when the session is over
	running     sync.WaitGroup
	// open ends when no connection may be opened any more; cut ends it.
	open context.Context
	cut  context.CancelFunc

	mu      sync.Mutex
	id      int64
	timeout time.Duration // granted by the server
	cause   error         // why the session is over; nil: it is not
	online  chan struct{} // closed while a server is connected
	current *guard        // the newest connection
	contact time.Time     // when the last request was sent that was answered
}

var _ metadata.Session = (*Session)(nil)

// maxUnderWay bounds the requests under way in a session.
const maxUnderWay = 512

// startSession begins to connect; established or done is closed when that has an end. The caller calls leave and wait.
func startSession(cfg Config, tr *trace) (*Session, error) {
	s := &Session{
		cfg: cfg, trace: tr, watches: newWatches(), slots: make(chan struct{}, maxUnderWay),
		established: make(chan struct{}), done: make(chan struct{}), online: make(chan struct{}), contact: time.Now(),
	}
	s.open, s.cut = context.WithCancel(context.Background())
	assigned := make(chan struct{})
	conn, events, err := zookeeper.Connect(cfg.Servers, cfg.SessionTimeout,
		zookeeper.WithDialer(s.dial), zookeeper.WithHostProvider(&hosts{}),
		zookeeper.WithLogger(libraryLog{cfg.Logger}), zookeeper.WithLogInfo(false),
		zookeeper.WithMaxBufferSize(maxReply),
		zookeeper.WithEventCallback(func(e zookeeper.Event) {
			<-assigned
			s.event(e)
		}))
	if err != nil {
		s.cut()
		return nil, fmt.Errorf("zookeeper: %w", err)
	}
	s.conn = conn
	close(assigned)
	// The channel holds 6 events and loses the rest (D13): it only says when the library has ended.
	s.running.Go(func() {
		for range events {
		}
	})
	return s, nil
}

// dial is called by the library.
func (s *Session) dial(_, server string, _ time.Duration) (net.Conn, error) {
	if s.open.Err() != nil {
		return nil, net.ErrClosed
	}
	g, err := s.cfg.connect(s.open, server, s.trace, s.seen())
	if err != nil {
		if s.open.Err() == nil {
			s.trace.note(server, err)
		}
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open.Err() != nil {
		_ = g.Close()
		return nil, net.ErrClosed
	}
	s.current = g
	return g, nil
}

// seen returns the last transaction that the session knows of. The connection before is at its end.
func (s *Session) seen() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0
	}
	return s.current.seen
}

// event is called by the library, in its goroutines, and never blocks.
func (s *Session) event(e zookeeper.Event) {
	switch {
	case e.Type != zookeeper.EventSession:
		if path, ok := s.outside(e.Path); ok {
			s.watches.event(e.Type, path)
		}
	case e.State == zookeeper.StateHasSession:
		s.greeted(s.conn.SessionID())
	case e.State == zookeeper.StateExpired:
		s.drop(errors.New("ZooKeeper has expired it"))
	case e.State == zookeeper.StateDisconnected:
		s.offline()
	}
}

// greeted takes that a server has granted the session with the id. The library has not sent any request over the
// connection yet.
func (s *Session) greeted(id int64) {
	s.mu.Lock()
	known, g := s.id, s.current
	if known != 0 && known != id {
		s.mu.Unlock()
		s.drop(fmt.Errorf("ZooKeeper has put another in its place, %#x", id))
		return
	}
	if known == 0 {
		s.id, s.timeout, s.contact = id, g.timeout, g.opened
		close(s.established)
	}
	close(s.online)
	s.mu.Unlock()
	s.trace.note(g.server, nil)
}

// offline takes that no server is connected.
func (s *Session) offline() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.online:
		s.online = make(chan struct{})
	default:
	}
}

// end makes the session over, once; it tells whether it was the first to.
func (s *Session) end(cause error) bool {
	s.mu.Lock()
	first := s.cause == nil
	if first {
		s.cause = cause
	}
	s.mu.Unlock()
	if first {
		close(s.done)
		s.watches.all()
	}
	return first
}

// drop ends the session at once: its connection is cut before the library can send anything over it, or open another.
func (s *Session) drop(cause error) {
	if !s.end(cause) {
		return
	}
	s.cutOff()
	s.running.Go(s.conn.Close) // takes up to some seconds, for nothing
}

// leave ends the session and tells ZooKeeper, which removes its ephemeral nodes at once.
func (s *Session) leave() {
	if s.end(metadata.ErrClosed) {
		s.conn.Close()
		s.cutOff()
	}
}

// wait returns when nothing of a session that is over runs any more.
func (s *Session) wait() { s.running.Wait() }

func (s *Session) cutOff() {
	s.mu.Lock()
	s.cut()
	g := s.current
	s.mu.Unlock()
	if g != nil {
		_ = g.Close()
	}
}

// goUnlessOver runs f in a goroutine that wait waits for; it returns false if the session is over.
func (s *Session) goUnlessOver(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return false
	}
	s.running.Go(f)
	return true
}

// overError returns what requests of a session that is over are answered with.
func (s *Session) overError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("%w: session %#x: %w", metadata.ErrSessionEnded, s.id, s.cause)
}

// isOver tells whether the session is over.
func (s *Session) isOver() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// ID returns the session's id, as ZooKeeper has it.
func (s *Session) ID() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Done returns a channel that is closed when the session is known to be over. While ZooKeeper cannot be reached it
// stays open: only ZooKeeper says that a session is over.
func (s *Session) Done() <-chan struct{} { return s.done }

// Timeout returns after how long a silence ZooKeeper ends the session, as it granted it.
func (s *Session) Timeout() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.timeout
}

// Silence returns how long before now the last request was sent that a server answered. A probe is sent every sixth of
// the timeout. Two thirds of the timeout and more mean that the session may be over without this client knowing.
func (s *Session) Silence(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, now.Sub(s.contact))
}

// heard takes that a request sent then was answered.
func (s *Session) heard(sent time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sent.After(s.contact) {
		s.contact = sent
	}
}

// probe asks for the chroot every sixth of the timeout until the session is over, one request at a time: the library's
// own pings are not to be seen from outside.
func (s *Session) probe() {
	ticks := time.NewTicker(max(s.Timeout()/6, time.Millisecond))
	defer ticks.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-ticks.C:
		}
		sent := time.Now()
		if _, _, err := s.conn.Exists(s.inside("/")); answered(err) {
			s.heard(sent)
		}
	}
}

// inside returns the path as ZooKeeper has it.
func (s *Session) inside(path string) string {
	if path == "/" && s.cfg.Chroot != "" {
		return s.cfg.Chroot
	}
	return s.cfg.Chroot + path
}

// outside returns ZooKeeper's path as the caller has it, if it is the chroot or below.
func (s *Session) outside(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, s.cfg.Chroot)
	switch {
	case !ok:
		return "", false
	case rest == "":
		return "/", true
	}
	return rest, rest[0] == '/'
}

// awaitOnline returns when a server is connected. Its errors say that nothing was sent.
func (s *Session) awaitOnline(ctx context.Context) error {
	s.mu.Lock()
	online := s.online
	s.mu.Unlock()
	if s.isOver() {
		return s.overError()
	}
	select {
	case <-online:
		return nil
	default:
	}
	select {
	case <-online:
		return nil
	case <-s.done:
		return s.overError()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", metadata.ErrUnavailable, s.trace.unavailable(ctx.Err()))
	}
}
