package replication

import (
	"cmp"
	"slices"
)

// Broker is a registered broker.
type Broker struct {
	Member   Member
	Epoch    int32 // of its registration
	Draining bool
}

// Partition is one partition as the controller read it.
type Partition struct {
	Topic   uint64
	Index   int32
	State   State
	Version int32
	// Unclean is the broker that an operator chose to lead although what was
	// acknowledged may be lost with it; NoLeader: none.
	Unclean int32
	// Target are the replicas that an operator asked for; empty: as they are.
	Target []int32
}

// Snapshot is all that a plan depends on.
type Snapshot struct {
	ControllerEpoch int32
	Brokers         []Broker // in any order
	Partitions      []Partition
	Preferred       bool // give leaderships back to the preferred replicas, where these are in sync
}

// StateChange is a write that a controller has to make, if the node has the version and
// the controller's own epoch is still current.
type StateChange struct {
	Topic   uint64
	Index   int32
	Version int32
	State   State
}

// Plan returns what a controller changes, in the order of the partitions: the same for
// the same snapshot, and nothing once all is applied.
func Plan(s Snapshot) []StateChange {
	p := planner{brokers: make(map[int32]Broker, len(s.Brokers)), preferred: s.Preferred}
	for _, b := range s.Brokers {
		p.brokers[b.Member.Broker] = b
		p.active = p.active || !b.Draining
	}
	var out []StateChange
	for i := range s.Partitions {
		part := &s.Partitions[i]
		next := p.plan(part)
		if sameState(&next, &part.State) {
			continue
		}
		next.ControllerEpoch = s.ControllerEpoch
		next.Change = Change{By: -1, BrokerEpoch: s.ControllerEpoch, Seq: part.State.Change.Seq + 1}
		out = append(out, StateChange{part.Topic, part.Index, part.Version, next})
	}
	slices.SortFunc(out, func(a, b StateChange) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
	})
	return out
}

func sameState(a, b *State) bool {
	return a.Leader == b.Leader && a.LeaderEpoch == b.LeaderEpoch && a.LeaderBrokerEpoch == b.LeaderBrokerEpoch &&
		a.MinISR == b.MinISR && slices.Equal(a.ISR, b.ISR) && slices.Equal(a.ELR, b.ELR) &&
		slices.Equal(a.Replicas, b.Replicas) && slices.Equal(a.Adding, b.Adding) && slices.Equal(a.Removing, b.Removing)
}

type planner struct {
	brokers   map[int32]Broker
	active    bool // some broker is not draining
	preferred bool
}

// live tells whether the member is registered with the store that the state means.
func (p *planner) live(m Member) bool {
	b, ok := p.brokers[m.Broker]
	return ok && b.Member == m
}

// electable tells whether the member may be given a leadership.
func (p *planner) electable(m Member) bool {
	return p.live(m) && (!p.active || !p.brokers[m.Broker].Draining)
}

func (p *planner) plan(part *Partition) State {
	s := p.reassign(part)
	if s.Leader != NoLeader && p.leads(&s) {
		return p.keep(s)
	}
	return p.elect(s, part.Unclean)
}

// leads tells whether the leader is alive in the registration that was elected.
func (p *planner) leads(s *State) bool {
	b, ok := p.brokers[s.Leader]
	return ok && b.Epoch == s.LeaderBrokerEpoch && slices.Contains(s.ISR, b.Member)
}

// keep leaves the leader, and takes out of the ISR who is gone. The leader itself stays,
// so the ISR is never empty.
func (p *planner) keep(s State) State {
	isr := slices.DeleteFunc(slices.Clone(s.ISR), func(m Member) bool { return !p.live(m) })
	if len(isr) < len(s.ISR) {
		s = s.withISR(isr, p.replaced(&s)...)
	}
	switch leader := p.brokers[s.Leader]; {
	case leader.Draining && p.active:
		if next, ok := p.choose(&s, func(m Member) bool { return m.Broker != s.Leader && p.electable(m) }); ok {
			return p.lead(s, next)
		}
	case p.preferred && len(s.Replicas) > 0 && s.Replicas[0] != s.Leader:
		isPreferred := func(m Member) bool { return m.Broker == s.Replicas[0] && p.electable(m) }
		if next, ok := p.choose(&s, isPreferred); ok {
			return p.lead(s, next)
		}
	}
	return p.dropDraining(s)
}

