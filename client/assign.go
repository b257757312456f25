package client

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/skidway/skidway/wire"
)

// assignment is a partition that a Consumer reads. Guarded by the Consumer's lock.
type assignment struct {
	at   place
	id   uint64 // of the topic
	lane lane   // that fetches it: one of the broker that leads it, and the same as long as that broker does
	gen  int64  // grows when it is moved: what was fetched or taken before is void

	position int64 // the offset of the next record to be returned
	fetch    int64 // the offset to fetch next: position, and what is buffered
	start    int64 // the log's bounds as last heard; -1: not yet
	end      int64

	paused  bool
	stopped bool // nothing is fetched: an error was, or will be, returned
	queued  bool // in Consumer.ready

	chunks   [][]byte // fetched, whole batches
	buffered int64    // their bytes
	records  []Record // taken apart, to be returned
	err      *Error   // to be returned after all that is buffered
	damaged  int      // times that it was fetched again because of damage

	retryAt time.Time
	pauses  *backoff.ExponentialBackOff // nil: the last fetch went well
}

// Assign adds partitions of a topic, all if none are named, to be read from start on. The place is looked up now,
// once: the end, for instance, is that of this moment. A partition that is assigned already is moved there.
func (c *Consumer) Assign(ctx context.Context, topic string, start Start, partitions ...int32) error {
	if c.ctx.Err() != nil {
		return errClosed("consumer")
	}
	info, err := c.c.meta.fresh(ctx, topic)
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if p < 0 || p >= info.count() {
			return newError(wire.CodeUnknownPartition, where{topic: topic, partition: p},
				"the topic has %d partitions", info.count())
		}
	}
	indexes := info.indexes(partitions)
	offsets, err := c.resolve(ctx, topic, start, indexes)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return errClosed("consumer")
	}
	if len(partitions) == 0 {
		c.follows[topic] = true
	}
	for i, index := range indexes {
		c.assign(info, index, offsets[i])
	}
	return nil
}

// assign adds or moves a partition.
func (c *Consumer) assign(info *topicInfo, index int32, offset int64) {
	at := place{info.name, index}
	a := c.assigned[at]
	if a == nil {
		a = &assignment{at: at, start: -1, end: -1, lane: nowhereYet}
		c.assigned[at] = a
	}
	a.id = info.id
	c.enlist(a, info.leaders[index].broker)
	c.move(a, offset)
}

// move sets where a partition is read next, and drops what was fetched.
func (c *Consumer) move(a *assignment, offset int64) {
	c.drop(a)
	a.position, a.fetch, a.damaged = offset, offset, 0
	a.err, a.stopped, a.retryAt, a.pauses = nil, false, time.Time{}, nil
	c.hasten(a)
}

// drop forgets what was fetched of a partition.
func (c *Consumer) drop(a *assignment) {
	a.gen++
	c.freed(a, a.buffered)
	a.chunks, a.records = nil, nil
	a.fetch = a.position
}

// Unassign takes partitions of a topic away, all if none are named. Those that are not assigned do not matter.
func (c *Consumer) Unassign(topic string, partitions ...int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(partitions) == 0 {
		delete(c.follows, topic)
	}
	c.each(topic, partitions, func(a *assignment) {
		c.drop(a)
		a.err, a.stopped = nil, true
		c.forget(a)
	})
}

// Seek moves an assigned partition to another place; records fetched ahead are dropped. ErrNotAssigned.
func (c *Consumer) Seek(ctx context.Context, topic string, partition int32, start Start) error {
	if _, err := c.Position(topic, partition); err != nil {
		return err
	}
	offsets, err := c.resolve(ctx, topic, start, []int32{partition})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.assigned[place{topic, partition}]
	if a == nil {
		return notAssigned(topic, partition)
	}
	if info := c.c.meta.cached(topic); info != nil && partition < info.count() {
		a.id = info.id
		c.enlist(a, info.leaders[partition].broker)
	}
	c.move(a, offsets[0])
	return nil
}

// Pause holds back records of partitions of a topic, all if none are named, until Resume. Nothing is lost.
func (c *Consumer) Pause(topic string, partitions ...int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.each(topic, partitions, func(a *assignment) { a.paused = true })
}

// Resume ends Pause.
func (c *Consumer) Resume(topic string, partitions ...int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.each(topic, partitions, func(a *assignment) {
		a.paused = false
		c.queue(a)
		c.hasten(a)
	})
}

// each calls f for the assigned ones of the partitions that are named, for all of the topic if none are.
func (c *Consumer) each(topic string, partitions []int32, f func(*assignment)) {
	if len(partitions) == 0 {
		for at, a := range c.assigned {
			if at.topic == topic {
				f(a)
			}
		}
		return
	}
	for _, p := range partitions {
		if a := c.assigned[place{topic, p}]; a != nil {
			f(a)
		}
	}
}

// resolve looks a place up in partitions of a topic.
func (c *Consumer) resolve(ctx context.Context, topic string, s Start, indexes []int32) ([]int64, error) {
	out := make([]int64, len(indexes))
	if s.kind == fromOffset {
		for i := range out {
			out[i] = s.value + s.delta
		}
		return out, nil
	}
	var starts, ends []int64
	var err error
	if s.kind == fromStart || s.delta != 0 {
		if starts, err = c.offsets(ctx, topic, wire.AtStart, indexes); err != nil {
			return nil, err
		}
	}
	if s.kind != fromStart || s.delta != 0 {
		if ends, err = c.offsets(ctx, topic, wire.AtEnd, indexes); err != nil {
			return nil, err
		}
	}
	switch s.kind {
	case fromStart:
		copy(out, starts)
	case fromEnd:
		copy(out, ends)
	case fromTime:
		found, err := c.offsets(ctx, topic, max(s.value, 0), indexes)
		if err != nil {
			return nil, err
		}
		for i := range out {
			if out[i] = found[i]; found[i] < 0 {
				out[i] = ends[i]
			}
		}
	}
	if s.delta != 0 {
		for i := range out {
			out[i] = min(max(out[i]+s.delta, starts[i]), max(ends[i], starts[i]))
		}
	}
	return out, nil
}

// offsets asks for offsets, and fails if one of them is refused.
func (c *Consumer) offsets(ctx context.Context, topic string, at int64, indexes []int32) ([]int64, error) {
	results, err := NewAdmin(c.c).ListOffsets(ctx, topic, at, indexes...)
	if err != nil {
		return nil, err
	}
	if len(results) != len(indexes) {
		return nil, newError(wire.CodeInternal, where{topic: topic, partition: -1, address: c.c.Address()},
			"the broker answered about %d partitions, not %d", len(results), len(indexes))
	}
	out := make([]int64, len(results))
	for i := range results {
		if results[i].Error != nil {
			return nil, fromWire(results[i].Error, where{topic: topic, partition: indexes[i], address: c.c.Address()})
		}
		out[i] = results[i].Offset
	}
	return out, nil
}
