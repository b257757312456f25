package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

const (
	controllerPath      = "/controller"
	controllerEpochPath = "/controller_epoch"
)

func partPath(p int) string     { return fmt.Sprint("/parts/", p+1, "/0") }
func idPath(id int32) string    { return fmt.Sprint("/brokers/ids/", id) }
func epochPath(id int32) string { return fmt.Sprint("/brokers/epochs/", id) }

// request lets land happen at the metadata store, and gives its outcome to done, late, or
// not at all: then it is unknown, and may land after done heard so.
func (n *node) request(land func() replication.Outcome, done func(replication.Outcome)) {
	process, session, sent, w := n.process, n.session, n.clock(), n.w
	arrive, answer := w.between(1, 6), w.between(1, 6)
	answered, over := false, false
	finish := func(o replication.Outcome) {
		if !answered {
			answered = true
			n.run(process, func() {
				if over {
					n.stepSession(replication.Expired{Session: session})
				} else if o != replication.OutcomeUnknown {
					n.stepSession(replication.RoundTrip{Session: session, Sent: sent})
				}
				done(o)
			})
		}
	}
	if !w.healed && w.chance(4) {
		arrive += w.between(100, 3000)
	}
	lost := n.zkCut || !w.healed && w.chance(w.cfg.Unknown)
	reaches := !n.zkCut || w.chance(50)
	connected := n.connected
	w.after(arrive, func() {
		switch {
		case !connected:
			return
		case !reaches:
			w.fire(UnknownLost)
			return
		}
		o := replication.OutcomeFenced
		if _, ok := w.sessions[session]; ok {
			o = land()
			switch {
			case answered && o == replication.OutcomeOK:
				w.fire(UnknownLate)
			case lost && o == replication.OutcomeOK:
				w.fire(UnknownLanded)
			}
		} else {
			over = true
		}
		if !lost {
			w.after(answer, func() { finish(o) })
		}
	})
	w.after(time.Second, func() {
		over = over && answered
		finish(replication.OutcomeUnknown)
	})
}

// wake is a watch: it says nothing, may be late, and several may come as one.
func (n *node) wake(path string) {
	switch {
	case !n.up:
	case path == controllerPath:
		n.later(func() { n.stepController(replication.ControllerChanged{}) })
	case path == idPath(n.id):
		n.later(n.probe)
	}
	for p := range n.reading {
		if path == partPath(p) && n.up && n.reading[p] {
			n.w.fire(WatchesCoalesced)
		}
		if path == partPath(p) && n.up && !n.reading[p] {
			n.reading[p] = true
			v, version, _ := n.w.tree.get(path)
			n.later(func() {
				n.reading[p] = false
				if s, ok := v.(replication.State); ok && n.w.cfg.Bug == M29EventNotState {
					n.step(p, replication.StateRead{State: s, Version: version})
					return
				}
				n.read(p, false)
			})
		}
	}
}

// later does something when a watch gets through.
func (n *node) later(do func()) {
	process := n.process
	delay := n.w.between(0, 30)
	if n.w.chance(5) && !n.w.healed {
		delay += n.w.between(0, 1500)
	}
	n.w.after(delay, func() { n.run(process, do) })
}

// catchUp moves the broker to a server that is not behind, which tells it what changed.
func (n *node) catchUp() {
	n.behind, n.blank = 0, false
	for p := range n.w.cfg.Partitions {
		n.wake(partPath(p))
	}
}

// read reads a partition's state; newest: behind a sync, so that it does not matter whether the server is behind.
func (n *node) read(part int, newest bool) {
	var ev replication.StateRead
	absent := false
	n.request(func() replication.Outcome {
		behind := n.behind
		if newest {
			behind = 0
		}
		v, version, there := n.w.tree.asOf(partPath(part), n.w.now-behind)
		if absent = n.blank || !there; absent {
			n.w.fired[PartitionAbsent]++
			return replication.OutcomeBadVersion // not made yet: a watch tells when it is
		}
		if _, newest, _ := n.w.tree.get(partPath(part)); newest != version {
			n.w.fire(StaleRead)
		}
		ev = replication.StateRead{State: v.(replication.State), Version: version, Newest: newest}
		return replication.OutcomeOK
	}, func(o replication.Outcome) {
		switch {
		case o == replication.OutcomeOK:
			n.step(part, ev)
		case o == replication.OutcomeUnknown:
			n.read(part, newest)
		case absent && n.w.cfg.Bug == M20DeletedByAbsence:
			n.step(part, replication.TopicDeleted{})
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
		before := n.w.state(part).ISR
		for _, c := range e.Checks {
			_, v, _ := n.w.tree.get(epochPath(c.Broker))
			id, _, there := n.w.tree.get(idPath(c.Broker))
			if (v != c.BrokerEpoch || !there || id.(registration).Draining) && n.w.cfg.Bug != M11NoBrokerEpochCheck {
				return replication.OutcomeCheckFailed
			}
		}
		o := n.setState(part, e.State, e.Version)
		if o == replication.OutcomeOK && e.State.Leader != replication.NoLeader { // else the ELR is what is left
			n.w.checks.joined(n, part, before, e.State.ISR)
		}
		return o
	}, func(o replication.Outcome) {
		if o == replication.OutcomeOK && e.Version >= n.known[part].version {
			n.known[part] = known{e.State, e.Version + 1}
		}
		n.step(part, replication.Written{Seq: e.Seq, Outcome: o})
	})
}

func (n *node) setState(part int, s replication.State, version int32) replication.Outcome {
	if n.w.tree.multi(treeOp{kind: metadata.OpSet, path: partPath(part), value: s, version: version}) >= 0 {
		return replication.OutcomeBadVersion
	}
	n.w.tracef("broker %d sets %d v%d: leader %d/%d epoch %d replicas %v-%v isr %v elr %v", n.id, part, version+1,
		s.Leader, s.LeaderBrokerEpoch, s.LeaderEpoch, s.Replicas, s.Removing, s.ISR, s.ELR)
	for _, b := range n.w.brokers {
		if m := b.member(); b.liar[part] && !slices.Contains(s.ISR, m) && !slices.Contains(s.ELR, m) {
			b.liar[part] = false
		}
	}
	return replication.OutcomeOK
}

// state is what the store holds of the partition now.
func (w *world) state(part int) replication.State {
	if v, _, ok := w.tree.get(partPath(part)); ok {
		return v.(replication.State)
	}
	return replication.State{Leader: replication.NoLeader}
}