// dropDraining takes draining followers out of the ISR as long as enough are left.
func (p *planner) dropDraining(s State) State {
	for _, m := range s.ISR {
		if m.Broker != s.Leader && p.active && p.brokers[m.Broker].Draining && len(s.ISR)-1 >= int(s.MinISR) {
			s = s.withISR(without(s.ISR, m.Broker))
		}
	}
	return s
}

// replaced are the members whose broker came back with another store.
func (p *planner) replaced(s *State) (gone []Member) {
	for _, m := range union(s.ISR, s.ELR) {
		if b, ok := p.brokers[m.Broker]; ok && b.Member != m {
			gone = append(gone, m)
		}
	}
	return gone
}

// choose gives the first member of the ISR, in the order of the replicas, that fits.
func (p *planner) choose(s *State, fits func(Member) bool) (Member, bool) {
	return first(s.Replicas, s.ISR, fits)
}

func first(order []int32, members []Member, fits func(Member) bool) (Member, bool) {
	for _, id := range order {
		for _, m := range members {
			if m.Broker == id && fits(m) {
				return m, true
			}
		}
	}
	for _, m := range members { // one that a reassignment has removed may be the last that holds the data
		if fits(m) {
			return m, true
		}
	}
	return Member{}, false
}

// lead gives the leadership to a member of the ISR, in a new epoch.
func (p *planner) lead(s State, m Member) State {
	next := s.Clone()
	if s.Leader != NoLeader {
		next.LastLeader = s.Leader
	}
	next.Leader, next.LeaderBrokerEpoch = m.Broker, p.brokers[m.Broker].Epoch
	next.LeaderEpoch++
	return next
}

// elect finds a leader: in the ISR, else in the ELR, else only where an operator said so.
func (p *planner) elect(s State, unclean int32) State {
	gone := p.replaced(&s)
	live := slices.DeleteFunc(slices.Clone(s.ISR), func(m Member) bool { return !p.live(m) })
	if m, ok := first(s.Replicas, live, p.electable); ok {
		return p.lead(s.withISR(live, gone...), m)
	}
	if m, ok := first(s.Replicas, live, p.live); ok {
		return p.lead(s.withISR(live, gone...), m)
	}
	if m, ok := first(s.Replicas, s.ELR, p.live); ok {
		return p.lead(s.withISR([]Member{m}, gone...), m)
	}
	if b, ok := p.brokers[unclean]; ok && slices.Contains(s.Replicas, unclean) {
		next := p.lead(s.withISR([]Member{b.Member}, gone...), b.Member)
		next.ELR = nil
		next.UncleanEpochs = append(next.UncleanEpochs, next.LeaderEpoch)
		return next
	}
	if s.Leader == NoLeader {
		return s
	}
	next := s.Clone() // nobody holds all: the ISR and ELR stay, to be waited for
	next.LastLeader, next.Leader = s.Leader, NoLeader
	return next
}

// reassign moves a reassignment on by one step: it begins one, and it ends one when all
// that are to stay are in sync.
func (p *planner) reassign(part *Partition) State {
	s := part.State
	target := part.Target
	if len(s.Adding)+len(s.Removing) == 0 {
		if len(target) == 0 || slices.Equal(target, s.Replicas) || len(target) < int(s.MinISR) {
			return s
		}
		next := s.Clone()
		next.Adding, next.Removing = missing(target, s.Replicas), missing(s.Replicas, target)
		next.Replicas = append(slices.Clone(target), next.Removing...)
		return next
	}
	stay := missing(s.Replicas, s.Removing)
	for _, id := range stay {
		if !slices.ContainsFunc(s.ISR, func(m Member) bool { return m.Broker == id && p.live(m) }) {
			return s
		}
	}
	isr := slices.DeleteFunc(slices.Clone(s.ISR), func(m Member) bool { return slices.Contains(s.Removing, m.Broker) })
	next := s.Clone()
	next.Replicas, next.Adding, next.Removing = stay, nil, nil
	next = next.withISR(isr)
	if !holds(isr, next.Leader) {
		if m, ok := p.choose(&next, p.live); ok {
			next = p.lead(next, m)
		}
	}
	return next
}

// missing returns what of a is not in b.
func missing(a, b []int32) (out []int32) {
	for _, id := range a {
		if !slices.Contains(b, id) {
			out = append(out, id)
		}
	}
	return out
}
