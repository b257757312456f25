package zk_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
)

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		change func(*zk.Config)
		says   string
	}{
		{func(c *zk.Config) { c.Servers = nil }, "0 servers"},
		{func(c *zk.Config) { c.Servers = []string{""} }, `server ""`},
		{func(c *zk.Config) { c.Servers = []string{"a:b:c"} }, `server "a:b:c"`},
		{func(c *zk.Config) { c.Servers = []string{"a:70000"} }, "from 1 to 65535"},
		{func(c *zk.Config) { c.Servers = []string{":2181"} }, `server ":2181"`},
		{func(c *zk.Config) { c.Chroot = "skidway" }, `malformed path "skidway"`},
		{func(c *zk.Config) { c.Chroot = "/a/" }, "empty part"},
		{func(c *zk.Config) { c.Chroot = "/" + strings.Repeat("a", 256) }, "257 bytes"},
		{func(c *zk.Config) { c.SessionTimeout = time.Millisecond }, "session timeout 1ms"},
		{func(c *zk.Config) { c.Password = "x" }, "no user"},
		{func(c *zk.Config) { c.User = "a:b" }, "colon"},
		{func(c *zk.Config) { c.Logger = nil }, "logger"},
	} {
		cfg := config("127.0.0.1:1")
		tc.change(&cfg)
		_, err := zk.Open(t.Context(), cfg)
		require.ErrorContains(t, err, "zookeeper: ")
		require.ErrorContains(t, err, tc.says)
	}
}

