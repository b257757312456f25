package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// Fetch reads record batches, up to the offset that is committed; there are no transactions, so both isolation levels
// read the same. It waits for min_bytes up to max_wait, and holds up the later requests of its connection with it. At
// least one batch is answered if there is one, whatever its size. From version 7 on a client may keep the list of its
// partitions with the broker: see sessions.

// fetchPart is one partition of a fetch.
type fetchPart struct {
	topic           string
	index           int32
	offset          int64
	maxBytes, epoch int32 // epoch: the leader's that the client believes in; -1: it does not say

	errorCode  int16
	start, end int64 // of the log; -1: unknown
	batches    []byte
	leader     Position // with an error of leadership: who leads, as far as this broker knows
}

func startFetch(_ context.Context, r *request, req *kmsg.FetchRequest) answer {
	return func(ctx context.Context) (response, error) {
		body := &fetchBody{version: req.Version, readCommitted: req.IsolationLevel == 1}
		s, parts, errCode := r.conn.sessions.open(req)
		if errCode != 0 {
			body.errorCode = errCode
			return body, nil
		}
		if refused := r.fetch(ctx, req, parts); refused != nil {
			body.errorCode = errorCode(refused)
			return body, nil
		}
		body.session, body.parts = s.settle(parts)
		return body, nil
	}
}

// fetch reads the partitions.
func (r *request) fetch(ctx context.Context, req *kmsg.FetchRequest, parts []fetchPart) *wire.Error {
	in := &wire.FetchRequest{
		MaxWaitMs: max(req.MaxWaitMillis, 0), MinBytes: max(req.MinBytes, 0), MaxBytes: max(req.MaxBytes, 0),
	}
	ids := make([]uint64, len(parts))
	for i := range parts {
		p := &parts[i]
		if i > 0 && p.topic == parts[i-1].topic {
			ids[i] = ids[i-1]
		} else {
			ids[i] = r.conn.node.TopicID(p.topic)
		}
		p.start, p.end = -1, -1
		if p.errorCode = r.conn.refuseFetch(ids[i], p); p.errorCode != 0 {
			in.MaxWaitMs = 0 // an error is told at once
			p.leader, _ = r.conn.node.Position(ids[i], p.index)
			continue
		}
		if n := len(in.Topics); n == 0 || in.Topics[n-1].ID != ids[i] {
			in.Topics = append(in.Topics, wire.FetchTopic{ID: ids[i]})
		}
		t := &in.Topics[len(in.Topics)-1]
		t.Partitions = append(t.Partitions, wire.FetchPartition{
			Index: p.index, Offset: p.offset, MaxBytes: max(p.maxBytes, 0), LeaderEpoch: p.epoch,
		})
	}
	if len(in.Topics) == 0 {
		return nil // nothing, or nothing but errors
	}
	r.begin(ctx, in)
	resp, refused := await[interface {
		wire.Response
		Fetched() *wire.FetchResponse
	}](ctx, r)
	if refused != nil {
		return refused
	}
	r.conn.fill(parts, ids, resp.Fetched())
	return nil
}

// refuseFetch is the error of a partition that need not be read; 0: it is read.
func (c *conn) refuseFetch(topic uint64, p *fetchPart) int16 {
	switch {
	case topic == 0:
		return kerr.UnknownTopicOrPartition.Code
	case p.offset < 0:
		return kerr.OffsetOutOfRange.Code
	}
	return c.checkEpoch(topic, p.index, p.epoch)
}

// fill gives the partitions what was read of them. The answer has the order of the request, and leaves out those that
// have nothing new.
func (c *conn) fill(parts []fetchPart, ids []uint64, resp *wire.FetchResponse) {
	topic, result := 0, 0
	for i := range parts {
		p := &parts[i]
		if p.errorCode != 0 {
			continue
		}
		var found *wire.FetchResult
		if topic < len(resp.Topics) && resp.Topics[topic].ID == ids[i] {
			if results := resp.Topics[topic].Partitions; results[result].Index == p.index {
				found = &results[result]
				if result++; result == len(results) {
					topic, result = topic+1, 0
				}
			}
		}
		if found != nil && found.Error == nil {
			p.start, p.end, p.batches = found.Start, found.End, found.Batches
			continue
		}
		at, _ := c.node.Position(ids[i], p.index)
		p.start, p.end = at.Start, at.End
		if found != nil {
			p.errorCode, p.leader = errorCode(found.Error), at
		}
	}
}
