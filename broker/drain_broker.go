package broker

import (
	"context"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/wire"
)

// drain_broker orders a broker to lead nothing (109), or lets it lead again. It is answered when the order is durable;
// describe_cluster tells how far the broker is.
//
// Not done: rights.
func (b *Broker) drainBroker(ctx context.Context, req *wire.DrainBrokerRequest) (*wire.DrainBrokerResponse, error) {
	if err := b.inCluster(req.API()); err != nil {
		return nil, err
	}
	var err error
	if req.Cancel {
		err = b.member.Withdraw(ctx, cluster.Drain, req.Broker)
	} else {
		err = b.member.OrderDrain(ctx, req.Broker)
	}
	if err != nil {
		return nil, err
	}
	resp := &wire.DrainBrokerResponse{}
	resp.Leaders, resp.Replicas = b.held(req.Broker)
	return resp, nil
}
