package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestScheduleIsEvenOverAllProducers(t *testing.T) {
	const producers, each = 3, 1000
	var all []int64
	for p := range producers {
		s := newSchedule(1_000_000, 7000, p, producers)
		require.True(t, s.open())
		for i := range uint64(each) {
			all = append(all, s.at(i))
		}
	}
	slices.Sort(all)
	for i, at := range all {
		require.InDelta(t, 1_000_000+float64(i)*1e9/7000, at, 1)
	}
	require.InDelta(t, 1_000_000+3e9*1e9/7000, newSchedule(1_000_000, 7000, 0, 3).at(1e9), 1e3, "no error adds up")
	require.False(t, newSchedule(5, 0, 1, 2).open())
	s := newSchedule(1_000_000, 7000, 1, producers)
	for _, n := range []uint64{1, 2, 999, 123_456} {
		require.EqualValues(t, n, s.before(s.at(n)))
		require.EqualValues(t, n+1, s.before(s.at(n)+1))
	}
}

// A stall of the broker must not stop the clock of an open loop: each record that was due meanwhile has waited from
// its own due time.
func TestOpenLoopCountsTheWaitBehindAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &stalling{stall: time.Second}
		r := &run{load: Load{Size: 100, Outstanding: 1, Producers: 1}, epoch: time.Now(), awaited: awaitAnswer,
			ledger: newLedger(7, 1, 1), filler: newFiller(100, 7)}
		r.window.set(0, int64(2*time.Second))
		r.writers = []*writer{newWriter(r, 0, p)}
		// 10 records a second for 2 s, one at a time; the first answer takes 1 s, the others no time.
		require.NoError(t, r.send(t.Context(), 10, 0))
		h := newHistogram()
		r.writers[0].latency.collect(h)
		require.EqualValues(t, 20, h.TotalCount(), "no record is left out")
		require.InEpsilon(t, 1_000_000, h.Max(), 0.01)
		// Due at 0, 100, ... 900 ms, answered at 1 s: 1000, 900, ... 100 ms. The other ten take nothing.
		require.InEpsilon(t, 550_000*10/20, h.Mean(), 0.02)
		require.InEpsilon(t, 100_000, h.ValueAtQuantile(52.5), 0.01)
		d := newHistogram()
		r.writers[0].delay.collect(d)
		require.InEpsilon(t, 900_000, d.Max(), 0.01, "the client was behind its schedule, and says so")
	})
}

// A stall that lasts beyond the end of the window must not hide what was due before it.
func TestOpenLoopSendsWhatWasDueBehindAStallAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{load: Load{Size: 100, Outstanding: 1, Producers: 1, Rate: 10}, epoch: time.Now(), awaited: awaitAnswer,
			ledger: newLedger(7, 1, 1), filler: newFiller(100, 7)}
		r.window.set(0, int64(2*time.Second))
		r.writers = []*writer{newWriter(r, 0, &stalling{stall: 3 * time.Second})}
		require.NoError(t, r.send(t.Context(), 10, 0))
		h := newHistogram()
		r.writers[0].latency.collect(h)
		require.EqualValues(t, 20, h.TotalCount(), "no record is left out")
		require.InEpsilon(t, 3_000_000, h.Max(), 0.01)
		require.InEpsilon(t, 2_050_000, h.Mean(), 0.01, "due at 0 to 1900 ms, answered at 3 s")
		require.Zero(t, r.writers[0].owed.Load())
	})
}

// What cannot be sent long after the end is given up, and told.
func TestOpenLoopTellsWhatItNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{load: Load{Size: 100, Outstanding: 1, Producers: 1, Rate: 10, Acks: "all"}, epoch: time.Now(),
			awaited: awaitAnswer, ledger: newLedger(7, 1, 1), filler: newFiller(100, 7)}
		r.sampler = newSampler(r)
		r.window.set(0, int64(2*time.Second))
		r.writers = []*writer{newWriter(r, 0, &stalling{stall: 2 * patience})}
		require.NoError(t, r.send(t.Context(), 10, 0))
		require.EqualValues(t, 19, r.writers[0].owed.Load())
		warnings := r.warnings(&Result{Produce: &Flow{PerSecond: 10}, Verification: Verification{Checked: true}})
		require.Equal(t, []string{"19 records that were due were not sent within 20s after the end: " +
			"latencies leave them out"}, warnings)
	})
}

// In a closed loop the same stall is one slow record, which is why the result warns of comparing its latencies.
func TestClosedLoopCountsFromTheSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &stalling{stall: time.Second}
		r := &run{load: Load{Size: 100, Outstanding: 1, Producers: 1}, epoch: time.Now(), awaited: awaitAnswer,
			ledger: newLedger(7, 1, 1), filler: newFiller(100, 7)}
		r.window.set(0, int64(time.Hour))
		r.writers = []*writer{newWriter(r, 0, p)}
		require.NoError(t, r.send(t.Context(), 0, 20))
		h := newHistogram()
		r.writers[0].latency.collect(h)
		require.EqualValues(t, 20, h.TotalCount())
		require.EqualValues(t, shortest, h.ValueAtQuantile(90))
		require.InEpsilon(t, 1_000_000, h.Max(), 0.01)
	})
}

// stalling is a producer whose first answer takes its time.
type stalling struct {
	stall time.Duration
	once  sync.Once
}

type stallingSender struct {
	p    *stalling
	done func(error)
}

func (p *stalling) Sender(done func(error)) Sender { return stallingSender{p, done} }
func (p *stalling) Flush(context.Context) error    { time.Sleep(p.stall); return nil }
func (p *stalling) Close(context.Context) error    { return nil }

func (s stallingSender) Send(context.Context, []byte, []byte) {
	stalled := false
	s.p.once.Do(func() {
		stalled = true
		time.AfterFunc(s.p.stall, func() { s.done(nil) })
	})
	if !stalled {
		s.done(nil)
	}
}

func TestSlots(t *testing.T) {
	s := newSlots(3)
	got := map[uint32]bool{}
	for range 3 {
		slot, ok := s.take(t.Context())
		require.True(t, ok)
		got[slot] = true
	}
	require.Len(t, got, 3, "no place is given out twice")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	_, ok := s.take(ctx)
	require.False(t, ok, "none is free")
	go s.give(2)
	slot, ok := s.take(t.Context())
	require.True(t, ok)
	require.EqualValues(t, 2, slot)
}

// A place is free once what it awaits has come, once, whatever comes late or twice.
func TestPlaceAwaitsAnswerAndReceipt(t *testing.T) {
	r := &run{load: Load{Size: 100, Outstanding: 1, Producers: 1}, awaited: awaitReceipt, ledger: newLedger(1, 1, 1),
		filler: newFiller(100, 1)}
	w := newWriter(r, 0, &stalling{})
	free := func() int { return len(w.slots.free) }
	put := func(sequence uint64) {
		w.slots.taken, w.slots.free = nil, nil
		w.places[0].state.Store(sequence<<2 | awaitReceipt)
	}
	put(7)
	w.release(0, 7, 1)
	require.Equal(t, 0, free())
	w.release(0, 6, 1) // another record's receipt
	require.Equal(t, 0, free())
	w.release(0, 7, 1)
	require.Equal(t, 1, free())
	w.release(0, 7, 1) // a second receipt
	require.Equal(t, 1, free())
	put(8)
	w.release(0, 8, 1)
	w.release(0, 8, 2) // received, then failed
	require.Equal(t, 1, free())
}
