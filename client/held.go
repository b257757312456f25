package client

// This file is what a Consumer does for a GroupConsumer: no partition is its own to judge, and between two records
// the group may have something to tell.

// errHeld says that nothing is taken for the moment. No user sees it.
var errHeld = &Error{Message: "held back", Partition: -1}

// hold has nothing taken until it is called again; somebody who waits for records returns with errHeld.
func (c *Consumer) hold(back bool) {
	if c.held.Swap(back) != back {
		notify(c.news)
	}
}

// adopt begins to read a partition that the group gave.
func (c *Consumer) adopt(info *topicInfo, index int32, offset int64, why *Error) *assignment {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.assign(info, index, offset)
	a := c.assigned[place{info.name, index}]
	if why != nil {
		c.stop(a, why)
	}
	return a
}

// release takes a partition away, unless another topic has its name by now.
func (c *Consumer) release(at place, id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.assigned[at]
	if a == nil || a.id != id {
		return
	}
	c.drop(a)
	a.err, a.stopped = nil, true
	c.forget(a)
}

// tell reports a jump of a position that no program asked for.
func (c *Consumer) tell(s skipped, what string) {
	c.skips.Add(1)
	c.skipped.Add(max(s.to-s.from, 0))
	c.c.opts.Logger.Warn(what, "topic", s.at.topic, "partition", s.at.partition, "from", s.from, "to", s.to)
	c.c.opts.Hooks.skip(s.at.topic, s.at.partition, s.from, s.to)
}

// positionOf returns the position of an assignment.
func (c *Consumer) positionOf(a *assignment) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return a.position
}
