package broker

import (
	"context"
	"slices"

	"github.com/skidway/skidway/wire"
)

// list_groups lists the consumer groups, by id. One that cannot be read now is listed with the state "unavailable".
//
// Not done: rights.
func (b *Broker) listGroups(ctx context.Context, _ *wire.ListGroupsRequest) (*wire.ListGroupsResponse, error) {
	ids, err := b.groups.names(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	resp := &wire.ListGroupsResponse{}
	for _, id := range ids {
		h, err := b.groups.enter(ctx, id, refuseMissing)
		e := wireError(err)
		if e != nil {
			if e.Code != wire.CodeUnknownGroup { // that was deleted meanwhile
				resp.Groups = append(resp.Groups, wire.GroupSummary{Group: id, State: "unavailable", Coordinator: -1})
			}
			continue
		}
		resp.Groups = append(resp.Groups, wire.GroupSummary{
			Group: id, State: h.doing().String(), Members: int32(h.size()), Coordinator: b.cfg.NodeID,
		})
		h.leave()
	}
	return resp, nil
}
