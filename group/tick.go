package group

import (
	"time"
)

// Tick acts on what is due: members that were silent for the session timeout, or did not let go within their
// rebalance timeout, are removed, and changes that were gathered get their target. It is to be called at
// Deadline, and does no harm at any other time.
func (g *Group) Tick(now time.Time) {
	if g.dead || g.deadline.IsZero() || now.Before(g.deadline) {
		return
	}
	for _, m := range g.ordered() {
		switch {
		case !now.Before(m.seen.Add(g.opts.SessionTimeout)):
			g.remove(m, now, MemberTimedOut)
		case m.telling > 0 && !now.Before(g.letGoBy(m)):
			g.remove(m, now, RebalanceTimedOut)
		}
	}
	if g.epoch != g.targetEpoch {
		g.retarget(now)
	}
	g.settle(now)
	g.deadline = g.assignAt
	for _, m := range g.members {
		g.alarm(m.seen.Add(g.opts.SessionTimeout))
		if m.telling > 0 {
			g.alarm(g.letGoBy(m))
		}
	}
}

// letGoBy is when the member has to have let go of what it was told first.
func (g *Group) letGoBy(m *member) time.Time {
	var first time.Time
	for _, at := range m.held {
		if told := g.parts[at.Topic][at.Index].told; !told.IsZero() && (first.IsZero() || told.Before(first)) {
			first = told
		}
	}
	return first.Add(m.rebalanceTimeout)
}

// Deadline returns when Tick is to be called next; zero: not before something else happens. It may move to an
// earlier time with each heartbeat and change of topics.
func (g *Group) Deadline() time.Time { return g.deadline }
