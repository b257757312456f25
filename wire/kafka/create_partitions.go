package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// CreatePartitions gives topics more partitions, each topic for itself. Their replicas are placed by the broker: a
// request that names places is refused.
func createPartitions(ctx context.Context, r *request, req *kmsg.CreatePartitionsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	native := &wire.AddPartitionsRequest{ValidateOnly: req.ValidateOnly}
	var places []int
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = in.Topic
		have := len(r.conn.node.Replication(r.conn.node.TopicID(in.Topic)))
		switch {
		case len(in.Assignment) > 0:
			out.ErrorCode = kerr.InvalidReplicaAssignment.Code
			out.ErrorMessage = textOf("replicas are placed by the broker")
		case have > 0 && int(in.Count) == have || in.Count < 1:
			out.ErrorCode = kerr.InvalidPartitions.Code
			out.ErrorMessage = textOf(fmt.Sprintf("topic %q has %d partitions; %d are asked for", in.Topic, have, in.Count))
		default:
			native.Topics = append(native.Topics, wire.PartitionCount{Name: in.Topic, Total: in.Count})
			places = append(places, i)
		}
		resp.Topics = append(resp.Topics, out)
	}
	if len(places) == 0 {
		return resp
	}
	done, refused := ask[*wire.AddPartitionsResponse](ctx, r, native)
	for i, place := range places {
		err := refused
		if err == nil {
			err = done.Topics[i].Error
		}
		resp.Topics[place].ErrorCode, resp.Topics[place].ErrorMessage = errorCode(err), errorText(err)
	}
	return resp
}
