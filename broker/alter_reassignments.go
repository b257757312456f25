package broker

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/skidway/skidway/wire"
)

// orderWrites bounds the orders that one request has under way.
const orderWrites = 32

// alter_reassignments orders partitions to be moved to other brokers, or back, each for itself (109, 114, 119, 150). It
// is answered when the orders are durable; list_reassignments and describe_topics tell how the moves go on.
//
// Not done: rights.
func (b *Broker) alterReassignments(
	ctx context.Context, req *wire.AlterReassignmentsRequest,
) (*wire.AlterReassignmentsResponse, error) {
	if err := b.inCluster(req.API()); err != nil {
		return nil, err
	}
	resp := &wire.AlterReassignmentsResponse{Partitions: make([]wire.OrderResult, len(req.Partitions))}
	var g errgroup.Group
	g.SetLimit(orderWrites)
	for i := range req.Partitions {
		r := &req.Partitions[i]
		g.Go(func() error {
			resp.Partitions[i] = wire.OrderResult{ID: r.ID, Index: r.Index, Error: b.reassign(ctx, r, req)}
			return nil
		})
	}
	return resp, g.Wait()
}

func (b *Broker) reassign(
	ctx context.Context, r *wire.Reassignment, req *wire.AlterReassignmentsRequest,
) *wire.Error {
	p, refusal := b.orderTarget(r.ID, r.Index)
	if refusal != nil {
		return refusal
	}
	var err error
	switch {
	case len(r.Replicas) == 0 && req.ValidateOnly:
		err = b.member.CheckCancelReassign(ctx, p.id())
	case len(r.Replicas) == 0:
		err = b.member.CancelReassign(ctx, p.id())
	case req.ValidateOnly:
		_, err = b.member.CheckReassign(p.id(), r.Replicas)
	default:
		err = b.member.OrderReassign(ctx, p.id(), r.Replicas, req.Throttle)
	}
	return orderError(p, err)
}
