package group

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Bounds of what the members of a classic group may send. They keep every node below metadata.MaxNodeBytes.
const (
	MaxProtocols      = 32               // that a member may offer
	MaxProtocolBytes  = 112 << 10        // of a member's metadata for one protocol
	MaxProtocolsBytes = 1 << 20          // of a member's metadata for all protocols
	MaxSaidBytes      = 64 << 20         // of the metadata of all members: the leader is told of them in one answer
	MaxAssignedBytes  = 112 << 10        // of what the leader assigns to one member
	MinSessionTimeout = time.Second      // that a member may ask for
	MaxSessionTimeout = 30 * time.Minute // that a member may ask for
	newMemberTimeout  = 5 * time.Minute  // that a new member's first join may wait: it sends no heartbeats yet
	maxTimeout        = 1<<31*time.Millisecond - time.Millisecond
)

// Errors of a classic group. Use errors.Is. None of them changed anything.
var (
	// ErrIllegalGeneration says that a request carries a generation that is not the group's. The member joins again.
	ErrIllegalGeneration = errors.New("not the generation of the group")
	// ErrRebalanceInProgress says that the group waits for all members to join: the member joins again.
	ErrRebalanceInProgress = errors.New("the group is rebalancing")
	// ErrFencedInstance says that a newer member has the instance id. The member stops.
	ErrFencedInstance = errors.New("a newer member has the instance id")
	// ErrInconsistentProtocol says that the group's members speak another protocol than the sender: they are of another
	// kind (native or classic) or type, or there is no assignment protocol that all of them know.
	ErrInconsistentProtocol = errors.New("the group's members speak another protocol")
	// ErrMemberIDRequired says that the member is to join again with the id that it is answered.
	ErrMemberIDRequired = errors.New("join again with the member id of this answer")
	// ErrInvalidSessionTimeout says that a member asks for a session timeout that is not allowed.
	ErrInvalidSessionTimeout = errors.New("invalid session timeout")
)

// Ticket stands for a join or a sync that waits for its answer. It is chosen by the caller, is not 0, and is not used
// twice.
type Ticket uint64

// Classic is one group of Kafka's classic protocol: members meet at a barrier (JoinGroup), one of them, the leader,
// assigns, and the group hands out what it assigned (SyncGroup). What members say of themselves and what the leader
// assigns are bytes that the group does not read. docs/design/0014-classic-groups.md says how it stands beside Group.
//
// It is pure, and used as Group is, but that a join or a sync may be answered by a later call:
//
//	c.Join(now, ticket, request)
//	write(c.Changes())                  // to the metadata store
//	for _, a := range c.Answers() { ... } // each goes out when what Changes returned up to it is durable
//
// It is not safe for concurrent use.
type Classic struct {
	id   string // of the group, for errors
	opts Options

	state                          State // Empty, Preparing, Completing, Stable
	generation                     int32
	protocolType, protocol, leader string // leader: its member id

	members   map[string]*classicMember
	instances map[string]*classicMember // static members by instance id
	reserved  map[string]time.Time      // ids that were given out and not joined with yet, until when they are kept
	joining   int                       // members whose join waits
	said      int                       // bytes of what all members say of themselves

	// barrier is when the group stops waiting: for joins while it is Preparing, for syncs after that; zero: it does not.
	barrier time.Time
	// While the first members of an empty group gather, gathering is set, grew tells whether one came since the barrier
	// was set, and more is how much longer the barrier may still be put off.
	gathering, grew bool
	more            time.Duration

	deadline time.Time // not later than the next moment at which Tick has to act; zero: none
	answers  []ClassicAnswer
	history  []Rebalance
	counts   [NumReasons]uint64
	changed  classicChanges
}

// classicMember is one member of a classic group.
type classicMember struct {
	id, instance, clientID, host     string
	sessionTimeout, rebalanceTimeout time.Duration
	protocols                        []Protocol // in the order of its preference
	assignment                       []byte
	join, sync                       Ticket // that wait; 0: none
	fresh                            bool   // its first join waits
	owes                             bool   // it was answered its join, and did not sync yet
	seen                             time.Time
}

// says counts the bytes of what the member says of itself.
func (m *classicMember) says() (n int) {
	for _, p := range m.protocols {
		n += len(p.Metadata)
	}
	return n
}

