package zk_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
)

// direct opens the store of the configuration without the proxy.
func direct(t *testing.T, cfg zk.Config) *zk.Store {
	cfg.Servers = []string{server(t)}
	return open(t, cfg)
}

// short is how long sessions last that are to expire: a busy machine must not end them before.
const short = 8 * tick

// D1: a client that was silent for too long learns that its session is over. What it had asked for in it is not done in
// another one, and what it made is gone; everything watched is to be read again; the next session is another.
func TestD1Expiry(t *testing.T) {
	p := newProxy(t, server(t))
	cfg := config(p.address())
	cfg.SessionTimeout = short
	s := create(t, cfg)
	other := direct(t, cfg)
	old := session(t, s)
	require.NoError(t, old.Multi(t.Context(), metadata.CreateEphemeral("/broker", nil), metadata.Create("/kept", nil)))
	changes := metadata.NewChanges()
	_, err := old.Watch(t.Context(), "/kept", changes)
	require.NoError(t, err)

	var logins atomic.Int32 // into fresh sessions
	p.tell(func(b []byte) {
		const length, id = 48, 20
		if len(b) == length && binary.BigEndian.Uint64(b[id:]) == 0 {
			logins.Add(1)
		}
	}, nil)
	p.hold(toServer, toClient)
	writes := make(chan error, 20) // more than the library queues
	for i := range cap(writes) {
		go func() { writes <- old.Multi(patient(t), metadata.CreateEphemeral(fmt.Sprint("/late", i), nil)) }()
	}
	gone := metadata.NewChanges()
	for {
		if _, err := session(t, other).Watch(patient(t), "/broker", gone); err != nil {
			require.ErrorIs(t, err, metadata.ErrNoNode)
			break
		}
		<-gone.Ready()
	}
	select {
	case <-old.Done():
		require.Fail(t, "the client cannot know yet")
	default:
	}
	p.cut()
	p.pass()
	<-old.Done()
	for range cap(writes) {
		err := <-writes // unknown if it had been sent
		require.True(t, errors.Is(err, metadata.ErrUnknown) || errors.Is(err, metadata.ErrSessionEnded), "%v", err)
	}
	require.Empty(t, told(t, changes, "/kept"))
	require.ErrorContains(t, old.Multi(t.Context(), metadata.Set("/kept", nil, 0)), "ZooKeeper has expired it")
	_, err = old.Get(t.Context(), "/kept")
	require.ErrorIs(t, err, metadata.ErrSessionEnded)

	next := session(t, s)
	require.NotEqual(t, old.ID(), next.ID())
	require.NoError(t, next.Multi(patient(t), metadata.CreateEphemeral("/broker", nil)))
	names, err := s.Children(patient(t), "/")
	require.NoError(t, err)
	require.Equal(t, []string{"broker", "kept"}, names, "no write of the old session has landed in the new one")
	require.NoError(t, s.Close())
	require.EqualValues(t, 1, logins.Load(), "the old session's client has not logged in again by itself")
}

// endFromElsewhere closes the session over a connection of its own, as the greeting that was seen allows.
func endFromElsewhere(t *testing.T, address string, greeting []byte) {
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	// version, last transaction seen, timeout; session id, length and bytes of the password
	body := append(make([]byte, 12), greeting[8:12]...)
	body = append(body, greeting[12:40]...)
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	_, err = conn.Write(frame)
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 40))
	require.NoError(t, err)
	const closeSession = -11
	head := []byte{0, 0, 0, 8, 0, 0, 0, 1} // length, xid
	_, err = conn.Write(binary.BigEndian.AppendUint32(head, uint32(0x1_0000_0000+closeSession)))
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, conn) // until the server ends the connection
}

// D1: a session that somebody else has closed is over as well.
func TestD1ClosedFromElsewhere(t *testing.T) {
	p := newProxy(t, server(t))
	var mu sync.Mutex
	var seen []byte
	p.tell(nil, func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, b...)
	})
	cfg := config(p.address())
	require.NoError(t, zk.CreateChroot(patient(t), through(cfg, server(t))))
	s := open(t, cfg)
	old := session(t, s)
	require.NoError(t, old.Multi(t.Context(), metadata.CreateEphemeral("/broker", nil)))
	mu.Lock()
	greeting := bytes.Clone(seen[:40])
	mu.Unlock()
	require.EqualValues(t, old.ID(), binary.BigEndian.Uint64(greeting[12:]))
	p.refuse(true) // or it would move the session back to its own connection
	p.cut()
	endFromElsewhere(t, server(t), greeting)
	p.refuse(false)
	<-old.Done()
	require.NotEqual(t, old.ID(), session(t, s).ID())
	_, err := s.Get(patient(t), "/broker")
	require.ErrorIs(t, err, metadata.ErrNoNode)
}

// through is the configuration with other servers.
func through(cfg zk.Config, servers ...string) zk.Config {
	cfg.Servers = servers
	return cfg
}

