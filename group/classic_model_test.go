package group

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// classicModel drives a classic group with clients that join, sync, are silent, come back and leave, over coordinators
// that end in the midst of a write. It knows only what was answered, and what the leaders assigned.
type classicModel struct {
	opts    Options
	now     time.Time
	g       *Classic
	store   map[string][]byte
	asked   uint64
	clients []*classicClient

	pending    map[Ticket]classicWaiter
	generation int32                       // the highest that was answered
	leaders    map[int32]string            // who was told to assign, by generation
	assigned   map[int32]map[string]string // what it assigned
	protocols  map[int32]string
}

// classicWaiter is who waits, and the protocols that it offers.
type classicWaiter struct {
	*classicClient
	offers []Protocol
}

type classicClient struct {
	name, id, instance string
	protocols          []Protocol
	generation         int32
	members            []JoinedMember // it is to assign to
	leads, joined      bool
}

func TestClassicModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &classicModel{
			opts: Options{InitialRebalanceDelay: -1, MaxMembers: 4}, now: time.Unix(0, 0), store: make(map[string][]byte),
			pending: make(map[Ticket]classicWaiter), leaders: make(map[int32]string),
			assigned: make(map[int32]map[string]string), protocols: make(map[int32]string),
		}
		if rapid.Bool().Draw(t, "delay") {
			m.opts.InitialRebalanceDelay = 3 * time.Second
		}
		m.g = NewClassic("g", m.opts)
		for i := range 6 {
			c := &classicClient{name: fmt.Sprint("c", i)}
			if i >= 3 {
				c.instance = fmt.Sprint("i", i%2) // two clients claim to be one instance
			}
			m.clients = append(m.clients, c)
		}
		t.Repeat(map[string]func(*rapid.T){
			"join":    m.join,
			"sync":    m.sync,
			"beat":    m.beat,
			"commit":  m.commit,
			"leave":   m.leave,
			"anew":    m.anew,
			"wait":    m.wait,
			"restart": m.restart,
			"crash":   m.crash,
			"":        m.check,
		})
		// Whatever happened, everybody is answered in the end, and nobody stays who is silent.
		for range 1000 {
			if m.g.Deadline().IsZero() {
				break
			}
			m.now = m.g.Deadline()
			m.g.Tick(m.now)
			m.check(t)
		}
		if len(m.pending) > 0 || !m.g.Vacant() || m.g.Size() > 0 {
			t.Fatalf("in the end %d wait and %d are members", len(m.pending), m.g.Size())
		}
	})
}

func (m *classicModel) client(t *rapid.T) *classicClient {
	return m.clients[rapid.IntRange(0, len(m.clients)-1).Draw(t, "client")]
}

// anew starts the program of a client again: it knows nothing of its former life.
func (m *classicModel) anew(t *rapid.T) {
	i := rapid.IntRange(0, len(m.clients)-1).Draw(t, "client")
	m.clients[i] = &classicClient{name: m.clients[i].name, instance: m.clients[i].instance}
}

func (m *classicModel) ticket(c *classicClient) Ticket {
	m.asked++
	m.pending[Ticket(m.asked)] = classicWaiter{c, c.protocols}
	return Ticket(m.asked)
}

func (m *classicModel) join(t *rapid.T) {
	c := m.client(t)
	if c.protocols == nil || rapid.IntRange(0, 3).Draw(t, "other protocols") == 0 {
		c.protocols = nil
		for _, name := range []string{"p", "q", "r"} {
			if rapid.IntRange(0, 2).Draw(t, name) > 0 {
				c.protocols = append(c.protocols, Protocol{name, []byte(c.name + name)})
			}
		}
	}
	if len(c.protocols) > 1 && rapid.Bool().Draw(t, "reverse") {
		c.protocols = slices.Clone(c.protocols)
		slices.Reverse(c.protocols)
	}
	ticket := m.ticket(c)
	m.g.Join(m.now, ticket, JoinRequest{
		MemberID: c.id, InstanceID: c.instance, ClientID: c.name, ProtocolType: "consumer", Protocols: c.protocols,
		SessionTimeout:   rapid.SampledFrom([]time.Duration{5 * time.Second, time.Minute}).Draw(t, "session"),
		RebalanceTimeout: rapid.SampledFrom([]time.Duration{3 * time.Second, 20 * time.Second}).Draw(t, "rebalance"),
		RequireKnownID:   rapid.Bool().Draw(t, "known"), CanSkip: rapid.Bool().Draw(t, "skip"),
		Fresh: fmt.Sprint(ticket),
	})
}

