package broker

import (
	"context"
	"time"

	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/wire"
)

// list_offsets tells offsets by position or by time: the end of the log, its start, or the first record whose
// timestamp is at or after a time (offset -1 when there is none). Ends are durable ends; in a cluster, of what all
// replicas in sync hold, and told once these have confirmed, after the question, that this broker leads; with fewer in
// sync than min_in_sync, of what this broker knows to be committed. Each partition has its own error.
//
// Not done: isolation levels, the record with the largest timestamp, rights.
func (b *Broker) listOffsets(ctx context.Context, req *wire.ListOffsetsRequest) (*wire.ListOffsetsResponse, error) {
	resp := &wire.ListOffsetsResponse{Topics: make([]wire.ListOffsetsTopicResult, len(req.Topics))}
	var asked []question
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.ID, out.Partitions = in.ID, make([]wire.ListOffsetsResult, len(in.Partitions))
		for j := range in.Partitions {
			r := &out.Partitions[j]
			r.Index = in.Partitions[j].Index
			if q := b.listOffset(in.ID, in.Partitions[j].At, r); q != nil {
				asked = append(asked, *q)
			}
		}
	}
	b.awaitEnds(ctx, asked)
	return resp, nil
}

// listOffset fills in the answer for one partition, or returns the question that has to be answered first.
func (b *Broker) listOffset(topicID uint64, at int64, out *wire.ListOffsetsResult) *question {
	out.Offset, out.TimestampMs = -1, -1
	p, log, werr := b.lookup(topicID, out.Index)
	if werr != nil {
		out.Error = werr
		return nil
	}
	start, end := log.Bounds()
	switch at {
	case wire.AtEnd:
		if b.replicas != nil {
			return b.askEnd(p, out)
		}
		out.Offset = end
		return nil
	case wire.AtStart:
		out.Offset = start
		return nil
	}
	found, ok, err := log.OffsetForTime(at)
	if err != nil {
		out.Error = b.logError(p, err)
		return nil
	}
	if ok {
		out.Offset, out.TimestampMs = found.Offset, found.Timestamp
	}
	return nil
}

// question is one for the newest offset of a partition that is under way.
type question struct {
	part    *partition
	replica *replica
	c       *commitment
	out     *wire.ListOffsetsResult
}

// endWait bounds how long the replicas in sync are waited for. One that is silent holds the answer up until it is taken
// out of the ISR.
const endWait = 5 * time.Second

// askEnd asks for the newest offset. All questions of a partition that come while one is under way ride on the next.
func (b *Broker) askEnd(p *partition, out *wire.ListOffsetsResult) *question {
	r := b.replicas.replica(p.id())
	if r == nil {
		out.Error = b.logError(p, b.replicas.notLeader(p.id()))
		return nil
	}
	return &question{p, r, r.askEnd(), out}
}

// awaitEnds fills in the answers.
func (b *Broker) awaitEnds(ctx context.Context, asked []question) {
	if len(asked) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, endWait)
	defer cancel()
	for _, q := range asked {
		select {
		case <-q.c.done:
			switch q.c.result {
			case replication.ResultOK:
				q.out.Offset = q.c.end
			case replication.ResultNotEnoughReplicas:
				// Nobody may be left to contradict this broker. Reads go on below the minimum: what it knows is committed.
				_, q.out.Offset = q.replica.log.Bounds()
			default:
				q.out.Error = b.logError(q.part, b.replicas.refusal(q.part.id(), q.c.result))
			}
		case <-ctx.Done():
			q.replica.forgo(q.c)
			q.out.Error = b.logError(q.part, wire.Errorf(wire.CodeTimedOut,
				"the replicas in sync have not confirmed within %v that this broker leads", endWait))
		}
	}
}
