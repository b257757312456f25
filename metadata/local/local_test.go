package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openKV(t require.TestingT, dir string) *kv.Store {
	store, err := kv.Open(kv.Options{
		Dir: dir, MemTableBytes: 1 << 20, CacheBytes: 1 << 20,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Events: kv.Events{Fatal: func(err error) { panic(fmt.Sprintf("unexpected: %v", err)) }},
	})
	require.NoError(t, err)
	return store
}

// newStore opens a store in a directory of the test's own.
func newStore(t *testing.T) (*local.Store, *kv.Store) {
	store := openKV(t, t.TempDir())
	t.Cleanup(func() { _ = store.Close() })
	s, err := local.New(store)
	require.NoError(t, err)
	return s, store
}

// gate is an item at which the committer stands until it is opened, so that nothing behind it becomes durable.
type gate struct{ opened chan struct{} }

func (g gate) Rows(*kv.Rows) { <-g.opened }
func (g gate) Size() int     { return 0 }
func (g gate) Durable()      {}

// closeGate stops the committer; the function returned lets it go on.
func closeGate(store *kv.Store) (open func()) {
	g := gate{make(chan struct{})}
	store.Enqueue(g)
	return sync.OnceFunc(func() { close(g.opened) })
}

func TestVersionsAndReopen(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	store := openKV(t, dir)
	s, err := local.New(store)
	require.NoError(t, err)
	data := []byte("one")
	require.NoError(t, s.Multi(ctx, metadata.Create("/a", nil), metadata.Create("/a/b", data)))
	data[0] = 'X' // the caller's again
	n, err := s.Get(ctx, "/a/b")
	require.NoError(t, err)
	require.Equal(t, metadata.Node{Path: "/a/b", Data: []byte("one"), Version: 0}, n)
	n.Data[0] = 'Y' // the reader's own
	for v := range int32(3) {
		require.NoError(t, s.Multi(ctx, metadata.Set("/a/b", fmt.Append(nil, v), v)))
	}
	require.NoError(t, s.Multi(ctx, metadata.Create("/a/c", nil), metadata.Create("/a-b", nil)))
	require.NoError(t, s.Multi(ctx, metadata.Delete("/a/c", 0)))
	require.NoError(t, store.Close())

	store = openKV(t, dir)
	defer store.Close()
	s, err = local.New(store)
	require.NoError(t, err)
	n, err = s.Get(ctx, "/a/b")
	require.NoError(t, err)
	require.Equal(t, metadata.Node{Path: "/a/b", Data: []byte("2"), Version: 3}, n)
	names, err := s.Children(ctx, "/a")
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, names)
	names, err = s.Children(ctx, "/")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "a-b"}, names)
	_, err = s.Children(ctx, "/a/c")
	require.ErrorIs(t, err, metadata.ErrNoNode)
}