func (m *classicModel) sender(c *classicClient) Sender {
	return Sender{MemberID: c.id, InstanceID: c.instance, Generation: c.generation}
}

func (m *classicModel) sync(t *rapid.T) {
	c := m.client(t)
	if !c.joined {
		return
	}
	req := SyncRequest{Sender: m.sender(c), ProtocolType: "consumer", Protocol: m.protocols[c.generation]}
	if c.leads {
		said := make(map[string]string)
		for i, to := range c.members {
			if i > 0 && rapid.IntRange(0, 9).Draw(t, "forgotten") == 0 {
				continue
			}
			what := fmt.Sprintf("%s in %d by %d", to.MemberID, c.generation, m.asked)
			said[to.MemberID] = what
			req.Assignments = append(req.Assignments, MemberAssignment{to.MemberID, []byte(what)})
		}
		if m.g.State() == Completing && m.g.Generation() == c.generation && m.g.Describe().Leader == c.id {
			m.assigned[c.generation] = said
		}
	}
	m.g.Sync(m.now, m.ticket(c), req)
}

func (m *classicModel) beat(t *rapid.T) {
	c := m.client(t)
	m.told(c, m.g.Heartbeat(m.now, m.sender(c)))
}

func (m *classicModel) commit(t *rapid.T) {
	c := m.client(t)
	err := m.g.CheckCommit(m.now, m.sender(c))
	if err == nil && (c.generation != m.g.Generation() || m.g.State() == Completing) {
		t.Fatalf("a commit of generation %d is taken, the group is %v at %d", c.generation, m.g.State(), m.g.Generation())
	}
	m.told(c, err)
}

func (m *classicModel) leave(t *rapid.T) {
	c := m.client(t)
	errs := m.g.Leave(m.now, []Sender{{MemberID: c.id, InstanceID: c.instance}})
	if errs[0] == nil || errors.Is(errs[0], ErrUnknownMember) {
		c.id, c.joined = "", false
	}
}

// told does what a client does with an answer.
func (m *classicModel) told(c *classicClient, err error) {
	switch {
	case errors.Is(err, ErrUnknownMember):
		c.id, c.joined, c.generation = "", false, 0
	case errors.Is(err, ErrFencedInstance):
		c.id, c.joined, c.generation = "", false, 0 // a program would stop; here it is started again
	case err != nil:
		c.joined = false
	}
}

func (m *classicModel) wait(t *rapid.T) {
	end := m.now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "seconds")) * time.Second)
	for !m.g.Deadline().IsZero() && !m.g.Deadline().After(end) {
		if m.g.Deadline().After(m.now) {
			m.now = m.g.Deadline()
		}
		m.g.Tick(m.now)
		m.check(t)
		if due := m.g.Deadline(); !due.IsZero() && !due.After(m.now) {
			t.Fatalf("at %v, after a tick, %v is due", m.now, due)
		}
	}
	m.now = end
}

// restart gives the group, all of which is written, to another coordinator.
func (m *classicModel) restart(t *rapid.T) {
	m.check(t)
	before := m.g.Describe()
	m.restore(t)
	after := m.g.Describe()
	if before.State != Stable {
		return
	}
	for i := range before.Members {
		before.Members[i].LastHeard, before.Members[i].Waits = m.now, false
	}
	for i := range after.Members {
		if len(after.Members[i].Assignment) == 0 {
			after.Members[i].Assignment = before.Members[i].Assignment
		}
		before.Members[i].Metadata, after.Members[i].Metadata = nil, nil
	}
	if got, want := fmt.Sprint(after), fmt.Sprint(before); got != want {
		t.Fatalf("a stable group is after a restart\n%s, was\n%s", got, want)
	}
}

// crash ends the coordinator in the midst of a write: nothing of it was answered.
func (m *classicModel) crash(t *rapid.T) {
	list := m.g.Changes()
	m.write(list[:rapid.IntRange(0, len(list)).Draw(t, "written")])
	m.restore(t)
}

