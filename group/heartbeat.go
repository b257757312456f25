package group

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Epochs with which a member says something else than "I am here" (KIP-848).
const (
	EpochJoin        int32 = 0  // the member joins, or begins anew; it holds nothing
	EpochLeave       int32 = -1 // the member leaves for good
	EpochLeaveStatic int32 = -2 // the static member stops, and will be back within the session timeout
)

// HeartbeatRequest is what a member says. Fields that are not set mean "as before";
// with EpochJoin all that are to differ from the defaults must be set.
//
// A member has one request under way at a time. After one that was not answered it
// sets Owned in the next.
type HeartbeatRequest struct {
	MemberID string // chosen by the caller, unique in the group; 1 to MaxMemberIDBytes
	Epoch    int32  // the newest that the member was answered, or EpochJoin, EpochLeave, EpochLeaveStatic

	InstanceID string // of a static member; with EpochJoin
	ClientID   string // taken with EpochJoin only, as are the next two
	Host       string
	Rack       string

	Subscription *Subscription // nil: as before
	// KeepTopics and KeepRegex tell that this part of Subscription is as before, and the other one new.
	KeepTopics, KeepRegex bool
	Assignor              string        // asked for: "range", "uniform"; empty: as before
	RebalanceTimeout      time.Duration // that the member needs to let go; 0: as before

	// Owned lists all that the member was given and has not let go, what it is about to let go included; nil: as
	// reported before. It has to be set once the member has let go. It must be empty with EpochJoin.
	Owned Assignment
}

// Subscription says which topics a member wants: those of the names, and those whose whole name matches the pattern.
type Subscription struct {
	Topics []string
	// Regex is a pattern in RE2's syntax; empty: none. It never matches names that start with "__".
	Regex string
}

// HeartbeatResponse is what a member is answered.
type HeartbeatResponse struct {
	MemberID          string
	Epoch             int32 // to be sent with the next heartbeat and with commits; EpochLeave or EpochLeaveStatic as asked
	HeartbeatInterval time.Duration
	// Assignment is all that the member may consume from now on; nil: as before. What is not in it any more is
	// to be let go, within the rebalance timeout, and reported so with Owned.
	Assignment Assignment
}

// Heartbeat acts on a member's request and answers it. The answer must not be sent before what Changes then
// returns is durable. Errors: ErrUnknownMember, ErrFencedMember, ErrFencedInstance, ErrUnreleasedInstance,
// ErrGroupFull, ErrInvalidRegex, ErrUnsupportedAssignor, ErrInvalidRequest, ErrGroupDead; after one nothing is changed.
func (g *Group) Heartbeat(now time.Time, req HeartbeatRequest) (HeartbeatResponse, error) {
	answer, err := g.heartbeat(now, req)
	if err != nil {
		return HeartbeatResponse{}, req.refuse(g.identity.ID, err)
	}
	return answer, nil
}

// Check holds a request to the rules that do not depend on the group: what it refuses every group refuses, so that no
// group need be created for it. Errors: ErrInvalidRegex, ErrUnsupportedAssignor, ErrInvalidRequest.
func (req HeartbeatRequest) Check(group string) error {
	if _, err := new(Group).check(req); err != nil {
		return req.refuse(group, err)
	}
	return nil
}

func (req HeartbeatRequest) refuse(group string, err error) error {
	return fmt.Errorf("group %q, member %q: %w", group, clip(req.MemberID), err)
}

func (g *Group) heartbeat(now time.Time, req HeartbeatRequest) (HeartbeatResponse, error) {
	if g.dead {
		return HeartbeatResponse{}, ErrGroupDead
	}
	wanted, err := g.check(req)
	if err != nil {
		return HeartbeatResponse{}, err
	}
	var m *member
	told := false
	switch req.Epoch {
	case EpochLeave, EpochLeaveStatic:
		return g.leave(now, req)
	case EpochJoin:
		m, err = g.join(now, req, wanted)
		told = true
	default:
		m, told, err = g.renew(now, req, wanted)
	}
	if err != nil {
		return HeartbeatResponse{}, err
	}
	m.seen = now
	g.alarm(now.Add(g.opts.SessionTimeout))
	if wanted.assignor != 0 && m.assignor != g.assignor && g.epoch == g.targetEpoch {
		if a := g.wantedAssignor(); a != g.assignor {
			g.bump(now, AssignorChanged, a.String())
		}
	}
	g.retarget(now)
	if g.reconcile(m, now) {
		told = true
	}
	g.settle(now)
	answer := HeartbeatResponse{MemberID: m.id, Epoch: m.epoch, HeartbeatInterval: g.opts.HeartbeatInterval}
	if told || m.telling > 0 || m.confirmed != m.epoch {
		answer.Assignment = g.assigned(m)
	}
	return answer, nil
}

// renew acts on the heartbeat of one who is a member. It tells whether the member is to hear its assignment
// even if that does not change.
func (g *Group) renew(now time.Time, req HeartbeatRequest, w wanted) (m *member, told bool, err error) {
	m = g.members[req.MemberID]
	if m == nil {
		return nil, false, g.missing(req)
	}
	if req.InstanceID != "" && req.InstanceID != m.instance {
		return nil, false, fmt.Errorf("%w: its instance id is %q", ErrFencedMember, m.instance)
	}
	owned := req.Owned.sorted()
	if err := g.checkEpoch(m, req, owned); err != nil {
		return nil, false, err
	}
	m.confirmed = req.Epoch
	if req.Owned != nil {
		g.letGo(m, owned)
		told = req.saysAll() || !slices.Equal(owned, g.assigned(m).sorted())
	}
	if g.apply(m, w) {
		g.bump(now, SubscriptionChanged, m.id)
	}
	return m, told, nil
}

