package metadata_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newStore returns a real store on disk, with the tree's fixed nodes.
func newStore(t testing.TB) metadata.Store {
	store, err := kv.Open(kv.Options{
		Dir: t.TempDir(), MemTableBytes: 1 << 20, CacheBytes: 1 << 20,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Events: kv.Events{Fatal: func(err error) { panic(fmt.Sprintf("unexpected: %v", err)) }},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s, err := local.New(store)
	require.NoError(t, err)
	id, err := metadata.Bootstrap(t.Context(), s, "cluster-1")
	require.NoError(t, err)
	require.Equal(t, "cluster-1", id)
	return s
}

// between is a connection to a store on which something happens around each multi:
// before may change what was just read, after what is answered.
type between struct {
	metadata.Store
	before func()
	after  func(error) error
	multis int
	ops    int // of the largest multi
}

func (b *between) Multi(ctx context.Context, ops ...metadata.Op) error {
	b.multis++
	b.ops = max(b.ops, len(ops))
	if b.before != nil {
		b.before()
	}
	err := b.Store.Multi(ctx, ops...)
	if b.after != nil {
		err = b.after(err)
	}
	return err
}

// lost is a store whose multis never arrive, while their sender cannot know.
type lost struct{ metadata.Store }

func (lost) Multi(context.Context, ...metadata.Op) error {
	return fmt.Errorf("connection lost: %w", metadata.ErrUnknown)
}

func TestCheckPath(t *testing.T) {
	for _, path := range []string{"/a", "/topics/a.b_c-D", "/a/b/c", "/a b", "/...", "/é"} {
		require.NoError(t, metadata.CheckPath(path), path)
	}
	for _, path := range []string{
		"", "/", "a", "a/b", "//", "/a/", "/a//b", "/.", "/..", "/a/../b", "/a/./b", "/a/..", "/a\x00", "/a\n", "/a/\x7f",
		"/\u0085", "/\ue000", "/\ufff9", "/\U0001f40b", "/\xff",
	} {
		require.ErrorIs(t, metadata.CheckPath(path), metadata.ErrBadPath, "%q", path)
	}
}

func TestCheckOps(t *testing.T) {
	require.NoError(t, metadata.CheckOps(nil))
	require.Error(t, metadata.CheckOps([]metadata.Op{{Path: "/a"}}), "no kind")
	big := metadata.Create("/a", make([]byte, metadata.MaxMultiBytes/2))
	require.NoError(t, metadata.CheckOps([]metadata.Op{big}))
	require.ErrorIs(t, metadata.CheckOps([]metadata.Op{big, big}), metadata.ErrTooLarge)
	err := metadata.CheckOps([]metadata.Op{metadata.Check("/a", 0), metadata.Set("b", nil, 0)})
	require.EqualError(t, err,
		`operation 1 of the multi (set "b"): malformed path "b": it must start with / and name a node`)
}

func TestDryRunKnowsEphemerals(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	require.NoError(t, s.Multi(ctx, metadata.CreateEphemeral("/here", nil)))
	for _, ops := range [][]metadata.Op{
		{metadata.Create("/here/below", nil)},
		{metadata.CreateEphemeral("/new", nil), metadata.Create("/new/below", nil)},
		{metadata.CreateEphemeral("/new", nil), metadata.Set("/new", nil, 0), metadata.Create("/new/below", nil)},
	} {
		want := s.Multi(ctx, ops...)
		require.ErrorIs(t, want, metadata.ErrNoChildrenForEphemerals)
		got := metadata.DryRun(s).Multi(ctx, ops...)
		require.ErrorIs(t, got, metadata.ErrNoChildrenForEphemerals)
		var wantOp, gotOp *metadata.MultiError
		require.ErrorAs(t, want, &wantOp)
		require.ErrorAs(t, got, &gotOp)
		require.Equal(t, wantOp.Index, gotOp.Index)
	}
}

func TestChanges(t *testing.T) {
	c := metadata.NewChanges()
	require.Empty(t, c.Take())
	for range 100 {
		c.Add("/b")
		c.Add("/a")
	}
	<-c.Ready()
	require.Equal(t, []string{"/a", "/b"}, c.Take(), "each path once, however often it changed (D8)")
	require.Empty(t, c.Ready())
	c.Add("/a") // between Ready and Take: taken with what was there
	require.Equal(t, []string{"/a"}, c.Take())
	<-c.Ready() // and a wake-up too many
	require.Empty(t, c.Take())
}

func TestBootstrap(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	for _, id := range []string{"cluster-1", ""} {
		got, err := metadata.Bootstrap(ctx, s, id)
		require.NoError(t, err)
		require.Equal(t, "cluster-1", got)
	}
	_, err := metadata.Bootstrap(ctx, s, "cluster-2") // D9
	require.ErrorIs(t, err, metadata.ErrClusterMismatch)
	require.ErrorContains(t, err, "cluster-2")

	// What is absent is made again, what is there stays.
	create(t, s, "orders")
	require.NoError(t, s.Multi(ctx, metadata.Delete("/ids/producer", metadata.AnyVersion)))
	_, err = metadata.Bootstrap(ctx, s, "cluster-1")
	require.NoError(t, err)
	require.EqualValues(t, 2, create(t, s, "payments").ID)
}

// Two brokers that start at once agree on one id.
func TestBootstrapRace(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	require.NoError(t, s.Multi(ctx, metadata.Delete("/cluster/id", metadata.AnyVersion)))
	_, err := metadata.Bootstrap(ctx, s, "")
	require.ErrorIs(t, err, metadata.ErrClusterMismatch, "none there and none given")
	first := &between{Store: s}
	first.before = func() {
		first.before = nil
		id, err := metadata.Bootstrap(ctx, s, "mine")
		require.NoError(t, err)
		require.Equal(t, "mine", id)
	}
	_, err = metadata.Bootstrap(ctx, first, "yours")
	require.ErrorIs(t, err, metadata.ErrClusterMismatch)
}

func TestAllocateProducerIDs(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	first, err := metadata.AllocateProducerIDs(ctx, s, 1000)
	require.NoError(t, err)
	require.EqualValues(t, 0, first)
	first, err = metadata.AllocateProducerIDs(ctx, s, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1000, first)

	// An answer that was lost skips the block; it is never given out again.
	b := &between{Store: s, after: func(error) error { return metadata.ErrUnknown }}
	_, err = metadata.AllocateProducerIDs(ctx, b, 10)
	require.ErrorIs(t, err, metadata.ErrUnknown)
	first, err = metadata.AllocateProducerIDs(ctx, s, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1011, first)

	// Another broker takes a block between the read and the write.
	b = &between{Store: s}
	b.before = func() {
		b.before = nil
		first, err := metadata.AllocateProducerIDs(ctx, s, 100)
		require.NoError(t, err)
		require.EqualValues(t, 1012, first)
	}
	first, err = metadata.AllocateProducerIDs(ctx, b, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1112, first)

	b.before = func() { _, _ = metadata.AllocateProducerIDs(ctx, s, 1) }
	_, err = metadata.AllocateProducerIDs(ctx, b, 1)
	require.ErrorIs(t, err, metadata.ErrContention)
	require.Panics(t, func() { _, _ = metadata.AllocateProducerIDs(ctx, s, 0) })
}
