package kafka

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// ConsumerGroupDescribe tells what consumer groups are made of (KIP-848): members with what they have and are to have,
// and epochs. Each group has its own error; one of Kafka's classic protocol is not found. There are no rights, so the
// operations that a client may carry out are not told. A group that is named twice is told once.
func consumerGroupDescribe(ctx context.Context, r *request, req *kmsg.ConsumerGroupDescribeRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
	for _, id := range onceEach(req.Groups) {
		out := kmsg.NewConsumerGroupDescribeResponseGroup()
		out.Group = id
		if err := r.describeConsumers(ctx, &out); err != nil {
			out.ErrorCode, out.ErrorMessage = groupErrorCode(err), textOf(err.Error())
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

// onceEach drops all but the first of those that are alike, in place.
func onceEach(list []string) []string {
	seen := make(once[string], len(list))
	return slices.DeleteFunc(list, func(s string) bool { return !seen.first(s) })
}

// once holds what has come.
type once[K comparable] map[K]bool

// first tells whether something comes for the first time.
func (o once[K]) first(k K) bool {
	again := o[k]
	o[k] = true
	return !again
}

// describeConsumers describes one group.
func (r *request) describeConsumers(ctx context.Context, out *kmsg.ConsumerGroupDescribeResponseGroup) error {
	kind, err := r.conn.node.DescribeGroup(ctx, out.Group)
	if err != nil {
		return err
	}
	if kind.Classic {
		return wire.Errorf(wire.CodeUnknownGroup, "group %q has no members whose partitions the broker assigns", out.Group)
	}
	found, refused := ask[*wire.DescribeGroupsResponse](ctx, r, &wire.DescribeGroupsRequest{Groups: []string{out.Group}})
	if refused != nil {
		return refused
	}
	in := &found.Groups[0]
	if in.Error != nil {
		return in.Error
	}
	fillDescription(out, in, r.conn.node.Cluster().ID)
	return nil
}

// fillDescription puts the group into Kafka's words.
func fillDescription(out *kmsg.ConsumerGroupDescribeResponseGroup, in *wire.GroupDescription, cluster string) {
	out.State = strings.ToUpper(in.State[:1]) + in.State[1:]
	out.Epoch, out.AssignmentEpoch, out.AssignorName = in.GroupEpoch, in.TargetEpoch, in.Assignor
	topics := assignedTopics{cluster: cluster, names: make(map[uint64]string, len(in.Topics))}
	for _, t := range in.Topics {
		topics.names[t.ID] = t.Name
	}
	// What a member still has, and another one awaits, is not for it any more.
	awaited := make(map[wire.MemberPartition]bool)
	for i := range in.Members {
		for _, p := range in.Members[i].Partitions {
			if p.State == wire.PartitionAwaited {
				awaited[p] = true
			}
		}
	}
	for i := range in.Members {
		m := &in.Members[i]
		member := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		member.MemberID, member.InstanceID, member.RackID = m.MemberID, textOf(m.InstanceID), textOf(m.Rack)
		member.MemberEpoch, member.ClientID, member.ClientHost = m.MemberEpoch, m.ClientID, "/"+m.Host
		member.SubscribedTopics, member.SubscribedTopicRegex = m.Topics, textOf(m.Regex)
		member.MemberType = memberOfBroker
		if m.Away {
			member.MemberEpoch = -2
		}
		for _, p := range m.Partitions {
			switch {
			case p.State == wire.PartitionAwaited:
				topics.add(&member.TargetAssignment, p)
			case p.State == wire.PartitionAssigned:
				topics.add(&member.Assignment, p)
				if !awaited[wire.MemberPartition{ID: p.ID, Index: p.Index, State: wire.PartitionAwaited}] {
					topics.add(&member.TargetAssignment, p)
				}
			}
		}
		out.Members = append(out.Members, member)
	}
}

// memberOfBroker is the type of a member whose partitions the broker assigns.
const memberOfBroker = 1

// assignedTopics makes lists of partitions by topic.
type assignedTopics struct {
	cluster string
	names   map[uint64]string
}

// add puts a partition into a list, next to those of its topic.
func (t *assignedTopics) add(to *kmsg.Assignment, p wire.MemberPartition) {
	id := topicUUID(t.cluster, p.ID)
	if n := len(to.TopicPartitions); n == 0 || to.TopicPartitions[n-1].TopicID != id {
		topic := kmsg.NewAssignmentTopicPartition()
		topic.TopicID, topic.Topic = id, t.names[p.ID]
		to.TopicPartitions = append(to.TopicPartitions, topic)
	}
	last := &to.TopicPartitions[len(to.TopicPartitions)-1]
	last.Partitions = append(last.Partitions, p.Index)
}
