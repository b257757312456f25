package zk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/skidway/skidway/metadata"
)

// Store is a metadata.Sessions on ZooKeeper. It keeps one session at a time, and begins the next when one is over. Its
// methods are safe for concurrent use.
type Store struct {
	cfg     Config
	trace   *trace
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	session *Session // nil: there is none at the moment
	failure error    // why there is none, as far as it is not in trace; nil: a first one is being had
	closed  bool
	changed chan struct{} // closed, and another made, when one of the above changes
}

var _ metadata.Sessions = (*Store)(nil)

// Open connects to ZooKeeper and returns when there is a session and the chroot can be read. If ctx ends before, the
// error wraps metadata.ErrUnavailable and names each server and why it cannot be used. If the chroot is absent it wraps
// metadata.ErrNoNode, and if it may not be read metadata.ErrDenied: both at once (D9, D12). Nothing is written.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, trace: newTrace(cfg.Logger), changed: make(chan struct{})}
	keeping, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.running.Go(func() { s.keep(keeping) })
	if _, err := s.await(ctx, hopeless); err != nil {
		return nil, errors.Join(fmt.Errorf("open ZooKeeper: %w", err), s.Close())
	}
	return s, nil
}

// hopeless tells whether an operator has to do something before there is a session.
func hopeless(err error) bool {
	return errors.Is(err, metadata.ErrNoNode) || errors.Is(err, metadata.ErrDenied)
}

// Close ends the session, with what it made with CreateEphemeral, and waits for the end of all that the store runs, a
// few seconds at most. It returns nil.
func (s *Store) Close() error {
	s.publish(func() { s.closed = true })
	s.stop()
	s.running.Wait()
	return nil
}

