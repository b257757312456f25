package broker

import (
	"context"

	"github.com/skidway/skidway/wire"
)

// list_offsets tells offsets by position or by time: the end of the log, its start, or the first record whose
// timestamp is at or after a time (offset -1 when there is none). Ends are durable ends. Each partition has its own
// error.
//
// Not done: isolation levels, the record with the largest timestamp, rights.
func (b *Broker) listOffsets(_ context.Context, req *wire.ListOffsetsRequest) (*wire.ListOffsetsResponse, error) {
	resp := &wire.ListOffsetsResponse{Topics: make([]wire.ListOffsetsTopicResult, len(req.Topics))}
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.ID, out.Partitions = in.ID, make([]wire.ListOffsetsResult, len(in.Partitions))
		for j := range in.Partitions {
			r := &out.Partitions[j]
			r.Index = in.Partitions[j].Index
			b.listOffset(in.ID, in.Partitions[j].At, r)
		}
	}
	return resp, nil
}

// listOffset fills in the answer for one partition.
func (b *Broker) listOffset(topicID uint64, at int64, out *wire.ListOffsetsResult) {
	out.Offset, out.TimestampMs = -1, -1
	p, log, werr := b.lookup(topicID, out.Index)
	if werr != nil {
		out.Error = werr
		return
	}
	if at == wire.AtEnd && b.replicas != nil && !b.replicas.settled(p.id()) {
		out.Error = b.logError(p, wire.Errorf(wire.CodeNotLeader,
			"its leader is new, and does not know yet which is the newest record that all replicas in sync hold"))
		return
	}
	start, end := log.Bounds()
	switch at {
	case wire.AtEnd:
		out.Offset = end
		return
	case wire.AtStart:
		out.Offset = start
		return
	}
	found, ok, err := log.OffsetForTime(at)
	if err != nil {
		out.Error = b.logError(p, err)
		return
	}
	if ok {
		out.Offset, out.TimestampMs = found.Offset, found.Timestamp
	}
}
