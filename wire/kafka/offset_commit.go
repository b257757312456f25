package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// OffsetCommit stores how far a group has come, where members of the native protocol store it too, and is answered when
// that is durable. How long an offset is kept is the broker's to say, not the client's. A member whose partitions the
// broker assigns says its epoch for a generation, and may commit what it holds under each epoch that it had since it
// was given it (KIP-1251).

// committing is one partition of a commit.
type committing struct {
	topic uint64
	in    *kmsg.OffsetCommitRequestTopicPartition
	out   *kmsg.OffsetCommitResponseTopicPartition
}

func offsetCommit(ctx context.Context, r *request, req *kmsg.OffsetCommitRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	var list []committing
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.Topic, out.Partitions = in.Topic, make([]kmsg.OffsetCommitResponseTopicPartition, len(in.Partitions))
		topic := r.conn.node.TopicID(in.Topic)
		for j := range in.Partitions {
			c := committing{topic, &in.Partitions[j], &out.Partitions[j]}
			c.out.Partition = c.in.Partition
			if topic == 0 {
				c.out.ErrorCode = kerr.UnknownTopicOrPartition.Code
				continue
			}
			list = append(list, c)
		}
	}
	r.commit(ctx, GroupMember{req.Group, req.MemberID, given(req.InstanceID), req.Generation}, list)
	return resp
}

// commit commits the partitions, and answers each.
func (r *request) commit(ctx context.Context, member GroupMember, list []committing) {
	topics := make([]wire.CommitTopic, len(list))
	for i, c := range list {
		p := wire.CommitPartition{Index: c.in.Partition, Offset: c.in.Offset, LeaderEpoch: max(c.in.LeaderEpoch, -1)}
		if r.version < 6 {
			p.LeaderEpoch = -1
		}
		p.Metadata = given(c.in.Metadata)
		topics[i] = wire.CommitTopic{ID: c.topic, Partitions: []wire.CommitPartition{p}}
	}
	resp, err := r.conn.node.CommitGroup(ctx, member, topics)
	for i, c := range list {
		if err != nil {
			c.out.ErrorCode = memberErrorCode(err)
		} else if refused := resp.Topics[i].Partitions[0].Error; refused != nil {
			c.out.ErrorCode = memberErrorCode(refused)
		}
	}
}
