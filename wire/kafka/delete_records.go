package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// DeleteRecords deletes the oldest records of partitions, up to an offset, or all (-1). It is answered when that is
// durable.
func deleteRecords(ctx context.Context, r *request, req *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
	native := &wire.DeleteRecordsRequest{}
	var asked []*kmsg.DeleteRecordsResponseTopicPartition
	resp.Topics = make([]kmsg.DeleteRecordsResponseTopic, len(req.Topics))
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.Topic, out.Partitions = in.Topic, make([]kmsg.DeleteRecordsResponseTopicPartition, len(in.Partitions))
		topic := r.conn.node.TopicID(in.Topic)
		for j := range in.Partitions {
			p := &out.Partitions[j]
			p.Partition, p.LowWatermark = in.Partitions[j].Partition, -1
			if in.Partitions[j].Offset < wire.AtEnd {
				p.ErrorCode = kerr.OffsetOutOfRange.Code
				continue
			}
			native.Topics = append(native.Topics, wire.DeleteRecordsTopic{ID: topic, Partitions: []wire.DeleteRecordsPartition{
				{Index: p.Partition, Before: in.Partitions[j].Offset},
			}})
			asked = append(asked, p)
		}
	}
	if len(asked) == 0 {
		return resp
	}
	done, refused := ask[*wire.DeleteRecordsResponse](ctx, r, native)
	for i, p := range asked {
		if refused != nil {
			p.ErrorCode = errorCode(refused)
			continue
		}
		result := &done.Topics[i].Partitions[0]
		if p.ErrorCode = errorCode(result.Error); result.Error == nil {
			p.LowWatermark = result.Start
		}
	}
	return resp
}
