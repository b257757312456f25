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
	Rack     string // "": not known
}

// Topic is what a plan has to know of a topic.
type Topic struct {
	ID         uint64
	Partitions int32
	Replicas   int32 // of each partition that is made from now on
	MinISR     int32 // min.insync.replicas of all its partitions
	Deleting   bool  // its tombstone is written
}

// Partition is one partition as the controller read it.
type Partition struct {
	Topic   uint64
	Index   int32
	State   State
	Version int32
	// Unclean is an operator's order to elect a broker although what was acknowledged may
	// be lost with it; nil: none.
	Unclean *UncleanOrder
	// Target are the replicas that an operator asked for; empty: as they are.
	Target []int32
}

// UncleanOrder names who is to lead, and the leader epoch that the operator saw: an order
// that was carried out, or that was overtaken, does nothing.
type UncleanOrder struct{ Broker, LeaderEpoch int32 }

// Snapshot is all that a plan depends on.
type Snapshot struct {
	ControllerEpoch int32
	Brokers         []Broker // in any order
	// Topics are the topics to make partitions of, and to remove. A partition whose topic
	// is not here is kept as it is (R6): only its leader and ISR are looked after.
	Topics     []Topic
	Partitions []Partition
	Preferred  bool // give leaderships back to the preferred replicas, where these are in sync
	// Decommission are brokers that are to hold nothing in the end.
	Decommission []int32
	// MaxMoves bounds the partitions whose replicas are being moved at one time for a
	// decommission; 0: no bound.
	MaxMoves int
}

// ChangeKind is what a StateChange does.
type ChangeKind int8

// The kinds.
const (
	SetPartition    ChangeKind = iota
	CreatePartition            // the node must not exist; Version means nothing
	DeletePartition            // State means nothing
	DeleteTopic                // the topic's node; Index, Version and State mean nothing
)

// StateChange is a write that a controller has to make, if the node has the version and
// the controller's own epoch is still current.
type StateChange struct {
	Kind    ChangeKind
	Topic   uint64
	Index   int32
	Version int32
	State   State
}

// Plan returns what a controller changes, in the order of the partitions: the same for
// the same snapshot, and nothing once all is applied.
func Plan(s Snapshot) []StateChange {
	p := newPlanner(&s)
	var out []StateChange
	for i := range s.Partitions {
		part := &s.Partitions[i]
		topic, known := p.topics[part.Topic]
		if known && topic.Deleting {
			out = append(out, StateChange{Kind: DeletePartition, Topic: part.Topic, Index: part.Index, Version: part.Version})
			continue
		}
		next := part.State
		if known && p.leads(&next) { // else the ELR may be needed first
			next = withMinISR(next, topic.MinISR)
		}
		next = p.plan(part, next)
		if !sameState(&next, &part.State) {
			out = append(out, StateChange{SetPartition, part.Topic, part.Index, part.Version, p.signed(next)})
		}
	}
	for i := range s.Topics {
		out = append(out, p.topic(&s.Topics[i])...)
	}
	slices.SortStableFunc(out, func(a, b StateChange) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
	})
	return out
}

// signed says who wrote the state.
func (p *planner) signed(next State) State {
	next.ControllerEpoch = p.s.ControllerEpoch
	next.Change = Change{By: -1, BrokerEpoch: p.s.ControllerEpoch, Seq: next.Change.Seq + 1}
	return next
}

// withMinISR changes the minimum and, in the same write, the ELR that follows from it (G14).
func withMinISR(s State, minISR int32) State {
	if s.MinISR == minISR || minISR < 1 {
		return s
	}
	s.MinISR = minISR
	return s.withISR(s.ISR)
}

func sameState(a, b *State) bool {
	return a.Leader == b.Leader && a.LeaderEpoch == b.LeaderEpoch && a.LeaderBrokerEpoch == b.LeaderBrokerEpoch &&
		a.MinISR == b.MinISR && slices.Equal(a.ISR, b.ISR) && slices.Equal(a.ELR, b.ELR) &&
		slices.Equal(a.Replicas, b.Replicas) && slices.Equal(a.Adding, b.Adding) && slices.Equal(a.Removing, b.Removing)
}

type planner struct {
	s       *Snapshot
	brokers map[int32]Broker
	topics  map[uint64]Topic
	made    map[uint64]map[int32]bool // partitions by topic
	active  bool                      // some broker is not leaving
	moves   int                       // reassignments under way
	pl      *placer                   // made when it is needed
}

func (p *planner) placer(topic uint64) *placer {
	if p.pl == nil {
		p.pl = newPlacer(p.s)
	}
	p.pl.begin(topic)
	return p.pl
}

