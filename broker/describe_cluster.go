package broker

import (
	"context"

	"github.com/skidway/skidway/wire"
)

// describe_cluster tells which brokers there are: this one, which is its own controller.
func (b *Broker) describeCluster(context.Context, *wire.DescribeClusterRequest) (*wire.DescribeClusterResponse, error) {
	return &wire.DescribeClusterResponse{ClusterID: b.cluster, Controller: b.cfg.NodeID, Brokers: b.brokers()}, nil
}
