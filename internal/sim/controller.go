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
	session := n.session
	n.request(func() replication.Outcome {
		var ops []treeOp
		if e.TakeOver >= 0 {
			ops = append(ops, treeOp{kind: metadata.OpDelete, path: controllerPath, version: e.TakeOver})
		}
		o := n.w.multi(append(ops,
			treeOp{
				kind: metadata.OpCreate, path: controllerPath, session: session,
				value: controllerNode{n.id, e.BrokerEpoch, e.Epoch, session},
			},
			treeOp{kind: metadata.OpSet, path: controllerEpochPath, value: e.Epoch, version: e.EpochVersion})...)
		if o == replication.OutcomeOK {
			n.w.tracef("broker %d is controller %d", n.id, e.Epoch)
			if e.TakeOver >= 0 {
				n.w.fire(EagerTakeOver)
			}
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
		part := int(c.Topic - 1)
		n.guarded(e.EpochVersion, func() replication.Outcome {
			switch c.Kind {
			case replication.CreatePartition:
				return n.create(part, c.State)
			case replication.DeletePartition:
				return n.w.multi(treeOp{kind: metadata.OpDelete, path: partPath(part), version: c.Version})
			case replication.DeleteTopic:
				n.w.topics[part].gone = true
				return replication.OutcomeOK
			}
			return n.planned(part, c)
		})
	}
}

// planned carries out a controller's change of a partition.
func (n *node) planned(part int, c replication.StateChange) replication.Outcome {
	before := n.w.state(part)
	o := n.setState(part, c.State, c.Version)
	if o == replication.OutcomeOK {
		n.w.noteElection(part, &before, &c.State)
	}
	return o
}

func (n *node) declareDead(e replication.DeclareDead) {
	n.guarded(e.EpochVersion, func() replication.Outcome {
		_, be, _ := n.w.tree.get(epochPath(e.Broker))
		_, version, ok := n.w.tree.get(idPath(e.Broker))
		if !ok || be != e.BrokerEpoch {
			return replication.OutcomeBadVersion
		}
		n.w.tracef("broker %d declares %d dead", n.id, e.Broker)
		n.w.fire(EagerRemoval)
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
	for p := range w.topics {
		t := &w.topics[p]
		if t.gone {
			continue
		}
		s.Topics = append(s.Topics, replication.Topic{
			ID: uint64(p + 1), Partitions: 1, Replicas: int32(w.cfg.Replicas), MinISR: t.minISR, Deleting: t.deleted,
		})
		if v, version, ok := w.tree.get(partPath(p)); ok {
			s.Partitions = append(s.Partitions, replication.Partition{
				Topic: uint64(p + 1), State: v.(replication.State), Version: version, Target: t.target, Unclean: t.order,
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
