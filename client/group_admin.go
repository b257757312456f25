package client

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/skidway/skidway/wire"
)

// GroupOffset is how far a group is in a partition, and what it has not read yet.
type GroupOffset struct {
	Offset               // Offset.Offset is -1 where nothing is committed
	TopicID       uint64 // Topic is empty where the topic is gone
	CommittedMs   int64  // when, in ms since 1970; -1: never
	Start, End    int64  // of the log; -1: unknown
	UnreadSinceMs int64  // timestamp of the first record that is not read, in ms since 1970; -1: all is, or unknown
	Err           *Error // why Start, End and UnreadSinceMs are unknown
}

// Lag is the number of records that the group has not read: those from what is committed on, or all where nothing is;
// -1: unknown.
func (o *GroupOffset) Lag() int64 {
	if o.End < 0 {
		return -1
	}
	return max(o.End-max(o.Offset.Offset, o.Start), 0)
}

// ListGroups returns every consumer group in few words, by id. In a cluster all brokers are asked, each of which tells
// of the groups that it coordinates; one whose coordinator cannot be asked now has the state "unavailable".
func (a *Admin) ListGroups(ctx context.Context) ([]wire.GroupSummary, error) {
	q := &wire.ListGroupsRequest{}
	r, err := query[*wire.ListGroupsResponse](ctx, a.c, q)
	if err != nil {
		return nil, err
	}
	groups := make(map[string]wire.GroupSummary, len(r.Groups))
	take := func(list []wire.GroupSummary) {
		for _, g := range list {
			if known, there := groups[g.Group]; !there || known.Coordinator < 0 {
				groups[g.Group] = g
			}
		}
	}
	take(r.Groups)
	for _, broker := range a.others(ctx) {
		answer, err := a.c.askBroker(ctx, broker, q)
		if more, fault := answerOf[*wire.ListGroupsResponse](answer, err, q, a.c.Address()); fault == nil {
			take(more.Groups)
		}
	}
	byID := func(a, b wire.GroupSummary) int { return strings.Compare(a.Group, b.Group) }
	return slices.SortedFunc(maps.Values(groups), byID), nil
}

// DescribeGroup returns what a consumer group is made of, and its last rebalances.
func (a *Admin) DescribeGroup(ctx context.Context, group string) (*wire.GroupDescription, error) {
	r, err := askGroup[*wire.DescribeGroupsResponse](ctx, a.c, group, &wire.DescribeGroupsRequest{Groups: []string{group}},
		mayRepeat)
	if err != nil {
		return nil, err
	}
	if len(r.Groups) != 1 {
		return nil, newError(wire.CodeInternal, nowhere(a.c.Address()), "the broker answered about %d groups, not 1",
			len(r.Groups))
	}
	if e := r.Groups[0].Error; e != nil {
		return nil, fromWire(e, nowhere(a.c.Address()))
	}
	return &r.Groups[0], nil
}

// DeleteGroup deletes a consumer group that has no members, with its offsets.
func (a *Admin) DeleteGroup(ctx context.Context, group string, m Mode) error {
	r, err := askGroup[*wire.DeleteGroupsResponse](ctx, a.c, group,
		&wire.DeleteGroupsRequest{Groups: []string{group}, ValidateOnly: m == ValidateOnly}, withoutEffect)
	if err != nil {
		return err
	}
	if len(r.Groups) != 1 {
		return newError(wire.CodeInternal, nowhere(a.c.Address()), "the broker answered about %d groups, not 1",
			len(r.Groups))
	}
	if e := r.Groups[0].Error; e != nil {
		return fromWire(e, nowhere(a.c.Address()))
	}
	return nil
}

// GroupOffsets returns what a group has committed, and the lag of each partition, sorted by topic id and partition. Of
// also, those partitions come that have nothing committed, too. A group that does not exist has committed nothing.
func (a *Admin) GroupOffsets(ctx context.Context, group string, also ...wire.GroupPartitions) ([]GroupOffset, error) {
	r, err := askGroup[*wire.FetchOffsetsResponse](ctx, a.c, group,
		&wire.FetchOffsetsRequest{Group: group, MemberEpoch: epochNone, All: true}, mayRepeat)
	if err != nil {
		return nil, err
	}
	found := make(map[partitionID]GroupOffset)
	for _, t := range also {
		for _, index := range t.Partitions {
			found[partitionID{t.ID, index}] = GroupOffset{TopicID: t.ID, CommittedMs: -1,
				Offset: Offset{Partition: index, Offset: -1, LeaderEpoch: -1}}
		}
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			found[partitionID{t.ID, p.Index}] = GroupOffset{TopicID: t.ID, CommittedMs: p.CommittedMs,
				Offset: Offset{Topic: t.Name, Partition: p.Index, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch,
					Metadata: p.Metadata}}
		}
	}
	ids := make([]partitionID, 0, len(found))
	for id := range found {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, partitionID.compare)
	return a.lags(ctx, ids, found)
}

