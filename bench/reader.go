package bench

import (
	"context"
	"sync/atomic"
	"time"
)

// reader receives the records of some partitions, on one goroutine. It is the same for every driver.
type reader struct {
	r        *run
	consumer Consumer

	latency *recorder // from the intended time of sending to the receipt
	waiting *recorder // how long a Poll takes

	received atomic.Int64 // all, whoever's
	counted  atomic.Int64 // within the window
	latest   atomic.Int64 // time of the last receipt, ns since the epoch
}

// run receives until ctx ends.
func (d *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		begun := d.r.now()
		now := int64(-1)
		n := int64(0)
		err := d.consumer.Poll(ctx, func(partition int32, value []byte) {
			if now < 0 {
				now = d.r.now()
			}
			n++
			if d.r.own {
				d.take(partition, value, now)
			}
		})
		if n > 0 {
			d.latest.Store(now)
			d.received.Add(n)
			if d.r.window.holds(now) {
				d.counted.Add(n)
				d.waiting.record(now - begun)
			}
		}
		if err != nil && ctx.Err() == nil {
			d.r.fault(err)
			time.Sleep(time.Millisecond) // an error may come again at once
		}
	}
}

func (d *reader) take(partition int32, value []byte, now int64) {
	t, whole := d.r.filler.read(value)
	if !d.r.ledger.receive(partition, &t, whole) {
		return
	}
	if d.r.window.holds(t.intended) {
		d.latency.record(now - t.intended)
	}
	if d.r.awaited == awaitReceipt {
		d.r.writers[t.producer].release(t.slot, t.sequence, 1)
	}
}