// A wrong address is named, with why it cannot be used.
func TestWrongAddress(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone := free.Addr().String()
	require.NoError(t, free.Close())
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	go func() {
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = zk.Open(ctx, config(gone, other.Addr().String(), "no-such-host.invalid"))
	require.ErrorIs(t, err, metadata.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, gone+": connect: connection refused")
	require.ErrorContains(t, err, other.Addr().String()+": it does not speak ZooKeeper's protocol")
	require.ErrorContains(t, err, "no-such-host.invalid")
}

// D9: a chroot that is not there is refused at once, and nothing is made.
func TestD9MissingChroot(t *testing.T) {
	cfg := config(server(t))
	for range 2 {
		_, err := zk.Open(patient(t), cfg)
		require.ErrorIs(t, err, metadata.ErrNoNode)
		require.ErrorContains(t, err, fmt.Sprintf("the chroot %q is not there", cfg.Chroot))
	}
	cfg.Chroot += "/a/b"
	require.NoError(t, zk.CreateChroot(patient(t), cfg))
	require.NoError(t, zk.CreateChroot(patient(t), cfg), "again")
	s := open(t, cfg)
	names, err := s.Children(t.Context(), "/")
	require.NoError(t, err)
	require.Empty(t, names)
}

// Two chroots are two stores.
func TestChroot(t *testing.T) {
	cfg := config(server(t))
	whole := create(t, cfg)
	cfg.Chroot += "/below"
	below := create(t, cfg)
	require.NoError(t, below.Multi(t.Context(), metadata.Create("/x", []byte("1"))))
	n, err := whole.Get(t.Context(), "/below/x")
	require.NoError(t, err)
	require.Equal(t, metadata.Node{Path: "/below/x", Data: []byte("1")}, n)
	n, err = below.Get(t.Context(), "/x")
	require.NoError(t, err)
	require.Equal(t, metadata.Node{Path: "/x", Data: []byte("1")}, n)
	require.Error(t, below.Multi(t.Context(), metadata.Delete("/", -1)), "no operation names the root")
	cfg.Chroot = "/"
	names, err := open(t, cfg).Children(t.Context(), "/")
	require.NoError(t, err)
	require.Contains(t, names, "zookeeper")
}

// The operations of package metadata run on ZooKeeper as they do on disk.
func TestBootstrap(t *testing.T) {
	cfg := config(server(t))
	s := create(t, cfg)
	id, err := metadata.Bootstrap(t.Context(), s, "cluster-1")
	require.NoError(t, err)
	require.Equal(t, "cluster-1", id)
	_, err = metadata.Bootstrap(t.Context(), open(t, cfg), "cluster-2") // D9
	require.ErrorIs(t, err, metadata.ErrClusterMismatch)
}

func TestResults(t *testing.T) {
	s := create(t, config(server(t)))
	ctx := t.Context()
	require.NoError(t, s.Multi(ctx, metadata.Create("/a", []byte("x")), metadata.Create("/a/b", nil),
		metadata.CreateEphemeral("/e", nil)))
	for _, tc := range []struct {
		op   metadata.Op
		want error
	}{
		{metadata.Create("/a", nil), metadata.ErrNodeExists},
		{metadata.Create("/none/x", nil), metadata.ErrNoNode},
		{metadata.Create("/e/x", nil), metadata.ErrNoChildrenForEphemerals},
		{metadata.Set("/a", nil, 7), metadata.ErrBadVersion},
		{metadata.Set("/none", nil, -1), metadata.ErrNoNode},
		{metadata.Check("/a", 7), metadata.ErrBadVersion},
		{metadata.Delete("/a", 0), metadata.ErrNotEmpty},
		{metadata.Delete("/a/b", 3), metadata.ErrBadVersion},
		{metadata.Set("bad", nil, 0), metadata.ErrBadPath},
		{metadata.Set("/a", make([]byte, metadata.MaxNodeBytes+1), 0), metadata.ErrTooLarge},
	} {
		err := s.Multi(ctx, metadata.Set("/a", []byte("y"), 0), metadata.Check("/a/b", 0), tc.op, metadata.Check("/e", 0))
		if tc.op.Path == "/a" && tc.op.Kind == metadata.OpDelete {
			err = s.Multi(ctx, metadata.Check("/a", 0), metadata.Check("/a/b", 0), tc.op)
		}
		var me *metadata.MultiError
		require.ErrorAs(t, err, &me, "%v", tc.op)
		require.Equal(t, 2, me.Index)
		require.ErrorIs(t, err, tc.want)
	}
	n, err := s.Get(ctx, "/a")
	require.NoError(t, err)
	require.Equal(t, metadata.Node{Path: "/a", Data: []byte("x")}, n, "nothing was changed")
	_, err = s.Get(ctx, "/none")
	require.ErrorIs(t, err, metadata.ErrNoNode)
	_, err = s.Children(ctx, "/none")
	require.ErrorIs(t, err, metadata.ErrNoNode)
	_, err = s.Get(ctx, "none")
	require.ErrorIs(t, err, metadata.ErrBadPath)
	require.NoError(t, s.Multi(ctx), "no operation")
}

// D10: the largest multi that a store takes is one request of ZooKeeper's, below the limit that it comes with.
func TestD10LargestMulti(t *testing.T) {
	cfg := config(server(t))
	cfg.Chroot += "/" + strings.Repeat("c", 256-len(cfg.Chroot)-1)
	cfg.User, cfg.Password = "skidway", "secret"
	s := create(t, cfg)
	ops := make([]metadata.Op, metadata.MaxMultiOps)
	each := metadata.MaxMultiBytes/metadata.MaxMultiOps - 32 - len("/000")
	for i := range ops {
		ops[i] = metadata.Create(fmt.Sprintf("/%03d", i), bytes.Repeat([]byte{1}, each))
	}
	require.NoError(t, s.Multi(t.Context(), ops...))
	require.NoError(t, s.Multi(t.Context(), metadata.Create("/one", make([]byte, metadata.MaxNodeBytes-64))))
	require.ErrorIs(t, s.Multi(t.Context(), append(ops, metadata.Check("/one", 0))...), metadata.ErrTooLarge)
	names, err := s.Children(t.Context(), "/")
	require.NoError(t, err)
	require.Len(t, names, len(ops)+1)
}

// D12: what is made with a user is that user's alone, and who may not read the chroot hears it at the start.
func TestD12Denied(t *testing.T) {
	cfg := config(server(t))
	cfg.User, cfg.Password = "skidway", "secret"
	s := create(t, cfg)
	require.NoError(t, s.Multi(t.Context(), metadata.Create("/a", nil)))
	wrong := cfg
	wrong.Password = "other"
	_, err := zk.Open(patient(t), wrong)
	require.ErrorIs(t, err, metadata.ErrDenied)
	require.ErrorContains(t, err, `may not be read as user "skidway"`)
	wrong.User, wrong.Password = "", ""
	_, err = zk.Open(patient(t), wrong)
	require.ErrorIs(t, err, metadata.ErrDenied)

	// One who may read the root, and is refused below it.
	wrong.Chroot = ""
	root := open(t, wrong)
	_, err = root.Get(t.Context(), cfg.Chroot+"/a")
	require.ErrorIs(t, err, metadata.ErrDenied)
	err = root.Multi(t.Context(), metadata.Check(cfg.Chroot, -1), metadata.Delete(cfg.Chroot+"/a", -1))
	require.ErrorIs(t, err, metadata.ErrDenied)
	require.NoError(t, s.Multi(t.Context(), metadata.Delete("/a", 0)))
}

// Closing ends the session: what it made is gone at once, and the store takes nothing any more.
func TestClose(t *testing.T) {
	cfg := config(server(t))
	other := create(t, cfg)
	s := open(t, cfg)
	se := session(t, s)
	require.NotZero(t, se.ID())
	require.Equal(t, cfg.SessionTimeout, se.Timeout())
	require.Less(t, se.Silence(time.Now()), patience)
	require.NoError(t, s.Multi(t.Context(), metadata.CreateEphemeral("/e", nil)))
	n, err := other.Get(t.Context(), "/e")
	require.NoError(t, err)
	require.Equal(t, se.ID(), n.Session)
	changes := metadata.NewChanges()
	_, err = se.WatchChildren(t.Context(), "/", changes)
	require.NoError(t, err)

	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice")
	<-se.Done()
	require.Equal(t, []string{"/"}, changes.Take(), "all that was watched is to be read again")
	require.NoError(t, session(t, other).Sync(t.Context()))
	_, err = other.Get(t.Context(), "/e")
	require.ErrorIs(t, err, metadata.ErrNoNode)
	_, err = s.Session(t.Context())
	require.ErrorIs(t, err, metadata.ErrClosed)
	require.ErrorIs(t, s.Multi(t.Context(), metadata.Create("/b", nil)), metadata.ErrClosed)
	for _, err := range []error{
		se.Multi(t.Context(), metadata.Create("/b", nil)), se.Multi(t.Context()), se.Sync(t.Context()),
	} {
		require.ErrorIs(t, err, metadata.ErrSessionEnded)
		require.NotErrorIs(t, err, metadata.ErrUnknown)
	}
}

// A context that is over sends nothing; one without a deadline gets one.
func TestDeadlines(t *testing.T) {
	p := newProxy(t, server(t))
	cfg := config(p.address())
	cfg.SessionTimeout = time.Second
	s := create(t, cfg)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Multi(over, metadata.Create("/a", nil))
	require.ErrorIs(t, err, metadata.ErrUnavailable)
	require.NotErrorIs(t, err, metadata.ErrUnknown)

	p.hold(toServer, toClient)
	limited, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = session(t, s).Multi(limited, metadata.Create("/a", nil))
	require.ErrorIs(t, err, metadata.ErrUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = session(t, s).Get(t.Context(), "/a")
	require.ErrorIs(t, err, metadata.ErrUnavailable)
	require.ErrorContains(t, err, `read "/a"`)
}

// What happens to servers is logged once, in words.
func TestLog(t *testing.T) {
	p := newProxy(t, server(t))
	lines := &logLines{}
	cfg := config(p.address())
	cfg.Logger = slog.New(slog.NewTextHandler(lines, nil))
	cfg.SessionTimeout = 30 * time.Second // more than is granted
	s := create(t, cfg)
	require.Equal(t, 20*tick, session(t, s).Timeout())
	require.Contains(t, lines.String(), "asked=30s granted=10s")
	require.Contains(t, lines.String(), `msg="connected to ZooKeeper" server=`+p.address())
	p.refuse(true)
	p.cut()
	require.Eventually(t, func() bool {
		return strings.Contains(lines.String(), "has no quorum")
	}, patience, 10*time.Millisecond)
	p.refuse(false)
	_, err := s.Get(patient(t), "/")
	require.NoError(t, err)
}
