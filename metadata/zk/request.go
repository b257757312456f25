package zk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	zookeeper "github.com/go-zookeeper/zk"

	"github.com/skidway/skidway/metadata"
)

// errNoAnswer is why a request that was sent has no result: neither its caller nor the session waited any longer.
var errNoAnswer = errors.New("no answer from ZooKeeper")

// notSent wraps why a request was not sent.
type notSent struct{ error }

// Unwrap returns the reason.
func (e notSent) Unwrap() error { return e.error }

// run calls f, which sends one request, in a goroutine of its own and waits for its result, ctx or the end of the
// session. The goroutine ends with the library's answer, at the latest when the connection is closed; what it returns
// late is dropped. The error is a notSent if f was not called, or the library did not send what it was given; an
// errNoAnswer, with the reason, if the result is not known; else what f returned.
func run[T any](ctx context.Context, s *Session, f func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, notSent{fmt.Errorf("%w: %w", metadata.ErrUnavailable, err)}
	}
	if err := s.awaitOnline(ctx); err != nil {
		return none, notSent{err}
	}
	select {
	case s.slots <- struct{}{}:
	case <-s.done:
		return none, notSent{s.overError()}
	case <-ctx.Done():
		return none, notSent{fmt.Errorf("%w: %d requests are under way: %w",
			metadata.ErrUnavailable, maxUnderWay, ctx.Err())}
	}
	type result struct {
		value T
		err   error
	}
	results, sent := make(chan result, 1), time.Now()
	if !s.goUnlessOver(func() {
		defer func() { <-s.slots }()
		value, err := f()
		if answered(err) {
			s.heard(sent)
		}
		results <- result{value, err}
	}) {
		return none, notSent{s.overError()}
	}
	select {
	case r := <-results:
		return settle(s, r.value, r.err)
	case <-s.done:
		return none, fmt.Errorf("%w: %w", errNoAnswer, s.overError())
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", errNoAnswer, ctx.Err())
	}
}

// settle decides what the library's result counts for.
func settle[T any](s *Session, value T, err error) (T, error) {
	if errors.Is(err, zookeeper.ErrSessionExpired) {
		s.drop(errors.New("ZooKeeper has expired it"))
	}
	if s.isOver() { // it may be the answer to a later session
		return value, fmt.Errorf("%w: %w", errNoAnswer, s.overError())
	}
	if errors.Is(err, zookeeper.ErrNoServer) { // failed while it waited to be sent
		return value, notSent{fmt.Errorf("%w: %w", metadata.ErrUnavailable, s.trace.unavailable(err))}
	}
	return value, err
}

// limited returns ctx with a deadline: its own, or after the session timeout.
func (s *Session) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.cfg.SessionTimeout)
}

// againAfter is the pause before what did not reach a server is tried again.
const againAfter = 20 * time.Millisecond

// pause waits a moment, or for the end of ctx or the session.
func (s *Session) pause(ctx context.Context) {
	t := time.NewTimer(againAfter)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.done:
	}
}

// read calls f, which changes nothing, again until a server answers, the session is over or ctx ends.
func read[T any](ctx context.Context, s *Session, what string, f func() (T, error)) (T, error) {
	var none T
	ctx, cancel := s.limited(ctx)
	defer cancel()
	for {
		value, err := run(ctx, s, f)
		switch refused := refusal(err); {
		case err == nil:
			return value, nil
		case refused != nil:
			return none, fmt.Errorf("%s: %w", what, refused)
		case s.isOver():
			return none, fmt.Errorf("%s: %w", what, s.overError())
		case ctx.Err() != nil:
			return none, s.readError(what, err)
		}
		s.pause(ctx) // the library goes on with another connection as soon as it can
	}
}

// readError is the answer to a read that no server has answered in time.
func (s *Session) readError(what string, err error) error {
	if errors.Is(err, metadata.ErrUnavailable) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, metadata.ErrUnavailable, s.trace.unavailable(err))
}

// checkRead returns nil if the path may be read.
func checkRead(path string) error {
	if path == "/" {
		return nil
	}
	return metadata.CheckPath(path)
}

// Get returns the node at path, as a server has it, perhaps of a moment ago.
func (s *Session) Get(ctx context.Context, path string) (metadata.Node, error) {
	if err := checkRead(path); err != nil {
		return metadata.Node{}, err
	}
	return read(ctx, s, fmt.Sprintf("read %q", path), func() (metadata.Node, error) {
		data, stat, err := s.conn.Get(s.inside(path))
		if err != nil {
			return metadata.Node{}, err
		}
		return newNode(path, data, stat), nil
	})
}

func newNode(path string, data []byte, stat *zookeeper.Stat) metadata.Node {
	return metadata.Node{Path: path, Data: data, Version: stat.Version, Session: stat.EphemeralOwner}
}

// Children returns the names of the node's children, sorted, as a server has them.
func (s *Session) Children(ctx context.Context, path string) ([]string, error) {
	if err := checkRead(path); err != nil {
		return nil, err
	}
	return read(ctx, s, fmt.Sprintf("list %q", path), func() ([]string, error) {
		names, _, err := s.conn.Children(s.inside(path))
		slices.Sort(names)
		return names, err
	})
}

// Sync returns when the server that the session is connected to has caught up with the ensemble's leader.
func (s *Session) Sync(ctx context.Context) error {
	_, err := read(ctx, s, "sync with ZooKeeper", func() (string, error) { return s.conn.Sync(s.inside("/")) })
	return err
}

// Multi applies all operations or none, as metadata.Store says. Without a deadline in ctx it waits for the session
// timeout. ErrUnknown is returned when the connection or the session broke, or ctx ended, with the request under way;
// it may still be applied.
func (s *Session) Multi(ctx context.Context, ops ...metadata.Op) error {
	if err := metadata.CheckOps(ops); err != nil {
		return err
	}
	if len(ops) == 0 {
		if s.isOver() {
			return s.overError()
		}
		return nil
	}
	ctx, cancel := s.limited(ctx)
	defer cancel()
	requests := make([]any, len(ops))
	for i, op := range ops {
		requests[i] = s.request(op)
	}
	for {
		results, err := run(ctx, s, func() ([]zookeeper.MultiResponse, error) { return s.conn.Multi(requests...) })
		var early notSent
		if !errors.As(err, &early) {
			return multiError(ops, results, err)
		}
		if s.isOver() || ctx.Err() != nil {
			return fmt.Errorf("nothing was changed: %w", early.error)
		}
		s.pause(ctx)
	}
}

// request returns the operation as the library takes it. The data is copied: the library may send it when the caller
// has gone.
func (s *Session) request(op metadata.Op) any {
	path := s.inside(op.Path)
	data := append([]byte{}, op.Data...) // never nil, which ZooKeeper would tell from empty
	switch op.Kind {
	case metadata.OpCheck:
		return &zookeeper.CheckVersionRequest{Path: path, Version: op.Version}
	case metadata.OpSet:
		return &zookeeper.SetDataRequest{Path: path, Data: data, Version: op.Version}
	case metadata.OpDelete:
		return &zookeeper.DeleteRequest{Path: path, Version: op.Version}
	case metadata.OpCreateEphemeral:
		return &zookeeper.CreateRequest{Path: path, Data: data, Acl: s.cfg.acl(), Flags: zookeeper.FlagEphemeral}
	case metadata.OpCreate:
		return &zookeeper.CreateRequest{Path: path, Data: data, Acl: s.cfg.acl()}
	}
	panic(fmt.Sprintf("zk: operation of kind %s was not refused", op.Kind))
}