// missing is why the sender is no member.
func (g *Group) missing(req HeartbeatRequest) error {
	if successor := g.instances[req.InstanceID]; successor != nil {
		return fmt.Errorf("%w: %q is member %q", ErrFencedInstance, req.InstanceID, successor.id)
	}
	return ErrUnknownMember
}

// saysAll tells whether a member that is in the group says everything: it may have missed answers, and is to hear
// what it may consume even if that is what it owns.
func (req *HeartbeatRequest) saysAll() bool {
	return req.Owned != nil && req.Subscription != nil && req.RebalanceTimeout > 0
}

// checkEpoch fences a member that is not where the group has it. It may be some epochs behind, when answers were
// lost, if it says what it holds and holds nothing but what it was given.
func (g *Group) checkEpoch(m *member, req HeartbeatRequest, owned []Partition) error {
	switch {
	case m.away:
		return fmt.Errorf("%w: it left for a while and has to join again", ErrFencedMember)
	case req.Epoch < m.confirmed || req.Epoch > m.epoch:
		return fmt.Errorf("%w: it is at epoch %d, the group has it at %d", ErrFencedMember, req.Epoch, m.epoch)
	case req.Epoch < m.epoch && req.Owned == nil:
		return fmt.Errorf("%w: it is at epoch %d, behind %d, and does not say what it holds",
			ErrFencedMember, req.Epoch, m.epoch)
	}
	for _, at := range owned {
		if contains(m.held, at) {
			continue
		}
		if t, exists := g.topics.ByID(at.Topic); exists && at.Index >= 0 && at.Index < t.Partitions {
			return fmt.Errorf("%w: partition %d of topic %q is not its own", ErrFencedMember, at.Index, t.Name)
		}
	}
	return nil
}

// wanted is what a request asks for, checked.
type wanted struct {
	subscription          *Subscription // names sorted, each once; nil: as before
	keepTopics, keepRegex bool
	assignor              Assignor      // 0: as before
	rebalanceTimeout      time.Duration // 0: as before
}

// check holds a request to the rules that do not depend on the group's state.
func (g *Group) check(req HeartbeatRequest) (w wanted, err error) {
	invalid := func(format string, args ...any) (wanted, error) {
		return wanted{}, fmt.Errorf("%w: %s", ErrInvalidRequest, fmt.Sprintf(format, args...))
	}
	if req.MemberID == "" || len(req.MemberID) > MaxMemberIDBytes || !printable(req.MemberID) {
		return invalid("the member id must be 1 to %d bytes of text", MaxMemberIDBytes)
	}
	for what, text := range map[string]string{
		"instance id": req.InstanceID, "client id": req.ClientID, "host": req.Host, "rack": req.Rack,
	} {
		if len(text) > MaxTextBytes || !printable(text) {
			return invalid("the %s must be at most %d bytes of text", what, MaxTextBytes)
		}
	}
	timeout := req.RebalanceTimeout
	switch {
	case req.Epoch < EpochLeaveStatic:
		return invalid("epoch %d", req.Epoch)
	case req.Epoch == EpochJoin && req.Subscription == nil:
		return invalid("a member that joins has to say what it subscribes to")
	case req.Epoch == EpochJoin && len(req.Owned) > 0:
		return invalid("a member that joins can own nothing")
	case timeout != 0 && (timeout < time.Millisecond || timeout > MaxRebalanceTimeout):
		return invalid("rebalance timeout %v: must be 1ms to %v", timeout, MaxRebalanceTimeout)
	}
	w.rebalanceTimeout = timeout.Truncate(time.Millisecond)
	w.keepTopics, w.keepRegex = req.KeepTopics, req.KeepRegex
	if req.Assignor != "" {
		if w.assignor, err = ParseAssignor(req.Assignor); err != nil {
			return wanted{}, err
		}
	}
	if req.Subscription != nil {
		w.subscription, err = g.checkSubscription(*req.Subscription)
	}
	return w, err
}

// checkSubscription returns the subscription with its names sorted, each once.
func (g *Group) checkSubscription(s Subscription) (*Subscription, error) {
	if len(s.Topics) > MaxSubscribedTopics {
		return nil, fmt.Errorf("%w: %d topics, at most %d are taken", ErrInvalidRequest, len(s.Topics), MaxSubscribedTopics)
	}
	total := 0
	for _, name := range s.Topics {
		if name == "" || len(name) > MaxTextBytes || !printable(name) {
			return nil, fmt.Errorf("%w: %q cannot be a topic's name", ErrInvalidRequest, clip(name))
		}
		total += len(name)
	}
	if total > MaxSubscriptionBytes {
		return nil, fmt.Errorf("%w: topic names of %d bytes, at most %d are taken",
			ErrInvalidRequest, total, MaxSubscriptionBytes)
	}
	if s.Regex != "" && g.patterns[s.Regex] == nil {
		if _, err := compile(s.Regex); err != nil {
			return nil, err
		}
	}
	names := slices.Clone(s.Topics)
	slices.Sort(names)
	return &Subscription{Topics: slices.Compact(names), Regex: s.Regex}, nil
}

// printable tells whether a text is UTF-8 without control characters, safe in a log line.
func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return false
		}
	}
	return utf8.ValidString(s)
}
