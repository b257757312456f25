package sim

import (
	"slices"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

func (n *node) stepController(ev replication.ControllerEvent) {
	for _, e := range slices.Clone(n.controller.Step(n.clock(), ev)) {
		switch e := e.(type) {
		case replication.ReadController:
			n.readController()
		case replication.Elect:
			n.elect(e)
		case replication.ReadSnapshot:
			n.readSnapshot()
		case replication.Apply:
			n.apply(e)
		case replication.DeclareDead:
			n.declareDead(e)
		case replication.ReportRefusal:
			report := replication.RefusalReported{From: n.id, Broker: e.Broker, BrokerEpoch: e.BrokerEpoch}
			n.w.net.tell(n, n.w.brokers[e.To-1], report)
		}
	}
}

func (n *node) readController() {
	var ev replication.ControllerRead
	n.request(func() replication.Outcome {
		epoch, version, _ := n.w.tree.get(controllerEpochPath)
		ev = replication.ControllerRead{Epoch: epoch.(int32), EpochVersion: version}
		if v, version, ok := n.w.tree.get(controllerPath); ok {
			c := v.(controllerNode)
			ev.Held, ev.NodeVersion = true, version
			ev.Broker, ev.BrokerEpoch, ev.NodeEpoch = c.broker, c.be, c.epoch
		}
		return replication.OutcomeOK
	}, func(o replication.Outcome) {
		if o == replication.OutcomeOK {
			n.stepController(ev)
		}
	})
}

func (n *node) elect(e replication.Elect) {
	n.request(func() replication.Outcome {
		var ops []treeOp
		if e.TakeOver >= 0 {
			ops = append(ops, treeOp{kind: metadata.OpDelete, path: controllerPath, version: e.TakeOver})
		}
		o := n.w.multi(append(ops,
			treeOp{
				kind: metadata.OpCreate, path: controllerPath, session: n.session,
				value: controllerNode{n.id, e.BrokerEpoch, e.Epoch, n.session},
			},
			treeOp{kind: metadata.OpSet, path: controllerEpochPath, value: e.Epoch, version: e.EpochVersion})...)
		if o == replication.OutcomeOK {
			n.w.tracef("broker %d is controller %d, take-over %v", n.id, e.Epoch, e.TakeOver >= 0)
		}
		return o
	}, func(o replication.Outcome) { n.stepController(replication.Elected{Outcome: o}) })
}

func (n *node) readSnapshot() {
	var s replication.Snapshot
	n.request(func() replication.Outcome {
		s = n.w.snapshot()
		return replication.OutcomeOK
	}, func(o replication.Outcome) {
		if o == replication.OutcomeOK {
			n.stepController(replication.SnapshotRead{Snapshot: s})
		}
	})
}

// guarded lets land happen if the controller epoch is still what the writer thinks it is.
func (n *node) guarded(guard int32, land func() replication.Outcome) {
	n.request(func() replication.Outcome {
		if _, v, _ := n.w.tree.get(controllerEpochPath); v != guard {
			return replication.OutcomeCheckFailed
		}
		return land()
	}, func(o replication.Outcome) { n.stepController(replication.ChangesWritten{Outcome: o}) })
}

func (n *node) apply(e replication.Apply) {
	for _, c := range e.Changes {
		n.guarded(e.EpochVersion, func() replication.Outcome {
			if c.Kind == replication.CreatePartition {
				return n.create(int(c.Index), c.State)
			}
			return n.setState(int(c.Index), c.State, c.Version)
		})
	}
}

func (n *node) declareDead(e replication.DeclareDead) {
	n.guarded(e.EpochVersion, func() replication.Outcome {
		_, be, _ := n.w.tree.get(epochPath(e.Broker))
		_, version, ok := n.w.tree.get(idPath(e.Broker))
		if !ok || be != e.BrokerEpoch {
			return replication.OutcomeBadVersion
		}
		n.w.tracef("broker %d declares %d dead", n.id, e.Broker)
		n.w.removed++
		return n.w.multi(treeOp{kind: metadata.OpDelete, path: idPath(e.Broker), version: version})
	})
}

func (n *node) create(part int, s replication.State) replication.Outcome {
	if n.w.tree.multi(treeOp{kind: metadata.OpCreate, path: partPath(part), value: s}) >= 0 {
		return replication.OutcomeBadVersion
	}
	n.w.tracef("broker %d makes %d: replicas %v", n.id, part, s.Replicas)
	return replication.OutcomeOK
}

func (w *world) snapshot() replication.Snapshot {
	s := replication.Snapshot{Brokers: w.registered()}
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

// greet tells the peers who this broker is, and finds out which refuse it.
func (n *node) greet() {
	be, active := n.core.BrokerEpoch()
	hello := replication.PeerSaid{Broker: n.id, BrokerEpoch: be, ControllerEpoch: replication.NoEpoch}
	if epoch, ok := n.controller.Controls(); ok {
		hello.ControllerEpoch = epoch
	}
	for _, peer := range n.w.brokers {
		switch {
		case peer == n:
		case n.w.net.refuses(n, peer):
			n.stepController(replication.PeerRefused{Broker: peer.id})
		case active:
			n.w.net.tell(n, peer, hello)
		}
	}
}
