package zk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/internal/storemodel"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/local"
	"github.com/skidway/skidway/metadata/zk"
)

var allPaths = []string{"/a", "/b", "/a/a", "/a/b", "/a-b", "/a/a/a", "/b/x.y", "/a/é"}

func drawOp(t *rapid.T) metadata.Op {
	path := rapid.SampledFrom(allPaths).Draw(t, "path")
	version := rapid.SampledFrom([]int32{-1, -1, 0, 0, 1, 2, 3}).Draw(t, "version")
	data := rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "data")
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return metadata.Check(path, version)
	case 1:
		return metadata.Set(path, data, version)
	case 2:
		return metadata.Delete(path, version)
	case 3:
		return metadata.CreateEphemeral(path, data)
	}
	return metadata.Create(path, data)
}

// subject is a store that is held to the model: a session with it, its part of the tree, and what it tells of.
type subject struct {
	name    string
	session metadata.Session
	base    string
	changes *metadata.Changes
}

func (s *subject) multi(ctx context.Context, ops []metadata.Op) error {
	return s.session.Multi(ctx, under(s.base, ops)...)
}

// under moves the operations below a node, so that many runs can share a store.
func under(base string, ops []metadata.Op) []metadata.Op {
	moved := slices.Clone(ops)
	for i := range moved {
		moved[i].Path = base + moved[i].Path
	}
	return moved
}

// requireSame requires that the store answers as the model does.
func (s *subject) requireSame(t *rapid.T, got error, index int, want error) {
	if want == nil {
		require.NoError(t, got, s.name)
		return
	}
	var me *metadata.MultiError
	require.ErrorAs(t, got, &me, s.name)
	require.Equal(t, index, me.Index, s.name)
	require.ErrorIs(t, got, want, s.name)
}

// requireTold requires that the store has told of those paths.
func (s *subject) requireTold(t *rapid.T, paths []string) {
	var want []string
	for _, path := range paths {
		want = append(want, s.base+path)
	}
	require.ElementsMatch(t, want, s.changes.Take(), s.name)
}

// requireTree requires that the store holds what the model does; sessions are those of the model's.
func (s *subject) requireTree(ctx context.Context, t *rapid.T, m storemodel.Tree) {
	for _, path := range allPaths {
		n, err := s.session.Get(ctx, s.base+path)
		names, childrenErr := s.session.Children(ctx, s.base+path)
		want, exists := m[path]
		if !exists {
			require.ErrorIs(t, err, metadata.ErrNoNode, s.name)
			require.ErrorIs(t, childrenErr, metadata.ErrNoNode, s.name)
			continue
		}
		require.NoError(t, errors.Join(err, childrenErr), s.name)
		require.Equal(t, want.Version, n.Version, "%s: %s", s.name, path)
		require.Equal(t, want.Session != 0, n.Session != 0, "%s: %s", s.name, path)
		require.True(t, bytes.Equal(want.Data, n.Data), "%s: %s", s.name, path)
		require.True(t, slices.Equal(m.Children(path), names), "%s: %s", s.name, path)
	}
}

// watch reads a node or its children with a watch.
func (s *subject) watch(ctx context.Context, path string, children bool) (err error) {
	if children {
		_, err = s.session.WatchChildren(ctx, s.base+path, s.changes)
	} else {
		_, err = s.session.Watch(ctx, s.base+path, s.changes)
	}
	return err
}

// newLocal returns a session of the store on disk.
func newLocal(t *testing.T) *local.Store {
	store, err := kv.Open(kv.Options{
		Dir: t.TempDir(), MemTableBytes: 1 << 20, CacheBytes: 1 << 20,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Events: kv.Events{Fatal: func(err error) { panic(fmt.Sprintf("unexpected: %v", err)) }},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s, err := local.New(store)
	require.NoError(t, err)
	return s
}

// The store on disk, the model and a real ZooKeeper agree, on random operations: on results, on what is there, on
// versions, and on what is told.
func TestAgainstModelAndLocal(t *testing.T) {
	onDisk, inZooKeeper := newLocal(t), session(t, create(t, config(server(t))))
	ctx, runs := t.Context(), 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		base, m, watched := fmt.Sprint("/", runs), storemodel.Tree{}, storemodel.NewWatched()
		subjects := []*subject{
			{"on disk", onDisk, base, metadata.NewChanges()}, {"in ZooKeeper", inZooKeeper, base, metadata.NewChanges()},
		}
		for _, s := range subjects {
			require.NoError(t, s.session.Multi(ctx, metadata.Create(base, nil)))
		}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				path, children := rapid.SampledFrom(allPaths).Draw(t, "path"), rapid.Bool().Draw(t, "children")
				_, exists := m[path]
				if children {
					watched.WatchChildren(path, exists)
				} else {
					watched.Watch(path)
				}
				for _, s := range subjects {
					if err := s.watch(ctx, path, children); exists {
						require.NoError(t, err, s.name)
					} else {
						require.ErrorIs(t, err, metadata.ErrNoNode, s.name)
					}
				}
				continue
			}
			ops := rapid.SliceOfN(rapid.Custom(drawOp), 0, 5).Draw(t, "ops")
			next, index, want := m.Multi(1, ops)
			var told []string
			if want == nil {
				told = watched.Told(ops)
			}
			m = next
			for _, s := range subjects {
				s.requireSame(t, metadata.DryRun(s.session).Multi(ctx, under(base, ops)...), index, want)
				s.requireSame(t, s.multi(ctx, ops), index, want)
				s.requireTold(t, told)
				s.requireTree(ctx, t, m)
			}
		}
	})
}

// Several sessions with a real ZooKeeper, which begin and end, agree with the model: what a session made goes with it,
// and each sees, after a sync, what the others did.
func TestSessionsAgainstModel(t *testing.T) {
	cfg := config(server(t))
	create(t, cfg)
	ctx, runs := t.Context(), 0
	stores := make([]*zk.Store, 3)
	subjects := make([]*subject, len(stores))
	begin := func(i int, base string) {
		var err error
		stores[i], err = zk.Open(ctx, cfg)
		require.NoError(t, err)
		subjects[i] = &subject{fmt.Sprint("session ", i), session(t, stores[i]), base, metadata.NewChanges()}
	}
	for i := range stores {
		begin(i, "")
	}
	defer func() {
		for _, s := range stores {
			require.NoError(t, s.Close())
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		runs++
		base, m := fmt.Sprint("/", runs), storemodel.Tree{}
		require.NoError(t, subjects[0].session.Multi(ctx, metadata.Create(base, nil)))
		for _, s := range subjects {
			s.base = base
			require.NoError(t, s.session.Sync(ctx))
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			i := rapid.IntRange(0, len(stores)-1).Draw(t, "session")
			if rapid.IntRange(0, 9).Draw(t, "what") == 0 {
				require.NoError(t, stores[i].Close())
				m, _ = m.End(subjects[i].session.ID())
				begin(i, base)
				continue
			}
			ops := rapid.SliceOfN(rapid.Custom(drawOp), 1, 5).Draw(t, "ops")
			next, index, want := m.Multi(subjects[i].session.ID(), ops)
			subjects[i].requireSame(t, subjects[i].multi(ctx, ops), index, want)
			m = next
			reader := subjects[rapid.IntRange(0, len(stores)-1).Draw(t, "reader")]
			require.NoError(t, reader.session.Sync(ctx))
			reader.requireTree(ctx, t, m)
			for path, n := range m {
				got, err := reader.session.Get(ctx, base+path)
				require.NoError(t, err)
				require.Equal(t, n.Session, got.Session, "whose it is")
			}
		}
	})
}
