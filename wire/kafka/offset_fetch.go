package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// OffsetFetch tells how far a group has come, or, from version 8 on, some groups: only what is durable. There are no
// transactions, so every offset is stable. A topic or partition that is not there has no offset, which is no error.
// From version 9 on a member whose partitions the broker assigns says who it is, and is refused unless it is at its
// newest epoch. A group that is named twice is told once.
func offsetFetch(ctx context.Context, r *request, req *kmsg.OffsetFetchRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	if req.Version >= 8 {
		told := make(map[string]bool, len(req.Groups))
		for _, g := range req.Groups {
			if !told[g.Group] {
				told[g.Group] = true
				resp.Groups = append(resp.Groups, r.fetchOffsets(ctx, g))
			}
		}
		return resp
	}
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = req.Group
	if req.Topics != nil {
		one.Topics = make([]kmsg.OffsetFetchRequestGroupTopic, len(req.Topics))
		for i, t := range req.Topics {
			one.Topics[i].Topic, one.Topics[i].Partitions = t.Topic, t.Partitions
		}
	}
	g := r.fetchOffsets(ctx, one)
	resp.ErrorCode = g.ErrorCode
	for _, t := range g.Topics {
		out := kmsg.NewOffsetFetchResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			q := kmsg.NewOffsetFetchResponseTopicPartition()
			q.Partition, q.Offset, q.LeaderEpoch, q.Metadata, q.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch,
				p.Metadata, p.ErrorCode
			out.Partitions = append(out.Partitions, q)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// fetchOffsets answers for one group. An error of the group is told for its partitions, too: the first versions have no
// other place for it.
func (r *request) fetchOffsets(
	ctx context.Context, g kmsg.OffsetFetchRequestGroup,
) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = g.Group
	in := &wire.FetchOffsetsRequest{
		Group: g.Group, MemberID: given(g.MemberID), MemberEpoch: g.MemberEpoch, All: g.Topics == nil,
	}
	at := make([]int, len(g.Topics)) // of each topic in the answer; -1: it is not asked for
	for i, t := range g.Topics {
		at[i] = -1
		if id := r.conn.node.TopicID(t.Topic); id != 0 {
			at[i] = len(in.Topics)
			in.Topics = append(in.Topics, wire.GroupPartitions{ID: id, Partitions: t.Partitions})
		}
	}
	found, refused := ask[*wire.FetchOffsetsResponse](ctx, r, in)
	if refused != nil {
		out.ErrorCode = memberErrorCode(refused)
		found = &wire.FetchOffsetsResponse{}
	}
	if in.All {
		for _, t := range found.Topics {
			if t.Name != "" {
				out.Topics = append(out.Topics, fetchedTopic(t.Name, t.Partitions))
			}
		}
		return out
	}
	for i, t := range g.Topics {
		if at[i] >= 0 && refused == nil {
			out.Topics = append(out.Topics, fetchedTopic(t.Topic, found.Topics[at[i]].Partitions))
			continue
		}
		none := make([]wire.CommittedOffset, len(t.Partitions))
		for i, index := range t.Partitions {
			none[i] = wire.CommittedOffset{Index: index, Offset: -1, LeaderEpoch: -1}
		}
		topic := fetchedTopic(t.Topic, none)
		for i := range topic.Partitions {
			topic.Partitions[i].ErrorCode = out.ErrorCode
		}
		out.Topics = append(out.Topics, topic)
	}
	return out
}

func fetchedTopic(name string, partitions []wire.CommittedOffset) kmsg.OffsetFetchResponseGroupTopic {
	t := kmsg.NewOffsetFetchResponseGroupTopic()
	t.Topic = name
	for _, p := range partitions {
		out := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		out.Partition, out.Offset, out.LeaderEpoch, out.Metadata = p.Index, p.Offset, p.LeaderEpoch, &p.Metadata
		t.Partitions = append(t.Partitions, out)
	}
	return t
}
