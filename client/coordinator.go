package client

import (
	"context"
	"sync"
	"time"

	"github.com/skidway/skidway/wire"
)

// coordinator is the broker that runs a group, wherever that is. It repeats nothing: errors tell what may be
// repeated. Safe for concurrent use.
type coordinator struct {
	c     *Client
	links *links
	group string

	mu    sync.Mutex        // guards all below; nothing is called under it
	known *wire.Coordinator // nil: to be asked for
}

// member is who asks: a member of the group, or one outside it.
type member struct {
	id    string // empty: outside
	epoch int32  // epochNone: outside
}

// epochNone is the member epoch of one outside the group.
const epochNone int32 = -1

// committedOffset is what a group has committed for a partition.
type committedOffset struct {
	offset      int64 // -1: nothing
	leaderEpoch int32
	metadata    string
	why         *Error // it is not known; nil: it is
}

func newCoordinator(c *Client, s *links, group string) *coordinator {
	return &coordinator{c: c, links: s, group: group}
}

// find returns the coordinator, and asks for it if it is not known.
func (k *coordinator) find(ctx context.Context) (*wire.Coordinator, *Error) {
	k.mu.Lock()
	known := k.known
	k.mu.Unlock()
	if known != nil {
		return known, nil
	}
	return k.locate(ctx)
}

// locate asks for the coordinator.
func (k *coordinator) locate(ctx context.Context) (*wire.Coordinator, *Error) {
	r, err := k.c.consultOnce(ctx, &wire.FindCoordinatorsRequest{Groups: []string{k.group}}, silence)
	if err != nil {
		return nil, err
	}
	answer, ok := r.(*wire.FindCoordinatorsResponse)
	if !ok || len(answer.Coordinators) != 1 {
		return nil, newError(wire.CodeInternal, nowhere(k.c.Address()), "the broker names no coordinator")
	}
	found := &answer.Coordinators[0]
	if found.Error != nil {
		return nil, fromWire(found.Error, nowhere(k.c.Address()))
	}
	k.mu.Lock()
	k.known = found
	k.mu.Unlock()
	return found, nil
}

// forget has the coordinator asked for again.
func (k *coordinator) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known = nil
}

// ask sends a request to the group's coordinator, which may hold the answer back for a time; RequestTimeout comes on
// top of that. When the answer is late and another broker is the coordinator by now, it is awaited no longer.
func ask[T wire.Response](ctx context.Context, k *coordinator, q wire.Request, held time.Duration) (T, *Error) {
	var none T
	known, err := k.find(ctx)
	if err != nil {
		return none, err
	}
	var r wire.Response
	asking, giveUp := context.WithTimeout(ctx, k.c.opts.RequestTimeout+held)
	defer giveUp()
	watch(ctx, held+late, func(ctx context.Context) {
		if now, err := k.locate(ctx); err == nil && (now.BrokerID != known.BrokerID || now.Address != known.Address) {
			giveUp()
		}
	}, func() { r, err = k.send(asking, known, q) })
	return answerOf[T](r, err, q, known.Address)
}

// send sends a request to who is known as the coordinator.
func (k *coordinator) send(ctx context.Context, known *wire.Coordinator, q wire.Request) (wire.Response, *Error) {
	l, err := k.links.get(ctx, known.BrokerID, known.Address)
	if err != nil {
		k.forget()
		return nil, err
	}
	r, err := l.do(ctx, q)
	if err != nil && (err.Code == wire.CodeNotCoordinator || l.broken()) {
		k.forget()
	}
	return r, err
}

// commit commits offsets, whose topics stand together, and tells for each what became of it; nil: it is durable.
func (k *coordinator) commit(ctx context.Context, m member, list []pendingCommit) []*Error {
	q := &wire.CommitOffsetsRequest{Group: k.group, MemberID: m.id, MemberEpoch: m.epoch}
	for i := range list {
		p := &list[i]
		if n := len(q.Topics); n == 0 || q.Topics[n-1].ID != p.id.topic {
			q.Topics = append(q.Topics, wire.CommitTopic{ID: p.id.topic})
		}
		t := &q.Topics[len(q.Topics)-1]
		t.Partitions = append(t.Partitions, wire.CommitPartition{Index: p.id.index, Offset: p.Offset.Offset,
			LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata})
	}
	answer, err := ask[*wire.CommitOffsetsResponse](ctx, k, q, 0)
	var results []*wire.Error
	if err == nil {
		for i := range answer.Topics {
			for j := range answer.Topics[i].Partitions {
				results = append(results, answer.Topics[i].Partitions[j].Error)
			}
		}
		if len(results) != len(list) {
			err = newError(wire.CodeInternal, nowhere(k.c.Address()), "the broker answered about %d partitions, not %d",
				len(results), len(list))
			err.Outcome = OutcomeUnknown
		}
	}
	out := make([]*Error, len(list))
	for i := range list {
		at := where{topic: list[i].Topic, partition: list[i].Partition, address: k.c.Address()}
		switch {
		case err != nil:
			e := *err
			e.Topic, e.Partition = at.topic, at.partition
			out[i] = &e
		case results[i] != nil:
			out[i] = fromWire(results[i], at)
		}
	}
	return out
}

// offsets returns what is committed for partitions, which are sorted.
func (k *coordinator) offsets(ctx context.Context, m member, ids []partitionID) ([]committedOffset, *Error) {
	q := &wire.FetchOffsetsRequest{Group: k.group, MemberID: m.id, MemberEpoch: m.epoch, Topics: byTopic(ids)}
	answer, err := ask[*wire.FetchOffsetsResponse](ctx, k, q, 0)
	if err != nil {
		return nil, err
	}
	out := make([]committedOffset, 0, len(ids))
	for i := range answer.Topics {
		for _, p := range answer.Topics[i].Partitions {
			o := committedOffset{offset: p.Offset, leaderEpoch: p.LeaderEpoch, metadata: p.Metadata}
			if p.Error != nil {
				o.why = fromWire(p.Error, nowhere(k.c.Address()))
			}
			out = append(out, o)
		}
	}
	if len(out) != len(ids) {
		return nil, newError(wire.CodeInternal, nowhere(k.c.Address()), "the broker answered about %d partitions, not %d",
			len(out), len(ids))
	}
	return out, nil
}

// byTopic groups partitions, which are sorted. It never returns nil.
func byTopic(ids []partitionID) []wire.GroupPartitions {
	out := []wire.GroupPartitions{}
	for _, id := range ids {
		if n := len(out); n == 0 || out[n-1].ID != id.topic {
			out = append(out, wire.GroupPartitions{ID: id.topic})
		}
		t := &out[len(out)-1]
		t.Partitions = append(t.Partitions, id.index)
	}
	return out
}
