package zk_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
)

// in returns the server of the ensemble that has the mode.
func in(t *testing.T, e *zkserver.Ensemble, mode string) *zkserver.Server {
	t.Helper()
	var found *zkserver.Server
	require.Eventually(t, func() bool {
		for _, s := range e.Servers {
			if s.Mode() == mode {
				found = s
				return true
			}
		}
		return false
	}, patience, 50*time.Millisecond)
	return found
}

// cas raises a counter in the node by one, whatever happens to the servers, and returns what it became. A write whose
// outcome is unknown is decided by what is read then: the node holds who wrote it last.
func cas(t *testing.T, s *zk.Store, path string, writer byte, unknown *int) uint64 {
	t.Helper()
	deadline := time.Now().Add(3 * patience)
	read := func() (metadata.Node, uint64) {
		for {
			n, err := readDecisive(t, s, path)
			if err == nil {
				return n, binary.BigEndian.Uint64(n.Data)
			}
			require.ErrorIs(t, err, metadata.ErrUnavailable)
			require.False(t, time.Now().After(deadline), "%v", err)
		}
	}
	n, count := read()
	next := append(binary.BigEndian.AppendUint64(nil, count+1), writer)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := s.Multi(ctx, metadata.Set(path, next, n.Version))
		cancel()
		switch {
		case err == nil:
			return count + 1
		case errors.Is(err, metadata.ErrUnknown):
			// Only the same guarded write again, or a newer version, tells what became of the first.
			*unknown++
		case errors.Is(err, metadata.ErrBadVersion):
			now, has := read()
			require.Equal(t, n.Version+1, now.Version, "nobody else writes")
			require.Equal(t, next, now.Data)
			return has
		default:
			require.ErrorIs(t, err, metadata.ErrUnavailable, "a definite failure: nothing was sent")
		}
		require.False(t, time.Now().After(deadline), "%v", err)
	}
}

// readDecisive reads what is there now, not what a server that lags behind has.
func readDecisive(t *testing.T, s *zk.Store, path string) (metadata.Node, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	se, err := s.Session(ctx)
	if err != nil {
		return metadata.Node{}, err
	}
	if err := se.Sync(ctx); err != nil {
		return metadata.Node{}, err
	}
	return se.Get(ctx, path)
}

// With an ensemble of three: its servers are killed one after the other, and all, under a client that writes on.
func TestEnsemble(t *testing.T) {
	e := servers(t, zkserver.Config{Servers: 3, Tick: tick})
	cfg := config(e.Addresses()...)
	cfg.SessionTimeout = 20 * tick
	s := create(t, cfg)
	require.NoError(t, s.Multi(t.Context(), metadata.Create("/n", make([]byte, 9)),
		metadata.CreateEphemeral("/broker", nil)))
	se := session(t, s)
	changes := metadata.NewChanges()
	watch := func() {
		_, err := se.Watch(patient(t), "/n", changes)
		require.NoError(t, err)
	}
	same := func(t *testing.T) {
		require.Equal(t, se.ID(), session(t, s).ID(), "the session has moved, and is the same")
		n, err := s.Get(patient(t), "/broker")
		require.NoError(t, err)
		require.Equal(t, se.ID(), n.Session)
	}

	t.Run("D7 a sync shows what was written through another server", func(t *testing.T) {
		// Through a follower: the leader of ZooKeeper answers a sync of its own client at once, and may then be some
		// microseconds behind a write that a follower has acknowledged already. docs/design/0008-zookeeper.md.
		follower := cfg
		for _, server := range e.Servers {
			if server.Mode() == "follower" {
				follower.Servers = []string{server.Address}
			}
		}
		other := open(t, follower)
		for range 50 {
			unknown := 0
			count := cas(t, s, "/n", 1, &unknown)
			n, err := readDecisive(t, other, "/n")
			require.NoError(t, err)
			require.Equal(t, count, binary.BigEndian.Uint64(n.Data))
		}
	})
	t.Run("D6 D16 kill the leader and followers", func(t *testing.T) {
		unknown, writes := 0, uint64(0)
		before := cas(t, s, "/n", 1, &unknown)
		for _, mode := range []string{"leader", "follower", "leader", "follower"} {
			watch()
			victim := in(t, e, mode)
			stop, wrote, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				hasWritten := sync.OnceFunc(func() { close(wrote) })
				defer hasWritten()
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					cas(t, s, "/n", 2, &unknown)
					writes++
					if n == 20 {
						hasWritten()
					}
				}
			}()
			<-wrote // into the midst of the writes
			require.NoError(t, victim.Kill())
			require.NoError(t, victim.Restart())
			close(stop)
			<-stopped
			require.NoError(t, session(t, s).Sync(patient(t)))
			require.Empty(t, told(t, changes, "/n"))
			same(t)
		}
		require.Equal(t, before+writes+1, cas(t, s, "/n", 1, &unknown), "each write is there once, %d were unknown", unknown)
		t.Logf("%d writes, %d times unknown", writes, unknown)
	})
	t.Run("D5 no quorum", func(t *testing.T) {
		watch()
		require.NoError(t, e.Servers[0].Kill())
		require.NoError(t, e.Servers[1].Kill())
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			start := time.Now()
			err := s.Multi(ctx, metadata.Set("/n", make([]byte, 9), 0))
			require.True(t, errors.Is(err, metadata.ErrUnknown) || errors.Is(err, metadata.ErrUnavailable), "%v", err)
			require.NotErrorIs(t, err, metadata.ErrBadVersion)
			_, err = se.Get(ctx, "/n")
			require.Error(t, err)
			cancel()
			require.Less(t, time.Since(start), patience, "within its deadline, on a busy machine")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := s.Get(ctx, "/n")
		require.ErrorIs(t, err, metadata.ErrUnavailable)
		for _, server := range e.Servers {
			require.ErrorContains(t, err, server.Address)
		}
		require.NoError(t, e.Servers[2].Kill())
		// For longer than the session lasts: ZooKeeper counts only while it has a leader.
		time.Sleep(cfg.SessionTimeout + 2*tick)
		select {
		case <-se.Done():
			require.Fail(t, "only ZooKeeper ends a session")
		default:
		}
		require.Greater(t, se.Silence(time.Now()), cfg.SessionTimeout, "the client knows that it may be over")
		for _, server := range e.Servers {
			require.NoError(t, server.Launch())
		}
		in(t, e, "leader")
		_, err = s.Get(patient(t), "/n")
		require.NoError(t, err)
		same(t)
		unknown := 0
		cas(t, s, "/n", 3, &unknown)
		require.NoError(t, se.Sync(patient(t)))
		require.Empty(t, told(t, changes, "/n"))
	})
	t.Run("D17 all are stopped and the sessions expire", func(t *testing.T) {
		watch()
		for _, server := range e.Servers {
			require.NoError(t, server.Pause())
		}
		time.Sleep(cfg.SessionTimeout + 2*tick)
		for _, server := range e.Servers {
			require.NoError(t, server.Resume())
		}
		_, err := s.Get(patient(t), "/n")
		require.NoError(t, err)
		if now := session(t, s).ID(); now != se.ID() { // as it is left to ZooKeeper
			<-se.Done()
			require.Empty(t, told(t, changes, "/n"))
			// D4: what it made may linger: a leader that is deposed right after says "expired", and is not heeded.
			for err == nil {
				_, err = session(t, s).Watch(patient(t), "/broker", changes)
				if err == nil {
					<-changes.Ready()
				}
			}
			require.ErrorIs(t, err, metadata.ErrNoNode)
		}
	})
}
