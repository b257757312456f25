package sim

import (
	"cmp"
	"fmt"
	"math"
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
	refused   []map[value]bool // by partition: attempts that were refused for certain
	highest   []int64          // by partition: end of the newest acknowledged record
	acks      int
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
	next  int64 // base of the next batch to check
	epoch int32
}

func newChecker(w *world) *checker {
	c := &checker{w: w, highest: make([]int64, w.cfg.Partitions), ackers: make(map[[2]int32]int32)}
	c.committed = make([][]commit, w.cfg.Partitions)
	for range w.cfg.Partitions {
		c.lastSeq = append(c.lastSeq, make(map[uint32]uint32))
		c.refused = append(c.refused, make(map[value]bool))
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
	if c.excused(part, s.Epoch) {
		return
	}
	if s.Role == replication.Leader && at.epoch != s.Epoch {
		at.epoch = s.Epoch
		c.elected(n, part, s.Epoch)
	}
	if s.LogStart > c.w.topics[part].trimmed {
		c.w.failf("I4: broker %d removes %d of partition %d, which nobody asked for", n.id, s.LogStart, part)
	}
	if _, shows := n.replicas[part].Readable(); s.HighWatermark <= at.hw || s.Role == replication.Follower && !shows {
		return
	}
	at.hw = s.HighWatermark
	batches := n.views[part].batches
	i, _ := find(batches, at.next)
	for ; i < len(batches) && batches[i].End <= s.HighWatermark; i++ {
		c.cover(n, part, batches[i], s)
		at.next = batches[i].End
	}
}

// excused tells whether nothing is promised of what a replica does in the epoch: its disk lied, or an operator had
// another leader elected since.
func (c *checker) excused(part int, epoch int32) bool {
	t := &c.w.topics[part]
	return t.void || t.deleted || epoch < t.unclean
}

func same(a, b replication.Batch) bool {
	return a.Base == b.Base && a.End == b.End && a.Epoch == b.Epoch && valueOf(a) == valueOf(b)
}

// at finds what was committed at an offset.
func (c *checker) at(part int, base int64) (int, bool) {
	return slices.BinarySearchFunc(c.committed[part], base, func(x commit, base int64) int {
		return cmp.Compare(x.Base, base)
	})
}

func (c *checker) cover(n *node, part int, b replication.Batch, s replication.Status) {
	list := c.committed[part]
	i, found := c.at(part, b.Base)
	end := int64(0)
	if len(list) > 0 {
		end = list[len(list)-1].End
	}
	switch {
	case found && same(list[i].Batch, b):
	case found || b.Base != end:
		c.w.failf("I2: broker %d shows %v at %d of partition %d, something else was seen there",
			n.id, valueOf(b), b.Base, part)
	case s.Role == replication.Leader:
		c.commit(n, part, b, s.Epoch)
	default:
		c.w.failf("I4: follower %d shows %v at %d, which no leader has committed", n.id, valueOf(b), b.Base)
	}
}

// commit notes what a leader's high watermark is the first to cover.
func (c *checker) commit(n *node, part int, b replication.Batch, epoch int32) {
	x := valueOf(b)
	if last, known := c.lastSeq[part][x.producer]; known && x.seq <= last {
		c.w.failf("I6: value %v twice in partition %d, the second at %d", x, part, b.Base)
	}
	if p := c.w.clients[x.producer-1]; p.seq == x.seq && b.End <= p.floor {
		c.w.failf("I3: value %v at %d, sent after %d was acknowledged", x, b.Base, p.floor)
	}
	if c.refused[part][x] {
		c.w.failf("I5: value %v is at %d of partition %d, and was refused", x, b.Base, part)
	}
	c.lastSeq[part][x.producer] = x.seq
	c.committed[part] = append(c.committed[part], commit{b, epoch})
	c.held(n, part, b)
}

// held checks that what a leader commits is durable at every member of the ISR that it
// knows, at least as many as the minimum says (P2, I9).
func (c *checker) held(n *node, part int, b replication.Batch) {
	known := &n.known[part]
	if len(known.ISR) < int(known.MinISR) {
		c.w.failf("I9: broker %d commits %d of partition %d with ISR %v", n.id, b.Base, part, known.ISR)
	}
	now := c.w.state(part)
	for _, m := range known.ISR {
		holder := c.w.brokers[m.Broker-1]
		if holder.member() != m || slices.Contains(c.w.topics[part].hurt, m.Broker) || !now.Lists(m.Broker) {
			continue // its disk is gone, or lied; or all others hold it, too, and it was reassigned since
		}
		im := &holder.disk.synced[part]
		if i, ok := find(im.batches, b.Base); b.End > im.data && (!ok || !same(im.batches[i], b)) {
			c.w.failf("P2: broker %d commits %v at %d of partition %d, which broker %d of ISR %v does not hold durably",
				n.id, valueOf(b), b.Base, part, m.Broker, known.ISR)
		}
	}
}

// elected checks that a leader begins with all that was committed in epochs before its own.
func (c *checker) elected(n *node, part int, epoch int32) {
	t := &c.w.topics[part]
	if t.pending {
		c.w.lose(n, part)
	}
	if n.void[part] {
		c.w.failf("I1: broker %d leads partition %d with a damaged log", n.id, part)
	}
	b, lacks := c.lacks(n, part, epoch)
	switch {
	case !lacks:
	case n.liar[part]:
		t.void = true
		c.w.tracef("partition %d is led by %d, whose disk lied: nothing is promised any more", part, n.id)
	default:
		c.w.failf("I1: broker %d leads partition %d in epoch %d without %v at %d, committed in epoch %d",
			n.id, part, epoch, valueOf(b.Batch), b.Base, b.in)
	}
}

// lacks finds the first batch, committed in an epoch before, that a broker's log does not hold.
func (c *checker) lacks(n *node, part int, epoch int32) (commit, bool) {
	v := &n.views[part]
	i := 0
	for _, b := range c.committed[part] {
		if b.in >= epoch {
			break
		}
		if b.End <= min(v.data, c.w.topics[part].trimmed) {
			continue
		}
		for i < len(v.batches) && v.batches[i].Base < b.Base {
			i++
		}
		if i >= len(v.batches) || !same(v.batches[i], b.Batch) {
			return b, true
		}
	}
	return commit{}, false
}

// replied checks that one broker acknowledges in an epoch (I8), and notes what was refused. It tells whether the
// answer is one that something is promised by.
func (c *checker) replied(n *node, part int, p *producer, e replication.Reply) bool {
	epoch := n.replicas[part].Status().Epoch
	switch e.Result {
	case replication.ResultUnknown:
		return true
	case replication.ResultNotEnoughReplicas:
		c.w.fire(BelowMinimum)
		fallthrough
	case replication.ResultNotLeader:
		c.refused[part][value{p.id, p.seq, uint32(e.ID)}] = true
		return true
	}
	if c.excused(part, epoch) {
		return false
	}
	key := [2]int32{int32(part), epoch}
	if by, ok := c.ackers[key]; ok && by != n.id {
		c.w.failf("I8: brokers %d and %d acknowledge in epoch %d of partition %d", by, n.id, epoch, part)
	}
	c.ackers[key] = n.id
	return true
}

// acked notes an acknowledgement; with acks=all the record is committed by then (I1).
func (c *checker) acked(p *producer, part int, end int64) {
	c.acks++
	if !p.all || c.w.topics[part].void {
		return
	}
	list := c.committed[part]
	i := sort.Search(len(list), func(i int) bool { return list[i].End >= end })
	found := value{}
	if i < len(list) && list[i].End == end {
		found = valueOf(list[i].Batch)
	}
	if found.producer != p.id || found.seq != p.seq { // of whichever attempt
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
	t := &c.w.topics[p]
	if t.void {
		return true
	}
	if t.deleted {
		return t.gone && !slices.ContainsFunc(c.w.brokers, func(n *node) bool { return n.holds(p) })
	}
	s := c.w.state(p)
	return s.Leader != replication.NoLeader && len(s.ISR) == len(s.Replicas) && len(s.Removing) == 0 &&
		s.MinISR == t.minISR
}

// stuck says which partitions a healed cluster makes no progress in, and why (I13).
func (c *checker) stuck() {
	var what []string
	for p := range c.w.cfg.Partitions {
		s := c.w.state(p)
		waiting := 0
		for _, x := range c.w.clients {
			if x.part == p && x.waits() {
				waiting++
			}
		}
		if waiting > 0 || !c.wholePartition(p) {
			what = append(what, fmt.Sprintf(
				"partition %d (%d producers wait) has leader %d, epoch %d, isr %v, elr %v, deleted %v",
				p, waiting, s.Leader, s.LeaderEpoch, s.ISR, s.ELR, c.w.topics[p].deleted))
			for _, n := range c.w.brokers {
				r := n.status(p)
				what = append(what, fmt.Sprintf("broker %d is %v in epoch %d, from %d to %d, high watermark %d",
					n.id, r.Role, r.Epoch, n.views[p].data, r.End, r.HighWatermark))
			}
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
		if t := &c.w.topics[p]; t.void || t.deleted {
			continue
		}
		for _, m := range c.w.state(p).ISR {
			if b, lacks := c.lacks(c.w.brokers[m.Broker-1], p, math.MaxInt32); lacks {
				c.w.failf("I7: broker %d is in sync, and lacks %v at %d of partition %d",
					m.Broker, valueOf(b.Batch), b.Base, p)
			}
		}
	}
}
