package group

import (
	"slices"
	"time"
)

// reconcile brings what the member may consume nearer to its target, and tells whether it changed. First the
// member has to let go of all that is not for it; what it is to get in return, it gets after that, each
// partition when nobody holds it any more.
func (g *Group) reconcile(m *member, now time.Time) (told bool) {
	told, m.untold = m.untold, false
	if !m.work {
		return told
	}
	m.work = false
	for _, at := range m.held {
		if ps := &g.parts[at.Topic][at.Index]; ps.target != m && ps.told.IsZero() {
			ps.told = now
			m.telling++
			told = true
		}
	}
	if m.telling > 0 {
		if told {
			g.alarm(now.Add(m.rebalanceTimeout))
		}
		return told
	}
	if m.lighter {
		m.lighter = false
		g.advance(m)
	}
	return g.give(m) || told
}

// give hands the member the partitions that are for it and that nobody holds, and tells whether there were any.
func (g *Group) give(m *member) bool {
	var free []Partition
	for _, at := range m.target {
		if g.parts[at.Topic][at.Index].holder == nil {
			free = append(free, at)
		}
	}
	if len(free) == 0 {
		return false
	}
	g.advance(m)
	for _, at := range free {
		g.set(at, m, m, m.epoch)
	}
	m.held = append(m.held, free...)
	slices.SortFunc(m.held, Partition.Compare)
	return true
}

// advance gives the member the group's epoch, under which all that it was given before stays its own.
func (g *Group) advance(m *member) {
	if m.epoch != g.epoch {
		m.epoch = g.epoch
		g.changed.members[m.id] = true
	}
}

// letGo releases what the member was told to let go and does not list among what it owns, which is sorted.
func (g *Group) letGo(m *member, owned []Partition) {
	if m.telling == 0 {
		return
	}
	m.held = slices.DeleteFunc(m.held, func(at Partition) bool {
		ps := &g.parts[at.Topic][at.Index]
		if ps.told.IsZero() || contains(owned, at) {
			return false
		}
		m.telling--
		g.free(at)
		return true
	})
	if m.telling == 0 {
		m.work, m.lighter = true, true
	}
}

// free takes a partition from its holder, who has said so or is gone, and wakes the one that it is for.
func (g *Group) free(at Partition) {
	ps := &g.parts[at.Topic][at.Index]
	g.set(at, ps.target, nil, 0)
	g.wake(ps.target)
}

// releaseAll frees all that the member holds.
func (g *Group) releaseAll(m *member) {
	held := m.held
	m.held, m.telling = nil, 0
	for _, at := range held {
		g.free(at)
	}
}

// assigned returns what the member may consume: what it holds, without what it is to let go.
func (g *Group) assigned(m *member) Assignment {
	list := make([]Partition, 0, len(m.held))
	for _, at := range m.held {
		if g.parts[at.Topic][at.Index].told.IsZero() {
			list = append(list, at)
		}
	}
	return assignmentOf(list)
}

// remove ends a membership: what the member holds is free, and a new target is called for.
func (g *Group) remove(m *member, now time.Time, reason Reason) {
	g.releaseAll(m)
	for _, at := range m.target {
		ps := &g.parts[at.Topic][at.Index]
		g.set(at, nil, ps.holder, ps.epoch)
		ps.orphan = true
	}
	m.target = nil
	delete(g.members, m.id)
	if g.instances[m.instance] == m {
		delete(g.instances, m.instance)
	}
	g.changed.forget(m.id)
	g.woken = append(g.woken, m.id)
	g.dropPattern(m.regex)
	g.bump(now, reason, m.id)
}
