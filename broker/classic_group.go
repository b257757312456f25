package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
	"github.com/skidway/skidway/wire/kafka"
)

// Groups of Kafka's classic protocol are coordinated, loaded, written and moved as native ones, and commit to the same
// offsets. A group's members are of one kind: while there are some, the other kind is refused; an empty group may
// change its kind.
//
// A join waits until all members have joined, a sync until the leader has assigned, on the writer goroutine of the
// member's connection, as a held heartbeat does; what it is answered goes out when it is durable. If the connection
// ends, the member stays until its session ends. If the group is lost, or the broker stops, the member is told that the
// group has another coordinator, finds it, and joins there.
//
// Not done: rights.

// classicWait is a join or a sync that waits.
type classicWait struct {
	h      *hostedGroup
	ticket group.Ticket
	over   chan struct{} // closed when there is an answer
	// What follows is to be read after over.
	answer group.ClassicAnswer
	write  *groupWrite // after which the answer may be sent
}

// wait registers a join or a sync. Called with mu held.
func (h *hostedGroup) wait() *classicWait {
	h.tickets++
	w := &classicWait{h: h, ticket: h.tickets, over: make(chan struct{})}
	h.waiting[w.ticket] = w
	return w
}

// answerWaiting gives the answers that are due to those who wait. Called with mu held.
func (h *hostedGroup) answerWaiting() {
	for _, a := range h.classic.Answers() {
		w := h.waiting[a.Ticket]
		if w == nil { // nobody waits any more
			continue
		}
		delete(h.waiting, a.Ticket)
		w.answer, w.write = a, h.settled()
		close(w.over)
	}
}

// result waits for the answer, and until it may be sent.
func (w *classicWait) result(ctx context.Context) (group.ClassicAnswer, error) {
	var err error
	select {
	case <-w.over:
		if w.answer.Err != nil {
			return w.answer, w.answer.Err
		}
		return w.answer, await(ctx, w.write)
	case <-ctx.Done():
		err = ctx.Err()
	case <-w.h.c.b.draining:
		err = wire.Errorf(wire.CodeShuttingDown, "group %q: the broker is stopping", w.h.id)
	}
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	delete(w.h.waiting, w.ticket)
	return group.ClassicAnswer{}, err
}

