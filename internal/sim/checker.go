package sim

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/skidway/skidway/replication"
)

// checker holds what was promised against what is there.
type checker struct {
	w         *world
	committed [][]commit // by partition: what any high watermark has covered
	lastSeq   []map[uint32]uint32
	highest   []int64 // by partition: end of the newest acknowledged record
	acks      int
	ends      int // questions for the newest offset that were answered
	seen      [][]seen
	ackers    map[[2]int32]int32 // (partition, epoch) -> the broker that acknowledges
}

// commit is a batch, and the leader epoch in which it was committed.
type commit struct {
	replication.Batch
	in int32
}

// seen is how far a replica was checked.
type seen struct {
	hw    int64
	next  int // of its batches
	epoch int32
}

func newChecker(w *world) *checker {
	c := &checker{w: w, highest: make([]int64, w.cfg.Partitions), ackers: make(map[[2]int32]int32)}
	c.committed = make([][]commit, w.cfg.Partitions)
	for range w.cfg.Partitions {
		c.lastSeq = append(c.lastSeq, make(map[uint32]uint32))
	}
	for range w.cfg.Brokers {
		c.seen = append(c.seen, make([]seen, w.cfg.Partitions))
	}
	return c
}

// joined checks that whoever a leader takes into the ISR is registered, with the store that
// the leader means (I9).
func (c *checker) joined(n *node, part int, before, after []replication.Member) {
	for _, m := range after {
		v, _, ok := c.w.tree.get(idPath(m.Broker))
		if !slices.Contains(before, m) && (!ok || v.(registration).Member != m) {
			c.w.failf("I9: broker %d takes %v into the ISR of partition %d, which is not registered", n.id, m, part)
		}
	}
}

func (c *checker) forget(n *node, part int) { c.seen[n.id-1][part] = seen{} }

// observe checks a replica after a step: what its high watermark covers is what any
// other's covered (I2, I4), and a new leader holds what was committed before (I1, I9).
func (c *checker) observe(n *node, part int) {
	s := n.replicas[part].Status()
	at := &c.seen[n.id-1][part]
	batches := n.views[part].batches
	if s.Role == replication.Leader && at.epoch != s.Epoch {
		at.epoch = s.Epoch
		c.elected(n, part, s.Epoch)
	}
	if s.HighWatermark <= at.hw {
		return
	}
	at.hw = s.HighWatermark
	for ; at.next < len(batches) && batches[at.next].End <= s.HighWatermark; at.next++ {
		c.cover(n, part, at.next, s)
	}
}

func same(a, b replication.Batch) bool {
	return a.Base == b.Base && a.End == b.End && a.Epoch == b.Epoch && valueOf(a) == valueOf(b)
}

func (c *checker) cover(n *node, part, i int, s replication.Status) {
	b := n.views[part].batches[i]
	switch list := c.committed[part]; {
	case i < len(list):
		if !same(list[i].Batch, b) {
			c.w.failf("I2: broker %d shows %v at %d of partition %d, %v was seen there",
				n.id, valueOf(b), b.Base, part, valueOf(list[i].Batch))
		}
	case s.Role == replication.Leader:
		x := valueOf(b)
		last, known := c.lastSeq[part][x.producer]
		if known && x.seq <= last {
			c.w.failf("I6: value %v twice in partition %d, the second at %d", x, part, b.Base)
		}
		if p := c.w.clients[x.producer-1]; p.seq == x.seq && b.End <= p.floor {
			c.w.failf("I3: value %v at %d, sent after %d was acknowledged", x, b.Base, p.floor)
		}
		c.lastSeq[part][x.producer] = x.seq
		c.committed[part] = append(list, commit{b, s.Epoch})
		if len(s.ISR) < int(c.w.cfg.MinISR) {
			c.w.failf("I9: broker %d commits %d of partition %d with ISR %v", n.id, b.Base, part, s.ISR)
		}
	default:
		c.w.failf("I4: follower %d shows %v at %d, which no leader has committed", n.id, valueOf(b), b.Base)
	}
}

