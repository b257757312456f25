package group

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// classicChanges are the nodes of a classic group that differ from what is stored.
type classicChanges struct {
	group   bool
	members map[string]bool // to be written
	gone    map[string]bool // to be deleted
	stored  map[string]bool // that are there: only they are deleted
	begun   bool            // the node above them is there
}

func newClassicChanges() classicChanges {
	return classicChanges{members: make(map[string]bool), gone: make(map[string]bool), stored: make(map[string]bool)}
}

// forget says that a member is no more.
func (c *classicChanges) forget(id string) {
	delete(c.members, id)
	if c.stored[id] {
		c.gone[id] = true
	}
	c.group = true
}

// Dirty tells whether Changes would return anything.
func (c *Classic) Dirty() bool {
	return c.changed.group || len(c.changed.members) > 0 || len(c.changed.gone) > 0
}

// Changes returns, and forgets, the nodes that differ from what the calls before returned, in the order in which they
// are to be written. Members are written when the group is stable, with what they were assigned; a new one that waits
// is not stored, for nothing was promised to it. A write of several multis that is cut short is found by
// RestoreClassic: the group's node says how many members of its generation there are to be.
func (c *Classic) Changes() []Change {
	var list []Change
	if c.changed.group {
		c.changed.begun = true
		list = append(list, Change{ClassicDirectory, c.encodeNode()})
	}
	for _, id := range slices.Sorted(maps.Keys(c.changed.members)) {
		c.changed.stored[id] = true
		list = append(list, Change{classicSuffix(id), c.encodeMember(c.members[id])})
	}
	for _, id := range slices.Sorted(maps.Keys(c.changed.gone)) {
		delete(c.changed.stored, id)
		list = append(list, Change{classicSuffix(id), nil})
	}
	c.changed.group = false
	clear(c.changed.members)
	clear(c.changed.gone)
	return list
}

// Deletions are the changes that delete all nodes, children first. The group has no members.
func (c *Classic) Deletions() (list []Change) {
	for _, id := range slices.Sorted(maps.Keys(c.changed.stored)) {
		list = append(list, Change{classicSuffix(id), nil})
	}
	if c.changed.begun {
		list = append(list, Change{ClassicDirectory, nil})
	}
	c.changed = newClassicChanges()
	return list
}

const (
	classicFields       = 8
	classicMemberFields = 9
)

// encodeNode returns the data of the node of what the group is.
func (c *Classic) encodeNode() []byte {
	e := newEncoder(classicFields)
	e.int(int64(c.generation))
	if c.state == Stable {
		e.int(1)
	} else {
		e.int(0)
	}
	e.text(c.protocolType)
	e.text(c.protocol)
	e.text(c.leader)
	e.int(int64(len(c.members)))
	e.history(c.history)
	return e.buf.Bytes()
}

// encodeMember returns the data of a member's node: of its protocols all names, and the metadata of the one chosen.
func (c *Classic) encodeMember(m *classicMember) []byte {
	e := newEncoder(classicMemberFields)
	e.int(int64(c.generation))
	e.text(m.instance)
	e.text(m.clientID)
	e.text(m.host)
	e.int(m.sessionTimeout.Milliseconds())
	e.int(m.rebalanceTimeout.Milliseconds())
	e.array(len(m.protocols))
	for _, p := range m.protocols {
		e.array(2)
		e.text(p.Name)
		if p.Name == c.protocol {
			e.bin(p.Metadata)
		} else {
			e.bin(nil)
		}
	}
	e.bin(m.assignment)
	return e.buf.Bytes()
}

// RestoreClassic makes a classic group of what is stored: the data of the node at ClassicDirectory, nil when there is
// none, and the nodes below it; other suffixes are skipped. Members go on with their generation and assignments; the
// time in which they are to be heard of begins anew. If the group was not stable, or what is stored of it is not whole,
// its members are to join again. The error wraps ErrCorrupt or ErrNewerFormat.
func RestoreClassic(now time.Time, id string, node []byte, below []Change, opts Options) (*Classic, error) {
	c := NewClassic(id, opts)
	if node == nil {
		return c, nil
	}
	stable, members, err := c.decodeNode(node)
	if err != nil {
		return nil, fmt.Errorf("restore classic group %q: %w", clip(id), err)
	}
	c.changed.begun = true
	for _, change := range below {
		name, found := strings.CutPrefix(change.Suffix, ClassicDirectory+"/")
		if !found {
			continue
		}
		same, err := c.restoreMember(now, name, change.Data)
		if err != nil {
			return nil, fmt.Errorf("restore classic group %q: %w", clip(id), err)
		}
		stable = stable && same
	}
	switch {
	case len(c.members) == 0:
		c.state = Empty
	case stable && len(c.members) == members && c.members[c.leader] != nil:
		c.state = Stable
	default:
		c.state = Stable // to be left at once, by all: nothing waits
		c.prepare(now, CoordinatorRecovered, "")
	}
	return c, nil
}