// Protocol is one way to assign partitions that a member knows, and what the member says of itself for it.
type Protocol struct {
	Name     string
	Metadata []byte
}

// ClassicAnswer is the answer to a Join or a Sync.
type ClassicAnswer struct {
	Ticket Ticket
	Join   JoinResponse // of a Join; with ErrMemberIDRequired its MemberID
	Sync   SyncResponse // of a Sync
	Err    error
}

// NewClassic makes a classic group without members, of the group of that id. The options must be valid.
func NewClassic(id string, opts Options) *Classic {
	return &Classic{
		id: id, opts: opts.WithDefaults(), state: Empty, members: make(map[string]*classicMember),
		instances: make(map[string]*classicMember), reserved: make(map[string]time.Time), changed: newClassicChanges(),
	}
}

// State returns what the group is doing: Empty, Preparing, Completing or Stable.
func (c *Classic) State() State { return c.state }

// Generation returns the generation: it only rises.
func (c *Classic) Generation() int32 { return c.generation }

// Size returns the number of members.
func (c *Classic) Size() int { return len(c.members) }

// Has tells whether there is a member of that id.
func (c *Classic) Has(memberID string) bool { return c.members[memberID] != nil }

// Vacant tells whether nobody is a member or about to be one: then the group's members may be of another kind.
func (c *Classic) Vacant() bool { return c.state == Empty && len(c.reserved) == 0 }

// Answers returns, and forgets, the answers that are due. Each may go out when the Changes up to now are durable.
func (c *Classic) Answers() []ClassicAnswer {
	list := c.answers
	c.answers = nil
	return list
}

// Sender is who a member says it is.
type Sender struct {
	MemberID   string // "": none
	InstanceID string // "": it is no static member
	Generation int32
}

// find finds the member that the sender says it is.
func (c *Classic) find(s Sender) (*classicMember, error) {
	m := c.members[s.MemberID]
	if s.InstanceID != "" {
		static := c.instances[s.InstanceID]
		switch {
		case static == nil:
			return nil, ErrUnknownMember
		case static.id != s.MemberID:
			return nil, ErrFencedInstance
		}
		m = static
	}
	if m == nil {
		return nil, ErrUnknownMember
	}
	return m, nil
}

// current finds the member, and holds its generation against the group's.
func (c *Classic) current(s Sender) (*classicMember, error) {
	m, err := c.find(s)
	if err == nil && s.Generation != c.generation {
		err = fmt.Errorf("%w: it is %d, the group is at %d", ErrIllegalGeneration, s.Generation, c.generation)
	}
	return m, err
}

// Heartbeat says that a member is there. Errors: ErrUnknownMember, ErrFencedInstance, ErrIllegalGeneration; and
// ErrRebalanceInProgress, which the member hears although it was heard, so that it joins again.
func (c *Classic) Heartbeat(now time.Time, s Sender) error {
	m, err := c.current(s)
	if err == nil {
		c.hear(now, m)
		if c.state == Preparing {
			err = ErrRebalanceInProgress
		}
	}
	return c.refuse(s.MemberID, err)
}

// CheckCommit tells whether the sender's commit may be written, and hears a member. It is called at the moment at which
// the commit joins the fold that is written next. A consumer outside the group, with neither ids nor a generation (-1),
// may commit while the group has no members. Errors: those of Heartbeat; ErrRebalanceInProgress between a join and its
// sync.
func (c *Classic) CheckCommit(now time.Time, s Sender) error {
	if s.MemberID == "" && s.InstanceID == "" && s.Generation < 0 {
		if !c.Vacant() {
			return c.refuse("", fmt.Errorf("%w: a consumer outside the group can commit only while it is empty",
				ErrUnknownMember))
		}
		return nil
	}
	m, err := c.current(s)
	if err == nil {
		c.hear(now, m)
		if c.state == Completing {
			err = ErrRebalanceInProgress
		}
	}
	return c.refuse(s.MemberID, err)
}

// hear notes that the member was heard of.
func (c *Classic) hear(now time.Time, m *classicMember) {
	m.seen = now
	c.alarm(now.Add(m.sessionTimeout))
}

