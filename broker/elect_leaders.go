package broker

import (
	"context"

	"github.com/skidway/skidway/wire"
)

// elect_leaders orders that leaderships go back to the preferred replicas, or that a broker leads a partition that has
// no leader though records are lost with it (109, 119, 114, 150): that only in the leader epoch that the operator
// names, and with a word that the loss is accepted. It is answered when the order is durable.
//
// Not done: rights.
func (b *Broker) electLeaders(ctx context.Context, req *wire.ElectLeadersRequest) (*wire.ElectLeadersResponse, error) {
	if err := b.inCluster(req.API()); err != nil {
		return nil, err
	}
	switch {
	case !req.Unclean && len(req.Partitions) > 0:
		return nil, wire.Errorf(wire.CodeInvalidArgument,
			"partitions are named, and preferred leaders are elected in all of them: name none, or set unclean")
	case !req.Unclean:
		return &wire.ElectLeadersResponse{}, b.member.OrderPreferred(ctx)
	case !req.AcceptDataLoss:
		return nil, wire.Errorf(wire.CodeInvalidArgument,
			"an unclean election can lose acknowledged records: it needs accept_data_loss")
	}
	resp := &wire.ElectLeadersResponse{Partitions: make([]wire.OrderResult, len(req.Partitions))}
	for i, e := range req.Partitions {
		resp.Partitions[i] = wire.OrderResult{ID: e.ID, Index: e.Index, Error: b.electUnclean(ctx, e)}
	}
	return resp, nil
}

func (b *Broker) electUnclean(ctx context.Context, e wire.UncleanElection) *wire.Error {
	p, refusal := b.orderTarget(e.ID, e.Index)
	if refusal != nil {
		return refusal
	}
	err := b.member.OrderElectUnclean(ctx, p.id(), e.Broker, e.LeaderEpoch)
	if err == nil {
		b.log.Warn("an unclean election was ordered: acknowledged records may be lost", "topic", p.topic.name,
			"partition", p.index, "broker", e.Broker, "leader_epoch", e.LeaderEpoch)
	}
	return orderError(p, err)
}