// publish changes what await waits for.
func (s *Store) publish(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// keep has a session until ctx ends. After one is over the next is begun after a moment of chance, so that brokers
// whose sessions expire together do not come back together (D17); attempts that fail are further and further apart.
func (s *Store) keep(ctx context.Context) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = s.cfg.SessionTimeout/50, s.cfg.SessionTimeout
	for ctx.Err() == nil {
		session, err := s.begin(ctx)
		s.publish(func() { s.session, s.failure = session, err })
		if err == nil {
			pauses.Reset()
			select {
			case <-session.done:
				s.cfg.Logger.Warn("session with ZooKeeper is over", "reason", session.overError())
			case <-ctx.Done():
			}
			s.publish(func() { s.session, s.failure = nil, session.overError() })
			s.retire(session)
		}
		t := time.NewTimer(pauses.NextBackOff())
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// retire leaves a session. What it still runs ends beside the next one.
func (s *Store) retire(session *Session) {
	s.running.Go(func() {
		session.leave()
		session.wait()
	})
}

// begin returns a session that has shown that it can be used.
func (s *Store) begin(ctx context.Context) (*Session, error) {
	session, err := startSession(s.cfg, s.trace)
	if err != nil {
		return nil, err
	}
	select {
	case <-session.established:
		if err = session.prepare(ctx); err == nil {
			break
		}
		s.cfg.Logger.Warn("cannot use ZooKeeper", "reason", err)
	case <-session.done:
		err = session.overError()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.retire(session)
		return nil, err
	}
	if granted := session.Timeout(); granted != s.cfg.SessionTimeout {
		s.cfg.Logger.Warn("ZooKeeper grants another session timeout", "asked", s.cfg.SessionTimeout, "granted", granted)
	}
	s.running.Go(session.probe)
	return session, nil
}

// prepare says who the client is, has the server catch up (D7) and reads the chroot.
func (s *Session) prepare(ctx context.Context) error {
	if s.cfg.User != "" {
		_, err := read(ctx, s, "authenticate with ZooKeeper", func() (struct{}, error) {
			return struct{}{}, s.conn.AddAuth("digest", []byte(s.cfg.User+":"+s.cfg.Password))
		})
		if err != nil {
			return err
		}
	}
	if err := s.Sync(ctx); err != nil {
		return err
	}
	_, err := s.Get(ctx, "/")
	switch {
	case errors.Is(err, metadata.ErrNoNode):
		return fmt.Errorf("the chroot %q is not there: check that the servers and the chroot are this cluster's (%w)",
			s.inside("/"), metadata.ErrNoNode)
	case errors.Is(err, metadata.ErrDenied):
		return fmt.Errorf("the chroot %q may not be read as user %q: check user, password and ACL (%w)",
			s.inside("/"), s.cfg.User, metadata.ErrDenied)
	}
	return err
}

// await returns the present session, or waits for the next until ctx ends or giveUp is true of why there is none.
func (s *Store) await(ctx context.Context, giveUp func(error) bool) (*Session, error) {
	for {
		s.mu.Lock()
		session, failure, closed, changed := s.session, s.failure, s.closed, s.changed
		s.mu.Unlock()
		switch {
		case closed:
			return nil, metadata.ErrClosed
		case session != nil && !session.isOver():
			return session, nil
		case failure != nil && giveUp(failure):
			return nil, failure
		}
		select {
		case <-changed: // also when a session is over
		case <-ctx.Done():
			err := s.trace.unavailable(ctx.Err())
			if failure != nil {
				err = fmt.Errorf("%w; %w", err, failure)
			}
			return nil, fmt.Errorf("%w: %w", metadata.ErrUnavailable, err)
		}
	}
}

// Session returns the present session, or waits for the next until ctx ends.
func (s *Store) Session(ctx context.Context) (metadata.Session, error) {
	session, err := s.await(ctx, func(error) bool { return false })
	if err != nil {
		return nil, err
	}
	return session, nil
}

// inSession calls f with the present session, and again with the next one while the answer is that the session is over
// and nothing was changed.
func inSession[T any](ctx context.Context, s *Store, f func(context.Context, *Session) (T, error)) (T, error) {
	var none T
	if _, has := ctx.Deadline(); !has {
		limited, cancel := context.WithTimeout(ctx, s.cfg.SessionTimeout)
		defer cancel()
		ctx = limited
	}
	for {
		session, err := s.await(ctx, func(error) bool { return false })
		if err != nil {
			return none, err
		}
		value, err := f(ctx, session)
		if !errors.Is(err, metadata.ErrSessionEnded) || errors.Is(err, metadata.ErrUnknown) {
			return value, err
		}
	}
}

// Get returns the node at path, as metadata.Store says, in the session of the moment.
func (s *Store) Get(ctx context.Context, path string) (metadata.Node, error) {
	return inSession(ctx, s, func(ctx context.Context, session *Session) (metadata.Node, error) {
		return session.Get(ctx, path)
	})
}

// Children returns the names of the node's children, as metadata.Store says, in the session of the moment.
func (s *Store) Children(ctx context.Context, path string) ([]string, error) {
	return inSession(ctx, s, func(ctx context.Context, session *Session) ([]string, error) {
		return session.Children(ctx, path)
	})
}

// Multi applies the operations, as metadata.Store says, in the session of the moment.
func (s *Store) Multi(ctx context.Context, ops ...metadata.Op) error {
	_, err := inSession(ctx, s, func(ctx context.Context, session *Session) (struct{}, error) {
		return struct{}{}, session.Multi(ctx, ops...)
	})
	return err
}

// CreateChroot makes the chroot, and what is missing of the way to it, readable and writable for the configured user
// alone if there is one. What is there stays as it is. It returns when all is there, or ctx has ended.
func CreateChroot(ctx context.Context, cfg Config) error {
	chroot := strings.TrimSuffix(cfg.Chroot, "/")
	cfg.Chroot = ""
	s, err := Open(ctx, cfg)
	if err != nil {
		return fmt.Errorf("create the chroot: %w", err)
	}
	err = s.createPath(ctx, chroot)
	return errors.Join(err, s.Close())
}

// createPath makes each node of the path that is not there.
func (s *Store) createPath(ctx context.Context, path string) error {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		err := s.Multi(ctx, metadata.Create(path[:i], nil))
		for errors.Is(err, metadata.ErrUnknown) && ctx.Err() == nil { // it is there or not: again
			err = s.Multi(ctx, metadata.Create(path[:i], nil))
		}
		if err != nil && !errors.Is(err, metadata.ErrNodeExists) {
			return fmt.Errorf("create the chroot: %w", err)
		}
	}
	return nil
}