func (m *classicModel) restore(t *rapid.T) {
	var below []Change
	for suffix, data := range m.store {
		if suffix != ClassicDirectory {
			below = append(below, Change{suffix, data})
		}
	}
	for _, c := range m.pending { // whose connection is gone
		c.joined = false
	}
	clear(m.pending)
	var err error
	if m.g, err = RestoreClassic(m.now, "g", m.store[ClassicDirectory], below, m.opts); err != nil {
		t.Fatal(err)
	}
	if m.g.Generation() < m.generation {
		t.Fatalf("restored at generation %d, %d was answered", m.g.Generation(), m.generation)
	}
	for _, member := range m.g.Describe().Members {
		want := m.assigned[m.g.Generation()][member.ID]
		if _, same := m.leaders[m.g.Generation()]; m.g.State() == Stable && same && member.InstanceID == "" &&
			string(member.Assignment) != want {
			t.Fatalf("restored in generation %d with %q for %q, not %q", m.g.Generation(), member.Assignment, member.ID, want)
		}
	}
}

func (m *classicModel) write(list []Change) {
	for _, c := range list {
		if m.store[c.Suffix] = c.Data; c.Data == nil {
			delete(m.store, c.Suffix)
		}
	}
}

// check writes what changed, and looks at the answers that are then due.
func (m *classicModel) check(t *rapid.T) {
	m.write(m.g.Changes())
	for _, a := range m.g.Answers() {
		c, waits := m.pending[a.Ticket]
		if !waits {
			t.Fatalf("ticket %d is answered again, or never waited", a.Ticket)
		}
		delete(m.pending, a.Ticket)
		m.told(c.classicClient, a.Err)
		switch {
		case errors.Is(a.Err, ErrMemberIDRequired):
			c.id = a.Join.MemberID
		case a.Err != nil:
		case a.Join.MemberID != "":
			m.joined(t, c, a.Join)
		default:
			m.synced(t, c.classicClient, a.Sync)
		}
	}
	instances := make(map[string]bool)
	for _, member := range m.g.Describe().Members {
		if member.InstanceID != "" && instances[member.InstanceID] {
			t.Fatalf("instance %q twice", member.InstanceID)
		}
		instances[member.InstanceID] = true
	}
	said := 0
	for _, member := range m.g.members {
		said += member.says()
	}
	if said != m.g.said {
		t.Fatalf("the members say %d bytes, counted are %d", said, m.g.said)
	}
	if m.g.Size() > m.opts.MaxMembers {
		t.Fatalf("%d members", m.g.Size())
	}
	if m.g.Generation() < m.generation {
		t.Fatalf("at generation %d, %d was answered", m.g.Generation(), m.generation)
	}
}

func (m *classicModel) joined(t *rapid.T, c classicWaiter, j JoinResponse) {
	if j.Generation < m.generation {
		t.Fatalf("generation %d is answered after %d", j.Generation, m.generation)
	}
	m.generation = j.Generation
	if p, found := m.protocols[j.Generation]; found && p != j.Protocol {
		t.Fatalf("generation %d has protocols %q and %q", j.Generation, p, j.Protocol)
	}
	m.protocols[j.Generation] = j.Protocol
	if !slices.ContainsFunc(c.offers, func(p Protocol) bool { return p.Name == j.Protocol }) {
		t.Fatalf("%s does not know protocol %q", c.name, j.Protocol)
	}
	c.id, c.generation, c.joined = j.MemberID, j.Generation, true
	c.leads = j.Leader == j.MemberID && !j.SkipAssignment
	if c.leads {
		if other, found := m.leaders[j.Generation]; found && other != j.MemberID && m.assigned[j.Generation] != nil {
			t.Fatalf("generation %d, which %q assigned, is led by %q", j.Generation, other, j.MemberID)
		}
		m.leaders[j.Generation] = j.MemberID
		c.members = j.Members
		if len(j.Members) == 0 {
			t.Fatalf("the leader of generation %d is told of no members", j.Generation)
		}
	}
}

// synced holds what a member was given against what the leader said.
func (m *classicModel) synced(t *rapid.T, c *classicClient, s SyncResponse) {
	said := m.assigned[c.generation]
	if said == nil {
		t.Fatalf("%q is given %q in generation %d, in which nobody assigned", c.id, s.Assignment, c.generation)
	}
	if want, found := said[c.id]; string(s.Assignment) != want && (found || c.instance == "") {
		t.Fatalf("%q is given %q in generation %d, not %q", c.id, s.Assignment, c.generation, want)
	}
}
