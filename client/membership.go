package client

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// partitionID names a partition as groups do: by its topic's id, which a topic made again does not share.
type partitionID struct {
	topic uint64
	index int32
}

func (p partitionID) compare(q partitionID) int {
	return cmp.Or(cmp.Compare(p.topic, q.topic), cmp.Compare(p.index, q.index))
}

// Member epochs that say something else than "I am here".
const (
	epochJoin        int32 = 0
	epochLeave       int32 = -1
	epochLeaveStatic int32 = -2
)

// standing is where a member stands with its group.
type standing int8

const (
	joining standing = iota // its next request joins
	inGroup                 // the coordinator has answered
	leaving                 // its next request leaves
	outside                 // it left, and joins again when it is polled
	ended                   // it left for good, or was refused: it sends nothing any more
)

// phase is how far a partition that was given has come. It only grows, but for revoked, which may be taken back.
type phase int8

const (
	given     phase = iota // where to begin is not known yet
	ready                  // it is: the next turn starts it
	active                 // the program reads it
	revoked                // to be let go: the next turn begins to
	releasing              // the program's hook is at it
)

// membership is a member's side of a group, after docs/design/0005-groups.md: what it owes the coordinator and
// what it may consume. A state machine without I/O and clock: answers, failures and the program's progress go in
// with the time; requests (due, request) and turns (turn) come out. The caller locks.
//
// The rules that it keeps: one request is under way at a time; after one without answer the next says everything;
// nothing is let go of, in a request, before the program has let go; nothing that was lost is owned.
type membership struct {
	rebalanceTimeout time.Duration

	standing standing
	farewell int32         // with leaving: the epoch that says how
	after    standing      // with leaving: what follows
	interval time.Duration // at most between requests, as the coordinator wants it; 0: not known yet
	epoch    int32         // the newest that was answered; epochJoin: none, and then nothing is owned
	sending  bool          // a request is under way
	asked    standing      // what the member was when it sent that: an answer to what it is no more says nothing
	sentAt   time.Time
	wait     time.Duration // that the request under way allows the coordinator to wait for news
	soon     bool          // the next one is to follow at once
	due      time.Time     // not before it the next request is sent
	say      bool          // the next says what is owned
	full     bool          // and all else, too

	owned   map[partitionID]phase // given and not let go
	letGoBy time.Time             // when what is revoked is let go, come what may; zero: nothing is
	lost    map[partitionID]bool  // were active: the program has not been told
	why     error                 // of lost
}

// beat is a heartbeat to be sent.
type beat struct {
	epoch int32
	full  bool          // with the subscription and all else that may have been said
	owned []partitionID // nil: as said before
	wait  time.Duration // how long the answer may be held back for news
}

// verdict is what an answer that refuses a heartbeat means.
type verdict int8

const (
	unheard verdict = iota // nobody knows whether it was acted on, or it was not and may be repeated
	dropped                // the coordinator knows the member no more, or not like this: it joins again
	refused                // it will never be taken
)

func newMembership(now time.Time, rebalanceTimeout time.Duration) *membership {
	return &membership{rebalanceTimeout: rebalanceTimeout, due: now, owned: map[partitionID]phase{},
		lost: map[partitionID]bool{}}
}

// next tells when a request is to be sent. False: not before something else happens.
func (m *membership) next() (time.Time, bool) {
	return m.due, !m.sending && m.standing != outside && m.standing != ended
}

// request makes the heartbeat that next has announced.
func (m *membership) request(now time.Time) beat {
	m.sending, m.asked, m.sentAt, m.soon = true, m.standing, now, false
	m.wait = 0
	switch m.standing {
	case joining:
		return beat{epoch: epochJoin, full: true}
	case leaving:
		return beat{epoch: m.farewell}
	}
	b := beat{epoch: m.epoch, full: m.full}
	if m.say || m.full {
		b.owned = slices.SortedFunc(maps.Keys(m.owned), partitionID.compare)
		if b.owned == nil {
			b.owned = []partitionID{}
		}
	}
	m.say, m.full = false, false
	if m.quiet() {
		m.wait = m.interval
	}
	b.wait = m.wait
	return b
}

// quiet tells whether the member will have nothing to say before it hears of news: then it waits for them.
func (m *membership) quiet() bool {
	return m.standing == inGroup && !m.any(revoked) && !m.any(releasing)
}

// shortest is the time between requests when answers come early and tell nothing.
const shortest = 20 * time.Millisecond

// answered acts on an answer. assignment lists all that may be consumed; nil: as before.
func (m *membership) answered(now time.Time, epoch int32, interval time.Duration, assignment []partitionID) {
	m.sending = false
	if m.asked != m.standing {
		return // what it is now is due already
	}
	m.interval, m.due = interval, now
	if m.standing == leaving {
		m.standing = m.after
		return
	}
	m.standing, m.epoch = inGroup, epoch
	early := assignment == nil && m.wait > 0 && now.Sub(m.sentAt) < m.wait/2
	if assignment != nil {
		m.assign(now, assignment)
	}
	switch {
	case m.soon || m.say:
	case !m.quiet():
		m.due = m.sentAt.Add(interval)
	case early:
		m.due = now.Add(shortest)
	}
}

// assign makes the assignment of an answer what may be consumed.
func (m *membership) assign(now time.Time, assignment []partitionID) {
	may := make(map[partitionID]bool, len(assignment))
	for _, p := range assignment {
		may[p] = true
		switch ph, have := m.owned[p]; {
		case !have:
			m.owned[p] = given
		case ph == revoked:
			m.owned[p] = active // it stays after all
		}
	}
	for p, ph := range m.owned {
		switch {
		case may[p] || ph >= revoked:
		case ph == active:
			m.owned[p] = revoked
		default: // the program has not heard of it
			delete(m.owned, p)
			m.letGo(now)
		}
	}
	switch {
	case !m.any(revoked) && !m.any(releasing):
		m.letGoBy = time.Time{}
	case m.letGoBy.IsZero():
		m.letGoBy = now.Add(m.rebalanceTimeout - m.rebalanceTimeout/10) // before the coordinator throws it out
	}
}

