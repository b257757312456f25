package broker

import (
	"context"

	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/wire"
)

// delete_records deletes the oldest records of partitions, up to an offset, or all of them (before = -1). It is
// answered when the deletion is durable; readers below the new start get E112 at once. An offset below the log's start
// changes nothing; one beyond its end is refused (E112). The disk's space comes back later, in the background. It is
// done also while the disk is full. Each partition has its own error.
//
// Not done: rights.

// deleteRecordsCall is one delete_records under way.
type deleteRecordsCall struct {
	b        *Broker
	req      *wire.DeleteRecordsRequest
	response *wire.DeleteRecordsResponse
}

// startDeleteRecords leaves the work to Wait: logs may have to be opened, and offsets looked for.
func (b *Broker) startDeleteRecords(req *wire.DeleteRecordsRequest) wire.Pending {
	return &deleteRecordsCall{b: b, req: req}
}

// cutting is one partition's deletion that waits for the disk.
type cutting struct {
	part    *partition
	log     *partitionlog.Log
	answer  *wire.DeleteRecordsResult
	receipt partitionlog.Receipt
}

// Wait queues all deletions, so that they share an fsync, and waits for them.
func (c *deleteRecordsCall) Wait(ctx context.Context) (wire.Response, error) {
	defer c.b.crash()
	c.response = &wire.DeleteRecordsResponse{Topics: make([]wire.DeleteRecordsTopicResult, len(c.req.Topics))}
	var cuts []cutting
	for i := range c.req.Topics {
		in, out := &c.req.Topics[i], &c.response.Topics[i]
		out.ID, out.Partitions = in.ID, make([]wire.DeleteRecordsResult, len(in.Partitions))
		for j := range in.Partitions {
			r := &out.Partitions[j]
			r.Index, r.Start = in.Partitions[j].Index, -1
			if cut, ok := c.start(in.ID, in.Partitions[j].Before, r); ok {
				cuts = append(cuts, cut)
			}
		}
	}
	for i := range cuts {
		cut := &cuts[i]
		select {
		case <-cut.receipt.Done():
			if err := cut.receipt.Err(); err != nil {
				cut.answer.Error = c.b.logError(cut.part, err)
			} else {
				cut.answer.Start, _ = cut.log.Bounds()
			}
			if c.b.replicas != nil {
				c.b.replicas.trimmed(cut.part.id())
			}
		case <-ctx.Done():
			cut.answer.Error = wire.Errorf(wire.CodeTimedOut, "%s: whether the deletion is on disk is unknown",
				partitionName(cut.part))
		}
	}
	return c.response, nil
}

// start queues one partition's deletion.
func (c *deleteRecordsCall) start(topicID uint64, before int64, out *wire.DeleteRecordsResult) (cutting, bool) {
	p, log, werr := c.b.lookup(topicID, out.Index)
	if werr != nil {
		out.Error = werr
		return cutting{}, false
	}
	start, end := log.Bounds()
	if before == wire.AtEnd {
		before = end
	}
	if before <= start {
		out.Start = start
		return cutting{}, false
	}
	receipt, err := log.TruncatePrefix(before)
	if err != nil {
		out.Error = c.b.logError(p, err)
		return cutting{}, false
	}
	return cutting{part: p, log: log, answer: out, receipt: receipt}, true
}
