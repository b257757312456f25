package broker

import (
	"context"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/wire"
)

// find_coordinators tells which broker coordinates a group, whether the group exists or not. A broker that stands alone
// coordinates all.
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
		out.BrokerID, out.Address = b.cfg.NodeID, b.advertise
	}
	return resp, nil
}