// Each way in which a multi can fail names the operation, and leaves everything as it was.
func TestMultiFails(t *testing.T) {
	s, _ := newStore(t)
	ctx := t.Context()
	require.NoError(t, s.Multi(ctx, metadata.Create("/a", nil), metadata.Create("/a/b", []byte("b"))))
	before := []metadata.Op{
		metadata.Set("/a/b", []byte("changed"), 0), metadata.Create("/x", nil), metadata.Create("/x/y", nil),
		metadata.Set("/x/y", []byte("z"), 0), metadata.Delete("/x/y", 1), metadata.Delete("/a/b", 1),
		metadata.Create("/a/b", []byte("again")),
	}
	for _, tc := range []struct {
		name string
		op   metadata.Op
		want error
	}{
		{"check of another version", metadata.Check("/a", 7), metadata.ErrBadVersion},
		{"check of no node", metadata.Check("/none", metadata.AnyVersion), metadata.ErrNoNode},
		{"set of another version", metadata.Set("/a", nil, 1), metadata.ErrBadVersion},
		{"set of no node", metadata.Set("/none", nil, metadata.AnyVersion), metadata.ErrNoNode},
		{"delete of another version", metadata.Delete("/x", 1), metadata.ErrBadVersion},
		{"delete of no node", metadata.Delete("/x/y", metadata.AnyVersion), metadata.ErrNoNode},
		{"delete of a parent", metadata.Delete("/a", metadata.AnyVersion), metadata.ErrNotEmpty},
		{"create of what exists", metadata.Create("/a", nil), metadata.ErrNodeExists},
		{"create without a parent", metadata.Create("/none/x", nil), metadata.ErrNoNode},
		{"path with ..", metadata.Create("/a/../c", nil), metadata.ErrBadPath},
		{"the root", metadata.Delete("/", metadata.AnyVersion), metadata.ErrBadPath},
		{"node too large", metadata.Create("/big", make([]byte, metadata.MaxNodeBytes+1)), metadata.ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := s.Multi(ctx, append(before[:len(before):len(before)], tc.op)...)
			var me *metadata.MultiError
			require.ErrorAs(t, err, &me)
			require.Equal(t, len(before), me.Index)
			require.ErrorIs(t, err, tc.want)
			n, err := s.Get(ctx, "/a/b")
			require.NoError(t, err)
			require.Equal(t, metadata.Node{Path: "/a/b", Data: []byte("b")}, n)
			names, err := s.Children(ctx, "/")
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, names)
		})
	}
	require.ErrorIs(t, s.Multi(ctx, make([]metadata.Op, metadata.MaxMultiOps+1)...), metadata.ErrTooLarge)
	_, err := s.Get(ctx, "a")
	require.ErrorIs(t, err, metadata.ErrBadPath)
}

// R1: what is not durable is not seen, neither by a read nor through the failure of a multi.
func TestNothingIsSeenBeforeItIsDurable(t *testing.T) {
	s, store := newStore(t)
	ctx := t.Context()
	open := closeGate(store)
	defer open()
	answers := make(chan string, 3)
	go func() {
		answers <- fmt.Sprint("create ", s.Multi(ctx, metadata.Create("/a", nil)))
	}()
	require.Eventually(t, func() bool { // the create is queued as soon as a second one fails on it
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		return errors.Is(s.Multi(short, metadata.Check("/a", 5)), context.DeadlineExceeded)
	}, 10*time.Second, time.Millisecond)
	go func() {
		_, err := s.Get(ctx, "/a")
		answers <- fmt.Sprint("get ", err)
	}()
	go func() {
		answers <- fmt.Sprint("again ", errors.Is(s.Multi(ctx, metadata.Create("/a", nil)), metadata.ErrNodeExists))
	}()
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err := s.Get(short, "/a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, metadata.ErrUnknown)
	require.Empty(t, answers)
	open()
	got := []string{<-answers, <-answers, <-answers}
	require.ElementsMatch(t, []string{"create <nil>", "get <nil>", "again true"}, got)
}

// A multi whose caller does not wait any longer is of unknown outcome, and goes on.
func TestUnknownOutcome(t *testing.T) {
	s, store := newStore(t)
	open := closeGate(store)
	defer open()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	err := s.Multi(ctx, metadata.Create("/a", nil))
	require.ErrorIs(t, err, metadata.ErrUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	open()
	_, err = s.Get(t.Context(), "/a")
	require.NoError(t, err)
	require.NotErrorIs(t, s.Multi(ctx, metadata.Create("/b", nil)), metadata.ErrUnknown, "it was never sent")
	_, err = s.Get(t.Context(), "/b")
	require.ErrorIs(t, err, metadata.ErrNoNode)
}

// After a failed commit, the tree in memory is not to be trusted.
func TestDeadAfterFailedCommit(t *testing.T) {
	s, store := newStore(t)
	ctx := t.Context()
	require.NoError(t, s.Multi(ctx, metadata.Create("/a", nil)))
	require.NoError(t, store.Close())
	require.NoError(t, s.Multi(ctx, metadata.Check("/a", 0)), "reads are served until a write fails")
	err := s.Multi(ctx, metadata.Create("/b", nil))
	require.ErrorIs(t, err, metadata.ErrUnknown)
	require.ErrorIs(t, err, kv.ErrClosed)
	_, err = s.Get(ctx, "/a")
	require.ErrorIs(t, err, metadata.ErrClosed)
	require.ErrorIs(t, err, kv.ErrClosed)
	err = s.Multi(ctx, metadata.Create("/c", nil))
	require.ErrorIs(t, err, metadata.ErrClosed)
	require.NotErrorIs(t, err, metadata.ErrUnknown)
}

// Nobody may have waited for the commit that failed.
func TestDeadWithoutWaiter(t *testing.T) {
	s, store := newStore(t)
	open := closeGate(store)
	closed := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Multi(ctx, metadata.Create("/a", nil)), metadata.ErrUnknown)
	go func() { closed <- store.Close() }()
	open()
	require.NoError(t, <-closed)
	require.ErrorIs(t, s.Multi(t.Context(), metadata.Create("/b", nil)), metadata.ErrUnknown)
	require.ErrorIs(t, s.Multi(t.Context()), metadata.ErrClosed)
}

// Concurrent multis share fsyncs, and each CAS is won once.
func TestConcurrentMultis(t *testing.T) {
	const writers, each = 16, 50
	dir := t.TempDir()
	store := openKV(t, dir)
	s, err := local.New(store)
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, s.Multi(ctx, metadata.Create("/counter", []byte("0"))))
	open := closeGate(store)
	before := store.Metrics().Commits
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			if err := s.Multi(ctx, metadata.Create(fmt.Sprintf("/own-%d", w), nil)); err != nil {
				t.Errorf("create: %v", err)
			}
			for range each {
				increment(t, s, "/counter")
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	open()
	wg.Wait()
	n, err := s.Get(ctx, "/counter")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(writers*each), string(n.Data))
	require.EqualValues(t, writers*each, n.Version)
	require.LessOrEqual(t, store.Metrics().Commits-before, int64(writers*each+2), "the creates shared a commit")
	require.NoError(t, store.Close())

	store = openKV(t, dir)
	defer store.Close()
	s, err = local.New(store)
	require.NoError(t, err)
	after, err := s.Get(ctx, "/counter")
	require.NoError(t, err)
	require.Equal(t, n, after)
}

