package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/wire"
)

// list_reassignments tells which partitions are being moved: those that an order is about, and those that are on their
// way for another reason.
//
// Not done: rights.
func (b *Broker) listReassignments(
	ctx context.Context, req *wire.ListReassignmentsRequest,
) (*wire.ListReassignmentsResponse, error) {
	if err := b.inCluster(req.API()); err != nil {
		return nil, err
	}
	orders, err := b.member.Orders(ctx, cluster.Reassign)
	if err != nil {
		return nil, err
	}
	ordered := make(map[cluster.PartitionID]cluster.Order, len(orders))
	for _, o := range orders {
		ordered[o.Partition] = o
	}
	resp := &wire.ListReassignmentsResponse{}
	s := b.member.Snapshot()
	for i := range s.Partitions {
		part := &s.Partitions[i]
		o := ordered[cluster.PartitionID{Topic: part.Topic, Index: part.Index}]
		t := b.topics.id(part.Topic)
		if t == nil || len(part.State.Adding)+len(part.State.Removing)+len(o.Target) == 0 {
			continue
		}
		resp.Partitions = append(resp.Partitions, wire.PartitionMove{
			ID: part.Topic, Topic: t.name, Index: part.Index, Replicas: part.State.Replicas, Adding: part.State.Adding,
			Removing: part.State.Removing, ISR: memberIDs(part.State.ISR), Target: o.Target,
			Throttle: o.Throttle,
		})
	}
	slices.SortFunc(resp.Partitions, func(x, y wire.PartitionMove) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Index, y.Index))
	})
	return resp, nil
}
