package sim

import (
	"time"

	"github.com/skidway/skidway/replication"
)

// producer writes one value after the other, and each again until it is acknowledged.
type producer struct {
	w     *world
	id    uint32
	part  int
	all   bool
	seq   uint32
	try   uint32
	floor int64 // end of the newest record that anybody had acknowledged when the value was first sent
	after int   // values acknowledged since all was healed
}

func (c *producer) send() {
	c.try++
	try := c.try
	c.w.after(1500*time.Millisecond, func() {
		if c.try == try {
			c.send()
		}
	})
	leader := c.w.state(c.part).Leader
	if leader == replication.NoLeader || !c.w.healed && c.w.chance(5) {
		leader = int32(c.w.rng.IntN(len(c.w.brokers)) + 1)
	}
	n := c.w.brokers[leader-1]
	process := n.process
	c.w.after(c.w.between(0, 3), func() { n.run(process, func() { n.produce(c, try) }) })
}

func (n *node) produce(c *producer, try uint32) {
	x := value{c.id, c.seq}
	last, known := n.views[c.part].last[c.id]
	ev := replication.Produce{
		ID: uint64(c.id)<<32 | uint64(try), Batch: x.bytes(), Records: int64(1 + c.seq%3), All: c.all,
	}
	switch {
	case known && last.seq == c.seq:
		ev.Duplicate = last.end
	case known && last.seq > c.seq, c.all && (known && last.seq+1 < c.seq || !known && c.seq > 0):
		return // this log is behind, or ahead: another leader has to take it
	}
	n.step(c.part, ev)
}

// reply brings an answer to the producer, if it does not get lost.
func (w *world) reply(part int, e replication.Reply) {
	c, try := w.clients[e.ID>>32-1], uint32(e.ID)
	if w.chance(3) && !w.healed {
		return
	}
	w.after(w.between(0, 3), func() {
		if c.try != try {
			return
		}
		c.try++
		if e.Result != replication.ResultOK {
			w.after(w.between(20, 200), c.send)
			return
		}
		w.checks.acked(c, part, e.End)
		c.seq++
		c.floor = w.checks.highest[part]
		if w.healed {
			c.after++
		}
		w.after(w.between(1, 40), c.send)
	})
}
