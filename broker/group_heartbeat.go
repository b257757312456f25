package broker

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/wire"
)

// group_heartbeat is all that a member of a consumer group says (KIP-848): it joins, it is there, it leaves. It is
// answered when what the answer says is durable. An answer without news is held back for max_wait_ms, at most for the
// heartbeat interval, until there are some; so a rebalance takes round trips and not intervals. A group is created by
// its first member.
//
// A member that is fenced (E121) or unknown (E124) has lost its partitions and joins anew.
//
// Not done: rights; assignors of clients; racks are kept and described, not used.

// heartbeatCall is one heartbeat under way.
type heartbeatCall struct {
	b    *Broker
	peer *wire.Peer
	req  *wire.GroupHeartbeatRequest
	// keepTopics and keepRegex are as in group.HeartbeatRequest.
	keepTopics, keepRegex bool
}

// Wait carries the heartbeat out.
func (c heartbeatCall) Wait(ctx context.Context) (wire.Response, error) {
	defer c.b.crash()
	resp, err := c.beat(ctx)
	if err != nil {
		return nil, wireError(err)
	}
	return resp, nil
}

// beat hands the heartbeat to the group, and again when there are news while the answer is held back.
func (c heartbeatCall) beat(ctx context.Context) (*wire.GroupHeartbeatResponse, error) {
	begun := time.Now()
	req := c.request()
	for {
		h, err := c.enter(ctx, req)
		if err != nil {
			return nil, c.memberless(err)
		}
		if err := h.admits(req); err != nil {
			h.leave()
			return nil, err
		}
		answer, err := h.state.Heartbeat(time.Now(), req)
		if err != nil {
			h.leave()
			return nil, err
		}
		h.wakeMembers()
		w := h.settled()
		rest := c.patience(answer) - time.Since(begun)
		var hold *holding
		if answer.Assignment == nil && answer.Epoch > 0 && rest > 0 {
			hold = h.hold(req.MemberID)
		}
		h.leave()
		if err := await(ctx, w); err != nil || hold == nil || !c.idle(ctx, hold, rest) {
			if hold != nil {
				h.letGo(req.MemberID, hold)
			}
			return c.response(answer), err
		}
		req = group.HeartbeatRequest{MemberID: req.MemberID, Epoch: answer.Epoch}
	}
}

// enter finds the group, and makes it for a member that joins, unless the group would refuse it.
func (c heartbeatCall) enter(ctx context.Context, req group.HeartbeatRequest) (*hostedGroup, error) {
	h, err := c.b.groups.enter(ctx, c.req.Group, refuseMissing)
	if req.Epoch != group.EpochJoin || err == nil || wireError(err).Code != wire.CodeUnknownGroup {
		return h, err
	}
	if err := req.Check(c.req.Group); err != nil {
		return nil, err
	}
	return c.b.groups.enter(ctx, c.req.Group, createMissing)
}

// admits refuses a member that joins while the group's members are of Kafka's classic protocol. Called with mu held.
func (h *hostedGroup) admits(req group.HeartbeatRequest) error {
	if req.Epoch != group.EpochJoin || h.classic.Vacant() {
		return nil
	}
	return fmt.Errorf("group %q, member %q: %w: they are Kafka's classic consumers", h.id, req.MemberID,
		group.ErrInconsistentProtocol)
}

// idle waits for news, and tells whether there are some.
func (c heartbeatCall) idle(ctx context.Context, hold *holding, rest time.Duration) bool {
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-hold.over:
		return !hold.replaced
	case <-timer.C:
	case <-ctx.Done():
	case <-c.b.draining:
	}
	return false
}

// patience is how long an answer without news may be held back.
func (c heartbeatCall) patience(answer group.HeartbeatResponse) time.Duration {
	return min(time.Duration(c.req.MaxWaitMs)*time.Millisecond, answer.HeartbeatInterval)
}

// memberless says of a group that does not exist what it means to a member of it.
func (c heartbeatCall) memberless(err error) error {
	if e := wireError(err); e.Code == wire.CodeUnknownGroup {
		return wire.Errorf(wire.CodeUnknownMember, "no member %q: there is no group %q", c.req.MemberID, c.req.Group)
	}
	return err
}

func (c heartbeatCall) request() group.HeartbeatRequest {
	in := c.req
	req := group.HeartbeatRequest{
		MemberID: in.MemberID, Epoch: in.MemberEpoch, InstanceID: in.InstanceID, ClientID: c.peer.ClientName,
		Host: hostOf(c.peer.Remote), Rack: in.Rack, Assignor: in.Assignor,
		RebalanceTimeout: time.Duration(in.RebalanceTimeoutMs) * time.Millisecond,
	}
	if in.Subscribes {
		req.Subscription = &group.Subscription{Topics: in.Topics, Regex: in.Regex}
		req.KeepTopics, req.KeepRegex = c.keepTopics, c.keepRegex
	}
	if in.ReportsOwned {
		req.Owned = make(group.Assignment, len(in.Owned))
		for i, t := range in.Owned {
			req.Owned[i] = group.TopicPartitions{Topic: t.ID, Partitions: t.Partitions}
		}
	}
	return req
}

func (c heartbeatCall) response(a group.HeartbeatResponse) *wire.GroupHeartbeatResponse {
	opts := c.b.groups.opts
	resp := &wire.GroupHeartbeatResponse{
		MemberEpoch: a.Epoch, HeartbeatIntervalMs: int32(a.HeartbeatInterval.Milliseconds()),
		SessionTimeoutMs: int32(opts.SessionTimeout.Milliseconds()), Assigns: a.Assignment != nil,
	}
	for _, t := range a.Assignment {
		resp.Assignment = append(resp.Assignment,
			wire.AssignedTopic{ID: t.Topic, Name: c.b.topicName(t.Topic), Partitions: t.Partitions})
	}
	return resp
}

// hostOf is a connection's address without its port.
func hostOf(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return a.String()
}

// topicName is the name of a topic, "" when it is gone.
func (b *Broker) topicName(id uint64) string {
	if t := b.topics.id(id); t != nil {
		return t.name
	}
	return ""
}