// Leave lets members go: by member id, by instance id, or by both. It returns the error of each, in order:
// ErrUnknownMember, ErrFencedInstance or nil.
func (c *Classic) Leave(now time.Time, leavers []Sender) []error {
	errs := make([]error, len(leavers))
	for i, s := range leavers {
		if static := c.instances[s.InstanceID]; static != nil && s.MemberID == "" {
			s.MemberID = static.id
		}
		if _, reserved := c.reserved[s.MemberID]; reserved && s.InstanceID == "" {
			delete(c.reserved, s.MemberID)
			c.tryJoin(now)
			continue
		}
		m, err := c.find(s)
		if err == nil {
			c.remove(now, m, MemberLeft)
		}
		errs[i] = c.refuse(s.MemberID, err)
	}
	return errs
}

// remove ends a membership, and lets the others meet anew.
func (c *Classic) remove(now time.Time, m *classicMember, why Reason) {
	c.forget(m, ErrUnknownMember)
	c.prepare(now, why, m.id)
}

// forget takes a member out, and tells it why if it waits.
func (c *Classic) forget(m *classicMember, err error) {
	c.answerJoin(m, JoinResponse{}, err)
	c.answerSync(m, err)
	delete(c.members, m.id)
	c.said -= m.says()
	if m.instance != "" {
		delete(c.instances, m.instance)
	}
	if c.leader == m.id {
		c.leader = ""
	}
	c.changed.forget(m.id)
}

// ordered returns the members by id.
func (c *Classic) ordered() []*classicMember {
	list := make([]*classicMember, 0, len(c.members))
	for _, id := range slices.Sorted(maps.Keys(c.members)) {
		list = append(list, c.members[id])
	}
	return list
}

// alarm makes sure that Tick is due at t or before.
func (c *Classic) alarm(t time.Time) {
	if c.deadline.IsZero() || t.Before(c.deadline) {
		c.deadline = t
	}
}

func (c *Classic) refuse(memberID string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("group %q, member %q: %w", c.id, clip(memberID), err)
}

// Deadline returns when Tick is to be called next; zero: not before something else happens. It may move to an earlier
// time with each call.
func (c *Classic) Deadline() time.Time { return c.deadline }

// Tick acts on what is due: members that were silent for their session timeout are removed, ids that nobody joined with
// are forgotten, and the group stops waiting at its barrier. It is to be called at Deadline, and does no harm at any
// other time.
func (c *Classic) Tick(now time.Time) {
	if c.deadline.IsZero() || now.Before(c.deadline) {
		return
	}
	for _, m := range c.ordered() {
		if c.members[m.id] == m && !now.Before(c.silentAt(m)) {
			c.remove(now, m, MemberTimedOut)
		}
	}
	for id, until := range c.reserved {
		if !now.Before(until) {
			delete(c.reserved, id)
		}
	}
	c.tryJoin(now)
	if !c.barrier.IsZero() && !now.Before(c.barrier) {
		c.stopWaiting(now)
	}
	c.deadline = c.barrier
	for _, m := range c.members {
		c.alarm(c.silentAt(m))
	}
	for _, until := range c.reserved {
		c.alarm(until)
	}
}

// silentAt is when the member's session ends. One that waits for the group is not silent; one whose first join waits is
// given up after a while, for nothing else would tell that it is gone.
func (c *Classic) silentAt(m *classicMember) time.Time {
	switch {
	case m.join != 0 && m.fresh:
		return m.seen.Add(newMemberTimeout)
	case m.join != 0, m.sync != 0:
		return m.seen.Add(maxTimeout)
	}
	return m.seen.Add(m.sessionTimeout)
}

// stopWaiting goes on without those who are not there at the barrier.
func (c *Classic) stopWaiting(now time.Time) {
	switch {
	case c.state != Preparing:
		c.dropSilent(now)
	case c.gathering && c.grew && c.more > 0:
		wait := min(c.opts.InitialRebalanceDelay, c.more)
		c.grew, c.more, c.barrier = false, c.more-wait, now.Add(wait)
	default:
		c.completeJoin(now)
	}
}

// dropSilent removes the members that were told of a generation and never asked for what is theirs in it.
func (c *Classic) dropSilent(now time.Time) {
	c.barrier = time.Time{}
	last := ""
	for _, m := range c.ordered() {
		if m.owes {
			if last != "" {
				c.note(now, RebalanceTimedOut, last)
			}
			last = m.id
			c.forget(m, ErrUnknownMember)
		}
	}
	if last != "" {
		c.prepare(now, RebalanceTimedOut, last)
	}
}
