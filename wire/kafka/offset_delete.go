package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// OffsetDelete forgets how far a group has come in some partitions. A topic that a member subscribes to is refused.
func offsetDelete(ctx context.Context, r *request, req *kmsg.OffsetDeleteRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
	in := &wire.DeleteOffsetsRequest{Group: req.Group}
	var outs []*kmsg.OffsetDeleteResponseTopicPartition
	resp.Topics = make([]kmsg.OffsetDeleteResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		out := &resp.Topics[i]
		out.Topic, out.Partitions = t.Topic, make([]kmsg.OffsetDeleteResponseTopicPartition, len(t.Partitions))
		id := r.conn.node.TopicID(t.Topic)
		for j, p := range t.Partitions {
			out.Partitions[j].Partition = p.Partition
			if id == 0 {
				out.Partitions[j].ErrorCode = kerr.UnknownTopicOrPartition.Code
				continue
			}
			in.Topics = append(in.Topics, wire.GroupPartitions{ID: id, Partitions: []int32{p.Partition}})
			outs = append(outs, &out.Partitions[j])
		}
	}
	deleted, refused := ask[*wire.DeleteOffsetsResponse](ctx, r, in)
	if refused != nil {
		resp.ErrorCode = groupErrorCode(refused)
		return resp
	}
	for i, out := range outs {
		switch err := deleted.Topics[i].Partitions[0].Error; {
		case err == nil:
		case err.Code == wire.CodeGroupBusy:
			out.ErrorCode = kerr.GroupSubscribedToTopic.Code
		default:
			out.ErrorCode = groupErrorCode(err)
		}
	}
	return resp
}
