package faultfs

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// faults decides which operation fails, and how. Safe for concurrent use.
type faults struct {
	o             Options
	writes, syncs atomic.Int64
	used          atomic.Int64 // bytes of all files, counted only where Capacity is set

	mu  sync.Mutex // guards rng
	rng *rand.Rand
}

func newFaults(o Options) *faults {
	return &faults{o: o, rng: rand.New(rand.NewPCG(o.Seed, o.Seed))}
}

func (f *faults) beforeWrite() error {
	if n := f.writes.Add(1); f.o.FailWriteAfter > 0 && n >= f.o.FailWriteAfter {
		return syscall.EIO
	}
	return nil
}

// reserve takes n more bytes of the disk.
func (f *faults) reserve(n int64) error {
	if f.o.Capacity > 0 && f.used.Add(n) > f.o.Capacity {
		f.used.Add(-n)
		return syscall.ENOSPC
	}
	return nil
}

func (f *faults) release(n int64) { f.used.Add(-n) }

type syncVerdict int

const (
	syncHonest syncVerdict = iota
	syncLies
)

func (f *faults) beforeSync() (syncVerdict, error) {
	n := f.syncs.Add(1)
	if f.o.StallEvery > 0 && n%f.o.StallEvery == 0 {
		time.Sleep(f.o.Stall)
	}
	if f.o.FailSyncAfter > 0 && n >= f.o.FailSyncAfter {
		return syncHonest, syscall.EIO
	}
	if f.o.LieAfter > 0 && n >= f.o.LieAfter {
		return syncLies, nil
	}
	return syncHonest, nil
}

func (f *faults) writeback() bool {
	if f.o.Writeback <= 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.Float64() < f.o.Writeback
}