// failed acts on a request without answer, or one that was refused. pause is the time before a repetition.
func (m *membership) failed(now time.Time, v verdict, pause time.Duration, why error) {
	m.sending = false
	if m.asked != m.standing {
		return
	}
	m.due = now.Add(pause)
	switch {
	case m.standing == leaving && v != unheard:
		m.standing = m.after // it is no member, and that was wanted
	case m.standing == leaving:
	case v == unheard:
		m.full = m.standing == inGroup
	case v == dropped:
		if m.standing == inGroup {
			m.due = now
		}
		m.drop(why)
		m.standing = joining
	default:
		m.drop(why)
		m.standing = ended
	}
}

// drop forgets what is owned: it is no more.
func (m *membership) drop(why error) {
	for p, ph := range m.owned {
		if ph == active || ph == revoked {
			m.lost[p] = true
			m.why = why
		}
	}
	clear(m.owned)
	m.letGoBy = time.Time{}
	m.epoch, m.say, m.full = epochJoin, false, false
}

// leave has the member leave, as farewell says, and drops all. then is outside or ended.
func (m *membership) leave(now time.Time, farewell int32, then standing, why error) {
	if m.standing == outside || m.standing == ended {
		m.standing = then
		return
	}
	m.drop(why)
	m.standing, m.farewell, m.after, m.due = leaving, farewell, then, now
}

// polled lets a member join that is outside.
func (m *membership) polled(now time.Time) {
	if m.standing == outside || m.standing == leaving && m.after == outside {
		m.standing, m.due = joining, now // joining again frees and gives as leaving does
	}
}

// hurry has the next request sent at once.
func (m *membership) hurry(now time.Time) {
	m.soon = m.sending
	if now.Before(m.due) {
		m.due = now
	}
}

// letGo has what is owned said at once.
func (m *membership) letGo(now time.Time) {
	m.say = true
	m.hurry(now)
}

// tick lets go of what the program has kept for too long: the group goes on without waiting for it.
func (m *membership) tick(now time.Time, why error) {
	if m.letGoBy.IsZero() || now.Before(m.letGoBy) {
		return
	}
	m.letGoBy = time.Time{}
	for p, ph := range m.owned {
		if ph < revoked {
			continue
		}
		if ph == revoked { // else the hook hears of it by its context
			m.lost[p] = true
			m.why = why
		}
		delete(m.owned, p)
		m.letGo(now)
	}
}

// alarm tells when tick has something to do; zero: not as things are.
func (m *membership) alarm() time.Time { return m.letGoBy }

// found tells that it is known where to begin in a partition. False: it is not owned any more.
func (m *membership) found(p partitionID) bool {
	ph, have := m.owned[p]
	if !have || ph != given {
		return false
	}
	m.owned[p] = ready
	return true
}

// turnKind is what a turn is about.
type turnKind int8

const (
	nothing turnKind = iota
	tellLost
	letGo
	start
)

// turn is what the program is to be told next. Turns are carried out one after another, between records.
type turn struct {
	kind  turnKind
	parts []partitionID // in order
	why   error         // with tellLost
}

// pending tells whether a poll has something to do before it takes records: a turn, or polled, or to hear of the end.
func (m *membership) pending() bool {
	return len(m.lost) > 0 || m.any(revoked) || m.any(ready) || m.standing == outside || m.standing == ended ||
		m.standing == leaving
}

// turn returns what is to be done next: losses come before revocations, and those before what is new.
func (m *membership) turn() turn {
	if len(m.lost) > 0 {
		t := turn{kind: tellLost, parts: slices.SortedFunc(maps.Keys(m.lost), partitionID.compare), why: m.why}
		clear(m.lost)
		return t
	}
	if parts := m.advance(revoked, releasing); len(parts) > 0 {
		return turn{kind: letGo, parts: parts}
	}
	if parts := m.advance(ready, active); len(parts) > 0 {
		return turn{kind: start, parts: parts}
	}
	return turn{}
}

// advance takes all partitions from one phase to another and returns them in order.
func (m *membership) advance(from, to phase) (parts []partitionID) {
	for p, ph := range m.owned {
		if ph == from {
			m.owned[p] = to
			parts = append(parts, p)
		}
	}
	slices.SortFunc(parts, partitionID.compare)
	return parts
}

// released tells that the program has let go of partitions.
func (m *membership) released(now time.Time, parts []partitionID) {
	for _, p := range parts {
		if m.owned[p] == releasing {
			delete(m.owned, p)
			m.letGo(now)
		}
	}
	if !m.any(revoked) && !m.any(releasing) {
		m.letGoBy = time.Time{}
	}
}

// revokeAll begins to let go of all that the program has, before the member leaves, and returns it. What the
// program has not heard of is forgotten.
func (m *membership) revokeAll(now time.Time) []partitionID {
	for p, ph := range m.owned {
		switch {
		case ph < active:
			delete(m.owned, p)
			m.letGo(now)
		case ph == active:
			m.owned[p] = revoked
		}
	}
	return m.advance(revoked, releasing)
}

// any tells whether a partition is in that phase.
func (m *membership) any(ph phase) bool {
	for _, have := range m.owned {
		if have == ph {
			return true
		}
	}
	return false
}
