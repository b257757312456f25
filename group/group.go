package group

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Coordinator names the broker that runs a group, in one of its incarnations.
type Coordinator struct {
	Broker int32
	Epoch  int64 // the broker's epoch
}

// Identity is what a group is made with.
type Identity struct {
	ID          string // see ValidateID
	GID         uint64 // new for each creation of a group, never 0: a group made again never meets an old write
	Coordinator Coordinator
	Created     time.Time
}

// Group is one consumer group. See the package's comment for how to use it.
type Group struct {
	identity Identity
	opts     Options
	tail     []byte // fields of the group's node that only a newer version knows
	tailLen  int

	// epoch is raised with each change that calls for a new target; targetEpoch is the one that the target was
	// computed for. Invariant: targetEpoch <= epoch; equal unless assignAt is set.
	epoch, targetEpoch int32
	assignor           Assignor

	topics    *Topics
	patterns  map[string]*pattern
	members   map[string]*member
	instances map[string]*member // static members by instance id
	parts     map[uint64][]partition
	// unsettled counts the partitions that are not with the member that they are for.
	unsettled int

	assignAt   time.Time // when the target is to be computed; zero: nothing is waiting
	lastAssign time.Time
	deadline   time.Time // not later than the next moment at which Tick has to act; zero: none

	history []Rebalance
	counts  [NumReasons]uint64
	woken   []string
	changed changes
	dead    bool
}

// partition is whom one partition is for, and who holds it.
type partition struct {
	target *member // nil: no member subscribes to it
	// holder was given it and has not let go, left or timed out. Nobody else is given it.
	holder *member
	epoch  int32     // member epoch of the holder when it was given; 0 without holder
	told   time.Time // when the holder was told to let go; zero: it was not
	// orphan tells that the member that it was for is gone, and that no target was computed since.
	orphan bool
}

// settled tells whether nothing is left to be done for the partition.
func (p *partition) settled() bool {
	return p.holder == p.target || p.holder == nil && p.target.away
}

// member is one member of a group.
type member struct {
	id, instance, clientID, host, rack string

	// epoch is the group epoch at which what the member holds changed last. confirmed is the last one that the
	// member showed; between the two are those whose answers may have been lost. confirmed <= epoch.
	epoch, confirmed int32

	rebalanceTimeout time.Duration
	names            []string // subscribed to, sorted
	regex            string
	assignor         Assignor // that it asks for; 0: any
	topics           []uint64 // that the subscription stands for, sorted

	target  []Partition // sorted
	held    []Partition // sorted; what it was told to let go included
	telling int         // of held: told to let go, and not done yet

	seen    time.Time // last heartbeat
	away    bool      // a static member that said it will be back
	work    bool      // reconcile may have something to do
	lighter bool      // it let go of all that it was told to, and its epoch did not rise since
	untold  bool      // what it may consume changed without its being told
	tail    []byte    // fields of the member's node that only a newer version knows
	tailLen int
}

// New makes a group without members. The options and the id must be valid.
func New(identity Identity, opts Options, topics *Topics) (*Group, error) {
	g, err := blank(identity, opts, topics)
	if err != nil {
		return nil, err
	}
	g.changed.group = true
	return g, nil
}

func blank(identity Identity, opts Options, topics *Topics) (*Group, error) {
	if err := ValidateID(identity.ID); err != nil {
		return nil, err
	}
	if identity.GID == 0 {
		return nil, fmt.Errorf("group %q: %w: its gid is 0", identity.ID, ErrInvalidGroupID)
	}
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("options of group %q: %w", identity.ID, err)
	}
	opts = opts.WithDefaults()
	return &Group{
		identity: identity, opts: opts, assignor: opts.Assignor, topics: topics,
		patterns: make(map[string]*pattern), members: make(map[string]*member),
		instances: make(map[string]*member), parts: make(map[uint64][]partition), changed: newChanges(),
	}, nil
}

// Identity returns what the group was made with.
func (g *Group) Identity() Identity { return g.identity }

// Epoch returns the group epoch: it only rises.
func (g *Group) Epoch() int32 { return g.epoch }

// Size returns the number of members.
func (g *Group) Size() int { return len(g.members) }

// Woken returns, and forgets, the ids of members for which a heartbeat now brings news: something to let go or
// to take, or that they are members no more. A caller that holds back answers to heartbeats sends the heartbeat
// of such a member in again. It is a hint: there may be no news after all.
func (g *Group) Woken() []string {
	ids := g.woken
	g.woken = nil
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Delete marks an empty group as deleted: Changes then deletes all nodes but those of the offsets, which the
// caller deletes first. The error wraps ErrGroupBusy while there are members.
func (g *Group) Delete() error {
	if g.dead {
		return fmt.Errorf("group %q: %w", g.identity.ID, ErrGroupDead)
	}
	if len(g.members) > 0 {
		return fmt.Errorf("group %q: %w: %d", g.identity.ID, ErrGroupBusy, len(g.members))
	}
	g.dead = true
	g.deadline, g.assignAt = time.Time{}, time.Time{}
	return nil
}

// wake says that a heartbeat of the member has something to do.
func (g *Group) wake(m *member) {
	if m != nil && !m.work {
		m.work = true
		g.woken = append(g.woken, m.id)
	}
}

// alarm makes sure that Tick is due at t or before.
func (g *Group) alarm(t time.Time) {
	if g.deadline.IsZero() || t.Before(g.deadline) {
		g.deadline = t
	}
}

// set changes whom a partition is for and who holds it. It keeps the count of unsettled partitions, and marks
// the block as changed. The caller keeps the members' lists.
func (g *Group) set(at Partition, target, holder *member, epoch int32) {
	p := &g.parts[at.Topic][at.Index]
	if p.target == target && p.holder == holder && p.epoch == epoch {
		return
	}
	if !p.settled() {
		g.unsettled--
	}
	if p.holder != holder {
		p.told = time.Time{}
	}
	p.target, p.holder, p.epoch = target, holder, epoch
	if !p.settled() {
		g.unsettled++
	}
	g.changed.blocks[blockOf(at)] = true
}

// setAway changes whether a static member is away. A partition that waits for it is settled.
func (g *Group) setAway(m *member, away bool) {
	for _, at := range m.target {
		if !g.parts[at.Topic][at.Index].settled() {
			g.unsettled--
		}
	}
	m.away = away
	for _, at := range m.target {
		if !g.parts[at.Topic][at.Index].settled() {
			g.unsettled++
		}
	}
}

// ordered returns the members in the order in which assignors see them, which is Kafka's: static ones first, by
// instance id, then the others by member id. So a static member keeps its place when its member id changes.
func (g *Group) ordered() []*member {
	list := make([]*member, 0, len(g.members))
	for _, m := range g.members {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *member) int {
		switch {
		case a.instance != "" && b.instance != "":
			return cmp.Compare(a.instance, b.instance)
		case a.instance != "":
			return -1
		case b.instance != "":
			return 1
		}
		return cmp.Compare(a.id, b.id)
	})
	return list
}