// elected checks that a leader begins with all that was committed in epochs before its own.
func (c *checker) elected(n *node, part int, epoch int32) {
	batches := n.views[part].batches
	for i, b := range c.committed[part] {
		if b.in >= epoch {
			return
		}
		if i >= len(batches) || !same(batches[i], b.Batch) {
			c.w.failf("I1: broker %d leads partition %d in epoch %d without %v at %d, committed in epoch %d",
				n.id, part, epoch, valueOf(b.Batch), b.Base, b.in)
			return
		}
	}
}

// replied checks that one broker acknowledges in an epoch (I8).
func (c *checker) replied(n *node, part int, e replication.Reply) {
	if e.Result != replication.ResultOK {
		return
	}
	key := [2]int32{int32(part), n.replicas[part].Status().Epoch}
	if by, ok := c.ackers[key]; ok && by != n.id {
		c.w.failf("I8: brokers %d and %d acknowledge in epoch %d of partition %d", by, n.id, key[1], part)
	}
	c.ackers[key] = n.id
}

// told checks that the newest offset that is told is no older than what was acknowledged before it was asked for, which
// is the question's number (section 9.2).
func (c *checker) told(n *node, part int, e replication.BarrierReply) {
	if e.Result == replication.ResultOK && e.End < int64(e.ID) {
		c.w.failf("I4: broker %d says that partition %d ends at %d, %d was acknowledged before", n.id, part, e.End, e.ID)
	}
	if e.Result == replication.ResultOK {
		c.ends++
	}
}

// acked notes an acknowledgement; with acks=all the record is committed by then (I1).
func (c *checker) acked(p *producer, part int, end int64) {
	c.acks++
	if !p.all {
		return
	}
	list := c.committed[part]
	i := sort.Search(len(list), func(i int) bool { return list[i].End >= end })
	if i == len(list) || list[i].End != end || valueOf(list[i].Batch) != (value{p.id, p.seq}) {
		c.w.failf("I1: %d of producer %d is acknowledged at %d of partition %d, and not there", p.seq, p.id, end, part)
	}
	c.highest[part] = max(c.highest[part], end)
}

// whole tells whether all replicas are in sync.
func (c *checker) whole() bool {
	for p := range c.w.cfg.Partitions {
		if !c.wholePartition(p) {
			return false
		}
	}
	return true
}

func (c *checker) wholePartition(p int) bool {
	s := c.w.state(p)
	return s.Leader != replication.NoLeader && len(s.ISR) == len(s.Replicas) && len(s.Removing) == 0
}

// stuck says which partitions a healed cluster makes no progress in, and why (I13).
func (c *checker) stuck() {
	var what []string
	for p := range c.w.cfg.Partitions {
		s := c.w.state(p)
		waiting := 0
		for _, x := range c.w.clients {
			if x.part == p && x.after < 3 {
				waiting++
			}
		}
		if waiting > 0 || !c.wholePartition(p) {
			what = append(what, fmt.Sprintf("partition %d (%d producers wait) has leader %d, epoch %d, isr %v, elr %v",
				p, waiting, s.Leader, s.LeaderEpoch, s.ISR, s.ELR))
		}
	}
	c.w.failf("I13: no progress: %s", strings.Join(what, "; "))
}

// end checks a healed cluster: it made progress (I13), and its replicas are equal (I7).
func (c *checker) end() {
	if !c.w.finished() {
		c.stuck()
		return
	}
	for p := range c.w.cfg.Partitions {
		for _, n := range c.w.brokers {
			covered := n.replicas[p].Status().HighWatermark
			for i, b := range c.committed[p] {
				if b.End <= covered && (i >= len(n.views[p].batches) || !same(n.views[p].batches[i], b.Batch)) {
					c.w.failf("I7: broker %d differs at %d of partition %d", n.id, b.Base, p)
				}
			}
		}
		leader := c.w.brokers[c.w.state(p).Leader-1]
		if len(leader.views[p].batches) < len(c.committed[p]) || !slices.EqualFunc(
			leader.views[p].batches[:len(c.committed[p])], c.committed[p],
			func(a replication.Batch, b commit) bool { return same(a, b.Batch) }) {
			c.w.failf("I1: partition %d ends without what was committed", p)
		}
	}
}
