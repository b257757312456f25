package broker

import (
	"context"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/wire"
)

// find_coordinators tells which broker coordinates a group, whether the group exists or not. A broker that stands alone
// coordinates all; in a cluster the groups are spread over the brokers that are there.
//
// Not done: rights.
func (b *Broker) findCoordinators(
	_ context.Context, req *wire.FindCoordinatorsRequest,
) (*wire.FindCoordinatorsResponse, error) {
	resp := &wire.FindCoordinatorsResponse{Coordinators: make([]wire.Coordinator, len(req.Groups))}
	for i, id := range req.Groups {
		out := &resp.Coordinators[i]
		out.Group, out.BrokerID = id, -1
		if err := group.ValidateID(id); err != nil {
			out.Error = wireError(err)
			continue
		}
		owner, ok := b.place(id)
		if !ok {
			out.Error = wire.Errorf(wire.CodeGroupUnavailable, "group %q has no coordinator now; try again", id)
			continue
		}
		out.BrokerID, out.Address = owner.ID, owner.Address
	}
	return resp, nil
}
