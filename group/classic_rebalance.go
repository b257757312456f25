package group

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// prepare lets the members meet: each is to join again.
func (c *Classic) prepare(now time.Time, why Reason, detail string) {
	c.note(now, why, detail)
	c.changed.group = true
	if c.state == Preparing {
		c.tryJoin(now)
		return
	}
	for _, m := range c.ordered() {
		if m.sync != 0 { // while it waited it was not silent
			c.hear(now, m)
			c.answerSync(m, ErrRebalanceInProgress)
		}
		m.owes = false
	}
	wait := c.rebalanceTimeout()
	if delay := c.opts.InitialRebalanceDelay; c.state == Empty && delay > 0 {
		c.gathering, c.grew, c.more = true, false, max(0, wait-delay)
		wait = delay
	}
	c.state, c.barrier = Preparing, now.Add(wait)
	c.alarm(c.barrier)
	c.tryJoin(now)
}

// rebalanceTimeout is the longest that a member may take to join.
func (c *Classic) rebalanceTimeout() (longest time.Duration) {
	for _, m := range c.members {
		longest = max(longest, m.rebalanceTimeout)
	}
	return longest
}

// tryJoin begins the next generation if all have joined, and nobody is about to.
func (c *Classic) tryJoin(now time.Time) {
	if c.state != Preparing || c.gathering || c.joining < len(c.members) {
		return
	}
	if len(c.reserved) == 0 || len(c.members) == 0 {
		c.completeJoin(now)
	}
}

// completeJoin begins the next generation with those who are there, and with static members, which are expected back
// until their sessions end.
func (c *Classic) completeJoin(now time.Time) {
	for _, m := range c.ordered() {
		if m.join == 0 && m.instance == "" {
			c.forget(m, ErrUnknownMember)
			c.note(now, RebalanceTimedOut, m.id)
		}
	}
	c.changed.group = true
	if len(c.members) == 0 {
		c.begin(Empty, time.Time{})
		c.protocol, c.leader = "", ""
		c.settle(now)
		return
	}
	if !c.elect() { // only static members, none of which is back
		c.barrier = now.Add(c.rebalanceTimeout())
		c.alarm(c.barrier)
		return
	}
	c.begin(Completing, now.Add(c.rebalanceTimeout()))
	c.protocol = c.selected()
	for _, m := range c.ordered() {
		if m.join != 0 {
			m.fresh, m.owes = false, true
			c.hear(now, m)
			c.answerJoin(m, c.joined(m), nil)
		}
	}
}

// begin begins a generation.
func (c *Classic) begin(state State, barrier time.Time) {
	c.generation++
	if c.generation <= 0 {
		panic(fmt.Sprintf("group: %q ran out of generations", c.id))
	}
	c.state, c.barrier, c.gathering = state, barrier, false
	if !barrier.IsZero() {
		c.alarm(barrier)
	}
}

// elect makes sure that the leader is one of those who joined, and tells whether anybody did.
func (c *Classic) elect() bool {
	if m := c.members[c.leader]; m != nil && m.join != 0 {
		return true
	}
	for _, m := range c.ordered() {
		if m.join != 0 {
			c.leader = m.id
			return true
		}
	}
	return false
}

// selected is the protocol that most members prefer among those that all know; of equals the first by name.
func (c *Classic) selected() string {
	votes := make(map[string]int)
	for _, m := range c.members {
		for _, p := range m.protocols {
			if c.known(p.Name) {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for _, name := range slices.Sorted(maps.Keys(votes)) {
		if votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// SyncRequest asks for what is the member's in a generation; the leader's says what is whose. The byte slices are kept.
type SyncRequest struct {
	Sender
	ProtocolType, Protocol string // "": not said
	Assignments            []MemberAssignment
}

// MemberAssignment is what the leader assigns to a member.
type MemberAssignment struct {
	MemberID   string
	Assignment []byte
}

// SyncResponse is what a member is answered when the leader has assigned.
type SyncResponse struct {
	ProtocolType, Protocol string
	Assignment             []byte
}

// Sync acts on a member's request for its assignment. It is answered, once, in Answers of this or a later call. Errors:
// ErrUnknownMember, ErrFencedInstance, ErrIllegalGeneration, ErrInconsistentProtocol, ErrRebalanceInProgress,
// ErrInvalidRequest.
func (c *Classic) Sync(now time.Time, ticket Ticket, req SyncRequest) {
	m, err := c.current(req.Sender)
	if err == nil {
		err = c.checkSync(m, req)
	}
	if err != nil {
		c.answers = append(c.answers, ClassicAnswer{Ticket: ticket, Err: c.refuse(req.MemberID, err)})
		return
	}
	c.hear(now, m)
	m.owes = false
	c.answerSync(m, ErrRebalanceInProgress) // a former one, whose answer nobody waits for any more
	m.sync = ticket
	switch {
	case c.state == Stable:
		c.answerSync(m, nil)
	case m.id == c.leader:
		c.assign(now, req.Assignments)
	}
}

func (c *Classic) checkSync(m *classicMember, req SyncRequest) error {
	switch {
	case req.ProtocolType != "" && req.ProtocolType != c.protocolType, req.Protocol != "" && req.Protocol != c.protocol:
		return fmt.Errorf("%w: %q of %q, not %q of %q", ErrInconsistentProtocol, c.protocol, c.protocolType,
			clip(req.Protocol), clip(req.ProtocolType))
	case c.state == Preparing:
		return ErrRebalanceInProgress
	case m.id != c.leader:
		return nil
	}
	for _, a := range req.Assignments {
		if len(a.Assignment) > MaxAssignedBytes {
			return fmt.Errorf("%w: %d bytes are assigned to member %q, at most %d are taken", ErrInvalidRequest,
				len(a.Assignment), clip(a.MemberID), MaxAssignedBytes)
		}
	}
	return nil
}

// assign hands out what the leader assigned. A member that it forgot has nothing.
func (c *Classic) assign(now time.Time, list []MemberAssignment) {
	for _, m := range c.members {
		m.assignment = nil
		c.changed.members[m.id] = true
	}
	for _, a := range list {
		if m := c.members[a.MemberID]; m != nil {
			m.assignment = a.Assignment
		}
	}
	c.state, c.changed.group = Stable, true
	for _, m := range c.ordered() {
		if m.sync != 0 {
			c.hear(now, m)
			c.answerSync(m, nil)
		}
	}
	c.settle(now)
}

// answerSync answers the member's sync, if one waits.
func (c *Classic) answerSync(m *classicMember, err error) {
	if m.sync == 0 {
		return
	}
	a := ClassicAnswer{Ticket: m.sync, Err: c.refuse(m.id, err)}
	if err == nil {
		a.Sync = SyncResponse{ProtocolType: c.protocolType, Protocol: c.protocol, Assignment: m.assignment}
	}
	c.answers = append(c.answers, a)
	m.sync = 0
}

// note writes a change into the history.
func (c *Classic) note(now time.Time, why Reason, detail string) {
	c.counts[why]++
	if n := len(c.history); n > 0 && c.history[n-1].Reason == why && c.history[n-1].Duration < 0 {
		c.history[n-1].Events++
		return
	}
	c.history = append(c.history, Rebalance{
		Time: now, Epoch: c.generation + 1, Reason: why, Detail: clip(detail), Events: 1, Duration: -1,
	})
	if len(c.history) > MaxHistory {
		c.history = append([]Rebalance(nil), c.history[len(c.history)-MaxHistory:]...)
	}
}

// settle ends the open entries of the history.
func (c *Classic) settle(now time.Time) {
	for i := len(c.history) - 1; i >= 0 && c.history[i].Duration < 0; i-- {
		c.history[i].Epoch, c.history[i].Duration = c.generation, max(0, now.Sub(c.history[i].Time))
	}
}

// History returns the last rebalances, oldest first, at most MaxHistory; their epochs are generations.
func (c *Classic) History() []Rebalance { return slices.Clone(c.history) }

// Rebalances returns how many changes there were for each reason since NewClassic or RestoreClassic.
func (c *Classic) Rebalances() [NumReasons]uint64 { return c.counts }
