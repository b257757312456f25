package group

import (
	"fmt"
	"slices"
	"time"
)

// join makes the sender a member, or lets it begin anew.
func (g *Group) join(now time.Time, req HeartbeatRequest, w wanted) (*member, error) {
	m := g.members[req.MemberID]
	former := g.instances[req.InstanceID] // nil without an instance id
	switch {
	case m != nil && m.instance != req.InstanceID:
		return nil, fmt.Errorf("%w: its instance id is %q", ErrInvalidRequest, m.instance)
	case m != nil:
		g.rejoin(now, m, req, w)
		return m, nil
	case former != nil && !former.away:
		return nil, fmt.Errorf("%w: instance %q is member %q", ErrUnreleasedInstance, former.instance, former.id)
	case former == nil && len(g.members) >= g.opts.MaxMembers:
		return nil, fmt.Errorf("%w: it has %d members", ErrGroupFull, len(g.members))
	}
	m = &member{id: req.MemberID, instance: req.InstanceID, rebalanceTimeout: g.opts.RebalanceTimeout}
	m.describe(req)
	g.members[m.id] = m
	if m.instance != "" {
		g.instances[m.instance] = m
	}
	if former != nil {
		g.succeed(former, m)
	}
	if resubscribed := g.apply(m, w); former == nil {
		g.bump(now, MemberJoined, m.id)
	} else if resubscribed {
		g.bump(now, SubscriptionChanged, m.id)
	}
	g.changed.members[m.id] = true
	m.epoch, m.confirmed, m.work = g.epoch, g.epoch, true
	return m, nil
}

func (m *member) describe(req HeartbeatRequest) {
	m.clientID, m.host, m.rack = req.ClientID, req.Host, req.Rack
}

// rejoin lets a member begin anew under its own id. It keeps its place. What it held before is given to it again
// under a new epoch, so that what it sent under the former one is refused; what it was to let go is free.
func (g *Group) rejoin(now time.Time, m *member, req HeartbeatRequest, w wanted) {
	g.bump(now, MemberRejoined, m.id)
	if m.away {
		g.setAway(m, false)
	}
	m.describe(req)
	g.apply(m, w)
	m.held = slices.DeleteFunc(m.held, func(at Partition) bool {
		ps := &g.parts[at.Topic][at.Index]
		if ps.target == m && ps.told.IsZero() {
			g.set(at, m, m, g.epoch)
			return false
		}
		g.free(at)
		return true
	})
	m.telling, m.lighter, m.work = 0, false, true
	m.epoch, m.confirmed = g.epoch, g.epoch
	g.changed.members[m.id] = true
}

// succeed gives a static member's place to the one that returned with its instance id. The former one is a
// member no more: what it still sends is refused (H20).
func (g *Group) succeed(former, m *member) {
	g.setAway(former, false)
	m.target, former.target = former.target, nil
	m.topics, m.rebalanceTimeout, m.assignor = former.topics, former.rebalanceTimeout, former.assignor
	for _, at := range m.target {
		ps := &g.parts[at.Topic][at.Index]
		g.set(at, m, ps.holder, ps.epoch)
	}
	delete(g.members, former.id)
	g.changed.forget(former.id)
	g.woken = append(g.woken, former.id)
	g.dropPattern(former.regex)
}

// leave ends a membership, or, of a static member that will be back, frees what it holds and keeps its place.
func (g *Group) leave(now time.Time, req HeartbeatRequest) (HeartbeatResponse, error) {
	m := g.members[req.MemberID]
	switch {
	case m == nil:
		return HeartbeatResponse{}, g.missing(req)
	case req.Epoch == EpochLeaveStatic && m.instance == "":
		return HeartbeatResponse{}, fmt.Errorf("%w: epoch %d, of a member without instance id", ErrInvalidRequest, req.Epoch)
	case req.InstanceID != "" && req.InstanceID != m.instance:
		return HeartbeatResponse{}, fmt.Errorf("%w: its instance id is %q", ErrFencedMember, m.instance)
	}
	if req.Epoch == EpochLeave {
		g.remove(m, now, MemberLeft)
		g.retarget(now)
	} else {
		if !m.away {
			g.setAway(m, true)
			g.changed.members[m.id] = true
			g.releaseAll(m)
		}
		m.seen = now
		g.alarm(now.Add(g.opts.SessionTimeout))
	}
	g.settle(now)
	return HeartbeatResponse{MemberID: m.id, Epoch: req.Epoch, HeartbeatInterval: g.opts.HeartbeatInterval}, nil
}

// apply takes over what the member asks for, and tells whether it now subscribes to other topics.
func (g *Group) apply(m *member, w wanted) (resubscribed bool) {
	if w.rebalanceTimeout > 0 && w.rebalanceTimeout != m.rebalanceTimeout {
		m.rebalanceTimeout = w.rebalanceTimeout
		g.changed.members[m.id] = true
	}
	if w.assignor != 0 && w.assignor != m.assignor {
		m.assignor = w.assignor
		g.changed.members[m.id] = true
	}
	names, regex := m.names, m.regex
	if w.subscription != nil && !w.keepTopics {
		names = w.subscription.Topics
	}
	if w.subscription != nil && !w.keepRegex {
		regex = w.subscription.Regex
	}
	if slices.Equal(names, m.names) && regex == m.regex {
		return false
	}
	former := m.regex
	m.names, m.regex = names, regex
	g.takePattern(m.regex)
	g.dropPattern(former)
	g.changed.members[m.id] = true
	return g.resolve(m)
}
