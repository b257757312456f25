package metadata

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Session is a client's standing with a store, and an incarnation: once it is over it
// never comes back, and nothing that was started in it is answered from another. What
// it makes with CreateEphemeral goes with it. Requests of a session that is over
// return ErrSessionEnded, or ErrUnknown for a multi that was under way.
//
// No safety may rest on a session: it can be over before its client knows. It only
// starts things; a write is guarded by versions.
//
// Its methods are safe for concurrent use.
type Session interface {
	Store
	// ID returns the number that Node.Session of the session's ephemeral nodes holds; never 0.
	ID() int64
	// Done returns a channel that is closed when the client knows that the session is over.
	Done() <-chan struct{}
	// Sync returns nil once reads of the session show everything that was written
	// before the call, by anyone. Without it a read may show the past: never an older
	// state than the session has seen, but one that others have changed since.
	Sync(ctx context.Context) error
	// Watch is Get, and adds path to changes as soon as the node may be another than
	// the one returned: it was changed, deleted, or after ErrNoNode created, or the
	// session is over. It does so once a call, perhaps without cause, and after an error
	// other than ErrNoNode perhaps never: then call it again.
	Watch(ctx context.Context, path string, changes *Changes) (Node, error)
	// WatchChildren is Children, and adds path to changes, as Watch does, as soon as
	// the node may have other children, or is gone, or there.
	WatchChildren(ctx context.Context, path string, changes *Changes) ([]string, error)
	// Silence returns how long before now the last request was sent that the store
	// answered. It is 0 if the store is part of this process.
	Silence(now time.Time) time.Duration
	// Timeout returns after how long a silence the store ends the session; 0: never.
	Timeout() time.Duration
}

// Sessions is a store that gives out sessions, one after the other. A request made on
// it directly runs in the session of the moment, and waits for one if there is none.
type Sessions interface {
	Store
	// Session returns the present session, or waits for the next until ctx ends; the
	// error then wraps ErrUnavailable and says why there is none.
	Session(ctx context.Context) (Session, error)
}

// Changes collects the paths of what may have changed since it was read with Watch or
// WatchChildren: what is to be read again, not what happened. However often a path is
// added, it is there once. The zero value is not usable; its methods are safe for
// concurrent use.
type Changes struct {
	ready chan struct{}

	mu    sync.Mutex
	paths map[string]struct{}
}

// NewChanges returns an empty collection.
func NewChanges() *Changes {
	return &Changes{ready: make(chan struct{}, 1), paths: make(map[string]struct{})}
}

// Add adds a path. It is for stores.
func (c *Changes) Add(path string) {
	c.mu.Lock()
	c.paths[path] = struct{}{}
	c.mu.Unlock()
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// Ready returns a channel from which can be received when there may be something to
// take. One goroutine waits for it.
func (c *Changes) Ready() <-chan struct{} { return c.ready }

// Take returns the paths, sorted, and empties the collection.
func (c *Changes) Take() []string {
	c.mu.Lock()
	paths := make([]string, 0, len(c.paths))
	for path := range c.paths {
		paths = append(paths, path)
	}
	clear(c.paths)
	c.mu.Unlock()
	slices.Sort(paths)
	return paths
}
