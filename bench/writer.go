package bench

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// writer sends the records of one producer, on one goroutine. It is the same for every driver.
type writer struct {
	r        *run
	id       uint32
	producer Producer
	slots    *slots
	places   []place
	keys     *rand.Rand
	sequence uint64 // the goroutine's

	latency *recorder // from the intended time of sending to the answer
	delay   *recorder // from the intended time of sending to the send

	sent, acked, failed atomic.Int64
	counted             atomic.Int64 // answered within the window
	latest              atomic.Int64 // time of the last answer, ns since the epoch
	pause               pauseMeter
	owed                atomic.Int64 // records of an open loop that were due and never sent
}

// place is room for one outstanding record.
type place struct {
	sender Sender
	tag    tag
	key    [8]byte
	value  []byte
	// state is sequence<<2 | what is still awaited: one for the answer, one for the receipt when that is awaited too.
	state atomic.Uint64
}

func newWriter(r *run, id int, p Producer) *writer {
	n := r.load.Slots()
	w := &writer{r: r, id: uint32(id), producer: p, slots: newSlots(n), places: make([]place, n), latency: newRecorder(),
		delay: newRecorder(), keys: rand.New(rand.NewPCG(r.ledger.run, uint64(id)))}
	values := make([]byte, n*int(r.load.Size))
	for i := range w.places {
		at := &w.places[i]
		at.value, values = values[:r.load.Size:r.load.Size], values[r.load.Size:]
		at.sender = p.Sender(func(err error) { w.answered(at, err) })
	}
	return w
}

// run sends until quota records are sent (0: no bound), the window has ended, or until ends. Records outlive until,
// but not ctx.
func (w *writer) run(ctx, until context.Context, s schedule, quota int64) {
	for i := uint64(0); quota == 0 || i < uint64(quota); i++ {
		intended := int64(-1)
		if s.open() {
			if intended = s.at(i); intended >= w.r.window.end.Load() {
				return
			}
			if !w.r.sleepUntil(until, intended) {
				w.owe(s, i, quota)
				return
			}
		}
		slot, ok := w.slots.take(until)
		if !ok {
			w.owe(s, i, quota)
			return
		}
		now := w.r.now()
		if intended < 0 {
			intended = now
		}
		if intended >= w.r.window.end.Load() || until.Err() != nil {
			w.owe(s, i, quota)
			return
		}
		if s.open() && w.r.window.holds(intended) {
			w.delay.record(now - intended)
		}
		w.send(ctx, slot, intended)
	}
}

// owe counts the records of an open loop from the i-th on that were due within the window.
func (w *writer) owe(s schedule, i uint64, quota int64) {
	end := w.r.window.end.Load()
	if s.open() && end != math.MaxInt64 {
		due := s.before(end)
		if quota > 0 {
			due = min(due, quota)
		}
		w.owed.Store(due - int64(i))
	}
}

func (w *writer) send(ctx context.Context, slot uint32, intended int64) {
	at := &w.places[slot]
	at.tag = tag{run: w.r.ledger.run, producer: w.id, slot: slot, sequence: w.sequence, intended: intended}
	w.sequence++
	w.r.filler.write(at.value, &at.tag)
	var key []byte
	if w.r.load.Keys == KeysRandom {
		binary.BigEndian.PutUint64(at.key[:], w.keys.Uint64())
		key = at.key[:]
	}
	at.state.Store(at.tag.sequence<<2 | w.r.awaited)
	w.sent.Add(1)
	at.sender.Send(ctx, key, at.value)
}

// answered is called on a goroutine of the client.
func (w *writer) answered(at *place, err error) {
	now, t := w.r.now(), at.tag
	if err != nil {
		w.failed.Add(1)
		w.r.fault(err)
		w.release(t.slot, t.sequence, 2)
		return
	}
	w.r.ledger.ack(w.id, t.sequence)
	w.acked.Add(1)
	w.latest.Store(now)
	w.pause.ack(now, &w.r.window)
	w.r.pause.ack(now, &w.r.window)
	if w.r.window.holds(now) {
		w.counted.Add(1)
	}
	if w.r.window.holds(t.intended) {
		w.latency.record(now - t.intended)
	}
	w.release(t.slot, t.sequence, 1)
}

// release takes n off what a record's place awaits; the place is free when nothing is left. A record that is not in
// its place any more has failed before, or came twice.
func (w *writer) release(slot uint32, sequence, n uint64) {
	at := &w.places[slot]
	for {
		s := at.state.Load()
		left := s & 3
		if s>>2 != sequence || left == 0 {
			return
		}
		left -= min(left, n)
		if at.state.CompareAndSwap(s, sequence<<2|left) {
			if left == 0 {
				w.slots.give(slot)
			}
			return
		}
	}
}

// now is the time since the run's epoch in ns.
func (r *run) now() int64 { return int64(time.Since(r.epoch)) }

// sleepUntil waits for a time since the epoch. False: ctx ended first.
func (r *run) sleepUntil(ctx context.Context, at int64) bool {
	wait := time.Duration(at - r.now())
	if wait <= 0 {
		return ctx.Err() == nil
	}
	if wait < 2*time.Millisecond { // too short to be worth a channel; ctx is looked at on the way round
		time.Sleep(wait)
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
