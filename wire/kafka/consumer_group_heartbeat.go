package kafka

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// ConsumerGroupHeartbeat is all that a member of a consumer group says (KIP-848): it joins (member epoch 0), it is
// there, it leaves (-1), or stops and will be back, as a static member (-2). Null means "as before". It is answered at
// once, and names the member's partitions when they change, when it joins and when it says everything; what it is to
// do, it learns at the interval that is answered. From version 1 on the member chooses its id, and may subscribe by a
// pattern.

// longestRebalance is what a member is given at most to let go of partitions: an hour, in milliseconds. Programs ask
// for days so that they may process for days; whoever holds partitions up for so long is taken for dead.
const longestRebalance = 3_600_000

func consumerGroupHeartbeat(ctx context.Context, r *request, req *kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
	if wrong := checkHeartbeat(req); wrong != nil {
		resp.ErrorCode, resp.ErrorMessage = wrong.code, textOf(wrong.text)
		return resp
	}
	if req.MemberID == "" {
		req.MemberID = rand.Text()
	}
	cluster := r.conn.node.Cluster().ID
	answer, err := r.conn.node.MemberHeartbeat(ctx, r.conn.peer, r.memberHeartbeat(req, cluster))
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = groupErrorCode(err), textOf(err.Error())
		return resp
	}
	resp.MemberID, resp.MemberEpoch = &req.MemberID, answer.MemberEpoch
	resp.HeartbeatIntervalMillis = answer.HeartbeatIntervalMs
	if answer.Assigns {
		a := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
		for _, t := range answer.Assignment {
			out := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
			out.TopicID, out.Partitions = topicUUID(cluster, t.ID), t.Partitions
			a.Topics = append(a.Topics, out)
		}
		resp.Assignment = &a
	}
	return resp
}

// checkHeartbeat holds a request to the rules of Kafka's that the native protocol does not have; nil: it keeps them.
func checkHeartbeat(req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	joins := req.MemberEpoch == 0
	wrong := ""
	switch {
	case req.Group == "":
		wrong = "the group id is empty"
	case req.MemberID == "" && (req.Version > 0 || !joins):
		wrong = "the member id is empty"
	case req.InstanceID != nil && *req.InstanceID == "":
		wrong = "the instance id is empty"
	case req.RackID != nil && *req.RackID == "":
		wrong = "the rack id is empty"
	case req.MemberEpoch < -2:
		wrong = fmt.Sprintf("member epoch %d", req.MemberEpoch)
	case joins && req.RebalanceTimeoutMillis < 0:
		wrong = "a member that joins has to say its rebalance timeout"
	case joins && (req.Topics == nil || len(req.Topics) > 0):
		wrong = "a member that joins has to say that it owns no partitions"
	case joins && req.SubscribedTopicNames == nil && req.SubscribedTopicRegex == nil:
		wrong = "a member that joins has to say what it subscribes to"
	case req.ServerAssignor != nil && *req.ServerAssignor == "":
		return &refusal{kerr.UnsupportedAssignor.Code, "the assignor's name is empty"}
	default:
		return nil
	}
	return &refusal{kerr.InvalidRequest.Code, wrong}
}

// memberHeartbeat is the request as the native protocol has it.
func (r *request) memberHeartbeat(req *kmsg.ConsumerGroupHeartbeatRequest, cluster string) *MemberHeartbeat {
	out := &MemberHeartbeat{ClientID: r.clientID}
	out.Group, out.MemberID, out.MemberEpoch = req.Group, req.MemberID, req.MemberEpoch
	out.InstanceID, out.Rack, out.Assignor = given(req.InstanceID), given(req.RackID), given(req.ServerAssignor)
	if ms := req.RebalanceTimeoutMillis; ms >= 0 {
		out.RebalanceTimeoutMs = min(max(ms, 1), longestRebalance)
	}
	out.Subscribes = req.SubscribedTopicNames != nil || req.SubscribedTopicRegex != nil
	out.Topics, out.Regex = req.SubscribedTopicNames, given(req.SubscribedTopicRegex)
	out.KeepTopics, out.KeepRegex = req.SubscribedTopicNames == nil, req.SubscribedTopicRegex == nil
	out.ReportsOwned = req.Topics != nil
	for _, t := range req.Topics {
		if topic := topicNumber(cluster, t.TopicID); topic != 0 { // 0: of another cluster, and never given here
			out.Owned = append(out.Owned, wire.GroupPartitions{ID: topic, Partitions: t.Partitions})
		}
	}
	return out
}
