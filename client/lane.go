package client

// fetchLanes is over how many connections the partitions that one broker leads are fetched: while the answer for one
// half of them is sent and taken apart, the broker reads what the other half will have.
const fetchLanes = 2

// lane names a fetcher. All fetches of a partition go over the same one until another broker leads it, so that they
// come in order.
type lane struct {
	broker int32 // negative: nobody leads it
	number int8  // 0 to fetchLanes-1
}

// nowhereYet is the lane of a partition whose leader is not known.
var nowhereYet = lane{broker: -1}

// enlist has a partition fetched from the broker that leads it now, over the connection with fewer partitions; keep
// looks for one that nobody leads. Under the Consumer's lock.
func (c *Consumer) enlist(a *assignment, broker int32) {
	if broker < 0 {
		c.want(a.at.topic)
	}
	if a.lane.broker == broker {
		return
	}
	c.leave(a)
	if broker < 0 {
		return
	}
	a.lane = lane{broker: broker}
	for n := range int8(fetchLanes) {
		if other := (lane{broker, n}); c.load[other] < c.load[a.lane] {
			a.lane = other
		}
	}
	c.load[a.lane]++
}

// leave takes a partition off its lane. The answer to a fetch is of no use when its last one leaves, and may not come
// for long. Under the Consumer's lock.
func (c *Consumer) leave(a *assignment) {
	if a.lane.broker < 0 {
		return
	}
	if c.load[a.lane]--; c.load[a.lane] == 0 {
		delete(c.load, a.lane)
		if f := c.fetchers[a.lane]; f != nil && f.interrupt != nil {
			f.interrupt()
		}
	}
	a.lane = nowhereYet
}

// forget takes a partition away. Under the Consumer's lock.
func (c *Consumer) forget(a *assignment) {
	c.leave(a)
	delete(c.assigned, a.at)
}

// freed counts bytes of a partition that are buffered no longer. Where they were what kept the fetchers from asking for
// more, all may go on, not only its own. Under the Consumer's lock.
func (c *Consumer) freed(a *assignment, bytes int64) {
	full := c.buffered >= c.opts.MaxBufferedBytes
	a.buffered -= bytes
	c.buffered -= bytes
	if full && c.buffered < c.opts.MaxBufferedBytes {
		for _, f := range c.fetchers {
			notify(f.wake)
		}
	}
}
