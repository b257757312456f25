package kafka

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// maxDescribed is how many partitions one DescribeTopicPartitions answers at most, as in Kafka.
const maxDescribed = 2000

// DescribeTopicPartitions tells who has copies of the partitions of topics, by name, page by page (KIP-966).
func describeTopicPartitions(ctx context.Context, r *request, req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	limit := maxDescribed
	if n := int(req.ResponsePartitionLimit); n > 0 {
		limit = min(limit, n)
	}
	cluster := r.conn.node.Cluster()
	for _, t := range r.topicsFrom(ctx, req) {
		first := 0
		if req.Cursor != nil && req.Cursor.Topic == t.Name {
			first = int(max(req.Cursor.Partition, 0))
		}
		if limit == 0 {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: t.Name}
			return resp
		}
		out := kmsg.NewDescribeTopicPartitionsResponseTopic()
		out.Topic, out.TopicID, out.ErrorCode = &t.Name, topicUUID(cluster.ID, t.ID), errorCode(t.Error)
		parts := r.conn.node.Replication(t.ID)
		for i := first; i < len(parts) && limit > 0; i++ {
			out.Partitions = append(out.Partitions, describedPartition(int32(i), parts[i], cluster))
			limit--
		}
		resp.Topics = append(resp.Topics, out)
		if next := first + len(out.Partitions); next < len(parts) {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: t.Name, Partition: int32(next)}
			return resp
		}
	}
	return resp
}

// topicsFrom are the topics asked for, by name, from the cursor on.
func (r *request) topicsFrom(ctx context.Context, req *kmsg.DescribeTopicPartitionsRequest) []wire.TopicMetadata {
	native := &wire.MetadataRequest{All: len(req.Topics) == 0}
	for _, t := range req.Topics {
		native.Topics = append(native.Topics, t.Topic)
	}
	slices.Sort(native.Topics)
	native.Topics = slices.Compact(native.Topics)
	found, refused := ask[*wire.MetadataResponse](ctx, r, native)
	if refused != nil {
		found = &wire.MetadataResponse{}
		for _, name := range native.Topics {
			found.Topics = append(found.Topics, wire.TopicMetadata{Name: name, Error: refused})
		}
	}
	topics := found.Topics
	slices.SortFunc(topics, func(a, b wire.TopicMetadata) int { return cmp.Compare(a.Name, b.Name) })
	if req.Cursor != nil {
		topics = slices.DeleteFunc(topics, func(t wire.TopicMetadata) bool { return t.Name < req.Cursor.Topic })
	}
	return topics
}

func describedPartition(index int32, p Replication, c Cluster) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	out := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	out.Partition, out.LeaderID, out.LeaderEpoch = index, p.Leader, p.LeaderEpoch
	out.Replicas, out.ISR = p.Replicas, p.InSync
	if out.ErrorCode = c.unreachable(p.Leader); out.ErrorCode != 0 {
		out.LeaderID = -1
	}
	// The Java client takes these two for lists even where the protocol allows null, which is what nil would be.
	out.EligibleLeaderReplicas, out.LastKnownELR = append([]int32{}, p.Eligible...), []int32{}
	out.OfflineReplicas = c.offline(p.Replicas)
	return out
}