func (c *Classic) decodeNode(data []byte) (stable bool, members int, err error) {
	d, more := newDecoder(data, classicFields)
	c.generation = d.epoch()
	stable = d.Int(0, 1) == 1
	c.protocolType, c.protocol = d.Text(MaxTextBytes), d.Text(MaxTextBytes)
	c.leader = d.Text(MaxMemberIDBytes)
	members = int(d.int32(0))
	c.history = d.history()
	if _, err = d.tail(more); err != nil {
		return false, 0, fmt.Errorf("node of a classic group: %w", err)
	}
	return stable, members, nil
}

// restoreMember takes a member over, and tells whether it is one of the generation.
func (c *Classic) restoreMember(now time.Time, name string, data []byte) (same bool, err error) {
	id, ok := decodeName(name)
	if !ok || id == "" || len(id) > MaxMemberIDBytes {
		return false, fmt.Errorf("%w: %q is no member's path", ErrCorrupt, clip(name))
	}
	m, generation, err := decodeClassicMember(id, data)
	if err != nil {
		return false, err
	}
	c.changed.stored[id] = true
	if c.instances[m.instance] != nil { // it succeeded the other, or was succeeded by it: a multi is missing
		c.changed.gone[id] = true
		return false, nil
	}
	c.members[id] = m
	c.said += m.says()
	if m.instance != "" {
		c.instances[m.instance] = m
	}
	c.hear(now, m)
	return generation == c.generation, nil
}

func decodeClassicMember(id string, data []byte) (m *classicMember, generation int32, err error) {
	d, more := newDecoder(data, classicMemberFields)
	generation = d.epoch()
	m = &classicMember{id: id}
	m.instance, m.clientID, m.host = d.Text(MaxTextBytes), d.Text(MaxTextBytes), d.Text(MaxTextBytes)
	m.sessionTimeout = time.Duration(d.Int(1, math.MaxInt32)) * time.Millisecond
	m.rebalanceTimeout = time.Duration(d.Int(1, math.MaxInt32)) * time.Millisecond
	for range d.Array(MaxProtocols) {
		d.ArrayOf(2)
		m.protocols = append(m.protocols, Protocol{d.Text(MaxTextBytes), slices.Clone(d.Bytes(MaxProtocolBytes))})
	}
	m.assignment = slices.Clone(d.Bytes(MaxAssignedBytes))
	if _, err := d.tail(more); err != nil {
		return nil, 0, fmt.Errorf("member %q of a classic group: %w", clip(id), err)
	}
	return m, generation, nil
}

// ClassicDescription is a classic group as it is at one moment. It shares no memory with the group but the bytes of
// metadata and assignments, which nobody changes.
type ClassicDescription struct {
	State                  State
	Generation             int32
	ProtocolType, Protocol string
	Leader                 string
	Members                []ClassicMember // by member id
}

// ClassicMember is one member of a classic group as it is at one moment.
type ClassicMember struct {
	ID, InstanceID, ClientID, Host   string
	SessionTimeout, RebalanceTimeout time.Duration
	LastHeard                        time.Time
	Waits                            bool   // for the others, with a join or a sync
	Metadata                         []byte // for the protocol that was chosen; nil while none is
	Assignment                       []byte
}

// Describe returns what the group is.
func (c *Classic) Describe() ClassicDescription {
	d := ClassicDescription{
		State: c.state, Generation: c.generation, ProtocolType: c.protocolType, Protocol: c.protocol, Leader: c.leader,
	}
	for _, m := range c.ordered() {
		metadata, _ := m.metadata(c.protocol)
		d.Members = append(d.Members, ClassicMember{
			ID: m.id, InstanceID: m.instance, ClientID: m.clientID, Host: m.host, SessionTimeout: m.sessionTimeout,
			RebalanceTimeout: m.rebalanceTimeout, LastHeard: m.seen, Waits: m.join != 0 || m.sync != 0,
			Metadata: metadata, Assignment: m.assignment,
		})
	}
	return d
}