// lagPatience bounds how long the leaders of partitions are looked for whose lag is wanted.
const lagPatience = 2 * time.Second

// lags asks the leaders where the offsets lie in their logs.
func (a *Admin) lags(ctx context.Context, ids []partitionID, found map[partitionID]GroupOffset) ([]GroupOffset, error) {
	ctx, cancel := context.WithTimeout(ctx, lagPatience)
	defer cancel()
	call := leaderCall[wire.DescribeOffsetsResult]{
		c: a.c, api: wire.APIDescribeOffsets, ids: ids, again: (*Error).Retriable,
		request: func(ids []partitionID) wire.Request { return offsetsQuery(ids, found) },
		results: func(r wire.Response) (out []wire.DescribeOffsetsResult) {
			if r, ok := r.(*wire.DescribeOffsetsResponse); ok {
				for i := range r.Topics {
					out = append(out, r.Topics[i].Partitions...)
				}
			}
			return out
		},
		refusal: func(r wire.DescribeOffsetsResult) *wire.Error { return r.Error },
		failed: func(id partitionID, e *wire.Error) wire.DescribeOffsetsResult {
			return wire.DescribeOffsetsResult{Index: id.index, Error: e, Start: -1, End: -1, TimestampMs: -1}
		},
	}
	results, err := call.run(ctx)
	if err != nil {
		return nil, err
	}
	var out []GroupOffset
	for i, p := range results {
		o := found[ids[i]]
		o.Start, o.End, o.UnreadSinceMs = p.Start, p.End, p.TimestampMs
		if p.Error != nil {
			o.Err = fromWire(p.Error, where{topic: o.Topic, partition: p.Index, address: a.c.Address()})
		}
		out = append(out, o)
	}
	return out, nil
}

func offsetsQuery(ids []partitionID, found map[partitionID]GroupOffset) *wire.DescribeOffsetsRequest {
	q := &wire.DescribeOffsetsRequest{}
	for _, id := range ids {
		if n := len(q.Topics); n == 0 || q.Topics[n-1].ID != id.topic {
			q.Topics = append(q.Topics, wire.DescribeOffsetsTopic{ID: id.topic})
		}
		t := &q.Topics[len(q.Topics)-1]
		t.Partitions = append(t.Partitions,
			wire.DescribeOffsetsPartition{Index: id.index, Offset: max(found[id].Offset.Offset, 0)})
	}
	return q
}

// DeleteGroupOffsets has a group forget what it committed for a topic: for the partitions named, or for all. It is
// refused while a member subscribes to the topic.
func (a *Admin) DeleteGroupOffsets(ctx context.Context, group, topic string, partitions ...int32) error {
	ids, err := a.c.partitionIDs(ctx, topic, partitions)
	if err != nil {
		return err
	}
	ask := wire.GroupPartitions{ID: ids[0].topic, Partitions: partitions}
	r, err := askGroup[*wire.DeleteOffsetsResponse](ctx, a.c, group,
		&wire.DeleteOffsetsRequest{Group: group, Topics: []wire.GroupPartitions{ask}}, withoutEffect)
	if err != nil {
		return err
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if p.Error != nil {
				return fromWire(p.Error, where{topic: topic, partition: p.Index, address: a.c.Address()})
			}
		}
	}
	return nil
}

// withoutEffect tells whether a request that changes something may be sent again.
func withoutEffect(e *Error) bool { return e.Outcome == OutcomeFailed && e.Retriable() }

// askGroup sends a request to a group's coordinator, again while again says so and RequestTimeout is not over. Its
// error is an *Error.
func askGroup[T wire.Response](ctx context.Context, c *Client, group string, q wire.Request,
	again func(*Error) bool) (T, error) {
	k := newCoordinator(c, c.links, group)
	return insist(ctx, c, q.API(), again, func(ctx context.Context) (T, *Error) {
		return ask[T](ctx, k, q, 0)
	})
}