// readClassic reads what there is of the group as Kafka's classic protocol has it. The group is nobody else's yet.
func (h *hostedGroup) readClassic(ctx context.Context) error {
	node, err := h.c.b.meta.Get(ctx, group.Path(h.id)+"/"+group.ClassicDirectory)
	if errors.Is(err, metadata.ErrNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	below, err := h.c.readBelow(ctx, h.id, group.ClassicDirectory)
	if err != nil {
		return err
	}
	h.known[group.ClassicDirectory] = true
	for _, change := range below {
		h.known[change.Suffix] = true
	}
	h.classic, err = group.RestoreClassic(time.Now(), h.id, node.Data, below, h.c.opts)
	return err
}

// describeClassic describes the group as one of Kafka's classic protocol. Called with mu held.
func (h *hostedGroup) describeClassic(out *wire.GroupDescription) {
	d := h.classic.Describe()
	out.State, out.GroupEpoch, out.TargetEpoch, out.Assignor = d.State.String(), d.Generation, d.Generation, d.Protocol
	for _, m := range d.Members {
		in := wire.GroupMember{
			MemberID: m.ID, InstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.Host, MemberEpoch: d.Generation,
			Topics: kafka.Subscribed(m.Metadata), RebalanceTimeoutMs: int32(m.RebalanceTimeout.Milliseconds()),
			HeardMs: m.LastHeard.UnixMilli(), Assignor: d.Protocol,
		}
		for name, partitions := range kafka.Assigned(m.Assignment) {
			t := h.c.b.topics.name(name)
			if t == nil {
				continue
			}
			for _, index := range partitions {
				if t.partition(index) != nil {
					in.Partitions = append(in.Partitions,
						wire.MemberPartition{ID: t.id, Index: index, State: wire.PartitionAssigned})
				}
			}
		}
		slices.SortFunc(in.Partitions, comparePartitions)
		out.Members = append(out.Members, in)
	}
	h.c.b.nameTopics(out)
}

// kafkaNode carries out what Kafka's clients ask of groups.
var _ kafka.Groups = kafkaNode{}

// groupError is an error as a Kafka client is told it.
func groupError(err error) error {
	for _, c := range []struct {
		class error
		code  kafka.GroupError
	}{
		{group.ErrIllegalGeneration, kafka.IllegalGeneration},
		{group.ErrInvalidSessionTimeout, kafka.InvalidSessionTimeout},
		{group.ErrRebalanceInProgress, kafka.RebalanceInProgress},
		{group.ErrMemberIDRequired, kafka.MemberIDRequired},
		{group.ErrFencedInstance, kafka.FencedInstance},
	} {
		if errors.Is(err, c.class) {
			return fmt.Errorf("%w: %w", c.code, err)
		}
	}
	if e := wireError(err); e != nil {
		return e
	}
	return nil
}

// enterClassic finds a group of which the sender says that it is a member.
func (n kafkaNode) enterClassic(ctx context.Context, id string) (*hostedGroup, error) {
	h, err := n.b.groups.enter(ctx, id, refuseMissing)
	if err != nil {
		if e := wireError(err); e.Code == wire.CodeUnknownGroup {
			err = wire.Errorf(wire.CodeUnknownMember, "there is no group %q", id)
		}
		return nil, groupError(err)
	}
	return h, nil
}

func senderOf(m kafka.GroupMember) group.Sender {
	return group.Sender{MemberID: m.MemberID, InstanceID: m.InstanceID, Generation: m.Generation}
}

// JoinGroup lets a member join, and waits until all have.
func (n kafkaNode) JoinGroup(ctx context.Context, peer *wire.Peer, req *kafka.JoinGroup) (*kafka.JoinedGroup, error) {
	join := group.JoinRequest{
		MemberID: req.MemberID, InstanceID: req.InstanceID, Fresh: rand.Text(), ClientID: presentable(req.ClientID),
		Host: hostOf(peer.Remote), ProtocolType: req.ProtocolType,
		SessionTimeout:   time.Duration(req.SessionTimeoutMs) * time.Millisecond,
		RebalanceTimeout: time.Duration(req.RebalanceTimeoutMs) * time.Millisecond,
		RequireKnownID:   req.RequireKnownID, CanSkip: req.CanSkipAssignment,
	}
	for _, p := range req.Protocols {
		join.Protocols = append(join.Protocols, group.Protocol{Name: p.Name, Metadata: slices.Clone(p.Metadata)})
	}
	if err := join.Check(); err != nil {
		return nil, groupError(fmt.Errorf("group %q: %w", req.Group, err))
	}
	var h *hostedGroup
	var err error
	if req.MemberID == "" {
		if h, err = n.b.groups.enter(ctx, req.Group, createMissing); err != nil {
			return nil, groupError(err)
		}
	} else if h, err = n.enterClassic(ctx, req.Group); err != nil {
		return nil, err
	}
	switch {
	case h.state.State() == group.Dead:
		h.leave()
		return nil, groupError(fmt.Errorf("group %q: %w", req.Group, group.ErrGroupDead))
	case h.state.Size() > 0:
		h.leave()
		return nil, groupError(fmt.Errorf("group %q: %w: they are native ones", req.Group, group.ErrInconsistentProtocol))
	}
	w := h.wait()
	h.classic.Join(time.Now(), w.ticket, join)
	h.leave()
	a, err := w.result(ctx)
	return joined(a.Join), groupError(err)
}

func joined(j group.JoinResponse) *kafka.JoinedGroup {
	out := &kafka.JoinedGroup{
		MemberID: j.MemberID, Generation: j.Generation, ProtocolType: j.ProtocolType, Protocol: j.Protocol,
		Leader: j.Leader, SkipAssignment: j.SkipAssignment,
	}
	for _, m := range j.Members {
		out.Members = append(out.Members,
			kafka.JoinedMember{MemberID: m.MemberID, InstanceID: m.InstanceID, Metadata: m.Metadata})
	}
	return out
}

// presentable is a text of a client's as it can be shown and stored.
func presentable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
	if len(s) > group.MaxTextBytes {
		s = s[:group.MaxTextBytes]
	}
	return strings.ToValidUTF8(s, "")
}

// SyncGroup tells a member what is its own, and waits until the leader has assigned it.
func (n kafkaNode) SyncGroup(ctx context.Context, req *kafka.SyncGroup) (*kafka.SyncedGroup, error) {
	sync := group.SyncRequest{Sender: senderOf(req.GroupMember), ProtocolType: req.ProtocolType, Protocol: req.Protocol}
	for _, a := range req.Assignments {
		sync.Assignments = append(sync.Assignments,
			group.MemberAssignment{MemberID: a.MemberID, Assignment: slices.Clone(a.Assignment)})
	}
	h, err := n.enterClassic(ctx, req.Group)
	if err != nil {
		return nil, err
	}
	w := h.wait()
	h.classic.Sync(time.Now(), w.ticket, sync)
	h.leave()
	a, err := w.result(ctx)
	return &kafka.SyncedGroup{
		ProtocolType: a.Sync.ProtocolType, Protocol: a.Sync.Protocol, Assignment: a.Sync.Assignment,
	}, groupError(err)
}

