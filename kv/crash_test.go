package kv

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// crashFS takes one crash clone of an in-memory file system, at the at-th
// write-like operation.
type crashFS struct {
	mem     *vfs.MemFS
	at      int64
	percent int
	seed    uint64
	count   atomic.Int64
	// before, if set, is called before the crash, take with what it leaves.
	before func()
	take   func(*vfs.MemFS)
}

func (c *crashFS) wrap() FS {
	return errorfs.Wrap(c.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && c.count.Add(1)-1 == c.at {
			if c.before != nil {
				c.before()
			}
			c.take(c.mem.CrashClone(vfs.CrashCloneCfg{
				UnsyncedDataPercent: c.percent,
				RNG:                 rand.New(rand.NewPCG(c.seed, 1)),
			}))
		}
		return nil
	}))
}

// history is what a workload did: what it enqueued, and how far it was told
// that it is durable.
type history struct {
	durable atomic.Int64 // items 0..durable-1 are durable
	failed  atomic.Bool
	err     error
}

const historyRows = 3

func historyPartition(i, r int) Partition {
	return Partition{Topic: uint64(r + 1), Index: int32(i % 7)}
}

// historyItem is the i-th item: rows in three partitions, and a node with i.
func historyItem(h *history, i, size int) *testItem {
	return &testItem{
		size: historyRows * size,
		rows: func(w *Rows) {
			for r := range historyRows {
				w.PutBatch(historyPartition(i, r), int64(i), value(i, size))
			}
			w.PutNode("/last", binary.BigEndian.AppendUint64(nil, uint64(i)))
		},
		durable: func() {
			if !h.durable.CompareAndSwap(int64(i), int64(i)+1) {
				panic("durable out of order")
			}
		},
	}
}

// run enqueues n items, waiting now and then so that there are many commits.
func (h *history) run(s *Store, n, size int, rng *rand.Rand) {
	for i := range n {
		c := s.Enqueue(historyItem(h, i, size))
		if rng.IntN(4) == 0 {
			<-c.Done()
			if h.err = c.Err(); h.err != nil {
				h.failed.Store(true)
				return
			}
		}
	}
	c := s.Enqueue(put(func(*Rows) {}))
	<-c.Done()
	h.err = c.Err()
	h.failed.Store(h.err != nil)
}

// check reads a recovered store: a prefix of the items, each whole or not at
// all, with everything that was durable.
func (h *history) check(t testing.TB, s *Store, durable int64, n, size int) {
	t.Helper()
	last := -1
	_, err := s.Node("/last", func(v []byte) { last = int(binary.BigEndian.Uint64(v)) })
	require.NoError(t, err)
	require.GreaterOrEqual(t, int64(last+1), durable, "durable items were lost")
	require.Less(t, last, n)
	found := map[Partition]int{}
	for i := 0; i <= last; i++ {
		for r := range historyRows {
			found[historyPartition(i, r)]++
		}
	}
	for r := range historyRows {
		for index := range 7 {
			p := Partition{Topic: uint64(r + 1), Index: int32(index)}
			lasts, values := batches(t, s, p, 0)
			require.Len(t, lasts, found[p], "items to %d, partition %v", last, p)
			for k, l := range lasts {
				require.EqualValues(t, index+7*k, l)
				require.Equal(t, value(int(l), size), values[k])
			}
		}
	}
}

// A20, B1, B2: the machine crashes at any write, of the log, a flush, a
// compaction or the manifest, and any part of what was not synced survives.
func TestA20B1B2CrashAtEveryWrite(t *testing.T) {
	const items, size = 300, 2000
	writes := crashRun(t, crashAt{at: -1}, items, size)
	require.Greater(t, writes, int64(200))
	step := max(writes/fewer(60), 1)
	for at := int64(0); at < writes; at += step {
		for _, percent := range []int{0, 1 + int(at*37)%99} {
			crashRun(t, crashAt{at: at, percent: percent}, items, size)
		}
	}
}

// B9: under the relaxed policies a crash may lose what was acknowledged, but
// what it leaves is a prefix of it all the same.
func TestB9CrashLeavesAPrefix(t *testing.T) {
	const items, size = 300, 2000
	for _, policy := range []FsyncPolicy{FsyncInterval, FsyncOS} {
		writes := crashRun(t, crashAt{at: -1, policy: policy}, items, size)
		for at := int64(0); at < writes; at += max(writes/fewer(15), 1) {
			crashRun(t, crashAt{at: at, percent: 1 + int(at*37)%99, policy: policy}, items, size)
		}
	}
}

// crashAt is a crash: before which write, how much of what was not synced
// survives, under which policy.
type crashAt struct {
	at      int64
	percent int
	policy  FsyncPolicy
}

// crashRun runs the workload with a crash, checks what is recovered, and
// answers how many writes there were.
func crashRun(t *testing.T, crash crashAt, items, size int) int64 {
	var h history
	var clone *vfs.MemFS
	var durable int64
	mem := vfs.NewCrashableMem()
	hook := &crashFS{mem: mem, at: crash.at, percent: crash.percent, seed: uint64(crash.at)}
	hook.take = func(c *vfs.MemFS) { clone = c }
	hook.before = func() {
		if crash.policy == FsyncBatch {
			durable = h.durable.Load()
		}
	}
	// The store is made before the first crash; TestB5CrashWhileMade crashes
	// while it is.
	closeStore(t, mustOpen(t, memOptions(mem)))
	o := memOptions(hook.wrap())
	o.Fsync = crash.policy
	s := mustOpen(t, o)
	h.run(s, items, size, rand.New(rand.NewPCG(uint64(crash.at), 2)))
	require.NoError(t, h.err)
	closeStore(t, s)
	if clone != nil {
		s, err := Open(memOptions(clone))
		require.NoError(t, err, "%+v", crash)
		h.check(t, s, durable, items, size)
		closeStore(t, s)
	}
	return hook.count.Load()
}

