package kv

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// crashAs opens a store with a policy, lets work go on in it, cuts the power
// and answers what is left.
func crashAs(t *testing.T, policy FsyncPolicy, work func(*Store)) *vfs.MemFS {
	t.Helper()
	mem := vfs.NewCrashableMem()
	o := memOptions(mem)
	o.Fsync = policy
	s := mustOpen(t, o)
	work(s)
	clone := mem.CrashClone(vfs.CrashCloneCfg{})
	closeStore(t, s)
	return clone
}

// The leader epoch is raised after a stop that may have lost what was
// acknowledged, and only then.
func TestLeaderEpochRaised(t *testing.T) {
	for _, tc := range []struct {
		policy FsyncPolicy
		epoch  int32
	}{{FsyncBatch, 0}, {FsyncInterval, 1}, {FsyncOS, 1}} {
		t.Run(tc.policy.String(), func(t *testing.T) {
			fs := crashAs(t, tc.policy, func(*Store) {})
			for range 2 { // the second start follows a clean stop
				s := mustOpen(t, memOptions(fs))
				require.Equal(t, tc.epoch, s.Identity().LeaderEpoch)
				closeStore(t, s)
			}
			s := mustOpen(t, memOptions(fs))
			require.True(t, s.Identity().CleanStart)
			closeStore(t, s)
		})
	}
}

func TestCleanStart(t *testing.T) {
	fs := crashAs(t, FsyncBatch, func(*Store) {})
	s := mustOpen(t, memOptions(fs))
	require.False(t, s.Identity().CleanStart)
	closeStore(t, s)
}

// With FsyncInterval an item is acknowledged before it is synced, and synced
// within the interval; with FsyncOS it is not synced.
func TestB9FsyncPolicies(t *testing.T) {
	for policy, kept := range map[FsyncPolicy]bool{FsyncBatch: true, FsyncInterval: true, FsyncOS: false} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := crashAs(t, policy, func(s *Store) {
					do(t, s, func(w *Rows) { w.PutNode("/a", []byte("a")) })
					time.Sleep(2 * DefaultFsyncInterval)
				})
				s := mustOpen(t, memOptions(fs))
				found, err := s.Node("/a", func([]byte) {})
				require.NoError(t, err)
				require.Equal(t, kept, found)
				closeStore(t, s)
			})
		})
	}
}

// With FsyncInterval what was acknowledged since the last sync is lost with
// the power: that is what its documentation says.
func TestB9IntervalMayLoseTheLastInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashAs(t, FsyncInterval, func(s *Store) {
			do(t, s, func(w *Rows) { w.PutNode("/a", nil) })
		})
		s := mustOpen(t, memOptions(fs))
		found, err := s.Node("/a", func([]byte) {})
		require.NoError(t, err)
		require.False(t, found)
		closeStore(t, s)
	})
}

// With FsyncOS the log leaves the process within the interval: the death of
// the process alone loses nothing older.
func TestFsyncOSReachesTheSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		o := memOptions(mem)
		o.Fsync = FsyncOS
		s := mustOpen(t, o)
		do(t, s, func(w *Rows) { w.PutNode("/a", nil) })
		time.Sleep(2 * DefaultFsyncInterval)
		// All that was written, synced or not, is what the system holds.
		killed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
		closeStore(t, s)
		s = mustOpen(t, memOptions(killed))
		found, err := s.Node("/a", func([]byte) {})
		require.NoError(t, err)
		require.True(t, found)
		closeStore(t, s)
	})
}

// A closed store answers ErrClosed, closes once, and has kept what was queued.
func TestClose(t *testing.T) {
	noLeaks(t)
	fs := vfs.NewMem()
	s := mustOpen(t, memOptions(fs))
	var last *Commit
	durable := 0
	for i := range 500 {
		last = s.Enqueue(&testItem{
			size:    1000,
			rows:    func(w *Rows) { w.PutBatch(Partition{Topic: 1}, int64(i), value(i, 1000)) },
			durable: func() { durable++ },
		})
	}
	closeStore(t, s)
	<-last.Done()
	require.NoError(t, last.Err())
	require.Equal(t, 500, durable)
	closeStore(t, s)

	c := s.Enqueue(&testItem{rows: func(*Rows) {}, durable: func() { t.Error("durable after Close") }})
	<-c.Done()
	require.ErrorIs(t, c.Err(), ErrClosed)
	_, _, err := s.LastBatch(Partition{})
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Meta(Partition{}, nil)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, s.Reclaim(t.Context()), ErrClosed)
	require.Zero(t, s.Metrics())

	s = mustOpen(t, memOptions(fs))
	lasts, _ := batches(t, s, Partition{Topic: 1}, 0)
	require.Len(t, lasts, 500)
	require.Less(t, s.Metrics().WALBytes, int64(10_000), "a clean start replays next to nothing")
	closeStore(t, s)
}

// Close waits for a reader that is under way.
func TestCloseWaitsForReaders(t *testing.T) {
	noLeaks(t)
	s := mustOpen(t, memOptions(vfs.NewMem()))
	do(t, s, func(w *Rows) { w.PutNode("/a", []byte("a")); w.PutNode("/b", []byte("b")) })
	inside, leave, closed := make(chan struct{}), make(chan struct{}), make(chan error)
	read := make(chan []string)
	go func() {
		var paths []string
		err := s.Nodes("/", func(path string, _ []byte) bool {
			if len(paths) == 0 {
				close(inside)
				<-leave
			}
			paths = append(paths, path)
			return true
		})
		if err != nil {
			t.Error(err)
		}
		read <- paths
	}()
	<-inside
	go func() { closed <- s.Close() }()
	for s.enter() == nil { // until Close has shut the gate
		s.gate.leave()
		time.Sleep(time.Millisecond)
	}
	close(leave)
	require.Equal(t, []string{"/a", "/b"}, <-read)
	require.NoError(t, <-closed)
}

// Err before Done is a bug of the caller.
func TestCommitErrBeforeDone(t *testing.T) {
	s := newMemStore(t)
	block := make(chan struct{})
	c := s.Enqueue(put(func(*Rows) { <-block }))
	require.PanicsWithValue(t, "kv: Commit.Err before Done", func() { _ = c.Err() })
	close(block)
	<-c.Done()
	require.NoError(t, c.Err())
}
