package replication

import "slices"

// target is what the replicas of a partition are to become; empty: what they are.
// What an operator asked for comes before what a decommission needs.
func (p *planner) target(part *Partition, s *State) []int32 {
	if len(part.Target) > 0 || len(p.s.Decommission) == 0 {
		return part.Target
	}
	all := missing(s.Replicas, s.Removing)
	stay := missing(all, p.s.Decommission)
	moving := len(s.Adding)+len(s.Removing) > 0
	if len(stay) == len(all) || !moving && p.s.MaxMoves > 0 && p.moves >= p.s.MaxMoves {
		return nil
	}
	target := p.placer(part.Topic).place(stay, len(all))
	if len(target) < len(all) {
		return nil // nobody can take it: the replica stays
	}
	if !moving {
		p.moves++
	}
	return target
}

// reassign moves a reassignment on by one step: it begins one or directs it elsewhere,
// and ends it when all that are to stay are in sync. All that it needs is in the state,
// so any later controller goes on with it (A13).
func (p *planner) reassign(s State, target []int32) State {
	stay := missing(s.Replicas, s.Removing)
	if len(target) > 0 && !slices.Equal(target, stay) && len(target) >= int(s.MinISR) {
		return retarget(s, target)
	}
	if len(s.Adding)+len(s.Removing) == 0 {
		return s
	}
	inSync := func(id int32) bool {
		return slices.ContainsFunc(s.ISR, func(m Member) bool { return m.Broker == id && p.live(m) })
	}
	if len(stay) < int(s.MinISR) || slices.ContainsFunc(stay, func(id int32) bool { return !inSync(id) }) {
		return s
	}
	next := s.Clone()
	next.Replicas, next.Adding, next.Removing = stay, nil, nil
	next = next.withISR(slices.DeleteFunc(next.ISR, func(m Member) bool { return !slices.Contains(stay, m.Broker) }))
	if b, ok := p.brokers[next.Leader]; ok && slices.Contains(next.ISR, b.Member) && b.Epoch == next.LeaderBrokerEpoch {
		// The leader stays, in a new epoch: what it knows of one that is removed now, and may
		// come back with nothing, must not count then.
		return p.lead(next, b.Member)
	}
	for _, fits := range []func(Member) bool{p.electable, p.live} {
		if m, ok := p.choose(&next, fits); ok {
			return p.lead(next, m)
		}
	}
	return next
}

// retarget lets a partition go towards other replicas. Whoever is not to stay is removed
// at the end, and not before: it may be the one that holds the data. The old replicas as a
// target take a reassignment back.
func retarget(s State, target []int32) State {
	next := s.Clone()
	before := missing(s.Replicas, s.Adding)
	next.Adding, next.Removing = missing(target, before), missing(s.Replicas, target)
	next.Replicas = append(slices.Clone(target), next.Removing...)
	return next
}

// Held counts the partitions that a broker leads, and those of which it is a replica:
// the progress of draining it, and of decommissioning it.
func Held(s *Snapshot, broker int32) (leads, replicas int) {
	for i := range s.Partitions {
		state := &s.Partitions[i].State
		if state.Leader == broker {
			leads++
		}
		if state.Lists(broker) {
			replicas++
		}
	}
	return leads, replicas
}

// Movable counts the partitions that a broker leads and that another broker could lead, at once or when its replica is
// in sync again: what draining it is to wait for. One whose other replicas are all away, or that has none, is not.
func Movable(s *Snapshot, broker int32) (leads int) {
	stays := make(map[int32]bool, len(s.Brokers)) // and may be given leaderships
	for _, b := range s.Brokers {
		id := b.Member.Broker
		stays[id] = id != broker && !b.Draining && !slices.Contains(s.Decommission, id)
	}
	for i := range s.Partitions {
		state := &s.Partitions[i].State
		if state.Leader == broker && slices.ContainsFunc(state.Replicas, func(id int32) bool { return stays[id] }) {
			leads++
		}
	}
	return leads
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
