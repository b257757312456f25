package broker

import (
	"context"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/wire"
)

// fetch_offsets tells how far a group has come: only what is durable, and at least what was acknowledged before the
// request came. With a member id it is refused unless the member is at that epoch (E121, E124, E125), so that a member
// does not begin where it stood before others went on. A group that does not exist has committed nothing.
//
// In a cluster the version of the group's node is checked after the request came: a coordinator that was deposed cannot
// answer from the past.
//
// Not done: rights.
func (b *Broker) fetchOffsets(ctx context.Context, req *wire.FetchOffsetsRequest) (*wire.FetchOffsetsResponse, error) {
	h, err := b.groups.enter(ctx, req.Group, refuseMissing)
	if e := wireError(err); e != nil && e.Code == wire.CodeUnknownGroup && req.MemberID == "" {
		return b.committed(group.NewBook(1), req), nil
	}
	if err != nil {
		return nil, err
	}
	if req.MemberID != "" && !h.classic.Has(req.MemberID) { // classic consumers may say a generation: nobody minds it
		if err := h.state.CheckMember(req.MemberID, req.MemberEpoch); err != nil {
			h.leave()
			return nil, err
		}
	}
	w := h.confirmed()
	if w == nil {
		resp := b.committed(h.book, req)
		h.leave()
		return resp, nil
	}
	h.leave()
	if err := await(ctx, w); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost != nil {
		return nil, h.lost
	}
	return b.committed(h.book, req), nil
}

// committed answers from a book.
func (b *Broker) committed(book *group.Book, req *wire.FetchOffsetsRequest) *wire.FetchOffsetsResponse {
	resp := &wire.FetchOffsetsResponse{}
	if req.All {
		for at, o := range book.All() {
			n := len(resp.Topics)
			if n == 0 || resp.Topics[n-1].ID != at.Topic {
				resp.Topics = append(resp.Topics, wire.CommittedTopic{ID: at.Topic, Name: b.topicName(at.Topic)})
				n++
			}
			t := &resp.Topics[n-1]
			t.Partitions = append(t.Partitions, committedOffset(at.Index, o))
		}
		return resp
	}
	for _, in := range req.Topics {
		out := wire.CommittedTopic{ID: in.ID, Name: b.topicName(in.ID)}
		t := b.topics.id(in.ID)
		for _, index := range in.Partitions {
			answer := wire.CommittedOffset{Index: index, Offset: -1, LeaderEpoch: -1, CommittedMs: -1}
			if t == nil {
				answer.Error = unknownTopicID(in.ID)
			} else if o, found := book.Get(group.Partition{Topic: in.ID, Index: index}); found {
				answer = committedOffset(index, o)
			}
			out.Partitions = append(out.Partitions, answer)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func committedOffset(index int32, o group.Offset) wire.CommittedOffset {
	return wire.CommittedOffset{
		Index: index, Offset: o.Offset, LeaderEpoch: o.LeaderEpoch, Metadata: o.Metadata, CommittedMs: o.Time,
	}
}
