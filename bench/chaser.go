package bench

import (
	"context"
	"sync/atomic"
	"time"
)

// chaser is a consumer that is always behind: it reads the topic from its start, and begins anew each time it has
// read as many records as there were when it began. So old records are read all the time, whatever is written.
type chaser struct {
	r        *run
	received atomic.Int64
	counted  atomic.Int64 // within the window
	rounds   atomic.Int64
}

// chaserPause comes between two rounds of which the first had nothing to read, or ended by an error.
const chaserPause = 100 * time.Millisecond

// run reads until ctx ends.
func (c *chaser) run(ctx context.Context) {
	for ctx.Err() == nil {
		before := c.received.Load()
		err := c.round(ctx)
		c.rounds.Add(1)
		if c.received.Load() > before {
			continue
		}
		if err != nil && ctx.Err() == nil {
			c.r.fault(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(chaserPause):
		}
	}
}

// round reads the topic once, and checks each record and their order.
func (c *chaser) round(ctx context.Context) error {
	_, left, err := c.r.driver.Extent(ctx, c.r.topic)
	if err != nil {
		return err
	}
	all := make([]int32, c.r.load.Partitions)
	for i := range all {
		all[i] = int32(i)
	}
	consumer, err := c.r.driver.NewConsumer(ctx, c.r.topic, all, &c.r.load)
	if err != nil {
		return err
	}
	defer consumer.Close()
	newest := make(map[[2]uint32]uint64) // of a partition and a producer
	for left > 0 && ctx.Err() == nil {
		n := int64(0)
		err := consumer.Poll(ctx, func(partition int32, value []byte) {
			n++
			t, whole := c.r.filler.read(value)
			of := [2]uint32{uint32(partition), t.producer}
			switch {
			case !whole:
				c.r.ledger.damaged.Add(1)
			case t.run == c.r.ledger.run && t.sequence+1 <= newest[of]:
				c.r.ledger.reordered.Add(1)
			default:
				newest[of] = t.sequence + 1
			}
		})
		left -= n
		c.received.Add(n)
		if c.r.window.holds(c.r.now()) {
			c.counted.Add(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// startChasers starts the chasers, and returns what stops them.
func (r *run) startChasers(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{}, r.load.CatchUp)
	for range r.load.CatchUp {
		c := &chaser{r: r}
		r.chasers = append(r.chasers, c)
		go func() {
			c.run(ctx)
			done <- struct{}{}
		}()
	}
	return func() {
		cancel()
		for range r.chasers {
			<-done
		}
	}
}
