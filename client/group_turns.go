package client

import (
	"context"
	"time"
)

// claim is a partition that a GroupConsumer owns. Guarded by GroupConsumer.mu.
type claim struct {
	id      partitionID
	at      place
	started bool // the Consumer reads it, or did
	over    bool // it is owned no more

	// Set when it is ready.
	info   *topicInfo
	offset int64  // where to begin
	why    *Error // there is no place to begin; nil: there is

	a         *assignment // of the Consumer; guarded by its lock
	floor     int64       // the position at which reading began, or was sought to: what lies before is not marked any more
	marked    int64       // the offset to be committed; -1: nothing is marked
	epoch     int32       // of the leader of the record marked last
	committed int64       // of marked, what is committed; -1: nothing
}

// changed brings all in line with the membership, after each event. Under the lock.
func (g *GroupConsumer) changed() {
	for id, cl := range g.claims {
		ph, owned := g.m.owned[id]
		if owned && (!cl.started || ph >= active) {
			continue
		}
		delete(g.claims, id)
		cl.over = true
		if cl.started {
			g.consumer.release(cl.at, id.topic)
			if g.byPlace[cl.at] == cl {
				delete(g.byPlace, cl.at)
			}
		}
		if g.m.lost[id] {
			g.gone[id] = cl
		}
		g.disturb(cl)
	}
	for id := range g.m.owned {
		if g.claims[id] == nil {
			g.claims[id] = &claim{id: id, floor: -1, marked: -1, epoch: -1, committed: -1}
			notify(g.lookNow)
		}
	}
	g.consumer.hold(g.closing || g.telling || g.m.pending())
	if g.m.standing == ended {
		closeOnce(g.left)
	}
	notify(g.beatNow)
	notify(g.watchNow)
}

// disturb ends the context of the OnRevoked under way if it is about a claim that is lost. Under the lock.
func (g *GroupConsumer) disturb(cl *claim) {
	for _, hooked := range g.hooked {
		if hooked == cl && g.hook != nil {
			g.hook()
		}
	}
}

// announcement is a turn and the claims that it is about.
type announcement struct {
	turn
	claims []*claim
	ctx    context.Context // with letGo
	cancel context.CancelFunc
}

// settle carries out turns until there are none.
func (g *GroupConsumer) settle(ctx context.Context) error {
	select {
	case g.turns <- struct{}{}:
		defer func() { <-g.turns }()
	case <-ctx.Done():
		return ctx.Err()
	case <-g.ctx.Done():
		return errClosed("group consumer")
	}
	for {
		g.mu.Lock()
		if g.closing {
			g.mu.Unlock()
			return errClosed("group consumer")
		}
		g.m.polled(time.Now())
		a := g.announce(g.ctx, g.m.turn())
		g.telling = a.kind != nothing
		g.changed()
		fatal := g.fatal
		g.mu.Unlock()
		if a.kind == nothing {
			return errorOrNil(fatal)
		}
		g.logCommit(g.carryOut(a))
	}
}

// announce makes a turn known to the GroupConsumer itself: from now on events are about what the program is told.
// Under the lock.
func (g *GroupConsumer) announce(ctx context.Context, t turn) announcement {
	a := announcement{turn: t, ctx: ctx}
	for _, id := range t.parts {
		from := g.claims
		if t.kind == tellLost {
			from = g.gone
		}
		if cl := from[id]; cl != nil {
			a.claims = append(a.claims, cl)
		}
	}
	switch t.kind {
	case tellLost:
		clear(g.gone)
		g.stats.Lost += int64(len(a.claims))
	case letGo:
		if g.m.letGoBy.IsZero() { // the member leaves, and nobody sets it a time
			a.ctx, a.cancel = context.WithTimeout(ctx, g.opts.RebalanceTimeout)
		} else { // disturb ends it when they are lost, and not before: else a commit of that moment might go either way
			a.ctx, a.cancel = context.WithCancel(ctx)
		}
		g.hook, g.hooked = a.cancel, a.claims
		g.stats.Revoked += int64(len(a.claims))
	case start:
		for _, cl := range a.claims {
			cl.started, cl.floor = true, cl.offset
			g.byPlace[cl.at] = cl
			cl.a = g.consumer.adopt(cl.info, cl.id.index, cl.offset, cl.why)
		}
		g.stats.Assigned += int64(len(a.claims))
	}
	return a
}

// carryOut tells the program. The error is of the commit before partitions are let go.
func (g *GroupConsumer) carryOut(a announcement) (err error) {
	parts := names(a.claims)
	switch a.kind {
	case tellLost:
		g.c.opts.Logger.Warn("group member has lost partitions", "group", g.coord.group, "partitions", len(parts),
			"why", a.why)
		if g.opts.OnLost != nil {
			g.opts.OnLost(a.ctx, g, parts, a.why)
		}
	case letGo:
		defer a.cancel()
		if g.opts.OnRevoked != nil && len(parts) > 0 {
			g.opts.OnRevoked(a.ctx, g, parts)
		}
		if g.opts.Commit == CommitMarked {
			var offsets []Offset
			offsets, err = g.commitClaims(a.ctx, a.claims)
			g.tellCommit(offsets, err)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.hook, g.hooked = nil, nil
		g.m.released(time.Now(), a.parts)
		g.changed()
	case start:
		if g.opts.OnAssigned != nil && len(parts) > 0 {
			g.opts.OnAssigned(a.ctx, g, parts)
		}
	}
	return err
}

func (c *claim) name() TopicPartition { return TopicPartition{c.at.topic, c.at.partition} }

func names(claims []*claim) []TopicPartition {
	out := make([]TopicPartition, len(claims))
	for i, cl := range claims {
		out[i] = cl.name()
	}
	return out
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// closeOnce closes a channel that one lock guards.
func closeOnce(c chan struct{}) {
	if !isClosed(c) {
		close(c)
	}
}
