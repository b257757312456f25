package replication

import "slices"

// NoLeader is the Leader of a partition that has none.
const NoLeader int32 = -1

// Member is a broker together with the storage id of its store. A broker that comes
// back with another storage id holds nothing of what the member held (R7).
type Member struct {
	Broker  int32
	Storage uint64
}

// Change says who wrote a version of a partition's state.
type Change struct {
	By          int32 // the broker
	BrokerEpoch int32
	Seq         int64
}

// State is what the metadata store holds of one partition: the one variable that
// decides (R4). The leader moves the ISR, the controller all else.
type State struct {
	Replicas          []int32 // in order of preference
	Adding            []int32 // of Replicas, those that a reassignment adds
	Removing          []int32 // of Replicas, those that it removes
	MinISR            int32   // min.insync.replicas, at least 1
	Leader            int32   // or NoLeader
	LeaderBrokerEpoch int32   // the registration that leads (R2)
	LeaderEpoch       int32
	ISR               []Member // never empty once it was set
	ELR               []Member // left the ISR while it was below MinISR: hold all that is committed (KIP-966)
	LastLeader        int32
	UncleanEpochs     []int32 // leader epochs that began by an unclean election
	ControllerEpoch   int32
	Change            Change
	// Unknown holds the fields that only a newer version knows, encoded. They are
	// kept when the state is rewritten (G30).
	Unknown [][]byte
}

// Clone returns a copy that shares no list with s.
func (s State) Clone() State {
	s.Replicas, s.Adding, s.Removing = slices.Clone(s.Replicas), slices.Clone(s.Adding), slices.Clone(s.Removing)
	s.ISR, s.ELR, s.UncleanEpochs = slices.Clone(s.ISR), slices.Clone(s.ELR), slices.Clone(s.UncleanEpochs)
	return s
}

// Lists tells whether the state names the broker anywhere as a holder of data. The
// data of one that it does not list may be deleted, no other (R6).
func (s *State) Lists(broker int32) bool {
	return slices.Contains(s.Replicas, broker) || holds(s.ISR, broker) || holds(s.ELR, broker)
}

// UnderReplicated tells whether fewer replicas are in sync than the partition is to have; those that a reassignment
// adds do not count yet.
func (s *State) UnderReplicated() bool { return len(s.ISR) < len(s.Replicas)-len(s.Adding) }

func holds(members []Member, broker int32) bool {
	return slices.ContainsFunc(members, func(m Member) bool { return m.Broker == broker })
}

// without returns the members that are not of the broker, in a new list.
func without(members []Member, broker int32) []Member {
	out := make([]Member, 0, len(members))
	for _, m := range members {
		if m.Broker != broker {
			out = append(out, m)
		}
	}
	return out
}

// union returns a and what of b is not in it, in a new list.
func union(a, b []Member) []Member {
	out := slices.Clone(a)
	for _, m := range b {
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// withISR returns the state with another ISR and the ELR that follows from it: while
// the ISR is below MinISR, nothing can be committed that one who left does not hold.
// gone are members that no longer hold what they acknowledged.
func (s State) withISR(isr []Member, gone ...Member) State {
	next := s.Clone()
	next.ISR = slices.Clone(isr)
	next.ELR = nil
	if len(isr) >= int(s.MinISR) {
		return next
	}
	for _, m := range union(s.ELR, s.ISR) {
		if !holds(isr, m.Broker) && !slices.Contains(gone, m) && slices.Contains(s.Replicas, m.Broker) {
			next.ELR = append(next.ELR, m)
		}
	}
	return next
}
