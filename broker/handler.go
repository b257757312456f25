package broker

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/skidway/skidway/wire"
)

// handler gives each request to the file of its kind. What must be queued in the order of arrival is started at once;
// everything else is done when its turn to be answered has come, off the connection's reader.
type handler struct{ b *Broker }

var _ wire.Handler = handler{}

// Handle starts a request.
func (h handler) Handle(_ context.Context, peer *wire.Peer, req wire.Request) wire.Pending {
	b := h.b
	defer b.crash()
	switch req := req.(type) {
	case *wire.ProduceRequest:
		return b.startProduce(req)
	case *wire.FetchRequest:
		return b.startFetch(req)
	case *wire.ThinProduceRequest:
		return b.startThinProduce(req)
	case *wire.ThinFetchRequest:
		return b.startThinFetch(req)
	case *wire.MetadataRequest:
		return later(b, b.metadata, req)
	case *wire.ListOffsetsRequest:
		return later(b, b.listOffsets, req)
	case *wire.DeleteRecordsRequest:
		return b.startDeleteRecords(req)
	case *wire.InitProducerIDRequest:
		return later(b, b.initProducerID, req)
	case *wire.CreateTopicsRequest:
		return later(b, b.createTopics, req)
	case *wire.DeleteTopicsRequest:
		return later(b, b.deleteTopics, req)
	case *wire.ListTopicsRequest:
		return later(b, b.listTopics, req)
	case *wire.DescribeTopicsRequest:
		return later(b, b.describeTopics, req)
	case *wire.AlterTopicsRequest:
		return later(b, b.alterTopics, req)
	case *wire.AddPartitionsRequest:
		return later(b, b.addPartitions, req)
	case *wire.DescribeClusterRequest:
		return later(b, b.describeCluster, req)
	case *wire.DescribeBrokerRequest:
		return later(b, b.describeBroker, req)
	case *wire.DescribeOffsetsRequest:
		return later(b, b.describeOffsets, req)
	}
	return h.handleGroup(peer, req)
}

// handleGroup starts a request about consumer groups.
func (h handler) handleGroup(peer *wire.Peer, req wire.Request) wire.Pending {
	b := h.b
	switch req := req.(type) {
	case *wire.FindCoordinatorsRequest:
		return later(b, b.findCoordinators, req)
	case *wire.GroupHeartbeatRequest:
		return heartbeatCall{b: b, peer: peer, req: req}
	case *wire.CommitOffsetsRequest:
		return later(b, b.commitOffsets, req)
	case *wire.FetchOffsetsRequest:
		return later(b, b.fetchOffsets, req)
	case *wire.ListGroupsRequest:
		return later(b, b.listGroups, req)
	case *wire.DescribeGroupsRequest:
		return later(b, b.describeGroups, req)
	case *wire.DeleteGroupsRequest:
		return later(b, b.deleteGroups, req)
	case *wire.DeleteOffsetsRequest:
		return later(b, b.deleteOffsets, req)
	}
	return h.handleCluster(req)
}

// handleCluster starts a request that administers a cluster.
func (h handler) handleCluster(req wire.Request) wire.Pending {
	b := h.b
	switch req := req.(type) {
	case *wire.ElectLeadersRequest:
		return later(b, b.electLeaders, req)
	case *wire.AlterReassignmentsRequest:
		return later(b, b.alterReassignments, req)
	case *wire.ListReassignmentsRequest:
		return later(b, b.listReassignments, req)
	case *wire.DrainBrokerRequest:
		return later(b, b.drainBroker, req)
	case *wire.DecommissionBrokerRequest:
		return later(b, b.decommissionBroker, req)
	}
	return wire.Ready(nil, wire.Errorf(wire.CodeUnknownRequest, "this broker does not carry out %s", req.API()))
}

// deferred is a request that is carried out in Wait.
type deferred[Req any, Resp wire.Response] struct {
	b   *Broker
	do  func(context.Context, Req) (Resp, error)
	req Req
}

func later[Req any, Resp wire.Response](b *Broker, do func(context.Context, Req) (Resp, error), req Req) wire.Pending {
	return deferred[Req, Resp]{b, do, req}
}

// Wait carries the request out.
func (d deferred[Req, Resp]) Wait(ctx context.Context) (wire.Response, error) {
	defer d.b.crash()
	resp, err := d.do(ctx, d.req)
	if err != nil {
		return nil, wireError(err)
	}
	return resp, nil
}

// crash, deferred where a request is carried out, makes a panic the end of the process: the server would close one
// connection and go on, with a lock held or a rule broken (A19).
func (b *Broker) crash() {
	v := recover()
	if v == nil {
		return
	}
	b.cfg.OnFatal(fmt.Errorf("broker: panic: %v\n%s", v, debug.Stack()))
	panic(v)
}

// hello is what the broker says of itself when a connection begins.
func (b *Broker) hello() wire.HelloResponse {
	return wire.HelloResponse{
		ClusterID: b.cluster, BrokerID: b.cfg.NodeID, BrokerVersion: b.cfg.Version.Number,
		APIs: wire.APIs(), MaxFrameBytes: int64(b.cfg.Limits.FrameBytes), MaxBatchBytes: int64(b.defaults.MaxBatchBytes),
	}
}

// goVersion is that of the compiler.
func goVersion() string { return runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH }
