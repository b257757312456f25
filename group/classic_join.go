package group

import (
	"fmt"
	"strings"
	"time"
)

// JoinRequest is what a member says to be, or stay, a member of the next generation. The byte slices are kept.
type JoinRequest struct {
	MemberID   string // "": it has none yet
	InstanceID string // of a static member
	// Fresh is text that no other request of the group carries: new member ids are made of it. 1 to 36 bytes.
	Fresh            string
	ClientID, Host   string
	ProtocolType     string     // such as "consumer": what the group is for
	Protocols        []Protocol // in the order of preference
	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration // how long the member may take to join again; 0 or less: the session timeout
	// RequireKnownID lets a member without id be answered one, with which it joins again (KIP-394). So one that gave up
	// waiting does not stay as a member that nobody is.
	RequireKnownID bool
	// CanSkip tells that the member understands JoinResponse.SkipAssignment (KIP-814).
	CanSkip bool
}

// JoinResponse is what a member is answered when the generation begins.
type JoinResponse struct {
	MemberID               string
	Generation             int32
	ProtocolType, Protocol string
	Leader                 string // the member id of the one that assigns
	// SkipAssignment tells the leader that what it assigned before stands.
	SkipAssignment bool
	Members        []JoinedMember // of the leader's answer, by member id
}

// JoinedMember is what the leader is told of a member.
type JoinedMember struct {
	MemberID, InstanceID string
	Metadata             []byte // for the protocol that was chosen
}

// Join acts on a member's request to join. It is answered, once, in Answers of this or a later call. Errors:
// ErrInvalidSessionTimeout, ErrInvalidRequest, ErrInconsistentProtocol, ErrGroupFull, ErrUnknownMember,
// ErrFencedInstance, ErrMemberIDRequired; and ErrRebalanceInProgress if another join of the member took its place.
func (c *Classic) Join(now time.Time, ticket Ticket, req JoinRequest) {
	if req.RebalanceTimeout <= 0 {
		req.RebalanceTimeout = req.SessionTimeout
	}
	id := req.MemberID
	err := req.Check()
	if err == nil {
		err = c.checkJoin(req)
	}
	if err == nil && id == "" {
		id, err = c.joinNew(now, ticket, req)
	} else if err == nil {
		err = c.joinAgain(now, ticket, req)
	}
	if err != nil {
		c.answers = append(c.answers, ClassicAnswer{
			Ticket: ticket, Join: JoinResponse{MemberID: id, Generation: -1}, Err: c.refuse(id, err),
		})
	}
}

// Check holds a request to the rules that do not depend on the group: what it refuses every group refuses, so that no
// group need be created for it. Errors: ErrInvalidSessionTimeout, ErrInvalidRequest, ErrInconsistentProtocol.
func (req JoinRequest) Check() error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalidRequest, fmt.Sprintf(format, args...))
	}
	if req.SessionTimeout < MinSessionTimeout || req.SessionTimeout > MaxSessionTimeout {
		return fmt.Errorf("%w: %v, must be %v to %v", ErrInvalidSessionTimeout, req.SessionTimeout, MinSessionTimeout,
			MaxSessionTimeout)
	}
	if req.ProtocolType == "" || len(req.Protocols) == 0 {
		return fmt.Errorf("%w: it names no protocol", ErrInconsistentProtocol)
	}
	for what, text := range map[string]string{
		"instance id": req.InstanceID, "protocol type": req.ProtocolType, "client id": req.ClientID, "host": req.Host,
	} {
		if len(text) > MaxTextBytes || !printable(text) {
			return invalid("the %s must be at most %d bytes of text", what, MaxTextBytes)
		}
	}
	if len(req.Protocols) > MaxProtocols {
		return invalid("%d protocols, at most %d are taken", len(req.Protocols), MaxProtocols)
	}
	total, names := 0, make(map[string]bool, len(req.Protocols))
	for _, p := range req.Protocols {
		switch {
		case p.Name == "" || len(p.Name) > MaxTextBytes || !printable(p.Name):
			return invalid("a protocol's name must be 1 to %d bytes of text", MaxTextBytes)
		case names[p.Name]:
			return invalid("protocol %q twice", p.Name)
		case len(p.Metadata) > MaxProtocolBytes:
			return invalid("metadata of %d bytes for protocol %q, at most %d are taken", len(p.Metadata), p.Name,
				MaxProtocolBytes)
		}
		names[p.Name] = true
		total += len(p.Metadata)
	}
	if total > MaxProtocolsBytes {
		return invalid("metadata of %d bytes, at most %d are taken", total, MaxProtocolsBytes)
	}
	return nil
}

// checkJoin holds a request against the members that there are.
func (c *Classic) checkJoin(req JoinRequest) error {
	if len(c.members) == 0 {
		return nil
	}
	said := c.said + (&classicMember{protocols: req.Protocols}).says()
	if m := c.members[req.MemberID]; m != nil {
		said -= m.says()
	} else if m := c.instances[req.InstanceID]; m != nil {
		said -= m.says()
	}
	if said > MaxSaidBytes {
		return fmt.Errorf("%w: its members say %d bytes of themselves, at most %d are taken", ErrGroupFull, said,
			MaxSaidBytes)
	}
	if req.ProtocolType != c.protocolType {
		return fmt.Errorf("%w: they are for %q, not %q", ErrInconsistentProtocol, c.protocolType, req.ProtocolType)
	}
	for _, p := range req.Protocols {
		if c.known(p.Name) {
			return nil
		}
	}
	return fmt.Errorf("%w: they have no assignor in common with it", ErrInconsistentProtocol)
}

// known tells whether all members know the protocol.
func (c *Classic) known(name string) bool {
	for _, m := range c.members {
		if _, ok := m.metadata(name); !ok {
			return false
		}
	}
	return true
}

// metadata is what the member says of itself for a protocol.
func (m *classicMember) metadata(name string) ([]byte, bool) {
	for _, p := range m.protocols {
		if p.Name == name {
			return p.Metadata, true
		}
	}
	return nil, false
}

// joinNew acts on the join of one who has no member id, and returns the one that it gets.
func (c *Classic) joinNew(now time.Time, ticket Ticket, req JoinRequest) (id string, err error) {
	if former := c.instances[req.InstanceID]; former != nil {
		return c.joinStatic(now, ticket, former, req), nil
	}
	if len(c.members)+len(c.reserved) >= c.opts.MaxMembers {
		return "", fmt.Errorf("%w: it has %d members", ErrGroupFull, len(c.members))
	}
	id = newMemberID(req)
	if req.RequireKnownID && req.InstanceID == "" {
		c.reserved[id] = now.Add(req.SessionTimeout)
		c.alarm(c.reserved[id])
		return id, ErrMemberIDRequired
	}
	c.add(now, ticket, id, req)
	return id, nil
}

// maxNameInID bounds what a member id shows of the client's or the instance's name.
const maxNameInID = MaxMemberIDBytes - 40

// newMemberID makes the id of a new member, as Kafka does: of its name, so that people know whom they see.
func newMemberID(req JoinRequest) string {
	name := req.ClientID
	if req.InstanceID != "" {
		name = req.InstanceID
	}
	if len(name) > maxNameInID {
		name = strings.ToValidUTF8(name[:maxNameInID], "")
	}
	return name + "-" + req.Fresh
}

// joinAgain acts on the join of one who was given a member id.
func (c *Classic) joinAgain(now time.Time, ticket Ticket, req JoinRequest) error {
	if _, reserved := c.reserved[req.MemberID]; reserved && req.InstanceID == "" {
		delete(c.reserved, req.MemberID)
		c.add(now, ticket, req.MemberID, req)
		return nil
	}
	m, err := c.find(Sender{MemberID: req.MemberID, InstanceID: req.InstanceID})
	if err != nil {
		return err
	}
	same := m.offers(req.Protocols)
	c.hear(now, m)
	if same && (c.state == Completing || c.state == Stable && c.leader != m.id) {
		// It did not hear the answer to its join, and nothing has changed.
		c.wait(m, ticket)
		c.answerJoin(m, c.joined(m), nil)
		return nil
	}
	why := MemberRejoined
	if !same {
		why = SubscriptionChanged
	}
	c.update(m, req)
	c.wait(m, ticket)
	c.meet(now, why, m)
	return nil
}

