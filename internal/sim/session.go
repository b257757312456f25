package sim

import (
	"slices"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// controllerNode is what the controller's ephemeral node holds.
type controllerNode struct {
	broker, be, epoch int32
	owner             int64
}

// registration is what a broker's ephemeral node holds.
type registration struct {
	replication.Broker
	owner int64
}

// epochNode is what a broker's epoch node holds.
type epochNode struct {
	storage    uint64
	storeEpoch int32
}

func (n *node) stepSession(ev replication.SessionEvent) {
	for _, e := range slices.Clone(n.core.Step(n.clock(), ev)) {
		switch e := e.(type) {
		case replication.Connect:
			n.connect()
		case replication.ReadRegistration:
			n.readRegistration()
		case replication.SaveStoreEpoch:
			process := n.process
			n.w.after(n.w.between(1, 6), func() {
				n.run(process, func() {
					n.storeEpoch = e.Epoch
					n.stepSession(replication.StoreEpochSaved(e))
				})
			})
		case replication.Register:
			n.register(e)
		case replication.Tell:
			n.tell(e.Event)
		case replication.DuplicateBroker:
			n.duplicate(e)
			return
		default:
			n.w.failf("broker %d: %T %+v", n.id, e, e)
		}
	}
}

// duplicate ends a process that takes the node of its own former store, which is about to go, for another broker's.
// That is right only of one by whose clock, which jumped, it stayed for longer than a session. It is started again.
func (n *node) duplicate(e replication.DuplicateBroker) {
	if !n.leapt {
		n.w.failf("broker %d: %T %+v", n.id, e, e)
		return
	}
	n.w.kill(n)
}

// tell gives an event to all that depend on the registration.
func (n *node) tell(ev replication.Event) {
	for p := range n.replicas {
		n.step(p, ev)
	}
	if _, ok := ev.(replication.Registered); ok {
		n.be, _ = n.core.BrokerEpoch()
		n.w.tracef("broker %d has epoch %d", n.id, n.be)
		for p := range n.replicas {
			n.read(p, false)
		}
	}
	if ev, ok := ev.(replication.ControllerEvent); ok {
		n.stepController(ev)
	}
}

// connect makes a session, once the store can be reached.
func (n *node) connect() {
	process := n.process
	if before := n.session; n.connected { // it is given up, and ends by itself
		n.connected = false
		n.w.after(n.w.between(0, 6000), func() { n.w.end(before) })
	}
	var try func()
	try = func() {
		n.run(process, func() {
			if n.zkCut {
				n.w.after(n.w.between(50, 150), try)
				return
			}
			if n.w.cfg.Bug != M4EpochKept || !n.alive() { // else that of the process before
				n.w.session++
				n.session = n.w.session
				n.w.sessions[n.session] = n.id
			}
			n.connected = true
			n.stepSession(replication.Connected{Session: n.session})
		})
	}
	n.w.after(n.w.between(1, 30), try)
}

func (n *node) readRegistration() {
	var ev replication.RegistrationRead
	n.request(func() replication.Outcome {
		ev = replication.RegistrationRead{Session: n.session, Version: -1}
		if v, version, ok := n.w.tree.get(epochPath(n.id)); ok {
			at := v.(epochNode)
			ev.Version, ev.Storage, ev.StoreEpoch = version, at.storage, at.storeEpoch
		}
		if v, version, ok := n.w.tree.get(idPath(n.id)); ok {
			r := v.(registration)
			ev.Node = &replication.RegistrationNode{
				Owner: r.owner, Version: version, Storage: r.Member.Storage, BrokerEpoch: r.Epoch,
			}
		}
		return replication.OutcomeOK
	}, func(o replication.Outcome) {
		if o == replication.OutcomeOK {
			n.stepSession(ev)
		}
	})
}

func (n *node) register(e replication.Register) {
	n.request(func() replication.Outcome {
		epoch := treeOp{
			kind: metadata.OpSet, path: epochPath(n.id), version: e.Version, value: epochNode{e.Storage, e.BrokerEpoch},
		}
		if e.Version < 0 {
			epoch.kind = metadata.OpCreate
		}
		ops := []treeOp{epoch}
		if e.Stale >= 0 {
			ops = append(ops, treeOp{kind: metadata.OpDelete, path: idPath(n.id), version: e.Stale})
		}
		member := replication.Member{Broker: n.id, Storage: e.Storage}
		ops = append(ops, treeOp{
			kind: metadata.OpCreate, path: idPath(n.id), session: e.Session,
			value: registration{replication.Broker{Member: member, Epoch: e.BrokerEpoch}, e.Session},
		})
		return n.w.multi(ops...)
	}, func(o replication.Outcome) {
		n.stepSession(replication.RegisterDone{Session: e.Session, BrokerEpoch: e.BrokerEpoch, Outcome: o})
	})
}

func (w *world) multi(ops ...treeOp) replication.Outcome {
	if w.tree.multi(ops...) >= 0 {
		return replication.OutcomeBadVersion
	}
	return replication.OutcomeOK
}

// probe asks whether the registration is there, and who else is registered.
func (n *node) probe() {
	be, active := n.core.BrokerEpoch()
	var brokers []replication.Broker
	there := false
	n.request(func() replication.Outcome {
		brokers = n.w.registered()
		there = slices.ContainsFunc(brokers, func(b replication.Broker) bool {
			return b.Member.Broker == n.id && b.Epoch == be
		})
		return replication.OutcomeOK
	}, func(o replication.Outcome) {
		if o != replication.OutcomeOK {
			return
		}
		if active && !there {
			n.stepSession(replication.RegistrationGone{BrokerEpoch: be})
		}
		n.stepController(replication.BrokersRead{Brokers: brokers})
	})
}

func (w *world) registered() (out []replication.Broker) {
	for _, b := range w.brokers {
		if v, _, ok := w.tree.get(idPath(b.id)); ok {
			out = append(out, v.(registration).Broker)
		}
	}
	return out
}

// end lets the store forget a session.
func (w *world) end(session int64) {
	id, ok := w.sessions[session]
	if !ok {
		return
	}
	delete(w.sessions, session)
	w.tracef("session %d of %d ends", session, id)
	w.tree.expire(session, []string{idPath(id), controllerPath})
}

// expire ends the session. The broker hears of it with its next request that gets
// through, and goes on until then.
func (n *node) expire() {
	if !n.alive() {
		return
	}
	n.w.end(n.session)
	n.w.fire(SessionLost)
	if n.w.chance(60) {
		n.zkCut = true
		n.w.after(n.w.between(0, 4000), func() { n.zkCut = false })
	}
}

// alive tells whether the broker's session is not over.
func (n *node) alive() bool {
	_, ok := n.w.sessions[n.session]
	return ok
}
