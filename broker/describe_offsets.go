package broker

import (
	"context"

	"github.com/skidway/skidway/wire"
)

// describe_offsets tells where an offset lies in its log, and the timestamp of the first record at or after it: what
// the lag of a consumer is, in records and in seconds. Each partition has its own error.
//
// Not done: rights.
func (b *Broker) describeOffsets(
	_ context.Context, req *wire.DescribeOffsetsRequest,
) (*wire.DescribeOffsetsResponse, error) {
	resp := &wire.DescribeOffsetsResponse{Topics: make([]wire.DescribeOffsetsTopicResult, len(req.Topics))}
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.ID, out.Partitions = in.ID, make([]wire.DescribeOffsetsResult, len(in.Partitions))
		for j, p := range in.Partitions {
			out.Partitions[j] = b.describeOffset(in.ID, p)
		}
	}
	return resp, nil
}

func (b *Broker) describeOffset(topicID uint64, in wire.DescribeOffsetsPartition) wire.DescribeOffsetsResult {
	out := wire.DescribeOffsetsResult{Index: in.Index, Start: -1, End: -1, TimestampMs: -1}
	p, log, werr := b.lookup(topicID, in.Index)
	if werr != nil {
		out.Error = werr
		return out
	}
	found, ok, err := log.TimestampAt(in.Offset)
	if err != nil {
		out.Error = b.logError(p, err)
		return out
	}
	out.Start, out.End = log.Bounds()
	if ok {
		out.TimestampMs = found.Timestamp
	}
	return out
}
