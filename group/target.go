package group

import (
	"cmp"
	"slices"
	"time"
)

// retarget computes the target if there is a change to act on, now or when the assign interval is over.
func (g *Group) retarget(now time.Time) {
	if g.epoch == g.targetEpoch {
		return
	}
	due := g.lastAssign.Add(g.opts.AssignInterval)
	switch {
	case !g.assignAt.IsZero() && !now.Before(due):
		g.assignGathered(now)
		return
	case g.opts.AssignInterval < 0 || g.lastAssign.IsZero() || !now.Before(due):
		g.assign(now)
		return
	}
	g.assignAt = due
	g.alarm(due)
}

// assignGathered computes the target for changes that were gathered. Members may have been given the group's epoch
// meanwhile, so the target gets one of its own: when it takes a partition from a member, the member's epoch rises.
func (g *Group) assignGathered(now time.Time) {
	g.epoch++
	if n := len(g.history); n > 0 {
		g.history[n-1].Epoch = g.epoch
	}
	g.assign(now)
}

// assign computes the target for the group's epoch.
func (g *Group) assign(now time.Time) {
	g.lastAssign, g.assignAt = now, time.Time{}
	g.assignor = g.wantedAssignor()
	members := g.ordered()
	p, ids := g.problem(members)
	g.assignor.solve(p)
	moved := g.adopt(p, ids, members)
	g.targetEpoch = g.epoch
	g.changed.group = true
	if n := len(g.history); n > 0 {
		g.history[n-1].Moved += moved
	}
}

// wantedAssignor is the one that most members ask for; of several the configured one, else the first.
func (g *Group) wantedAssignor() Assignor {
	var votes [Uniform + 1]int
	for _, m := range g.members {
		votes[m.assignor]++
	}
	votes[0] = 0
	best := g.opts.Assignor
	for a := Range; a <= Uniform; a++ {
		if votes[a] > votes[best] {
			best = a
		}
	}
	return best
}

// problem states who subscribes to what and has what, and the ids of the topics, in the order of their names.
func (g *Group) problem(members []*member) (*problem, []uint64) {
	subscribers := make(map[uint64][]int32)
	number := make(map[*member]int32, len(members))
	for i, m := range members {
		number[m] = int32(i)
		for _, id := range m.topics {
			subscribers[id] = append(subscribers[id], int32(i))
		}
	}
	topics := make([]Topic, 0, len(subscribers))
	for id := range subscribers {
		t, _ := g.topics.ByID(id)
		topics = append(topics, t)
	}
	slices.SortFunc(topics, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	p := &problem{members: len(members), topics: make([]topicProblem, len(topics)), same: true}
	ids := make([]uint64, len(topics))
	for ti, t := range topics {
		ids[ti] = t.ID
		subs := subscribers[t.ID]
		p.same = p.same && len(subs) == len(members)
		owner := make([]int32, t.Partitions)
		parts := g.parts[t.ID]
		for i := range owner {
			owner[i] = none
			if i >= len(parts) {
				continue
			}
			keeper := cmp.Or(parts[i].target, parts[i].holder)
			if keeper == nil {
				continue
			}
			if n, found := number[keeper]; found {
				if _, subscribed := slices.BinarySearch(keeper.topics, t.ID); subscribed {
					owner[i] = n
				}
			}
		}
		p.topics[ti] = topicProblem{subscribers: subs, owner: owner}
	}
	return p, ids
}

// adopt makes the solution the target, and returns how many partitions moved from one member to another.
func (g *Group) adopt(p *problem, ids []uint64, members []*member) (moved int) {
	wanted := make(map[uint64][]int32, len(ids))
	for ti, id := range ids {
		wanted[id] = p.topics[ti].owner
		if grow := len(p.topics[ti].owner) - len(g.parts[id]); grow > 0 {
			g.parts[id] = append(g.parts[id], make([]partition, grow)...)
		}
	}
	for _, m := range members {
		m.target = nil
	}
	for _, id := range g.topicIDs() {
		owner, empty := wanted[id], true
		for i := range g.parts[id] {
			at := Partition{id, int32(i)}
			ps := &g.parts[id][i]
			var target *member
			if i < len(owner) && owner[i] != none {
				target = members[owner[i]]
				target.target = append(target.target, at)
			}
			had := cmp.Or(ps.target, ps.holder)
			if target != nil && (ps.orphan || had != nil && had != target) {
				moved++
			}
			ps.orphan = false
			g.redirect(at, target)
			empty = empty && ps.target == nil && ps.holder == nil
		}
		if empty {
			delete(g.parts, id)
		}
	}
	return moved
}

// redirect makes a partition one for the member, and wakes whom that concerns.
func (g *Group) redirect(at Partition, target *member) {
	ps := &g.parts[at.Topic][at.Index]
	if ps.target == target {
		return
	}
	g.set(at, target, ps.holder, ps.epoch)
	switch ps.holder {
	case target:
	case nil:
		g.wake(target)
	default:
		g.wake(ps.holder)
	}
}

// topicIDs returns the topics of which a partition is for or with a member, sorted.
func (g *Group) topicIDs() []uint64 {
	ids := make([]uint64, 0, len(g.parts))
	for id := range g.parts {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
