package local

import (
	"context"
	"time"

	"github.com/skidway/skidway/metadata"
)

var (
	_ metadata.Session  = (*Store)(nil)
	_ metadata.Sessions = (*Store)(nil)
)

// sessionID is the number of the one session. Nobody sees the nodes of another: they
// are gone when the store is opened.
const sessionID int64 = 1

// Session returns the store itself, or why it takes nothing any more.
func (s *Store) Session(context.Context) (metadata.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.aliveLocked(); err != nil {
		return nil, err
	}
	return s, nil
}

// ID returns the number that ephemeral nodes carry.
func (s *Store) ID() int64 { return sessionID }

// Done returns a channel that is closed when it was noticed that a write has failed.
func (s *Store) Done() <-chan struct{} { return s.over }

// Sync waits until everything written so far is durable, which every read does too.
func (s *Store) Sync(ctx context.Context) error {
	s.mu.Lock()
	last, err := s.last, s.aliveLocked()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.awaitSeen(ctx, last)
}

// Watch is Get, and tells changes when the node may be another.
func (s *Store) Watch(ctx context.Context, path string, changes *metadata.Changes) (metadata.Node, error) {
	return s.get(ctx, path, changes)
}

// WatchChildren is Children, and tells changes when the node may have others.
func (s *Store) WatchChildren(ctx context.Context, path string, changes *metadata.Changes) ([]string, error) {
	return s.list(ctx, path, changes)
}

// Silence returns 0: the store is part of this process.
func (s *Store) Silence(time.Time) time.Duration { return 0 }

// Timeout returns 0: the session lasts as long as the process.
func (s *Store) Timeout() time.Duration { return 0 }