// fewer is n, or a few where each run is slow: the race detector also turns
// on Pebble's own checks.
func fewer(n int64) int64 {
	if raceEnabled || testing.Short() {
		return min(n, 5)
	}
	return n
}

// fatalTrap is an Events.Fatal that notes the error and ends the goroutine's
// work, as the end of the process would.
type fatalTrap struct {
	once sync.Once
	err  error
	done chan struct{}
}

func newFatalTrap() *fatalTrap { return &fatalTrap{done: make(chan struct{})} }

func (f *fatalTrap) fatal(err error) {
	f.once.Do(func() { f.err = err; close(f.done) })
	select {}
}

// faultRun runs the workload with one injected fault, and checks that the
// store died of it, or survived it, and that the disk holds what it must.
func faultRun(t *testing.T, fault errorfs.Injector, items, size int) (died bool) {
	mem := vfs.NewCrashableMem()
	closeStore(t, mustOpen(t, memOptions(mem)))
	var on errorfs.Toggle
	on.Injector = fault
	o := memOptions(errorfs.Wrap(mem, &on))
	trap := newFatalTrap()
	o.Events.Fatal = trap.fatal
	s := mustOpen(t, o)
	var h history
	on.On()
	h.run(s, items, size, rand.New(rand.NewPCG(1, 2)))
	on.Off()
	if h.err != nil {
		died = true
		<-trap.done
		require.ErrorIs(t, h.err, ErrFatal)
		requireDead(t, s, trap.err)
	} else {
		closeStore(t, s)
	}
	durable := h.durable.Load()
	for _, percent := range []int{0, 50, 100} {
		clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(3, 4))})
		s, err := Open(memOptions(clone))
		require.NoError(t, err)
		h.check(t, s, durable, items, size)
		closeStore(t, s)
	}
	require.Equal(t, durable, h.durable.Load(), "Durable was called after the death")
	return died
}

// requireDead asserts that a dead store answers everyone with its error.
func requireDead(t *testing.T, s *Store, cause error) {
	t.Helper()
	c := s.Enqueue(&testItem{rows: func(*Rows) {}, durable: func() { t.Error("durable on a dead store") }})
	<-c.Done()
	require.ErrorIs(t, c.Err(), ErrFatal)
	require.Equal(t, cause, c.Err())
	_, _, err := s.LastBatch(Partition{})
	require.ErrorIs(t, err, ErrFatal)
	require.ErrorIs(t, s.Close(), ErrFatal)
	require.ErrorIs(t, s.Reclaim(t.Context()), ErrFatal)
}

// onWAL fails the k-th operation of a kind on a file of the log, once.
func onWAL(kinds map[errorfs.OpKind]bool, k int64, err error) errorfs.Injector {
	var count atomic.Int64
	return errorfs.InjectorFunc(func(op errorfs.Op) error {
		if isWAL(op.Path) && kinds[op.Kind] && count.Add(1)-1 == k {
			return err
		}
		return nil
	})
}

func isWAL(path string) bool { return len(path) > 4 && path[len(path)-4:] == walSuffix }

var (
	walWrites = map[errorfs.OpKind]bool{errorfs.OpFileWrite: true}
	walSyncs  = map[errorfs.OpKind]bool{errorfs.OpFileSync: true, errorfs.OpFileSyncData: true, errorfs.OpFileSyncTo: true}
)

// C3, C4: one write, or one fsync, of the log fails, and every later one would
// succeed. The store dies at it and acknowledges nothing after it.
func TestC3C4FailedWriteOfTheLog(t *testing.T) {
	for name, kinds := range map[string]map[errorfs.OpKind]bool{"C3 write": walWrites, "C4 fsync": walSyncs} {
		for _, k := range []int64{0, 1, 2, 5, 10} {
			t.Run(fmt.Sprint(name, " ", k), func(t *testing.T) {
				require.True(t, faultRun(t, onWAL(kinds, k, syscall.EIO), 200, 2000), "the store survived")
			})
		}
	}
}

// C1: a full disk under the log, the ballast of no help, is as any failed
// write of it.
func TestC1FullDiskUnderTheLog(t *testing.T) {
	from := func(k int64) errorfs.Injector {
		var count atomic.Int64
		return errorfs.InjectorFunc(func(op errorfs.Op) error {
			if isWAL(op.Path) && op.Kind == errorfs.OpFileWrite && count.Add(1) > k {
				return syscall.ENOSPC
			}
			return nil
		})
	}
	for _, k := range []int64{0, 7, 15} {
		require.True(t, faultRun(t, from(k), 200, 2000))
	}
}

// C3, C4, A20: any one write-like operation fails, wherever. The store dies,
// or the operation is one that Pebble tries again.
func TestC3C4FailureAtEveryWrite(t *testing.T) {
	const items, size = 200, 2000
	var count atomic.Int64
	counting := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			count.Add(1)
		}
		return nil
	})
	require.False(t, faultRun(t, counting, items, size))
	writes := count.Load()
	step := max(writes/fewer(50), 1)
	deaths := 0
	for at := int64(0); at < writes; at += step {
		var n atomic.Int64
		if faultRun(t, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && n.Add(1)-1 == at {
				return syscall.EIO
			}
			return nil
		}), items, size) {
			deaths++
		}
	}
	require.Positive(t, deaths)
}
