package sim

import (
	"slices"
	"time"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// topic is what an operator wants of a partition, and what came of it.
type topic struct {
	target  []int32
	order   *replication.UncleanOrder
	minISR  int32
	lowered time.Duration // when minISR was last lowered

	deleted bool // its tombstone is written
	gone    bool // and its node removed

	trimmed int64 // the highest log start that was asked for
	hurt    []int32
	void    bool // a disk that lied led it: nothing is promised any more
	unclean int32
	pending bool // the leader of that epoch has not begun yet
	losses  int  // unclean elections
}

// reassign asks for other replicas of a partition, or takes that back.
func (w *world) reassign(*node) {
	p := w.rng.IntN(w.cfg.Partitions)
	target := make([]int32, 0, w.cfg.Replicas)
	for _, i := range w.rng.Perm(w.cfg.Brokers)[:w.cfg.Replicas] {
		target = append(target, int32(i+1))
	}
	w.topics[p].target = target
	w.tracef("partition %d is to have replicas %v", p, target)
}

// changeMinISR changes min.insync.replicas of a topic (G14).
func (w *world) changeMinISR(*node) {
	p := w.rng.IntN(w.cfg.Partitions)
	t := &w.topics[p]
	next := int32(1 + w.rng.IntN(w.cfg.Replicas))
	if next < t.minISR {
		if w.impaired(p) {
			return
		}
		t.lowered = w.now
	}
	t.minISR = next
	w.tracef("partition %d is to have %d in sync", p, next)
}

// drain lets a broker give its leaderships away, and then starts it anew.
func (w *world) drain(n *node) {
	v, version, ok := w.tree.get(idPath(n.id))
	if !n.up || !ok {
		return
	}
	b := v.(registration)
	b.Draining = true
	w.tree.multi(treeOp{kind: metadata.OpSet, path: idPath(n.id), value: b, version: version})
	w.tracef("broker %d drains", n.id)
	process := n.process
	w.after(w.between(100, 3000), func() {
		if n.process == process && n.up {
			w.kill(n)
		}
	})
}

// orderUnclean takes all brokers of ISR and ELR away and, while they are, has an operator elect another one. None of
// them runs as it is elected, so that nothing is acknowledged by one who does not know of it.
func (w *world) orderUnclean(*node) {
	p := w.rng.IntN(w.cfg.Partitions)
	if w.topics[p].pending {
		return
	}
	s := w.state(p)
	counts := slices.Concat(s.ISR, s.ELR)
	others := slices.DeleteFunc(slices.Clone(s.Replicas), func(id int32) bool {
		return slices.ContainsFunc(counts, func(m replication.Member) bool { return m.Broker == id }) ||
			!w.brokers[id-1].up || w.brokers[id-1].hurt(p)
	})
	if len(others) == 0 {
		return
	}
	for _, m := range counts {
		if n := w.brokers[m.Broker-1]; n.up {
			n.crash()
			w.restart(n, w.between(6000, 9000))
		}
	}
	w.after(w.between(3000, 6000), func() {
		s := w.state(p)
		n, back := w.brokers[others[0]-1], func(m replication.Member) bool { return w.brokers[m.Broker-1].up }
		if !w.healed && n.up && !n.hurt(p) && !slices.ContainsFunc(slices.Concat(s.ISR, s.ELR), back) {
			w.topics[p].order = &replication.UncleanOrder{Broker: others[0], LeaderEpoch: s.LeaderEpoch}
			w.tracef("broker %d is to lead partition %d, whatever is lost", others[0], p)
		}
	})
}

// lose forgets what was committed and is not in the log of a leader that an operator had elected.
func (w *world) lose(n *node, part int) {
	t, c := &w.topics[part], w.checks
	t.pending = false
	t.losses++
	b, lacks := c.lacks(n, part, t.unclean)
	if !lacks {
		return
	}
	w.fire(UncleanLoss)
	i, _ := c.at(part, b.Base)
	c.committed[part] = c.committed[part][:i:i]
	c.highest[part] = min(c.highest[part], b.Base)
	clear(c.lastSeq[part])
	for _, x := range c.committed[part] {
		c.lastSeq[part][valueOf(x.Batch).producer] = valueOf(x.Batch).seq
	}
	for _, p := range w.clients {
		if p.part == part {
			p.gap, p.floor = true, min(p.floor, b.Base)
		}
	}
}

// deleteTopic writes the tombstone of the last partition's topic, mostly while a broker is away.
func (w *world) deleteTopic() {
	t := &w.topics[w.cfg.Partitions-1]
	n := w.brokers[w.rng.IntN(len(w.brokers))]
	if w.healed {
		return
	}
	if n.up && w.chance(70) {
		w.kill(n)
	}
	if slices.ContainsFunc(w.brokers, func(n *node) bool { return !n.up && n.holds(w.cfg.Partitions-1) }) {
		w.fire(DeletedWhileAway)
	}
	t.deleted = true
	w.tracef("partition %d is deleted", w.cfg.Partitions-1)
}

// lookForTombstones tells the replicas whose topic is deleted.
func (n *node) lookForTombstones() {
	var deleted []int
	n.request(func() replication.Outcome {
		for p := range n.w.topics {
			if n.w.topics[p].deleted {
				deleted = append(deleted, p)
			}
		}
		return replication.OutcomeOK
	}, func(o replication.Outcome) {
		for _, p := range deleted {
			if o == replication.OutcomeOK {
				n.step(p, replication.TopicDeleted{})
			}
		}
	})
}

// holds tells whether the store has anything of a partition.
func (n *node) holds(part int) bool {
	im := &n.disk.synced[part]
	return im.promised != replication.NoEpoch || im.end() > 0 || im.start > 0
}

// noteElection counts what a controller changed.
func (w *world) noteElection(part int, before, after *replication.State) {
	led := func(members []replication.Member) bool {
		return slices.ContainsFunc(members, func(m replication.Member) bool { return m.Broker == after.Leader })
	}
	t := &w.topics[part]
	switch {
	case len(after.UncleanEpochs) > len(before.UncleanEpochs):
		w.fire(UncleanElection)
		t.unclean, t.pending = after.LeaderEpoch, true
	case after.Leader != before.Leader && led(before.ELR) && !led(before.ISR):
		w.fire(ELRElection)
	}
	if v, _, ok := w.tree.get(idPath(before.Leader)); ok && v.(registration).Draining && after.Leader != before.Leader {
		w.fire(Drained)
	}
	switch {
	case after.MinISR > before.MinISR:
		w.fire(MinISRRaised)
	case after.MinISR < before.MinISR:
		w.fire(MinISRLowered)
	}
	if len(before.Removing) > 0 && len(after.Removing) == 0 {
		w.fire(Reassigned)
	}
}