// HeartbeatGroup hears a member.
func (n kafkaNode) HeartbeatGroup(ctx context.Context, m kafka.GroupMember) error {
	h, err := n.enterClassic(ctx, m.Group)
	if err != nil {
		return err
	}
	err = h.classic.Heartbeat(time.Now(), senderOf(m))
	h.leave()
	return groupError(err)
}

// LeaveGroup lets members go, and waits until that is durable.
func (n kafkaNode) LeaveGroup(ctx context.Context, id string, members []kafka.GroupMember) ([]error, error) {
	h, err := n.enterClassic(ctx, id)
	if err != nil {
		return nil, err
	}
	leavers := make([]group.Sender, len(members))
	for i, m := range members {
		leavers[i] = senderOf(m)
	}
	errs := h.classic.Leave(time.Now(), leavers)
	for i := range errs {
		errs[i] = groupError(errs[i])
	}
	w := h.settled()
	h.leave()
	return errs, groupError(await(ctx, w))
}

// CommitGroup stores how far a group has come.
func (n kafkaNode) CommitGroup(
	ctx context.Context, m kafka.GroupMember, topics []wire.CommitTopic,
) (*wire.CommitOffsetsResponse, error) {
	req := &wire.CommitOffsetsRequest{Group: m.Group, MemberID: m.MemberID, MemberEpoch: group.EpochNone, Topics: topics}
	who := senderOf(m)
	if m.MemberID == "" && m.InstanceID == "" && m.Generation < 0 {
		resp, err := n.b.commitOffsets(ctx, req)
		return resp, groupError(err)
	}
	resp, err := n.b.commitAs(ctx, req, &who)
	return resp, groupError(err)
}

// ListGroups lists the groups that this broker coordinates.
func (n kafkaNode) ListGroups(ctx context.Context) ([]kafka.GroupSummary, error) {
	ids, err := n.b.groups.names(ctx)
	if err != nil {
		return nil, groupError(err)
	}
	slices.Sort(ids)
	list := make([]kafka.GroupSummary, 0, len(ids))
	for _, id := range ids {
		h, err := n.b.groups.enter(ctx, id, refuseMissing)
		if err != nil {
			continue // another broker lists it, or nobody can read it now
		}
		list = append(list, h.summary())
		h.leave()
	}
	return list, nil
}

// summary tells what the group is, in Kafka's words. Called with mu held.
func (h *hostedGroup) summary() kafka.GroupSummary {
	s := kafka.GroupSummary{Group: h.id, State: kafkaStates(h.doing()), Classic: true}
	d := h.classic.Describe()
	s.ProtocolType = d.ProtocolType
	if h.state.Size() > 0 || h.classic.Generation() == 0 && h.state.Epoch() > 0 {
		s.Classic, s.ProtocolType = false, kafka.ConsumerProtocol
	}
	return s
}

func kafkaStates(s group.State) string {
	switch s {
	case group.Assigning:
		return "Assigning"
	case group.Reconciling:
		return "Reconciling"
	case group.Preparing:
		return "PreparingRebalance"
	case group.Completing:
		return "CompletingRebalance"
	case group.Stable:
		return "Stable"
	case group.Dead:
		return "Dead"
	default:
		return "Empty"
	}
}

// DescribeGroup tells what a group is made of. What members of a native group want and have is told as Kafka's
// consumers say it.
func (n kafkaNode) DescribeGroup(ctx context.Context, id string) (*kafka.GroupDescription, error) {
	h, err := n.b.groups.enter(ctx, id, refuseMissing)
	if err != nil {
		return nil, groupError(err)
	}
	defer h.leave()
	out := &kafka.GroupDescription{GroupSummary: h.summary()}
	if h.classic.Vacant() {
		out.Protocol, out.Members = n.nativeMembers(h)
		return out, nil
	}
	d := h.classic.Describe()
	out.Protocol = d.Protocol
	for _, m := range d.Members {
		in := kafka.DescribedMember{MemberID: m.ID, InstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.Host}
		if d.State == group.Stable {
			in.Metadata, in.Assignment = m.Metadata, m.Assignment
		}
		out.Members = append(out.Members, in)
	}
	return out, nil
}

// nativeMembers describes the members of a native group. Called with h.mu held.
func (n kafkaNode) nativeMembers(h *hostedGroup) (assignor string, members []kafka.DescribedMember) {
	d := h.state.Describe()
	if len(d.Members) == 0 {
		return "", nil
	}
	for _, m := range d.Members {
		owned := make(map[string][]int32)
		for _, t := range m.Assigned {
			if name := n.b.topicName(t.Topic); name != "" {
				owned[name] = t.Partitions
			}
		}
		members = append(members, kafka.DescribedMember{
			MemberID: m.ID, InstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.Host,
			Metadata: kafka.Subscription(m.Subscription.Topics), Assignment: kafka.Assignment(owned),
		})
	}
	return d.Assignor.String(), members
}
