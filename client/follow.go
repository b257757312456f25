package client

import (
	"maps"
	"slices"
	"time"

	"github.com/skidway/skidway/wire"
)

// want has a topic asked for, soon. Under the Consumer's lock.
func (c *Consumer) want(topic string) {
	c.wanted[topic] = true
	notify(c.stale)
}

// wantOf has the topics of a fetch asked for, soon.
func (c *Consumer) wantOf(w *wanted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for a := range w.from {
		c.want(a.at.topic)
	}
}

// keep follows changes of the topics: leaders, added partitions, deletion.
func (c *Consumer) keep() {
	tick := time.NewTicker(c.c.opts.MetadataMaxAge)
	defer tick.Stop()
	pauses := c.c.opts.pauses()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
			c.mu.Lock()
			for at := range c.assigned {
				c.wanted[at.topic] = true
			}
			c.mu.Unlock()
		case <-c.stale:
		}
		if c.refresh() {
			pauses.Reset()
			continue
		}
		sleep(c.ctx, pauses.NextBackOff())
		notify(c.stale)
	}
}

// refresh asks for the topics that are wanted. False: not all could be asked for.
func (c *Consumer) refresh() bool {
	c.mu.Lock()
	names := slices.Sorted(maps.Keys(c.wanted))
	clear(c.wanted)
	c.mu.Unlock()
	if len(names) == 0 {
		return true
	}
	r := c.c.meta.ask(names, FailMissing)
	select {
	case <-r.done:
	case <-c.ctx.Done():
		return true
	}
	fine := true
	for _, name := range names {
		info, err := r.result(name)
		switch {
		case err == nil:
			fine = c.learn(info) && fine
		case err.Retriable():
			fine = false
			c.mu.Lock()
			c.wanted[name] = true
			c.mu.Unlock()
		default:
			c.lost(name, err)
		}
	}
	return fine
}

// learn applies what was found out about a topic. False: once more, after a pause, also if nobody leads a partition
// now.
func (c *Consumer) learn(info *topicInfo) bool {
	c.mu.Lock()
	led := true
	var jumps []skipped
	for index := range info.leaders {
		a := c.assigned[place{info.name, int32(index)}]
		if a == nil || a.id != info.id && c.by == byGroup {
			continue
		}
		if a.id != info.id {
			if s, ok := c.reborn(a, info.id); ok {
				jumps = append(jumps, s)
			}
		}
		c.enlist(a, info.leaders[index].broker)
		c.queue(a)
		c.wakeFetcher(a)
		led = led && a.lane.broker >= 0
	}
	for at, a := range c.assigned {
		if at.topic == info.name && at.partition >= info.count() && c.by == byProgram {
			c.stop(a, newError(wire.CodeUnknownPartition, where{topic: at.topic, partition: at.partition},
				"the topic was created again with %d partitions", info.count()))
		}
	}
	added := c.added(info)
	c.mu.Unlock()
	for _, s := range jumps {
		c.tell(s, "consumer goes on in a topic that was created again")
	}
	return c.join(info, added) && led
}

// reborn follows a topic that was deleted and created again: its offsets mean nothing any more. Under the Consumer's
// lock.
func (c *Consumer) reborn(a *assignment, id uint64) (skipped, bool) {
	if a.stopped {
		return skipped{}, false
	}
	if c.opts.OutOfRange == OutOfRangeFail {
		c.stop(a, newError(wire.CodeUnknownTopicID, where{topic: a.at.topic, partition: a.at.partition},
			"the topic was deleted, and created again"))
		return skipped{}, false
	}
	from := a.position
	a.id = id
	to := int64(0)
	if c.opts.OutOfRange == OutOfRangeEnd {
		to = farOffset // which the policy for offsets out of range takes to the end
	}
	c.move(a, to)
	return skipped{a.at, from, 0}, true
}

// stop has a partition rest, and returns an error after all that was fetched. Under the Consumer's lock.
func (c *Consumer) stop(a *assignment, why *Error) {
	if a.stopped {
		return
	}
	a.stopped, a.err = true, why
	c.queue(a)
}

// lost stops all partitions of a topic that is gone.
func (c *Consumer) lost(topic string, why *Error) {
	if c.by == byGroup {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.each(topic, nil, func(a *assignment) {
		e := *why
		e.Partition = a.at.partition
		c.stop(a, &e)
	})
}

// added returns the partitions that a topic has now and that are to be read, too. Under the Consumer's lock.
func (c *Consumer) added(info *topicInfo) []int32 {
	if !c.follows[info.name] || c.opts.AddedPartitions == IgnoreAdded {
		return nil
	}
	var out []int32
	for index := range info.count() {
		if c.assigned[place{info.name, index}] == nil {
			out = append(out, index)
		}
	}
	return out
}

// join reads added partitions from their start. False: once more, after a pause.
func (c *Consumer) join(info *topicInfo, added []int32) bool {
	if len(added) == 0 {
		return true
	}
	starts, err := c.offsets(c.ctx, info.name, wire.AtStart, added)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.wanted[info.name] = true
		return c.ctx.Err() != nil
	}
	for i, index := range added {
		if c.follows[info.name] && c.assigned[place{info.name, index}] == nil {
			c.assign(info, index, starts[i])
		}
	}
	return true
}