func newPlanner(s *Snapshot) *planner {
	p := &planner{
		s: s, brokers: make(map[int32]Broker, len(s.Brokers)), topics: make(map[uint64]Topic, len(s.Topics)),
		made: make(map[uint64]map[int32]bool, len(s.Topics)),
	}
	for _, b := range s.Brokers {
		p.brokers[b.Member.Broker] = b
		p.active = p.active || !p.leaving(b.Member.Broker)
	}
	for _, t := range s.Topics {
		p.topics[t.ID], p.made[t.ID] = t, make(map[int32]bool)
	}
	for i := range s.Partitions {
		part := &s.Partitions[i]
		if made, ok := p.made[part.Topic]; ok {
			made[part.Index] = true
		}
		if len(part.State.Adding)+len(part.State.Removing) > 0 {
			p.moves++
		}
	}
	return p
}

// leaving tells whether the broker is to give away what it leads.
func (p *planner) leaving(id int32) bool {
	return p.brokers[id].Draining || slices.Contains(p.s.Decommission, id)
}

// topic makes the partitions that a topic lacks, or removes the node of one whose
// tombstone is written and whose partitions are gone. While too few brokers are
// registered nothing is made.
func (p *planner) topic(t *Topic) (out []StateChange) {
	made := p.made[t.ID]
	if t.Deleting {
		if len(made) == 0 {
			out = append(out, StateChange{Kind: DeleteTopic, Topic: t.ID})
		}
		return out
	}
	var lacking []int32
	for i := range t.Partitions {
		if !made[i] {
			lacking = append(lacking, i)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	placed, err := p.placer(t.ID).many(int32(len(lacking)), p.replicasOf(t))
	if err != nil {
		return nil
	}
	for i, replicas := range placed {
		out = append(out, StateChange{CreatePartition, t.ID, lacking[i], 0, p.signed(p.first(t, replicas))})
	}
	return out
}

// replicasOf is how many replicas a partition of the topic gets that is made now: as many as its first one is to have,
// which an operator may have changed, if that is made.
func (p *planner) replicasOf(t *Topic) int32 {
	if !p.made[t.ID][0] {
		return t.Replicas
	}
	for i := range p.s.Partitions {
		if part := &p.s.Partitions[i]; part.Topic == t.ID && part.Index == 0 {
			return int32(len(part.State.Replicas) - len(part.State.Removing))
		}
	}
	return t.Replicas
}

// first is a new partition's first state: all replicas are in sync, with nothing.
func (p *planner) first(t *Topic, replicas []int32) State {
	s := State{Replicas: replicas, MinISR: max(t.MinISR, 1), Leader: NoLeader, LastLeader: NoLeader}
	for _, id := range replicas {
		s.ISR = append(s.ISR, p.brokers[id].Member)
	}
	return p.lead(s, s.ISR[0])
}

// live tells whether the member is registered with the store that the state means.
func (p *planner) live(m Member) bool {
	b, ok := p.brokers[m.Broker]
	return ok && b.Member == m
}

// electable tells whether the member may be given a leadership.
func (p *planner) electable(m Member) bool {
	return p.live(m) && (!p.active || !p.leaving(m.Broker))
}

func (p *planner) plan(part *Partition, s State) State {
	s = p.reassign(s, p.target(part, &s))
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
	switch {
	case p.active && p.leaving(s.Leader):
		if next, ok := p.choose(&s, func(m Member) bool { return m.Broker != s.Leader && p.electable(m) }); ok {
			return p.lead(s, next)
		}
	case p.s.Preferred && len(s.Replicas) > 0 && s.Replicas[0] != s.Leader:
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
func (p *planner) elect(s State, unclean *UncleanOrder) State {
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
	if next, ok := p.uncleanly(s, unclean); ok {
		return next
	}
	if s.Leader == NoLeader {
		return s
	}
	next := s.Clone() // nobody holds all: the ISR and ELR stay, to be waited for
	next.LastLeader, next.Leader = s.Leader, NoLeader
	return next
}

// uncleanly carries out an operator's order, if it is about the state that is there.
func (p *planner) uncleanly(s State, order *UncleanOrder) (State, bool) {
	if order == nil || order.LeaderEpoch != s.LeaderEpoch || !slices.Contains(s.Replicas, order.Broker) {
		return s, false
	}
	b, ok := p.brokers[order.Broker]
	if !ok {
		return s, false
	}
	next := s.Clone()
	next.ISR, next.ELR = []Member{b.Member}, nil
	next = p.lead(next, b.Member)
	next.UncleanEpochs = append(next.UncleanEpochs, next.LeaderEpoch)
	return next, true
}
