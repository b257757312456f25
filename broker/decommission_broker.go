package broker

import (
	"context"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/wire"
)

// decommission_broker orders all that a broker holds to be moved to others (103, 109), or ends that. It is answered
// when the order is durable; describe_cluster tells how far the broker is.
//
// Not done: rights.
func (b *Broker) decommissionBroker(
	ctx context.Context, req *wire.DecommissionBrokerRequest,
) (*wire.DecommissionBrokerResponse, error) {
	if err := b.inCluster(req.API()); err != nil {
		return nil, err
	}
	var err error
	switch {
	case req.Cancel && req.ValidateOnly:
	case req.Cancel:
		err = b.member.Withdraw(ctx, cluster.Decommission, req.Broker)
	case req.ValidateOnly:
		err = b.member.CheckDecommission(req.Broker)
	default:
		err = b.member.OrderDecommission(ctx, req.Broker)
	}
	if err != nil {
		return nil, err
	}
	resp := &wire.DecommissionBrokerResponse{}
	resp.Leaders, resp.Replicas = b.held(req.Broker)
	return resp, nil
}
