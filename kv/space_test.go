package kv

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestReserveBytes(t *testing.T) {
	const mib, gib = int64(1) << 20, int64(1) << 30
	for _, tc := range []struct{ total, memTable, want int64 }{
		{100 * gib, 64 * mib, 5 * gib},
		{2000 * gib, 64 * mib, 10 * gib}, // the cap
		{1 * gib, 64 * mib, 320 * mib},   // five memtables
		{64 * mib, 4 * mib, 20 * mib},
		{64 * mib, 64 * mib, 32 * mib}, // half of the disk at most
	} {
		require.Equal(t, tc.want, reserveBytes(tc.total, 0.05, tc.memTable), "%+v", tc)
	}
}

func setFree(fs *vfs.MemFS, free uint64) {
	const total = 1000 << 20
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free, TotalBytes: total, UsedBytes: total - free})
}

// C1: below the reserve Writable refuses, all else goes on, and it comes back
// by itself, with a margin.
func TestC1ReserveRefusesWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		setFree(fs, 500<<20)
		o := memOptions(fs)
		var told []bool
		o.Events.DiskFull = func(full bool) { told = append(told, full) }
		s := mustOpen(t, o)
		require.Equal(t, Space{TotalBytes: 1000 << 20, FreeBytes: 500 << 20, ReserveBytes: 50 << 20}, s.Space())
		after := func(free uint64) error {
			setFree(fs, free)
			time.Sleep(1100 * time.Millisecond)
			return s.Writable()
		}
		require.NoError(t, after(51<<20))
		require.ErrorIs(t, after(50<<20), ErrDiskFull)
		require.True(t, s.Space().Full)
		require.ErrorIs(t, after(60<<20), ErrDiskFull, "no margin")
		do(t, s, func(w *Rows) { w.PutNode("/a", nil); w.DeleteBefore(Partition{}, 5) })
		require.NoError(t, s.Reclaim(t.Context()))
		require.NoError(t, after(63<<20))
		require.ErrorIs(t, after(1<<20), ErrDiskFull)
		closeStore(t, s)
		require.Equal(t, []bool{true, false, true}, told)
	})
}

// Between two looks a fast writer does not run past the reserve.
func TestC1BudgetBetweenLooks(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("store", 0o700))
	setFree(fs, 60<<20) // 10 MiB above the reserve, and each byte is written twice
	w := newSpaceWatch(memOptions(fs).withDefaults(), fs)
	require.NoError(t, w.look())
	w.spend(4 << 20)
	require.False(t, w.full.Load())
	w.spend(2 << 20)
	require.True(t, w.full.Load())
	require.Len(t, w.poke, 1, "a look was not asked for")
	require.NoError(t, w.look())
	require.True(t, w.full.Load(), "10 MiB is within the margin")
	setFree(fs, 70<<20)
	require.NoError(t, w.look())
	require.False(t, w.full.Load())
}

// C2: the disk is full under a flush. The flush waits, writes go on into the
// log, and when there is room it goes on; nothing dies and nothing is lost.
func TestC2FullDiskUnderAFlush(t *testing.T) {
	noLeaks(t)
	mem := vfs.NewMem()
	var full atomic.Bool
	var refused atomic.Int64
	o := memOptions(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && !isWAL(op.Path) && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpCreate) {
			refused.Add(1)
			return syscall.ENOSPC
		}
		return nil
	})))
	s := mustOpen(t, o)
	full.Store(true)
	p := Partition{Topic: 1}
	const n = 150 // more than one memtable, fewer than four
	for i := range n {
		do(t, s, func(w *Rows) { w.PutBatch(p, int64(i), value(i, 4000)) })
	}
	for refused.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	require.ErrorIs(t, s.Writable(), ErrDiskFull)
	full.Store(false)
	require.NoError(t, s.Reclaim(t.Context()))
	require.NoError(t, s.db.Flush())
	lasts, _ := batches(t, s, p, 0)
	require.Len(t, lasts, n)
	closeStore(t, s)
	s = mustOpen(t, memOptions(mem))
	lasts, _ = batches(t, s, p, 0)
	require.Len(t, lasts, n)
	closeStore(t, s)
}

// C1, C2 on a real small disk: it fills up to the reserve, is refused, gets
// its room back by deletion, and is written again. Nothing dies.
func TestC1SmallDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m,mode=0700"); err != nil {
		require.Empty(t, os.Getenv("CI"), "cannot mount a small disk: %v", err)
		t.Skipf("cannot mount a small disk (that takes root): %v", err)
	}
	defer func() { require.NoError(t, unix.Unmount(dir, 0)) }()
	o := diskOptions(filepath.Join(dir, "store"))
	o.MemTableBytes = 1 << 20
	o.testing.pollEvery = 20 * time.Millisecond
	s := mustOpen(t, o)
	next := int64(0)
	fill := func() (written int64) {
		for {
			if err := s.Writable(); err != nil {
				require.ErrorIs(t, err, ErrDiskFull)
				return written
			}
			i := next
			do(t, s, func(w *Rows) { w.PutBatch(Partition{Topic: 1}, i, value(int(i), 16<<10)) })
			next++
			written += 16 << 10
		}
	}
	first := fill()
	require.Greater(t, first, int64(25<<20), "the reserve leaves too little of a small disk")
	for round := range 3 {
		do(t, s, func(w *Rows) { w.DeleteBefore(Partition{Topic: 1}, next-100) })
		require.NoError(t, s.Reclaim(t.Context()))
		for deadline := time.Now().Add(20 * time.Second); s.Writable() != nil; {
			require.True(t, time.Now().Before(deadline), "round %d: the room did not come back: %+v", round, s.Space())
			time.Sleep(10 * time.Millisecond)
		}
		require.Greater(t, fill(), int64(10<<20))
	}
	closeStore(t, s)
	s = mustOpen(t, o)
	last, ok, err := s.LastBatch(Partition{Topic: 1})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, next-1, last)
	closeStore(t, s)
}

// The ballast holds real space, is given up when a write finds the disk full,
// and comes back.
func TestC1Ballast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	o := diskOptions(dir)
	o.MemTableBytes = 4 << 20
	o.testing.pollEvery = 5 * time.Millisecond
	s := mustOpen(t, o)
	defer closeStore(t, s)
	held := func() int64 {
		var st syscall.Stat_t
		err := syscall.Stat(filepath.Join(dir, ballastName), &st)
		if errors.Is(err, os.ErrNotExist) {
			return 0
		}
		require.NoError(t, err)
		return st.Blocks * 512
	}
	require.GreaterOrEqual(t, held(), o.MemTableBytes)
	s.space.giveUp()
	require.Eventually(t, func() bool { return held() >= o.MemTableBytes && s.Writable() == nil },
		10*time.Second, time.Millisecond, "the ballast did not come back")
	s.stop() // the watch ends, so that nothing makes it anew
	s.tasks.Wait()
	s.space.giveUp()
	require.Zero(t, held())
	require.ErrorIs(t, s.Writable(), ErrDiskFull)
}
