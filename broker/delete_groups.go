package broker

import (
	"context"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/wire"
	"github.com/skidway/skidway/wire/kafka"
)

// delete_groups deletes groups that have no members (else E120), with all that they committed, each for itself. It is
// answered when that is durable. A group made again under the id begins with nothing.
//
// Not done: rights.
func (b *Broker) deleteGroups(ctx context.Context, req *wire.DeleteGroupsRequest) (*wire.DeleteGroupsResponse, error) {
	resp := &wire.DeleteGroupsResponse{Groups: make([]wire.GroupResult, len(req.Groups))}
	for i, id := range req.Groups {
		resp.Groups[i] = wire.GroupResult{Group: id, Error: wireError(b.deleteGroup(ctx, id, req.ValidateOnly))}
	}
	return resp, nil
}

func (b *Broker) deleteGroup(ctx context.Context, id string, validateOnly bool) error {
	h, err := b.groups.enter(ctx, id, refuseMissing)
	if err != nil {
		return err
	}
	if validateOnly {
		defer h.leave()
		return h.busy()
	}
	err = h.busy()
	if err == nil {
		err = h.state.Delete()
	}
	if err != nil {
		h.leave()
		return err
	}
	w := h.gathered()
	h.leave()
	return await(ctx, w)
}

// busy is why the group cannot be deleted; nil: it can. Called with mu held.
func (h *hostedGroup) busy() error {
	if h.size() == 0 && h.classic.Vacant() {
		return nil
	}
	return wire.Errorf(wire.CodeGroupBusy, "group %q: it has %d members", h.id, h.size())
}

// delete_offsets forgets how far a group has come, each partition for itself; a topic without partitions means all of
// it. A topic that a member of the group subscribes to is refused (E120): its members would commit it again.
//
// Not done: rights.
func (b *Broker) deleteOffsets(
	ctx context.Context, req *wire.DeleteOffsetsRequest,
) (*wire.DeleteOffsetsResponse, error) {
	h, err := b.groups.enter(ctx, req.Group, refuseMissing)
	if err != nil {
		return nil, err
	}
	subscribed := h.subscribed()
	resp := &wire.DeleteOffsetsResponse{Topics: make([]wire.CommitTopicResult, len(req.Topics))}
	var w *groupWrite
	for i, in := range req.Topics {
		out := &resp.Topics[i]
		out.ID = in.ID
		for _, index := range partitionsOrAll(h.book, in) {
			r := wire.CommitResult{Index: index}
			if subscribed[in.ID] {
				r.Error = wire.Errorf(wire.CodeGroupBusy, "group %q: a member subscribes to topic %q", h.id, b.topicName(in.ID))
			} else {
				w = h.gathered()
				w.fold.Delete(group.Partition{Topic: in.ID, Index: index})
			}
			out.Partitions = append(out.Partitions, r)
		}
	}
	h.leave()
	failed := wireError(await(ctx, w))
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			if p := &resp.Topics[i].Partitions[j]; p.Error == nil {
				p.Error = failed
			}
		}
	}
	return resp, nil
}

// subscribed are the topics that members of the group subscribe to. Called with mu held.
func (h *hostedGroup) subscribed() map[uint64]bool {
	ids := make(map[uint64]bool)
	var names []string
	for _, m := range h.state.Describe().Members {
		for _, t := range m.Target {
			ids[t.Topic] = true
		}
		names = append(names, m.Subscription.Topics...)
	}
	for _, m := range h.classic.Describe().Members {
		names = append(names, kafka.Subscribed(m.Metadata)...)
	}
	for _, name := range names {
		if t := h.c.b.topics.name(name); t != nil {
			ids[t.id] = true
		}
	}
	return ids
}

// partitionsOrAll are the partitions named, or all of the topic that have an offset.
func partitionsOrAll(book *group.Book, in wire.GroupPartitions) []int32 {
	if len(in.Partitions) > 0 {
		return in.Partitions
	}
	var all []int32
	for at := range book.All() {
		if at.Topic == in.ID {
			all = append(all, at.Index)
		}
	}
	return all
}
