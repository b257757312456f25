package partitionlog

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/kv"
)

const (
	crashPartitions = 4
	crashOperations = 60
)

// load is several partitions that are worked at once.
type load struct {
	histories []*history
}

func newLoad() *load {
	ld := &load{}
	for i := range crashPartitions {
		ld.histories = append(ld.histories, newHistory(kv.Partition{Topic: uint64(1 + i/2), Index: int32(i)}))
	}
	return ld
}

// run gives the first error of any worker.
func (ld *load) run(ls *Logs, seed uint64) error {
	errs := make([]error, len(ld.histories))
	var wg sync.WaitGroup
	for i, h := range ld.histories {
		wg.Go(func() { errs[i] = h.run(ls, crashOperations, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (ld *load) acked() (acked []int) {
	for _, h := range ld.histories {
		acked = append(acked, h.ackedNow())
	}
	return acked
}

// check opens what a crash has left and holds every partition to its history.
func (ld *load) check(t *testing.T, clone *vfs.MemFS, acked []int, what ...any) {
	t.Helper()
	s, ls := disk{fs: clone, memTable: 256 << 10}.open(t)
	for i, h := range ld.histories {
		at, err := h.check(ls, acked[i])
		require.NoError(t, err, what...)
		require.NoError(t, h.retry(ls, at), what...)
	}
	require.NoError(t, s.Close())
}

// snapshot is the disk as a crash would have left it, and what was acknowledged
// before.
type snapshot struct {
	clone   *vfs.MemFS
	acked   []int
	op      int64
	percent int
}

// crashAtEvery runs the load once and crashes it, in copies, at every k-th write
// operation of the file system.
func crashAtEvery(t *testing.T, ld *load, seed uint64, k int64) (snapshots []snapshot) {
	mem := vfs.NewCrashableMem()
	var mu sync.Mutex
	var ops atomic.Int64
	rng := rand.New(rand.NewPCG(seed, 7))
	on := atomic.Bool{}
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || !on.Load() {
			return nil
		}
		n := ops.Add(1)
		if n%k != 0 {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		s := snapshot{acked: ld.acked(), op: n, percent: []int{0, 0, 1 + rng.IntN(99), 100}[rng.IntN(4)]}
		s.clone = mem.CrashClone(vfs.CrashCloneCfg{
			UnsyncedDataPercent: s.percent, RNG: rand.New(rand.NewPCG(seed, uint64(n))),
		})
		snapshots = append(snapshots, s)
		return nil
	}))
	store, ls := disk{fs: fs, memTable: 256 << 10}.open(t)
	on.Store(true)
	require.NoError(t, ld.run(ls, seed))
	require.NoError(t, store.Close())
	on.Store(false)
	return snapshots
}

// A20, B1, B2, B7, H1: power is lost at every k-th write, sync, creation or
// renaming of a file, with none, some or all of what was not synced kept, while
// several partitions append, cut their ends, append again and cut their fronts.
// Each comes back as after its last acknowledged operation or the next one, and a
// retry makes no second copy.
func TestA20B1B2B7H1CrashAtEveryWrite(t *testing.T) {
	const rounds, step = 3, 11
	checked := 0
	for seed := range uint64(rounds) {
		ld := newLoad()
		for _, s := range crashAtEvery(t, ld, seed, step) {
			ld.check(t, s.clone, s.acked, "seed %d, operation %d, %d%% of unsynced data", seed, s.op, s.percent)
			checked++
		}
	}
	require.Greater(t, checked, 30)
}

// A18: crashes while the store recovers from a crash.
func TestA18CrashWhileRecovering(t *testing.T) {
	ld := newLoad()
	snapshots := crashAtEvery(t, ld, 99, 50)
	s := snapshots[len(snapshots)/2]
	for round := range 12 {
		mem := s.clone
		var left atomic.Int64
		left.Store(int64(3 + 4*round))
		var next atomic.Pointer[vfs.MemFS]
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && left.Add(-1) == 0 {
				next.Store(mem.CrashClone(vfs.CrashCloneCfg{
					UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(round), 1)),
				}))
			}
			return nil
		}))
		store, err := disk{fs: fs, memTable: 256 << 10}.openStore()
		require.NoError(t, err)
		require.NoError(t, store.Close())
		if clone := next.Load(); clone != nil {
			s.clone = clone
		}
	}
	ld.check(t, s.clone, s.acked)
}

// C3, C4: a write or a sync of the write-ahead log fails, once. The store dies of
// it: nothing is acknowledged from then on, everyone who waits hears of it, and
// what was acknowledged before is there after the restart.
func TestC3C4FailedWriteOrSync(t *testing.T) {
	kinds := map[string][]errorfs.OpKind{
		"C3 write": {errorfs.OpFileWrite, errorfs.OpFileWriteAt},
		"C4 sync":  {errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo},
	}
	for name, ops := range kinds {
		t.Run(name, func(t *testing.T) {
			deaths := 0
			for k := int64(1); failOnce(t, ops, k); k += 13 {
				deaths++
			}
			require.Greater(t, deaths, 2)
		})
	}
}

// failOnce fails the k-th operation of the kinds, and says whether there was one.
func failOnce(t *testing.T, kinds []errorfs.OpKind, k int64) bool {
	mem := vfs.NewCrashableMem()
	var count atomic.Int64
	var armed atomic.Bool
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		for _, kind := range kinds {
			if armed.Load() && op.Kind == kind && strings.HasSuffix(op.Path, ".log") && count.Add(1) == k {
				return errorfs.ErrInjected
			}
		}
		return nil
	}))
	died := make(chan error, 1)
	ld := newLoad()
	d := disk{fs: fs, memTable: 256 << 10, fatal: func(err error) {
		died <- err
		select {} // the process ends here
	}}
	store, ls := d.open(t)
	l := mustLog(t, ls, 1, 0)
	armed.Store(true)
	err := ld.run(ls, 5)
	if err == nil {
		require.NoError(t, store.Close())
		return false
	}
	require.ErrorIs(t, err, kv.ErrFatal, "fault %d", k)
	require.ErrorIs(t, <-died, errorfs.ErrInjected)
	acked := ld.acked()
	r, err := l.Append(batchOf(t, noSeq, 1, "late"), AppendOptions{Now: 1})
	if err == nil {
		<-r.Done()
		err = r.Err()
	}
	require.ErrorIs(t, err, kv.ErrFatal)
	require.ErrorIs(t, store.Close(), kv.ErrFatal)
	for _, percent := range []int{0, 60, 100} {
		clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 2))})
		ld.check(t, clone, acked, "fault %d, %d%% of unsynced data", k, percent)
	}
	return true
}
