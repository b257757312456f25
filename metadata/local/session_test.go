package local_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/local"
)

// An ephemeral node is a node like any other until the process ends.
func TestEphemeralsVanishAtOpen(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	store := openKV(t, dir)
	s, err := local.New(store)
	require.NoError(t, err)
	require.NoError(t, s.Multi(ctx, metadata.Create("/brokers", nil), metadata.Create("/was", []byte("kept"))))
	require.NoError(t, s.Multi(ctx, metadata.CreateEphemeral("/brokers/1", []byte("here")),
		metadata.Delete("/was", 0), metadata.CreateEphemeral("/was", nil)))
	require.NoError(t, s.Multi(ctx, metadata.Set("/brokers/1", []byte("draining"), 0)))
	n, err := s.Get(ctx, "/brokers/1")
	require.NoError(t, err)
	require.Equal(t, metadata.Node{Path: "/brokers/1", Data: []byte("draining"), Version: 1, Session: s.ID()}, n)
	require.ErrorIs(t, s.Multi(ctx, metadata.Create("/brokers/1/x", nil)), metadata.ErrNoChildrenForEphemerals)
	require.NoError(t, store.Close())

	store = openKV(t, dir)
	defer store.Close()
	s, err = local.New(store)
	require.NoError(t, err)
	names, err := s.Children(ctx, "/brokers")
	require.NoError(t, err)
	require.Empty(t, names)
	_, err = s.Get(ctx, "/was")
	require.ErrorIs(t, err, metadata.ErrNoNode, "replaced by an ephemeral node, in the same multi")
}

func TestWatches(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	require.NoError(t, s.Multi(ctx, metadata.Create("/a", nil), metadata.Create("/a/b", nil)))
	set := metadata.Set("/a", nil, metadata.AnyVersion)
	for _, tc := range []struct {
		name       string
		ops        []metadata.Op
		nodes      []string // watched
		children   []string // watched
		want, gone []string
	}{
		{"set", []metadata.Op{set}, []string{"/a", "/a/b"}, []string{"/a", "/"}, []string{"/a"}, nil},
		{"check", []metadata.Op{metadata.Check("/a", -1)}, []string{"/a"}, []string{"/a"}, []string{}, nil},
		{"create", []metadata.Op{metadata.Create("/a/c", nil)}, []string{"/a/c"}, []string{"/a", "/"}, []string{"/a", "/a/c"},
			[]string{"/a/c"}},
		{"create below", []metadata.Op{metadata.Create("/a/d", nil)}, []string{"/a"}, []string{}, []string{}, nil},
		{"delete", []metadata.Op{metadata.Delete("/a/b", -1)}, []string{"/a/b"}, []string{"/a"}, []string{"/a", "/a/b"}, nil},
		{"children of none", []metadata.Op{metadata.CreateEphemeral("/e", nil)}, nil, []string{"/e"}, []string{"/e"},
			[]string{"/e"}},
		{"refused", []metadata.Op{set, metadata.Check("/none", 0)}, []string{"/a"}, nil, []string{}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			changes := metadata.NewChanges()
			for _, path := range tc.nodes {
				_, err := s.Watch(ctx, path, changes)
				requireAbsent(t, err, path, tc.gone)
			}
			for _, path := range tc.children {
				_, err := s.WatchChildren(ctx, path, changes)
				requireAbsent(t, err, path, tc.gone)
			}
			_ = s.Multi(ctx, tc.ops...)
			require.Equal(t, tc.want, changes.Take())
		})
	}

	// One call, one answer.
	changes := metadata.NewChanges()
	for range 3 {
		_, err := s.Watch(ctx, "/a", changes)
		require.NoError(t, err)
	}
	require.NoError(t, s.Multi(ctx, set))
	require.Equal(t, []string{"/a"}, changes.Take())
	require.NoError(t, s.Multi(ctx, set))
	require.Empty(t, changes.Take())
}

func requireAbsent(t *testing.T, err error, path string, absent []string) {
	for _, p := range absent {
		if p == path {
			require.ErrorIs(t, err, metadata.ErrNoNode)
			return
		}
	}
	require.NoError(t, err)
}

// A watch fires when the change may be read; the reader waits for the disk (R1).
func TestWatchFiresBeforeItIsDurable(t *testing.T) {
	s, store := newStore(t)
	ctx := t.Context()
	changes := metadata.NewChanges()
	_, err := s.Watch(ctx, "/a", changes)
	require.ErrorIs(t, err, metadata.ErrNoNode)
	open := closeGate(store)
	defer open()
	written := make(chan error, 1)
	go func() { written <- s.Multi(ctx, metadata.Create("/a", nil)) }()
	<-changes.Ready()
	require.Equal(t, []string{"/a"}, changes.Take())
	synced := make(chan error, 1)
	go func() { synced <- s.Sync(ctx) }()
	require.Empty(t, written)
	open()
	require.NoError(t, <-synced)
	require.NoError(t, <-written)
	_, err = s.Watch(ctx, "/a", changes)
	require.NoError(t, err)
}

// The one session is over when a write has failed: all that is watched is to be read again.
func TestSessionEndsWithTheStore(t *testing.T) {
	s, store := newStore(t)
	ctx := t.Context()
	session, err := s.Session(ctx)
	require.NoError(t, err)
	require.Zero(t, session.Silence(time.Time{}))
	require.Zero(t, session.Timeout())
	require.NotZero(t, session.ID())
	changes := metadata.NewChanges()
	_, err = session.WatchChildren(ctx, "/", changes)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	require.Error(t, session.Multi(ctx, metadata.Create("/a", nil)))
	<-session.Done()
	require.Contains(t, changes.Take(), "/")
	_, err = s.Session(ctx)
	require.ErrorIs(t, err, metadata.ErrClosed)
	require.ErrorIs(t, session.Sync(ctx), metadata.ErrClosed)
	require.True(t, errors.Is(session.Multi(ctx), metadata.ErrClosed))
}
