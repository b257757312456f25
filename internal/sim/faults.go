package sim

import (
	"slices"

	"github.com/skidway/skidway/metadata"
)

// fault lets something go wrong, and comes back for the next.
func (w *world) fault() {
	if w.healed {
		return
	}
	w.faults++
	n := w.brokers[w.rng.IntN(len(w.brokers))]
	peer := w.rng.IntN(len(w.brokers))
	switch k := w.rng.IntN(16); {
	case k < 3 && n.up:
		w.stallAndKill(n)
	case k == 3 && n.up && w.cfg.MinISR > 1:
		w.wipe(n)
	case k == 11 && n.up && w.cfg.MinISR > 1:
		w.damage(n)
	case k == 4:
		n.expire()
	case k == 5 && n.up && !n.paused:
		w.pause(n)
	case k == 6:
		n.zkCut = true
		w.after(w.between(200, 5000), func() { n.zkCut = false })
	case k == 7:
		n.jumped += w.between(-3000, 3000)
	case k == 12:
		w.reassign()
	case k == 13 && n.up:
		w.drain(n)
	case k == 15:
		n.behind = w.between(100, 4000)
		w.after(w.between(500, 6000), n.catchUp)
	case k == 14 && peer != int(n.id-1):
		w.net.reject(int(n.id-1), peer)
	case k == 8 && peer != int(n.id-1):
		w.net.block(int(n.id-1), peer, w.chance(50))
	case peer != int(n.id-1):
		w.net.reset(int(n.id-1), peer)
	}
	w.after(w.between(100, 900), w.fault)
}

// kill crashes a broker, and starts it again: within its session, or after. If its machine
// lives, its peers are refused, and may remove it before its session is over (R8).
func (w *world) kill(n *node) {
	n.crash()
	n.silent = w.chance(40)
	session := n.session
	w.after(w.between(4000, 6000), func() { w.end(session) })
	w.after(w.between(20, 4000), func() {
		if !n.up {
			n.start()
		}
	})
}

// stallAndKill may let the disk stall before the crash, so that more of what was shipped
// is not durable here.
func (w *world) stallAndKill(n *node) {
	if w.chance(40) {
		w.kill(n)
		return
	}
	n.stalled = true
	process := n.process
	w.after(w.between(5, 300), func() {
		if n.process == process && n.up {
			w.kill(n)
		}
	})
}

// wipe replaces the disk of a broker, where the promise allows it (P3b): with
// min.insync.replicas of two one disk at a time. The next may go once no partition counts on
// what the last one held any more; before, a write that is on its way may leave an ISR of
// destroyed stores alone. (Seed 529: a shrink landed between two disks.)
func (w *world) wipe(n *node) {
	for p := range w.cfg.Partitions {
		if !w.spares(n, p) {
			return
		}
	}
	w.kill(n)
	n.format()
	w.tracef("disk of %d is replaced", n.id)
}

// spares tells whether a partition can do without what the broker holds of it: no other disk that is counted on has
// been replaced, no other copy is damaged, and another is in sync.
func (w *world) spares(n *node, p int) bool {
	s := w.state(p)
	others := 0
	for _, m := range slices.Concat(s.ISR, s.ELR) {
		b := w.brokers[m.Broker-1]
		if m != b.member() || b.damaged(p) {
			return false
		}
		if m.Broker != n.id && slices.Contains(s.ISR, m) {
			others++
		}
	}
	return others > 0
}

// damaged tells whether a broker's copy of a partition is, or is about to be, marked as damaged.
func (n *node) damaged(p int) bool {
	pending := func(items []item) bool {
		return slices.ContainsFunc(items, func(it item) bool { return it.void && it.part == p })
	}
	return n.disk.synced[p].void || pending(n.disk.unsynced) || pending(n.disk.queue)
}

// damage lets a broker find one copy damaged.
func (w *world) damage(n *node) {
	p := w.rng.IntN(w.cfg.Partitions)
	if w.spares(n, p) {
		w.tracef("partition %d of %d is damaged", p, n.id)
		n.enqueue(item{part: p, void: true})
	}
}

// reassign asks for other replicas of a partition, or takes that back.
func (w *world) reassign() {
	p := w.rng.IntN(w.cfg.Partitions)
	target := make([]int32, 0, w.cfg.Replicas)
	for _, i := range w.rng.Perm(w.cfg.Brokers)[:w.cfg.Replicas] {
		target = append(target, int32(i+1))
	}
	w.targets[p] = target
	w.tracef("partition %d is to have replicas %v", p, target)
}

// drain lets a broker give its leaderships away, and then starts it anew.
func (w *world) drain(n *node) {
	v, version, ok := w.tree.get(idPath(n.id))
	if !ok {
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

func (w *world) pause(n *node) {
	n.paused = true
	process := n.process
	if w.chance(50) {
		session := n.session
		w.after(w.between(4000, 6000), func() {
			if n.process == process && n.paused && n.session == session {
				n.expire()
			}
		})
	}
	w.after(w.between(50, 8000), func() {
		if n.process == process && n.paused {
			n.resume()
		}
	})
}

// heal ends all faults.
func (w *world) heal() {
	w.healed = true
	w.tracef("healed")
	for i, n := range w.brokers {
		n.zkCut = false
		n.catchUp()
		if !n.up {
			n.start()
		}
		if n.paused {
			n.resume()
		}
		if v, version, ok := w.tree.get(idPath(n.id)); ok && v.(registration).Draining {
			b := v.(registration)
			b.Draining = false
			w.tree.multi(treeOp{kind: metadata.OpSet, path: idPath(n.id), value: b, version: version})
		}
		for j := range w.brokers {
			if w.net.cut[i][j] {
				w.net.cut[i][j], w.net.deny[i][j] = false, false
				w.net.reset(i, j)
			}
		}
	}
}
