package sim

import "slices"

// fault lets something go wrong, and comes back for the next.
func (w *world) fault() {
	if w.healed {
		return
	}
	w.faults++
	n := w.brokers[w.rng.IntN(len(w.brokers))]
	peer := w.rng.IntN(len(w.brokers))
	switch k := w.rng.IntN(12); {
	case k < 3 && n.up:
		w.kill(n)
	case k == 3 && n.up && w.cfg.MinISR > 1:
		w.wipe(n)
	case k == 4:
		n.expire()
	case k == 5 && n.up && !n.paused:
		w.pause(n)
	case k == 6:
		n.zkCut = true
		w.after(w.between(200, 5000), func() { n.zkCut = false })
	case k == 7:
		n.jumped += w.between(-3000, 3000)
	case k == 8 && peer != int(n.id-1):
		w.net.block(int(n.id-1), peer, w.chance(50))
	case peer != int(n.id-1):
		w.net.reset(int(n.id-1), peer)
	}
	w.after(w.between(100, 900), w.fault)
}

// kill crashes a broker, and starts it again: within its session, or after.
func (w *world) kill(n *node) {
	n.crash()
	process, session := n.process, n.session
	gone := func() {
		if n.process == process && n.session == session && n.alive() {
			n.endSession()
		}
	}
	if w.chance(50) {
		w.after(w.between(1, 50), gone) // its peers were refused (R8)
	} else {
		w.after(w.between(4000, 6000), gone)
	}
	w.after(w.between(20, 4000), func() {
		if !n.up {
			n.start()
		}
	})
}

// wipe replaces the disk of a broker, where the promise allows it (P3b): with
// min.insync.replicas of two one disk at a time. The next may go once no partition counts on
// what the last one held any more; before, a write that is on its way may leave an ISR of
// destroyed stores alone. (Seed 529: a shrink landed between two disks.)
func (w *world) wipe(n *node) {
	for p := range w.cfg.Partitions {
		s := w.state(p)
		others := 0
		for _, m := range slices.Concat(s.ISR, s.ELR) {
			if m != w.brokers[m.Broker-1].member() {
				return
			}
			if m.Broker != n.id && slices.Contains(s.ISR, m) {
				others++
			}
		}
		if others == 0 {
			return
		}
	}
	w.kill(n)
	n.format()
	w.tracef("disk of %d is replaced", n.id)
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
		if !n.up {
			n.start()
		}
		if n.paused {
			n.resume()
		}
		for j := range w.brokers {
			if w.net.cut[i][j] {
				w.net.cut[i][j] = false
				w.net.reset(i, j)
			}
		}
	}
}
