package broker

import (
	"context"

	"github.com/skidway/skidway/wire"
)

// describe_cluster tells which brokers there are, and which of them is the controller: one that stands alone is its
// own.
func (b *Broker) describeCluster(context.Context, *wire.DescribeClusterRequest) (*wire.DescribeClusterResponse, error) {
	controller := b.cfg.NodeID
	if b.member != nil {
		c, there := b.member.Controller()
		if controller = c.Broker; !there {
			controller = -1
		}
	}
	return &wire.DescribeClusterResponse{ClusterID: b.cluster, Controller: controller, Brokers: b.brokers()}, nil
}