// increment adds one to the number in the node, by CAS.
func increment(t *testing.T, s *local.Store, path string) {
	for {
		n, err := s.Get(t.Context(), path)
		if err != nil {
			t.Errorf("get: %v", err)
			return
		}
		var v int
		_, _ = fmt.Sscan(string(n.Data), &v)
		err = s.Multi(t.Context(), metadata.Set(path, fmt.Append(nil, v+1), n.Version))
		if err == nil {
			return
		}
		if !errors.Is(err, metadata.ErrBadVersion) {
			t.Errorf("set: %v", err)
			return
		}
	}
}

// rows is an item of raw rows, as damage or a newer version would leave them.
type rows map[string][]byte

func (r rows) Rows(w *kv.Rows) {
	for path, v := range r {
		w.PutNode(path, v)
	}
}
func (r rows) Size() int { return 1024 }
func (r rows) Durable()  {}

func TestNewRefusesDamage(t *testing.T) {
	head := []byte{1, 0, 0, 0, 0}
	for _, tc := range []struct {
		name string
		rows rows
		want error
	}{
		{"empty row", rows{"/a": nil}, metadata.ErrCorrupt},
		{"short row", rows{"/a": head[:4]}, metadata.ErrCorrupt},
		{"format 0", rows{"/a": {0, 0, 0, 0, 0}}, metadata.ErrCorrupt},
		{"format of a newer version", rows{"/a": {2}}, metadata.ErrNewerFormat},
		{"negative version", rows{"/a": {1, 255, 255, 255, 255}}, metadata.ErrCorrupt},
		{"no parent", rows{"/a/b": head}, metadata.ErrCorrupt},
		{"no path", rows{"/": head}, metadata.ErrCorrupt},
		{"empty part", rows{"/a": head, "/a//b": head}, metadata.ErrCorrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := openKV(t, t.TempDir())
			defer store.Close()
			c := store.Enqueue(tc.rows)
			<-c.Done()
			require.NoError(t, c.Err())
			_, err := local.New(store)
			require.ErrorIs(t, err, tc.want)
		})
	}
}
