package group

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// State is what a group is doing.
type State int8

// The states.
const (
	Empty       State = iota + 1 // no members
	Assigning                    // a change waits for its target
	Reconciling                  // partitions are on their way to the members that they are for
	Preparing                    // of a classic group: its members are to join again
	Completing                   // of a classic group: the leader assigns
	Stable                       // every partition is where it belongs
	Dead                         // the group was deleted
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Empty:
		return "empty"
	case Assigning:
		return "assigning"
	case Reconciling:
		return "reconciling"
	case Preparing:
		return "preparing"
	case Completing:
		return "completing"
	case Stable:
		return "stable"
	case Dead:
		return "dead"
	}
	return fmt.Sprintf("state(%d)", int8(s))
}

// State returns what the group is doing.
func (g *Group) State() State {
	switch {
	case g.dead:
		return Dead
	case len(g.members) == 0:
		return Empty
	case g.epoch != g.targetEpoch:
		return Assigning
	case g.unsettled > 0:
		return Reconciling
	}
	return Stable
}

// Description is a group as it is at one moment. It shares no memory with the group.
type Description struct {
	Identity    Identity
	State       State
	Epoch       int32 // the group epoch
	TargetEpoch int32 // the group epoch that the target was computed for
	Assignor    Assignor
	Members     []MemberDescription // by member id
}

// MemberDescription is one member as it is at one moment.
type MemberDescription struct {
	ID, InstanceID, ClientID, Host, Rack string

	Epoch            int32
	Away             bool // a static member that is expected back
	Subscription     Subscription
	Assignor         Assignor // that it asks for; 0: any
	RebalanceTimeout time.Duration
	LastHeartbeat    time.Time
	Target           Assignment // what is for it
	Assigned         Assignment // what it may consume
	Revoking         Assignment // what it is to let go, and has not yet
}

// Describe returns what the group is, in an order that depends on nothing else.
func (g *Group) Describe() Description {
	d := Description{
		Identity: g.identity, State: g.State(), Epoch: g.epoch, TargetEpoch: g.targetEpoch, Assignor: g.assignor,
	}
	for _, m := range g.members {
		var revoking []Partition
		for _, at := range m.held {
			if !g.parts[at.Topic][at.Index].told.IsZero() {
				revoking = append(revoking, at)
			}
		}
		d.Members = append(d.Members, MemberDescription{
			ID: m.id, InstanceID: m.instance, ClientID: m.clientID, Host: m.host, Rack: m.rack,
			Epoch: m.epoch, Away: m.away, Subscription: Subscription{slices.Clone(m.names), m.regex},
			Assignor: m.assignor, RebalanceTimeout: m.rebalanceTimeout, LastHeartbeat: m.seen,
			Target: assignmentOf(m.target), Assigned: g.assigned(m), Revoking: assignmentOf(revoking),
		})
	}
	slices.SortFunc(d.Members, func(a, b MemberDescription) int { return cmp.Compare(a.ID, b.ID) })
	return d
}

// Holder returns the member that a partition is with, whether it is to stay there or not.
func (g *Group) Holder(at Partition) (memberID string, held bool) {
	if parts := g.parts[at.Topic]; at.Index >= 0 && int(at.Index) < len(parts) && parts[at.Index].holder != nil {
		return parts[at.Index].holder.id, true
	}
	return "", false
}
