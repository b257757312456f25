package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetForLeaderEpoch tells where the records of a leader epoch end, so that a consumer whose partition has a new
// leader finds out whether what it read is still there (KIP-320).
func offsetForLeaderEpoch(ctx context.Context, r *request, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	resp.Topics = make([]kmsg.OffsetForLeaderEpochResponseTopic, len(req.Topics))
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		topic := r.conn.node.TopicID(in.Topic)
		out.Topic, out.Partitions = in.Topic, make([]kmsg.OffsetForLeaderEpochResponseTopicPartition, len(in.Partitions))
		for j := range in.Partitions {
			if ctx.Err() != nil {
				return resp // nobody hears it
			}
			asked, p := &in.Partitions[j], &out.Partitions[j]
			p.Default()
			p.Partition, p.LeaderEpoch, p.EndOffset = asked.Partition, -1, -1
			if p.ErrorCode = r.conn.checkEpoch(topic, asked.Partition, asked.CurrentLeaderEpoch); p.ErrorCode != 0 {
				continue
			}
			epoch, end, refused := r.conn.node.EpochEnd(topic, asked.Partition, asked.LeaderEpoch)
			if p.ErrorCode = errorCode(refused); refused == nil {
				p.LeaderEpoch, p.EndOffset = epoch, end
			}
		}
	}
	return resp
}
