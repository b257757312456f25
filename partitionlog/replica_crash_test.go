package partitionlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/kv"
)

// replicaHistory is what one worker did to one replica's log, each operation waited
// for: whatever crashes, the log is as after the last one that was acknowledged, or as
// after the next.
type replicaHistory struct {
	mu     sync.Mutex
	states []replicaImage
	acked  int
}

func (h *replicaHistory) begin(im replicaImage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states = append(h.states, im)
}

func (h *replicaHistory) done() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked = len(h.states) - 1
}

// run gives a replica through epochs of both roles: it appends, cuts its end, is reset
// now and then, and begins the next one.
func (h *replicaHistory) run(l *Log, n int, rng *rand.Rand) error {
	if _, err := l.Replicate(NewMoves()); err != nil {
		return err
	}
	im, generation, leading := h.states[0], uint64(0), false
	for i := range n {
		var r Receipt
		var c Change
		var err error
		switch kind := rng.IntN(10); {
		case im.promised < 0 || kind == 0:
			generation++
			leading = rng.IntN(2) == 0
			im = im.promisedTo(im.promised+1, leading)
			h.begin(im)
			c, err = l.Promise(Promise{Generation: generation, Epoch: im.promised, Lead: leading})
			r = c.Receipt
		case kind == 1 && im.end()-im.data > 4:
			generation++
			leading = false
			to := im.end() - 1 - rng.Int64N(4)
			im = im.cut(to)
			h.begin(im)
			c, err = l.Truncate(generation, to)
			r = c.Receipt
		case kind == 2 && rng.IntN(3) == 0:
			generation++
			leading = false
			data := im.end() + rng.Int64N(5)
			history := append(slices.Clone(im.history), EpochStart{Epoch: im.promised + 1, Start: data + 7})
			im = im.resetTo(data, history)
			h.begin(im)
			c, err = l.Reset(Reset{Generation: generation, DataStart: data, LogStart: data, History: history})
			r = c.Receipt
		default:
			b, s := crashBatch(im.end(), im.promised, i, rng)
			im = im.appended(b)
			h.begin(im)
			if leading {
				r, err = l.Append(s.Batch, AppendOptions{Now: s.Appended, Generation: generation})
			} else {
				r, err = l.AppendShipped(generation, []Shipped{s})
			}
		}
		if err != nil {
			return err
		}
		<-r.Done()
		if err := r.Err(); err != nil {
			return err
		}
		h.done()
		l.SetHighWatermark(im.end())
		if i%9 == 8 {
			l.logs.FlushStarts()
		}
	}
	return nil
}

func crashBatch(base int64, epoch int32, i int, rng *rand.Rand) (shippedImage, Shipped) {
	value := fmt.Sprintf("%0*d", []int{10, 500, 3000}[rng.IntN(3)], i)
	im := shippedImage{base: base, epoch: epoch, value: value}
	b := imageBatch{base: base, p: noSeq}
	for range 1 + rng.IntN(3) {
		b.values = append(b.values, value)
	}
	im.last = b.end() - 1
	encoded := b.encode()
	encoded.Stamp(base, epoch)
	return im, Shipped{Batch: encoded, Appended: int64(1000 + 100*i), Gap: -1}
}

// check holds what a crash has left to the states from acked on.
func (h *replicaHistory) check(l *Log, acked int) error {
	s, err := l.Replicate(NewMoves())
	if err != nil {
		return err
	}
	var got []shippedImage
	for at := s.DataStart; at < s.End; {
		data, end, err := l.ReadAppended(nil, at, 5000)
		if err != nil {
			return err
		}
		for len(data) > 0 {
			var b Shipped
			if b, data, err = DecodeShipped(data); err != nil {
				return err
			}
			records, err := recordsOf(b.Batch)
			if err != nil {
				return err
			}
			got = append(got, shippedImage{
				base: b.Batch.BaseOffset(), last: b.Batch.LastOffset(), epoch: b.Batch.LeaderEpoch(),
				value: string(records[0].Value),
			})
		}
		at = end
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := acked; i < len(h.states); i++ {
		im := &h.states[i]
		if im.promised == s.Promised && im.data == s.DataStart && im.end() == s.End && slices.Equal(im.batches, got) &&
			fmt.Sprint(needed(im.history, s.LogStart, s.End)) == fmt.Sprint(needed(s.History, s.LogStart, s.End)) {
			if s.HighWatermark > s.End || s.HighWatermark < s.LogStart {
				return fmt.Errorf("the high watermark's hint is %d, the log %d..%d", s.HighWatermark, s.LogStart, s.End)
			}
			return nil
		}
	}
	return fmt.Errorf("%+v with %d batches is no state from %d on, which is %+v", s, len(got), acked, h.states[acked])
}

// A6, A8, A9, B1, B2, B7: power is lost at every k-th write, sync, creation or renaming
// of a file while replicas are promised, append in both roles, cut their ends and are
// reset: batches, epochs, promise and data start come back in step, as after the last
// operation that was acknowledged or the next one.
func TestA6A8A9B7ReplicaCrashAtEveryWrite(t *testing.T) {
	const rounds, step, replicas, operations = 3, 11, 3, 60
	checked := 0
	for seed := range uint64(rounds) {
		var histories []*replicaHistory
		for range replicas {
			histories = append(histories, &replicaHistory{states: []replicaImage{{promised: NoEpoch}}})
		}
		for _, s := range crashReplicas(t, histories, seed, step, operations) {
			store, ls := disk{fs: s.clone, memTable: 256 << 10}.open(t)
			for i, h := range histories {
				require.NoError(t, h.check(mustLog(t, ls, 1, int32(i)), s.acked[i]),
					"seed %d, replica %d, operation %d, %d%% of unsynced data", seed, i, s.op, s.percent)
			}
			require.NoError(t, store.Close())
			checked++
		}
	}
	require.Greater(t, checked, 30)
}

// crashReplicas runs the histories once and crashes them, in copies, at every k-th
// write operation of the file system.
func crashReplicas(t *testing.T, hs []*replicaHistory, seed uint64, k int64, operations int) (snapshots []snapshot) {
	mem := vfs.NewCrashableMem()
	var mu sync.Mutex
	var ops atomic.Int64
	var on atomic.Bool
	rng := rand.New(rand.NewPCG(seed, 7))
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
		s := snapshot{op: n, percent: []int{0, 0, 1 + rng.IntN(99), 100}[rng.IntN(4)]}
		for _, h := range hs {
			h.mu.Lock()
			s.acked = append(s.acked, h.acked)
			h.mu.Unlock()
		}
		s.clone = mem.CrashClone(vfs.CrashCloneCfg{
			UnsyncedDataPercent: s.percent, RNG: rand.New(rand.NewPCG(seed, uint64(n))),
		})
		snapshots = append(snapshots, s)
		return nil
	}))
	store, ls := disk{fs: fs, memTable: 256 << 10}.open(t)
	on.Store(true)
	errs := make([]error, len(hs))
	var wg sync.WaitGroup
	for i, h := range hs {
		l, err := ls.Log(kv.Partition{Topic: 1, Index: int32(i)})
		require.NoError(t, err)
		wg.Go(func() { errs[i] = h.run(l, operations, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	wg.Wait()
	require.NoError(t, store.Close())
	on.Store(false)
	for _, err := range errs {
		require.NoError(t, err)
	}
	return snapshots
}
