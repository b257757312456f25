package sim

import (
	"slices"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// fault is one kind of fault that a run may have, and how often beside others.
type fault struct {
	weight int
	do     func(w *world, n *node)
}

// chooseFaults draws which kinds of faults a run has: with fewer of them some come
// together that would be rare otherwise.
func (w *world) chooseFaults() (kinds []fault) {
	all := []fault{
		{3, (*world).stallAndKill}, {1, (*world).wipe}, {1, (*world).damage}, {1, (*world).lie}, {1, (*world).fill},
		{1, func(_ *world, n *node) { n.expire() }},
		{1, (*world).pause}, {1, (*world).cutStore}, {1, (*world).jump}, {1, (*world).lag},
		{1, (*world).reassign}, {1, (*world).drain}, {1, (*world).changeMinISR}, {1, (*world).orderUnclean},
		{2, (*world).raiseStart}, {4, (*world).cutNetwork}, {1, (*world).blank},
	}
	for _, f := range all {
		if w.chance(70) {
			kinds = append(kinds, f)
		}
	}
	return append(kinds, all[0])
}

// fault lets something go wrong, and comes back for the next.
func (w *world) fault() {
	if w.healed {
		return
	}
	w.faults++
	total := 0
	for _, f := range w.kinds {
		total += f.weight
	}
	k := w.rng.IntN(total)
	for _, f := range w.kinds {
		if k -= f.weight; k < 0 {
			f.do(w, w.brokers[w.rng.IntN(len(w.brokers))])
			break
		}
	}
	w.after(w.between(100, 900), w.fault)
}

// kill crashes a broker, and starts it again: within its session, or after. If its machine
// lives, its peers are refused, and may remove it before its session is over (R8).
func (w *world) kill(n *node) {
	n.crash()
	n.silent = w.chance(40)
	w.restart(n, w.between(20, 4000))
}

// stallAndKill may let the disk stall before the crash, so that more of what was shipped
// is not durable here.
func (w *world) stallAndKill(n *node) {
	switch {
	case !n.up:
		return
	case w.chance(40):
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

func (w *world) cutStore(n *node) {
	n.zkCut = true
	w.after(w.between(200, 5000), func() { n.zkCut = false })
}

func (w *world) jump(n *node) {
	n.jumped += w.between(-3000, 3000)
	n.leapt = true
	w.fire(ClockJumped)
}

// lag lets a broker read from a server that is behind.
func (w *world) lag(n *node) {
	n.behind = w.between(100, 4000)
	w.after(w.between(500, 6000), n.catchUp)
}

// blank lets a broker read from a server that has no partitions: one that was wiped, or another cluster's tree (D9).
func (w *world) blank(n *node) {
	n.blank = true
	w.after(w.between(500, 6000), n.catchUp)
	for p := range w.cfg.Partitions {
		n.wake(partPath(p))
	}
}

func (w *world) cutNetwork(n *node) {
	peer := w.rng.IntN(len(w.brokers))
	if peer == int(n.id-1) {
		return
	}
	switch w.rng.IntN(6) {
	case 0:
		w.net.reject(int(n.id-1), peer)
	case 1:
		w.net.block(int(n.id-1), peer, w.chance(50))
	default:
		w.net.reset(int(n.id-1), peer)
	}
}

func (w *world) pause(n *node) {
	if !n.up || n.paused {
		return
	}
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
	for p := range w.topics {
		w.topics[p].minISR = min(w.topics[p].minISR, int32(w.cfg.Replicas))
	}
	for i, n := range w.brokers {
		n.zkCut, n.full = false, false
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

// alarm checks that there is a reason for what an operator is told.
func (w *world) alarm(n *node, part int, e replication.Alarm) {
	t := &w.topics[part]
	hurt := slices.Contains(t.hurt, e.Broker)
	switch {
	case t.void, t.deleted:
	case e.Reason == replication.AlarmVoid && hurt:
	case e.Reason == replication.AlarmNotDurable && hurt:
		if w.brokers[e.Broker-1].liar[part] {
			w.fire(LieFound)
		}
	default:
		w.failf("broker %d, partition %d: alarm about broker %d: %v", n.id, part, e.Broker, e.Reason)
	}
}
