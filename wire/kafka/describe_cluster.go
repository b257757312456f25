package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// endpointBrokers asks for the brokers' addresses, and not for those of controllers, which have none of their own here.
const endpointBrokers = 1

// DescribeCluster tells which brokers Kafka's clients can reach.
func describeCluster(_ context.Context, r *request, req *kmsg.DescribeClusterRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	cluster := r.conn.node.Cluster()
	resp.ClusterID, resp.ControllerID = cluster.ID, controller(cluster)
	resp.EndpointType = endpointBrokers
	if req.Version >= 1 && req.EndpointType != endpointBrokers {
		resp.EndpointType, resp.ErrorCode = req.EndpointType, kerr.UnsupportedEndpointType.Code
		return resp
	}
	for _, b := range cluster.Brokers {
		out := kmsg.NewDescribeClusterResponseBroker()
		out.NodeID, out.Rack = b.ID, textOf(b.Rack)
		out.Host, out.Port = hostPort(b.Address)
		resp.Brokers = append(resp.Brokers, out)
	}
	return resp
}
