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
	gap   bool  // values before may be lost: an operator chose so
}

// waits tells whether the producer has still to see, in a healed cluster, that it is served.
func (c *producer) waits() bool {
	t := &c.w.topics[c.part]
	return !t.deleted && !t.void && c.after < 3
}

func (c *producer) send() {
	if c.w.topics[c.part].deleted {
		return
	}
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
	x := value{c.id, c.seq, try}
	last, known := n.views[c.part].last[c.id]
	ev := replication.Produce{
		ID: uint64(c.id)<<32 | uint64(try), Batch: x.bytes(), Records: int64(1 + c.seq%3), All: c.all,
	}
	switch {
	case known && last.seq == c.seq:
		ev.Duplicate = last.end
	case known && last.seq > c.seq, c.all && !c.gap && (known && last.seq+1 < c.seq || !known && c.seq > 0):
		return // this log is behind, or ahead: another leader has to take it
	}
	n.step(c.part, ev)
}

// reply brings an answer to the producer, if it does not get lost.
func (w *world) reply(n *node, part int, e replication.Reply) {
	c, try := w.clients[e.ID>>32-1], uint32(e.ID)
	if !w.checks.replied(n, part, c, e) || w.chance(3) && !w.healed {
		return
	}
	losses := w.topics[part].losses
	w.after(w.between(0, 3), func() {
		if c.try != try {
			return
		}
		c.try++
		if e.Result != replication.ResultOK {
			w.after(w.between(20, 200), c.send)
			return
		}
		if losses == w.topics[part].losses {
			w.checks.acked(c, part, e.End)
		}
		c.seq++
		c.floor = w.checks.highest[part]
		c.gap = false
		if w.healed {
			c.after++
		}
		w.after(w.between(1, 40), c.send)
	})
}

// ask is a question whether a replica still leads.
type ask struct {
	part    int
	highest int64 // end of the newest record that anybody had acknowledged when it was asked
	losses  int
}

// askAround asks brokers whether they lead, as who reads the newest offset does.
func (w *world) askAround() {
	part, n := w.rng.IntN(w.cfg.Partitions), w.brokers[w.rng.IntN(len(w.brokers))]
	if leader := w.state(part).Leader; leader != replication.NoLeader && w.chance(70) {
		n = w.brokers[leader-1]
	}
	w.seq++
	id := uint64(w.seq)
	n.run(n.process, func() {
		w.asks[id] = ask{part, w.checks.highest[part], w.topics[part].losses}
		n.step(part, replication.Barrier{ID: id})
	})
	w.after(w.between(20, 400), w.askAround)
}

// barrierReply checks that a leader which takes itself for one knows all that was
// acknowledged before it was asked (section 9).
func (w *world) barrierReply(n *node, part int, e replication.BarrierReply) {
	a := w.asks[e.ID]
	delete(w.asks, e.ID)
	switch t := &w.topics[part]; {
	case e.Result != replication.ResultOK:
		w.fired[BarrierRefused]++
	case !t.void && t.losses == a.losses:
		w.fired[BarrierPassed]++
		if e.End < a.highest {
			w.failf("I10: broker %d leads partition %d, it says, and knows %d of the %d acknowledged before it was asked",
				n.id, part, e.End, a.highest)
		}
	}
}
