package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/wire"
)

// describe_groups tells what groups are made of: members with what they hold, are to have and are to let go, epochs,
// and the last rebalances with their reasons. Each group has its own error (E135).
//
// Not done: rights.
func (b *Broker) describeGroups(
	ctx context.Context, req *wire.DescribeGroupsRequest,
) (*wire.DescribeGroupsResponse, error) {
	resp := &wire.DescribeGroupsResponse{Groups: make([]wire.GroupDescription, len(req.Groups))}
	for i, id := range req.Groups {
		h, err := b.groups.enter(ctx, id, refuseMissing)
		if err != nil {
			resp.Groups[i] = wire.GroupDescription{Group: id, Error: wireError(err), Coordinator: -1}
			continue
		}
		resp.Groups[i] = h.describe()
		h.leave()
	}
	return resp, nil
}

// describe tells what the group is made of, of whichever kind its members are. Called with mu held.
func (h *hostedGroup) describe() wire.GroupDescription {
	history := append(h.state.History(), h.classic.History()...)
	slices.SortStableFunc(history, func(x, y group.Rebalance) int { return x.Time.Compare(y.Time) })
	history = history[max(0, len(history)-group.MaxHistory):]
	out := h.c.b.describeGroup(h.state.Describe(), history)
	if !h.classic.Vacant() {
		h.describeClassic(&out)
	}
	return out
}

func (b *Broker) describeGroup(d group.Description, history []group.Rebalance) wire.GroupDescription {
	out := wire.GroupDescription{
		Group: d.Identity.ID, State: d.State.String(), Coordinator: d.Identity.Coordinator.Broker,
		CreatedMs: d.Identity.Created.UnixMilli(), GroupEpoch: d.Epoch, TargetEpoch: d.TargetEpoch,
		Assignor: d.Assignor.String(),
	}
	for _, m := range d.Members {
		in := wire.GroupMember{
			MemberID: m.ID, InstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.Host, Rack: m.Rack,
			MemberEpoch: m.Epoch, Away: m.Away, Topics: m.Subscription.Topics, Regex: m.Subscription.Regex,
			RebalanceTimeoutMs: int32(m.RebalanceTimeout.Milliseconds()), HeardMs: m.LastHeartbeat.UnixMilli(),
			Partitions: memberPartitions(m),
		}
		if m.Assignor != 0 {
			in.Assignor = m.Assignor.String()
		}
		out.Members = append(out.Members, in)
	}
	b.nameTopics(&out)
	for _, r := range history {
		took := int64(-1)
		if r.Duration >= 0 {
			took = r.Duration.Milliseconds()
		}
		out.Rebalances = append(out.Rebalances, wire.GroupRebalance{
			BeganMs: r.Time.UnixMilli(), GroupEpoch: r.Epoch, Reason: r.Reason.String(), Detail: r.Detail,
			Events: int32(r.Events), Moved: int32(r.Moved), TookMs: took,
		})
	}
	return out
}

// nameTopics names the topics of the members' partitions.
func (b *Broker) nameTopics(out *wire.GroupDescription) {
	topics := make(map[uint64]bool)
	for _, m := range out.Members {
		for _, p := range m.Partitions {
			topics[p.ID] = true
		}
	}
	for id := range topics {
		if name := b.topicName(id); name != "" {
			out.Topics = append(out.Topics, wire.TopicName{ID: id, Name: name})
		}
	}
	slices.SortFunc(out.Topics, func(x, y wire.TopicName) int { return cmp.Compare(x.ID, y.ID) })
}

// memberPartitions lists what a member has, is to let go and is to have, in order.
func memberPartitions(m group.MemberDescription) []wire.MemberPartition {
	states := make(map[group.Partition]int32)
	for at := range m.Target.All() {
		states[at] = wire.PartitionAwaited
	}
	for at := range m.Assigned.All() {
		states[at] = wire.PartitionAssigned
	}
	for at := range m.Revoking.All() {
		states[at] = wire.PartitionRevoking
	}
	var list []wire.MemberPartition
	for at, state := range states {
		list = append(list, wire.MemberPartition{ID: at.Topic, Index: at.Index, State: state})
	}
	slices.SortFunc(list, comparePartitions)
	return list
}

func comparePartitions(x, y wire.MemberPartition) int {
	return cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(x.Index, y.Index))
}