// meet lets the members meet because a member came back, if they do not do so already: then it came for that.
func (c *Classic) meet(now time.Time, why Reason, m *classicMember) {
	if c.state == Preparing {
		c.tryJoin(now)
		return
	}
	c.prepare(now, why, m.id)
}

// offers tells whether the protocols are those that the member came with before.
func (m *classicMember) offers(protocols []Protocol) bool {
	if len(m.protocols) != len(protocols) {
		return false
	}
	for i, p := range protocols {
		if m.protocols[i].Name != p.Name || string(m.protocols[i].Metadata) != string(p.Metadata) {
			return false
		}
	}
	return true
}

// add makes the sender a member, whose join waits.
func (c *Classic) add(now time.Time, ticket Ticket, id string, req JoinRequest) {
	if len(c.members) == 0 {
		c.protocolType = req.ProtocolType
	}
	m := &classicMember{id: id, instance: req.InstanceID, fresh: true}
	c.update(m, req)
	c.members[id] = m
	if m.instance != "" {
		c.instances[m.instance] = m
	}
	c.hear(now, m)
	c.alarm(c.silentAt(m))
	c.grew = true
	c.wait(m, ticket)
	c.prepare(now, MemberJoined, id)
}

// update takes over what the member says of itself.
func (c *Classic) update(m *classicMember, req JoinRequest) {
	c.said -= m.says()
	m.clientID, m.host, m.protocols = req.ClientID, req.Host, req.Protocols
	c.said += m.says()
	m.sessionTimeout = req.SessionTimeout.Truncate(time.Millisecond)
	m.rebalanceTimeout = req.RebalanceTimeout.Truncate(time.Millisecond)
}

// wait lets the member's join wait for the group. A former one, whose answer nobody waits for any more, is answered.
func (c *Classic) wait(m *classicMember, ticket Ticket) {
	c.answerJoin(m, JoinResponse{}, ErrRebalanceInProgress)
	m.join = ticket
	c.joining++
}

// succeed gives a static member's place to one that came with its instance id. The former one is fenced.
func (c *Classic) succeed(now time.Time, former *classicMember, req JoinRequest) *classicMember {
	leads := c.leader == former.id
	c.forget(former, ErrFencedInstance)
	m := &classicMember{id: newMemberID(req), instance: req.InstanceID, assignment: former.assignment}
	c.update(m, req)
	c.members[m.id], c.instances[m.instance] = m, m
	if leads {
		c.leader = m.id
	}
	c.changed.group = true
	c.hear(now, m)
	return m
}

// joinStatic goes on for a static member that is back, and returns its new id. In a stable group its assignment stands,
// unless its protocols call for another one.
func (c *Classic) joinStatic(now time.Time, ticket Ticket, former *classicMember, req JoinRequest) (id string) {
	m := c.succeed(now, former, req)
	c.wait(m, ticket)
	if c.state != Stable || c.selected() != c.protocol {
		c.meet(now, MemberRejoined, m)
		return m.id
	}
	c.changed.members[m.id] = true
	answer := c.joined(m)
	if leads := c.leader == m.id; leads && req.CanSkip {
		answer.SkipAssignment = true
	} else if leads { // it does not know that it need not assign, and is told that the former one leads
		answer.Leader, answer.Members = former.id, nil
	}
	c.answerJoin(m, answer, nil)
	return m.id
}

// joined is the answer to the join of a member of the generation.
func (c *Classic) joined(m *classicMember) JoinResponse {
	r := JoinResponse{
		MemberID: m.id, Generation: c.generation, ProtocolType: c.protocolType, Protocol: c.protocol, Leader: c.leader,
	}
	if m.id == c.leader {
		for _, other := range c.ordered() {
			metadata, _ := other.metadata(c.protocol)
			r.Members = append(r.Members, JoinedMember{other.id, other.instance, metadata})
		}
	}
	return r
}

// answerJoin answers the member's join, if one waits.
func (c *Classic) answerJoin(m *classicMember, r JoinResponse, err error) {
	if m.join == 0 {
		return
	}
	if err != nil {
		r = JoinResponse{MemberID: m.id, Generation: -1}
	}
	c.answers = append(c.answers, ClassicAnswer{Ticket: m.join, Join: r, Err: c.refuse(m.id, err)})
	m.join = 0
	c.joining--
}
