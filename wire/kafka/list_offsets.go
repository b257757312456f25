package kafka

import (
	"context"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// ListOffsets tells offsets by position or by time: the end (-1), the start (-2), the record with the largest timestamp
// (-3, from version 7 on), or the first record at or after a time. There are no transactions, so both isolation levels
// read to the same end.

// atMaxTimestamp asks for the record with the largest timestamp (KIP-734).
const atMaxTimestamp = -3

// offsetQuestion is one partition of a ListOffsets.
type offsetQuestion struct {
	topic uint64
	in    *kmsg.ListOffsetsRequestTopicPartition
	out   *kmsg.ListOffsetsResponseTopicPartition
}

func startListOffsets(_ context.Context, r *request, req *kmsg.ListOffsetsRequest) answer {
	return func(ctx context.Context) (response, error) {
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		resp.Topics = make([]kmsg.ListOffsetsResponseTopic, len(req.Topics))
		var asked []offsetQuestion
		type place struct {
			topic string
			index int32
		}
		seen := make(once[place])
		for i := range req.Topics {
			in, out := &req.Topics[i], &resp.Topics[i]
			out.Topic, out.Partitions = in.Topic, make([]kmsg.ListOffsetsResponseTopicPartition, len(in.Partitions))
			topic := r.conn.node.TopicID(in.Topic)
			for j := range in.Partitions {
				q := offsetQuestion{topic, &in.Partitions[j], &out.Partitions[j]}
				q.out.Default()
				q.out.Partition, q.out.Offset = q.in.Partition, -1
				if !seen.first(place{in.Topic, q.in.Partition}) { // as Kafka has it: each may take long
					q.out.ErrorCode = kerr.InvalidRequest.Code
				} else if r.mayAsk(&q) {
					asked = append(asked, q)
				}
			}
		}
		r.listOffsets(ctx, asked)
		return message{resp}, nil
	}
}

// mayAsk answers what needs no native request.
func (r *request) mayAsk(q *offsetQuestion) bool {
	if q.out.ErrorCode = r.conn.checkEpoch(q.topic, q.in.Partition, q.in.CurrentLeaderEpoch); q.out.ErrorCode != 0 {
		return false
	}
	if q.in.Timestamp < atMaxTimestamp || q.in.Timestamp == atMaxTimestamp && r.version < 7 {
		q.out.ErrorCode = kerr.InvalidRequest.Code
		return false
	}
	return true
}

// listOffsets answers the questions.
func (r *request) listOffsets(ctx context.Context, asked []offsetQuestion) {
	if len(asked) == 0 {
		return
	}
	var newest []offsetQuestion
	req := &wire.ListOffsetsRequest{Topics: make([]wire.ListOffsetsTopic, len(asked))}
	for i, q := range asked {
		at := q.in.Timestamp
		if at == atMaxTimestamp {
			at, newest = wire.AtEnd, append(newest, q)
		}
		req.Topics[i] = wire.ListOffsetsTopic{
			ID: q.topic, Partitions: []wire.ListOffsetsPartition{{Index: q.in.Partition, At: at}},
		}
	}
	resp, refused := ask[*wire.ListOffsetsResponse](ctx, r, req)
	for i, q := range asked {
		if refused != nil {
			q.out.ErrorCode = errorCode(refused)
			continue
		}
		found := &resp.Topics[i].Partitions[0]
		if q.out.ErrorCode = errorCode(found.Error); found.Error != nil {
			continue
		}
		q.out.Offset, q.out.Timestamp = found.Offset, found.TimestampMs
		if q.in.Timestamp == wire.AtEnd {
			at, _ := r.conn.node.Position(q.topic, q.in.Partition)
			q.out.LeaderEpoch = at.LeaderEpoch
		}
	}
	for _, q := range newest {
		if q.out.ErrorCode == 0 {
			r.findNewest(ctx, q)
		}
	}
}

// findNewest looks for the record with the largest timestamp: no record is at or after a time that is later.
func (r *request) findNewest(ctx context.Context, q offsetQuestion) {
	q.out.Offset, q.out.Timestamp = -1, -1
	for earliest, latest := int64(0), int64(math.MaxInt64); earliest < latest && ctx.Err() == nil; {
		at := earliest + (latest-earliest)/2
		resp, refused := ask[*wire.ListOffsetsResponse](ctx, r, &wire.ListOffsetsRequest{
			Topics: []wire.ListOffsetsTopic{
				{ID: q.topic, Partitions: []wire.ListOffsetsPartition{{Index: q.in.Partition, At: at}}},
			},
		})
		if refused == nil {
			refused = resp.Topics[0].Partitions[0].Error
		}
		if refused != nil {
			q.out.ErrorCode = errorCode(refused)
			return
		}
		found := &resp.Topics[0].Partitions[0]
		if found.Offset < 0 {
			latest = at
			continue
		}
		q.out.Offset, q.out.Timestamp = found.Offset, found.TimestampMs
		if found.TimestampMs == math.MaxInt64 {
			return
		}
		earliest = found.TimestampMs + 1
	}
}

// checkEpoch is the error for a client that believes in a leader epoch other than this broker knows (KIP-320); 0: it
// does not, or says nothing of it.
func (c *conn) checkEpoch(topic uint64, partition, believed int32) int16 {
	if believed < 0 {
		return 0
	}
	at, known := c.node.Position(topic, partition)
	switch {
	case !known || at.Start < 0:
		return 0 // it is told that by the request itself
	case believed < at.LeaderEpoch:
		return kerr.FencedLeaderEpoch.Code
	case believed > at.LeaderEpoch:
		return kerr.UnknownLeaderEpoch.Code
	}
	return 0
}