// D6: the connection breaks with a write under way. Its outcome is unknown, also when it was carried out; reading
// tells.
func TestD6LostAnswer(t *testing.T) {
	p := newProxy(t, server(t))
	cfg := config(p.address())
	s := create(t, cfg)
	other := direct(t, cfg)
	require.NoError(t, s.Multi(t.Context(), metadata.Create("/n", nil)))
	for round := range int32(5) {
		p.hold(toClient)
		changed := metadata.NewChanges()
		_, err := session(t, other).Watch(patient(t), "/n", changed)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- s.Multi(patient(t), metadata.Set("/n", []byte{byte(round)}, round)) }()
		<-changed.Ready() // it is carried out, and the answer is on its way
		p.cut()
		p.pass()
		require.ErrorIs(t, <-done, metadata.ErrUnknown)
		n, err := s.Get(patient(t), "/n")
		require.NoError(t, err)
		require.Equal(t, metadata.Node{Path: "/n", Data: []byte{byte(round)}, Version: round + 1}, n)
		err = s.Multi(patient(t), metadata.Set("/n", []byte{byte(round)}, round))
		require.ErrorIs(t, err, metadata.ErrBadVersion, "the same write again is refused")
	}
}

// D6: while no server can be reached a write is not sent: it has failed, and does not come later.
func TestD6NothingSent(t *testing.T) {
	p := newProxy(t, server(t))
	cfg := config(p.address())
	s := create(t, cfg)
	p.refuse(true)
	p.cut()
	require.Eventually(t, func() bool { // until the client has noticed
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := s.Multi(ctx, metadata.Create("/a", nil))
		return strings.Contains(fmt.Sprint(err), "nothing was changed")
	}, patience, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := s.Multi(ctx, metadata.Create("/b", nil))
	require.ErrorIs(t, err, metadata.ErrUnavailable)
	require.NotErrorIs(t, err, metadata.ErrUnknown)
	require.ErrorContains(t, err, p.address())
	waits := make(chan error, 1)
	go func() { waits <- s.Multi(patient(t), metadata.Create("/c", nil)) }()
	p.refuse(false)
	require.NoError(t, <-waits, "one with time waits for the server")
	names, err := s.Children(patient(t), "/")
	require.NoError(t, err)
	require.NotContains(t, names, "b")
}

// D11: a slow ZooKeeper holds up its callers until their deadlines, and nobody else.
func TestD11Slow(t *testing.T) {
	p := newProxy(t, server(t))
	s := create(t, config(p.address()))
	p.hold(toClient)
	results := make(chan error, 100)
	for i := range cap(results) {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if i%2 == 0 {
				_, err := s.Get(ctx, "/")
				results <- err
				return
			}
			results <- s.Multi(ctx, metadata.Create(fmt.Sprint("/", i), nil))
		}()
	}
	for range cap(results) {
		require.ErrorIs(t, <-results, context.DeadlineExceeded)
	}
	p.pass()
	names, err := s.Children(patient(t), "/")
	require.NoError(t, err)
	require.Len(t, names, cap(results)/2, "all were sent, though their callers have gone")
}

// D15: a server that stops in the midst of its greeting is given up, and another is used.
func TestD15StalledGreeting(t *testing.T) {
	p := newProxy(t, server(t))
	p.stall(4)
	cfg := config(p.address())
	cfg.SessionTimeout = 3 * time.Second
	require.NoError(t, zk.CreateChroot(patient(t), through(cfg, server(t))))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := zk.Open(ctx, cfg)
	require.ErrorIs(t, err, metadata.ErrUnavailable)
	require.ErrorContains(t, err, p.address()+": it accepts the connection and does not greet in time")
	cfg.Servers = append(cfg.Servers, server(t))
	open(t, cfg)
}

// D9: if what is there at the next session is another tree, the store has no session, and says why.
func TestD9ChrootVanishes(t *testing.T) {
	p := newProxy(t, server(t))
	cfg := config(p.address())
	cfg.SessionTimeout = short
	s := create(t, cfg)
	old := session(t, s)
	whole := config(server(t))
	whole.Chroot = ""
	root := open(t, whole)
	p.hold(toServer, toClient)
	require.NoError(t, root.Multi(t.Context(), metadata.Delete(cfg.Chroot, -1)))
	time.AfterFunc(short+2*tick, func() { // the session is over by then
		p.cut()
		p.pass()
	})
	<-old.Done()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := s.Session(ctx)
		require.ErrorIs(t, err, metadata.ErrUnavailable)
		return strings.Contains(err.Error(), "check that the servers and the chroot are this cluster's")
	}, patience, time.Millisecond)
	require.NoError(t, root.Multi(t.Context(), metadata.Create(cfg.Chroot, nil)))
	require.NotEqual(t, old.ID(), session(t, s).ID(), "it goes on by itself")
}

// D4: the node of a former incarnation is still there. Its successor knows it by the session, and takes its place in
// one multi; the end of the former session then removes nothing.
func TestD4Lingering(t *testing.T) {
	cfg := config(server(t))
	former := create(t, cfg)
	require.NoError(t, former.Multi(t.Context(), metadata.CreateEphemeral("/broker", []byte("former"))))
	s := open(t, cfg)
	require.ErrorIs(t, s.Multi(t.Context(), metadata.CreateEphemeral("/broker", nil)), metadata.ErrNodeExists)
	n, err := s.Get(t.Context(), "/broker")
	require.NoError(t, err)
	require.Equal(t, session(t, former).ID(), n.Session)
	require.NoError(t, s.Multi(t.Context(),
		metadata.Delete("/broker", n.Version), metadata.CreateEphemeral("/broker", []byte("successor"))))
	require.NoError(t, former.Close())
	require.NoError(t, session(t, s).Sync(t.Context()))
	n, err = s.Get(t.Context(), "/broker")
	require.NoError(t, err)
	require.Equal(t, metadata.Node{Path: "/broker", Data: []byte("successor"), Session: session(t, s).ID()}, n)
}
