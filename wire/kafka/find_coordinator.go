package kafka

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// FindCoordinator tells which broker coordinates a group, or, from version 4 on, some groups. One that Kafka's clients
// cannot reach is as good as none. There are no transactions, and so no coordinators of them.

// ofGroups is the type of coordinators that there are.
const ofGroups = 0

func findCoordinator(ctx context.Context, r *request, req *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	keys := req.CoordinatorKeys
	if req.Version < 4 {
		keys = []string{req.CoordinatorKey}
	}
	resp.Coordinators = r.coordinators(ctx, keys, req.CoordinatorType)
	if req.Version < 4 {
		c := resp.Coordinators[0]
		resp.ErrorCode, resp.ErrorMessage, resp.NodeID, resp.Host, resp.Port = c.ErrorCode, c.ErrorMessage, c.NodeID,
			c.Host, c.Port
	}
	return resp
}

func (r *request) coordinators(
	ctx context.Context, keys []string, kind int8,
) []kmsg.FindCoordinatorResponseCoordinator {
	list := make([]kmsg.FindCoordinatorResponseCoordinator, len(keys))
	fail := func(i int, code int16, text string) {
		list[i].NodeID, list[i].Port, list[i].ErrorCode, list[i].ErrorMessage = -1, -1, code, &text
	}
	for i, key := range keys {
		list[i].Default()
		list[i].Key = key
		if kind != ofGroups {
			fail(i, kerr.InvalidRequest.Code, "transactions are not offered")
		}
	}
	if kind != ofGroups {
		return list
	}
	found, refused := ask[*wire.FindCoordinatorsResponse](ctx, r, &wire.FindCoordinatorsRequest{Groups: keys})
	brokers := r.conn.node.Cluster().Brokers
	for i := range list {
		err := refused
		if err == nil {
			err = found.Coordinators[i].Error
		}
		if err != nil {
			fail(i, groupErrorCode(err), err.Error())
			continue
		}
		id := found.Coordinators[i].BrokerID
		at := slices.IndexFunc(brokers, func(b wire.Broker) bool { return b.ID == id })
		if at < 0 {
			fail(i, kerr.CoordinatorNotAvailable.Code, "the coordinator has no address for Kafka's clients")
			continue
		}
		list[i].NodeID = id
		list[i].Host, list[i].Port = hostPort(brokers[at].Address)
	}
	return list
}
