package zk_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
)

// told waits until all the paths were told, and returns what was told besides.
func told(t *testing.T, changes *metadata.Changes, paths ...string) []string {
	t.Helper()
	var got []string
	for ctx := patient(t); ; {
		got = append(got, changes.Take()...)
		missing := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return slices.Contains(got, p) })
		if len(missing) == 0 {
			return slices.DeleteFunc(got, func(p string) bool { return slices.Contains(paths, p) })
		}
		select {
		case <-changes.Ready():
		case <-ctx.Done():
			require.Fail(t, "not told", "%v, but %v", paths, got)
		}
	}
}

// Each way in which something can change is told, once, to all who watch it: also of a node that comes.
func TestWatches(t *testing.T) {
	cfg := config(server(t))
	s, writer := create(t, cfg), open(t, cfg)
	se, ctx := session(t, s), t.Context()
	write := func(ops ...metadata.Op) { require.NoError(t, writer.Multi(ctx, ops...)) }
	write(metadata.Create("/a", nil), metadata.Create("/a/b", nil))
	require.NoError(t, se.Sync(ctx))

	changes, others := metadata.NewChanges(), metadata.NewChanges()
	watch := func() {
		for _, c := range []*metadata.Changes{changes, others} {
			for _, path := range []string{"/a", "/a/b", "/none"} {
				_, _ = se.Watch(ctx, path, c)
				_, _ = se.WatchChildren(ctx, path, c)
			}
		}
	}
	for _, step := range []struct {
		op   metadata.Op
		want []string
	}{
		{metadata.Set("/a", nil, -1), []string{"/a"}},
		{metadata.Create("/a/c", nil), []string{"/a"}},
		{metadata.Delete("/a/b", -1), []string{"/a", "/a/b"}},
		{metadata.Create("/a/b", nil), []string{"/a", "/a/b"}},
		{metadata.CreateEphemeral("/none", nil), []string{"/none"}},
		{metadata.Delete("/none", -1), []string{"/none"}},
	} {
		watch()
		write(step.op)
		require.NoError(t, se.Sync(ctx))
		require.Empty(t, told(t, changes, step.want...), "%v", step.op)
		require.Empty(t, told(t, others, step.want...), "%v", step.op)
	}
	for _, want := range [][]string{{"/a"}, {}} { // the second time nobody has asked again
		write(metadata.Set("/a", nil, -1))
		require.NoError(t, se.Sync(ctx))
		require.Equal(t, want, changes.Take())
	}
}

// D8: however much changes while nobody looks, what was watched is told as one thing to read again.
func TestD8Coalesced(t *testing.T) {
	cfg := config(server(t))
	s := create(t, cfg)
	se, ctx := session(t, s), t.Context()
	require.NoError(t, s.Multi(ctx, metadata.Create("/a", nil)))
	changes := metadata.NewChanges()
	_, err := se.Watch(ctx, "/a", changes)
	require.NoError(t, err)
	for range 10 {
		require.NoError(t, s.Multi(ctx, metadata.Set("/a", nil, -1)))
	}
	require.Equal(t, []string{"/a"}, changes.Take())
	n, err := se.Watch(ctx, "/a", changes)
	require.NoError(t, err)
	require.EqualValues(t, 10, n.Version)
}

// What changes while no server is connected is told after the reconnect; and what is asked of the new connection before
// the watches are set there again hides nothing.
func TestWatchesSurviveTheConnection(t *testing.T) {
	p := newProxy(t, server(t))
	cfg := config(p.address())
	s := create(t, cfg)
	direct := cfg
	direct.Servers = []string{server(t)}
	writer := open(t, direct)
	se, ctx := session(t, s), patient(t)
	const nodes = 20
	path := func(i int) string { return fmt.Sprintf("/n%02d", i) }
	for i := range nodes {
		require.NoError(t, writer.Multi(ctx, metadata.Create(path(i), nil)))
	}
	require.NoError(t, se.Sync(ctx))
	for round := range 10 {
		changes := metadata.NewChanges()
		var paths []string
		for i := range nodes {
			_, err := se.Watch(ctx, path(i), changes)
			require.NoError(t, err)
			paths = append(paths, path(i))
		}
		absent := fmt.Sprint("/new", round)
		_, err := se.Watch(ctx, absent, changes)
		require.ErrorIs(t, err, metadata.ErrNoNode)
		_, err = se.WatchChildren(ctx, "/", changes)
		require.NoError(t, err)
		p.refuse(true)
		p.cut()
		for _, path := range paths {
			require.NoError(t, writer.Multi(ctx, metadata.Set(path, nil, -1)))
		}
		require.NoError(t, writer.Multi(ctx, metadata.Create(absent, nil)))
		// Reads that wait for the connection go out at once when it is there.
		reads := make(chan error, 8)
		for range cap(reads) {
			go func() {
				_, err := se.Get(ctx, "/")
				reads <- err
			}()
		}
		p.refuse(false)
		for range cap(reads) {
			require.NoError(t, <-reads)
		}
		require.Empty(t, told(t, changes, append(paths, absent, "/")...))
	}
	require.Equal(t, se.ID(), session(t, s).ID(), "it is the same session")
}

// A hundred reads under one watch, and as many reconnects, cost the library one channel.
func TestWatchIsSetOnce(t *testing.T) {
	p := newProxy(t, server(t))
	cfg := config(p.address())
	se := session(t, create(t, cfg))
	require.NoError(t, se.Multi(t.Context(), metadata.Create("/a", nil)))
	changes := metadata.NewChanges()
	for i := range 100 {
		_, err := se.Watch(patient(t), "/a", changes)
		require.NoError(t, err)
		if i%50 == 0 {
			p.cut()
		}
	}
	require.Equal(t, 1, zk.LibraryWatches(se, cfg.Chroot+"/a"))
	require.Empty(t, changes.Take(), "nothing has changed")
}

// D13: many events at once, and a client that does not look: none is lost.
func TestD13ManyEvents(t *testing.T) {
	cfg := config(server(t))
	s := create(t, cfg)
	se, ctx := session(t, s), patient(t)
	changes := metadata.NewChanges()
	var ops []metadata.Op
	var paths []string
	for i := range 300 {
		path := fmt.Sprintf("/n%03d", i)
		_, err := se.Watch(ctx, path, changes)
		require.ErrorIs(t, err, metadata.ErrNoNode)
		ops, paths = append(ops, metadata.Create(path, nil)), append(paths, path)
	}
	require.NoError(t, s.Multi(ctx, ops...))
	require.Equal(t, paths, changes.Take())
}

// The answer to a write comes after the events that it causes in the same session, so who looks then sees all.
func TestEventsComeBeforeTheAnswer(t *testing.T) {
	s := create(t, config(server(t)))
	se := session(t, s)
	for i := range 200 {
		path, changes := fmt.Sprint("/", i), metadata.NewChanges()
		_, err := se.Watch(t.Context(), path, changes)
		require.ErrorIs(t, err, metadata.ErrNoNode)
		require.NoError(t, se.Multi(t.Context(), metadata.Create(path, nil)))
		require.Equal(t, []string{path}, changes.Take())
	}
}

// While a server is away the session stays, and its silence grows until an answer comes.
func TestSilence(t *testing.T) {
	p := newProxy(t, server(t))
	cfg := config(p.address())
	cfg.SessionTimeout = 10 * time.Second
	se := session(t, create(t, cfg))
	p.refuse(true)
	p.cut()
	require.Eventually(t, func() bool {
		return se.Silence(time.Now()) > cfg.SessionTimeout/4
	}, patience, 10*time.Millisecond)
	before := se.Silence(time.Now())
	p.refuse(false)
	_, err := se.Get(patient(t), "/")
	require.NoError(t, err)
	require.Less(t, se.Silence(time.Now()), before)
	require.NotPanics(t, func() { require.Zero(t, se.Silence(time.Time{}), "never negative") })
	select {
	case <-se.Done():
		require.Fail(t, "the session is over")
	default:
	}
}
