package sim

import (
	"fmt"
	"time"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

const (
	controllerPath      = "/controller"
	controllerEpochPath = "/controller_epoch"
)

func partPath(p int) string     { return fmt.Sprint("/parts/1/", p) }
func idPath(id int32) string    { return fmt.Sprint("/brokers/ids/", id) }
func epochPath(id int32) string { return fmt.Sprint("/brokers/epochs/", id) }

// request lets land happen at the metadata store, and gives its outcome to done, late, or
// not at all: then it is unknown, and may land after done heard so.
func (n *node) request(land func() replication.Outcome, done func(replication.Outcome)) {
	process, session, w := n.process, n.session, n.w
	arrive, answer := w.between(1, 6), w.between(1, 6)
	answered := false
	finish := func(o replication.Outcome) {
		if !answered {
			answered = true
			n.run(process, func() { done(o) })
		}
	}
	if !w.healed && w.chance(4) {
		arrive += w.between(100, 3000)
	}
	lost := n.zkCut || !w.healed && w.chance(4)
	reaches := !n.zkCut || w.chance(50)
	w.after(arrive, func() {
		if !reaches {
			return
		}
		o := replication.OutcomeFenced
		if n.session == session && n.alive() {
			o = land()
		}
		if !lost {
			w.after(answer, func() { finish(o) })
		}
	})
	w.after(time.Second, func() { finish(replication.OutcomeUnknown) })
}

// alive tells whether the broker's session is not expired.
func (n *node) alive() bool { return n.session > 0 }

// register makes a new incarnation of the broker.
func (n *node) register() {
	w := n.w
	if n.w.cfg.Bug == M4EpochKept && n.alive() && n.be > 0 {
		n.enrolled(n.be)
		return
	}
	n.endSession()
	w.session++
	n.session = w.session
	var be int32
	n.request(func() replication.Outcome {
		_, v, _ := w.tree.get(epochPath(n.id))
		be = v + 1
		ops := []treeOp{{kind: metadata.OpSet, path: epochPath(n.id), version: v}, {
			kind: metadata.OpCreate, path: idPath(n.id), session: n.session,
			value: replication.Broker{Member: n.member(), Epoch: be},
		}}
		if w.tree.multi(ops...) >= 0 {
			return replication.OutcomeBadVersion
		}
		return replication.OutcomeOK
	}, func(o replication.Outcome) {
		if o != replication.OutcomeOK {
			process := n.process
			w.after(w.between(50, 200), func() { n.run(process, n.register) })
			return
		}
		n.enrolled(be)
	})
}

func (n *node) enrolled(be int32) {
	n.be, n.registered = be, true
	n.w.tracef("broker %d has epoch %d", n.id, be)
	for p := range n.replicas {
		n.step(p, replication.Registered{BrokerEpoch: be})
		n.read(p)
	}
}

// endSession lets the store forget the broker's session.
func (n *node) endSession() {
	session := n.session
	n.session = 0
	n.w.tree.expire(session, []string{idPath(n.id), controllerPath})
}

// expire ends the session; the broker hears of it later, and goes on until then.
func (n *node) expire() {
	if !n.alive() {
		return
	}
	n.w.tracef("session of %d expires", n.id)
	n.endSession()
	process := n.process
	n.w.after(n.w.between(0, 2500), func() {
		n.run(process, func() {
			n.registered = false
			for p := range n.replicas {
				n.step(p, replication.Fenced{})
			}
			n.register()
		})
	})
}

// wake is a watch: it says nothing, may be late, and several may come as one.
func (n *node) wake(path string) {
	for p := range n.reading {
		if path == partPath(p) && n.up && !n.reading[p] {
			n.reading[p] = true
			process := n.process
			delay := n.w.between(0, 30)
			if n.w.chance(5) && !n.w.healed {
				delay += n.w.between(0, 1500)
			}
			n.w.after(delay, func() {
				n.run(process, func() {
					n.reading[p] = false
					n.read(p)
				})
			})
		}
	}
}

func (n *node) read(part int) {
	var ev replication.StateRead
	n.request(func() replication.Outcome {
		v, version, there := n.w.tree.get(partPath(part))
		if !there {
			return replication.OutcomeBadVersion // not made yet: a watch tells when it is
		}
		ev = replication.StateRead{State: v.(replication.State), Version: version}
		return replication.OutcomeOK
	}, func(o replication.Outcome) {
		switch {
		case o == replication.OutcomeOK:
			n.step(part, ev)
		case o == replication.OutcomeUnknown:
			n.read(part)
		}
	})
}

// own are the checks that every write of a leader begins with.
func (n *node) own(be int32) bool {
	_, v, _ := n.w.tree.get(epochPath(n.id))
	_, _, there := n.w.tree.get(idPath(n.id))
	return v == be && there
}

func (n *node) writeState(part int, e replication.WriteState) {
	be := n.be
	n.request(func() replication.Outcome {
		if !n.own(be) {
			return replication.OutcomeFenced
		}
		for _, c := range e.Checks {
			_, v, _ := n.w.tree.get(epochPath(c.Broker))
			id, _, there := n.w.tree.get(idPath(c.Broker))
			if (v != c.BrokerEpoch || !there || id.(replication.Broker).Draining) && n.w.cfg.Bug != M11NoBrokerEpochCheck {
				return replication.OutcomeCheckFailed
			}
		}
		return n.setState(part, e.State, e.Version)
	}, func(o replication.Outcome) { n.step(part, replication.Written{Seq: e.Seq, Outcome: o}) })
}

func (n *node) setState(part int, s replication.State, version int32) replication.Outcome {
	if n.w.tree.multi(treeOp{kind: metadata.OpSet, path: partPath(part), value: s, version: version}) >= 0 {
		return replication.OutcomeBadVersion
	}
	n.w.tracef("broker %d sets %d v%d: leader %d/%d epoch %d replicas %v-%v isr %v elr %v", n.id, part, version+1,
		s.Leader, s.LeaderBrokerEpoch, s.LeaderEpoch, s.Replicas, s.Removing, s.ISR, s.ELR)
	return replication.OutcomeOK
}

func (n *node) create(part int, s replication.State) replication.Outcome {
	if n.w.tree.multi(treeOp{kind: metadata.OpCreate, path: partPath(part), value: s}) >= 0 {
		return replication.OutcomeBadVersion
	}
	n.w.tracef("broker %d makes %d: replicas %v", n.id, part, s.Replicas)
	return replication.OutcomeOK
}

// controlRound is one turn of a controller's loop: become it if there is none, read all,
// plan, write what the plan says.
func (n *node) controlRound() {
	if !n.registered || n.control {
		return
	}
	n.control = true
	var s replication.Snapshot
	var cv int32
	n.request(func() replication.Outcome {
		holder, _, there := n.w.tree.get(controllerPath)
		_, cv, _ = n.w.tree.get(controllerEpochPath)
		if !there {
			n.w.tree.multi(
				treeOp{kind: metadata.OpCreate, path: controllerPath, value: n.session, session: n.session},
				treeOp{kind: metadata.OpSet, path: controllerEpochPath, version: cv})
			cv++
		} else if holder != n.session {
			return replication.OutcomeBadVersion
		}
		s = n.w.snapshot(cv)
		return replication.OutcomeOK
	}, func(o replication.Outcome) {
		n.control = false
		if o == replication.OutcomeOK {
			s.Preferred = n.w.chance(10)
			n.apply(replication.Plan(s), cv)
		}
	})
}

func (n *node) apply(plan []replication.StateChange, cv int32) {
	for _, c := range plan {
		n.request(func() replication.Outcome {
			if _, v, _ := n.w.tree.get(controllerEpochPath); v != cv {
				return replication.OutcomeBadVersion
			}
			if c.Kind == replication.CreatePartition {
				return n.create(int(c.Index), c.State)
			}
			return n.setState(int(c.Index), c.State, c.Version)
		}, func(replication.Outcome) {})
	}
}

func (w *world) snapshot(cv int32) replication.Snapshot {
	s := replication.Snapshot{ControllerEpoch: cv}
	for _, b := range w.brokers {
		if v, _, ok := w.tree.get(idPath(b.id)); ok {
			s.Brokers = append(s.Brokers, v.(replication.Broker))
		}
	}
	s.Topics = []replication.Topic{{
		ID: 1, Partitions: int32(w.cfg.Partitions), Replicas: int32(w.cfg.Replicas), MinISR: w.cfg.MinISR,
	}}
	for p := range w.cfg.Partitions {
		if v, version, ok := w.tree.get(partPath(p)); ok {
			s.Partitions = append(s.Partitions, replication.Partition{
				Topic: 1, Index: int32(p), State: v.(replication.State), Version: version, Target: w.targets[p],
			})
		}
	}
	return s
}

// state is what the store holds of the partition now.
func (w *world) state(part int) replication.State {
	if v, _, ok := w.tree.get(partPath(part)); ok {
		return v.(replication.State)
	}
	return replication.State{Leader: replication.NoLeader}
}
