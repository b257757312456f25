package sim

import (
	"slices"
	"time"

	"github.com/skidway/skidway/replication"
)

// restart starts a broker that is down again, after a while. The metadata store forgets its session in its time.
func (w *world) restart(n *node, after time.Duration) {
	session := n.session
	w.after(w.between(4000, 6000), func() { w.end(session) })
	w.after(after, func() {
		if n.up {
			return
		}
		if n.alive() {
			w.fire(Bounced, n.id)
		}
		n.start()
	})
}

// hurt tells whether a store does not hold what it may be counted on for.
func (n *node) hurt(part int) bool {
	return n.liar[part] || n.disk.applied[part].void || n.disk.synced[part].void
}

// impaired tells whether somebody is counted on who does not hold what it acknowledged.
func (w *world) impaired(part int) bool {
	s := w.state(part)
	return slices.ContainsFunc(slices.Concat(s.ISR, s.ELR), func(m replication.Member) bool {
		n := w.brokers[m.Broker-1]
		return n.member() != m || n.hurt(part)
	})
}

// spare tells whether a partition can bear the loss of a broker's data (P3b): with
// min.insync.replicas of two one store at a time. The next may go once no partition counts
// on what the last one held any more; before, a write that is on its way may leave an ISR
// of destroyed stores alone. (Seed 529: a shrink landed between two disks.)
func (w *world) spare(part int, n *node) bool {
	s, t := w.state(part), &w.topics[part]
	if t.void || t.deleted {
		return true
	}
	ordered := t.order != nil && t.order.LeaderEpoch == s.LeaderEpoch
	if w.impaired(part) || ordered || s.Leader == replication.NoLeader {
		return false
	}
	if min(s.MinISR, t.minISR) < 2 || w.now-t.lowered < 6*time.Second {
		return false
	}
	return slices.ContainsFunc(s.ISR, func(m replication.Member) bool { return m.Broker != n.id })
}

func (w *world) spareAll(n *node) bool {
	for p := range w.cfg.Partitions {
		if !w.spare(p, n) {
			return false
		}
	}
	return true
}

// wipe replaces the disk of a broker, where the promise allows it.
func (w *world) wipe(n *node) {
	if !n.up || !w.spareAll(n) {
		return
	}
	w.kill(n)
	n.format()
	w.fire(Wiped, n.id)
}

// damage lets a broker find a log damaged. That is durable before it is said.
func (w *world) damage(n *node) {
	p := w.rng.IntN(w.cfg.Partitions)
	if !n.up || n.paused || n.disk.applied[p].void || !w.spareAll(n) {
		return
	}
	w.topics[p].hurt = append(w.topics[p].hurt, n.id)
	w.fire(Damaged, n.id, p)
	if n.replicas[p].Status().Role == replication.Leader {
		w.fire(DamagedLeader)
	}
	n.enqueue(item{part: p, effect: markVoid{}})
}

// lie crashes a broker whose disk had said that it synced what it had not. It is found where others lead; where nobody
// else does, what is lost is lost.
func (w *world) lie(n *node) {
	if !n.up || !w.spareAll(n) {
		return
	}
	for p := range w.cfg.Partitions {
		if w.state(p).Leader == n.id {
			return
		}
	}
	w.kill(n)
	for p := range w.cfg.Partitions {
		im := &n.disk.synced[p]
		k := min(len(im.batches), w.rng.IntN(8))
		for k > 0 && im.batches[len(im.batches)-k].Base <= im.start {
			k--
		}
		if k == 0 || w.topics[p].deleted {
			continue
		}
		im.truncate(im.batches[len(im.batches)-k].Base)
		n.disk.applied[p] = im.clone()
		n.liar[p] = true
		w.topics[p].hurt = append(w.topics[p].hurt, n.id)
		w.fire(DiskLied, n.id, p, im.end())
	}
}

// fill lets a broker's disk take no records of others for a while.
func (w *world) fill(n *node) {
	process := n.process
	n.full = true
	w.after(w.between(500, 5000), func() { n.full = n.full && n.process != process })
}

// raiseStart lets retention cut the front of a leader's log off.
func (w *world) raiseStart(*node) {
	p := w.rng.IntN(w.cfg.Partitions)
	leader := w.state(p).Leader
	if leader == replication.NoLeader {
		return
	}
	n := w.brokers[leader-1]
	if s := n.status(p); s.Role == replication.Leader && n.up && !n.paused && s.HighWatermark > s.LogStart {
		start := s.HighWatermark - w.rng.Int64N(min(s.HighWatermark-s.LogStart, 60))
		w.topics[p].trimmed = max(w.topics[p].trimmed, start)
		w.fire(LogStartRaised, n.id, p, start)
		n.step(p, replication.Trimmed{LogStart: start, DataStart: n.views[p].data})
		n.enqueue(item{part: p, effect: raiseStart{start}})
	}
}

func (n *node) status(part int) replication.Status { return n.replicas[part].Status() }

// trimmed forgets what retention removed, durably by now.
func (n *node) trimmed(part int, im *image) {
	v := &n.views[part]
	for len(v.batches) > 0 && v.batches[0].End <= im.data {
		v.batches = v.batches[1:]
	}
	v.data = max(v.data, im.data)
}

// tellStarts tells the cores of leaders where their logs begin.
func (n *node) tellStarts() {
	for p := range n.replicas {
		im := &n.disk.synced[p]
		if n.status(p).Role == replication.Leader && im.data != n.told[p] {
			n.told[p] = im.data
			n.step(p, replication.Trimmed{LogStart: im.start, DataStart: im.data})
		}
	}
}

// followStart lets a follower's log begin where its leader's does.
func (n *node) followStart(part int) {
	s := n.status(part)
	if s.Role == replication.Follower && s.LogStart > n.starts[part] {
		n.starts[part] = s.LogStart
		n.enqueue(item{part: part, effect: raiseStart{s.LogStart}})
	}
}
