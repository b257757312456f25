package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// taken is a run of records of one partition.
type taken struct {
	a       *assignment
	gen     int64
	records []Record
}

// refetches is how often a damaged answer is fetched again: the damage may have come about on the way.
const refetches = 2

// take returns a run of records, and waits for it.
func (c *Consumer) take(ctx context.Context, most int) (taken, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return taken{}, ctx.Err()
	case <-c.ctx.Done():
		return taken{}, errClosed("consumer")
	}
	for {
		switch {
		case c.ctx.Err() != nil:
			return taken{}, errClosed("consumer")
		case ctx.Err() != nil:
			return taken{}, ctx.Err()
		}
		got, ok, err := c.next(most)
		if ok {
			return got, nil
		}
		if err != nil {
			return taken{}, err
		}
		select {
		case <-c.news:
		case <-ctx.Done():
		case <-c.ctx.Done():
		}
	}
}

// takeNow returns a run of records if there is one. An error of a partition is left for later.
func (c *Consumer) takeNow(most int) (taken, bool) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	default:
		return taken{}, false
	}
	got, ok, err := c.next(most)
	if err != nil {
		c.mu.Lock()
		if a := c.assigned[place{err.Topic, err.Partition}]; a != nil && a.stopped && a.err == nil {
			a.err = err
			c.queue(a)
		}
		c.mu.Unlock()
	}
	return got, ok
}

// next returns the next run of records, or the next error, if there is one.
func (c *Consumer) next(most int) (taken, bool, *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held.Load() {
		return taken{}, false, errHeld
	}
	c.start()
	for len(c.ready) > 0 {
		a := c.ready[0]
		c.ready[0] = nil
		c.ready = c.ready[1:]
		a.queued = false
		if a.paused || c.assigned[a.at] != a {
			continue
		}
		if len(a.records) == 0 && !c.unpack(a) && a.err != nil {
			err := a.err
			a.err = nil
			return taken{}, false, err
		}
		if n := min(most, len(a.records)); n > 0 {
			got := taken{a: a, gen: a.gen, records: a.records[:n:n]}
			a.records = a.records[n:]
			a.position = got.records[n-1].Offset + 1
			c.queueFront(a)
			return got, true, nil
		}
		c.queue(a)
	}
	return taken{}, false, nil
}

// unpack takes the next batch of a partition apart. It gives the lock back meanwhile. False: there is none.
func (c *Consumer) unpack(a *assignment) bool {
	if len(a.chunks) == 0 {
		return false
	}
	batch, rest, err := record.Split(a.chunks[0])
	if err != nil {
		panic("client: a fetched chunk was not checked: " + err.Error())
	}
	if a.chunks[0] = rest; len(rest) == 0 {
		a.chunks = slices.Delete(a.chunks, 0, 1)
	}
	c.freed(a, int64(len(batch)))
	c.wakeFetcher(a)
	gen, from, last := a.gen, a.position, batch.LastOffset()
	c.mu.Unlock()
	records, fault := decode(batch, a.at, from, c.opts.MaxBatchBytes)
	if fault == nil {
		c.c.opts.Hooks.fetchBatch(a.at.topic, a.at.partition, len(records), len(batch))
	}
	c.mu.Lock()
	switch {
	case a.gen != gen: // moved meanwhile
	case fault != nil:
		c.spoilt(a, fault)
	default:
		a.records, a.damaged = records, 0
		if len(records) == 0 {
			a.position = max(a.position, last+1)
		}
	}
	return true
}

// spoilt handles a batch that cannot be read: it is fetched again, then it is an error.
func (c *Consumer) spoilt(a *assignment, fault *Error) {
	damaged := a.damaged + 1
	c.drop(a)
	if damaged > refetches {
		a.err, a.stopped = fault, true
		return
	}
	a.damaged = damaged
	c.wakeFetcher(a)
}

// decode takes a batch apart, from an offset on.
func decode(b record.Batch, at place, from int64, limit int) ([]Record, *Error) {
	fail := func(err error) *Error {
		e := newError(wire.CodeCorruptBatch, where{topic: at.topic, partition: at.partition},
			"batch at offset %d: %v", b.BaseOffset(), err)
		if errors.Is(err, record.ErrTooLarge) {
			e.Code = wire.CodeRecordTooLarge
		}
		e.Err = err
		return e
	}
	if err := b.VerifyCRC(); err != nil {
		return nil, fail(err)
	}
	if b.Control() {
		return nil, nil
	}
	epoch := b.LeaderEpoch()
	out := make([]Record, 0, min(b.Count(), len(b)/7+1, 1<<16)) // a count is only a claim
	for r, err := range b.Records(record.Limits{MaxUncompressedBytes: limit}) {
		if err != nil {
			return nil, fail(err)
		}
		if r.Offset < from {
			continue
		}
		out = append(out, Record{Topic: at.topic, Partition: at.partition, LeaderEpoch: epoch, Offset: r.Offset,
			Timestamp: time.UnixMilli(r.Timestamp),
			Key:       r.Key, Value: r.Value, Headers: r.Headers})
	}
	return out, nil
}

// passed tells that a record is returned now. False: the partition was moved, the run is void.
func (c *Consumer) passed(t *taken, i int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.a.gen != t.gen || c.assigned[t.a.at] != t.a {
		return false
	}
	t.a.position = t.records[i].Offset + 1
	return true
}

// putBack gives back the records of a run from the i-th on.
func (c *Consumer) putBack(t *taken, i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.a.gen != t.gen || i == len(t.records) {
		return
	}
	t.a.records = append(t.records[i:len(t.records):len(t.records)], t.a.records...)
	t.a.position = t.records[i].Offset
	c.queueFront(t.a)
}

// queue puts a partition at the end of those that have something to take.
func (c *Consumer) queue(a *assignment) {
	if a.queued || a.paused || !a.has() {
		return
	}
	a.queued = true
	c.ready = append(c.ready, a)
	notify(c.news)
}

// queueFront puts a partition before the others if a batch is half taken, else at the end: so at most one is half
// taken.
func (c *Consumer) queueFront(a *assignment) {
	if len(a.records) == 0 || a.queued {
		c.queue(a)
		return
	}
	a.queued = true
	c.ready = slices.Insert(c.ready, 0, a)
	notify(c.news)
}

// has tells whether there is something to take.
func (a *assignment) has() bool { return len(a.records) > 0 || len(a.chunks) > 0 || a.err != nil }
