package client

import (
	"context"
	"slices"
	"time"

	"github.com/skidway/skidway/wire"
)

// GroupStats counts what a GroupConsumer went through since it was made.
type GroupStats struct {
	Assigned, Revoked, Lost int64 // partitions; all that were assigned are revoked or lost in the end
	SlowLeaves              int64 // times that the program took longer than MaxProcessing
	Commits, CommitErrors   int64 // commits that were taken, and that failed
	Skips, Skipped          int64 // jumps of positions that no program asked for, and offsets passed by them, forward
}

// Stats returns the counts.
func (g *GroupConsumer) Stats() GroupStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.stats
	s.Skips, s.Skipped = g.consumer.skips.Load(), g.consumer.skipped.Load()
	return s
}

// Mark tells that records are processed, and all before them in their partitions: the next commit says so. What is
// not this member's any more, was not returned since the partition was assigned or sought, or lies before what is
// marked already, is left alone.
func (g *GroupConsumer) Mark(records ...Record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range records {
		r := &records[i]
		if i+1 < len(records) {
			if n := &records[i+1]; n.Partition == r.Partition && n.Offset > r.Offset && n.Topic == r.Topic {
				continue // the next one says it, too
			}
		}
		g.mark(r)
	}
}

func (g *GroupConsumer) mark(r *Record) {
	cl := g.last
	if cl == nil || cl.over || cl.at.partition != r.Partition || cl.at.topic != r.Topic {
		if cl = g.byPlace[place{r.Topic, r.Partition}]; cl == nil {
			return
		}
		g.last = cl
	}
	if r.Offset >= max(cl.floor, cl.marked) && r.Offset < g.consumer.positionOf(cl.a) {
		cl.marked, cl.epoch = r.Offset+1, r.LeaderEpoch
	}
}

// Commit commits what is marked, and waits until that is durable, no longer than Options.RequestTimeout. The error
// joins one *Error for each partition that failed; what is definite, such as ErrStaleMemberEpoch, is not repeated.
func (g *GroupConsumer) Commit(ctx context.Context) error {
	_, err := g.commitClaims(ctx, nil)
	return err
}

// CommitOffsets commits offsets of partitions that are assigned, whatever is marked. ErrNotAssigned; else as Commit.
func (g *GroupConsumer) CommitOffsets(ctx context.Context, offsets ...Offset) error {
	if err := g.take1(ctx, g.committing); err != nil {
		return err
	}
	defer func() { <-g.committing }()
	list := make([]pendingCommit, 0, len(offsets))
	g.mu.Lock()
	for _, o := range offsets {
		cl := g.byPlace[place{o.Topic, o.Partition}]
		if cl == nil {
			g.mu.Unlock()
			return notAssigned(o.Topic, o.Partition)
		}
		list = append(list, pendingCommit{Offset: o, id: cl.id, claim: cl})
	}
	g.mu.Unlock()
	return g.commit(ctx, list)
}

// take1 takes a token.
func (g *GroupConsumer) take1(ctx context.Context, token chan struct{}) error {
	select {
	case <-g.ctx.Done():
		return errClosed("group consumer")
	default:
	}
	select {
	case token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-g.ctx.Done():
		return errClosed("group consumer")
	}
}

// commitClaims commits what is marked of claims, nil for all. It returns what was to be committed.
func (g *GroupConsumer) commitClaims(ctx context.Context, claims []*claim) ([]Offset, error) {
	if err := g.take1(ctx, g.committing); err != nil {
		return nil, err
	}
	defer func() { <-g.committing }()
	g.mu.Lock()
	if claims == nil {
		for _, cl := range g.byPlace {
			claims = append(claims, cl)
		}
		slices.SortFunc(claims, func(a, b *claim) int { return a.id.compare(b.id) })
	}
	var list []pendingCommit
	var offsets []Offset
	for _, cl := range claims {
		if !cl.over && cl.marked >= 0 && cl.marked != cl.committed {
			o := Offset{Topic: cl.at.topic, Partition: cl.at.partition, Offset: cl.marked, LeaderEpoch: cl.epoch}
			list, offsets = append(list, pendingCommit{Offset: o, id: cl.id, claim: cl}), append(offsets, o)
		}
	}
	g.mu.Unlock()
	return offsets, g.commit(ctx, list)
}

// commit has offsets committed. Who calls it has the token of commits.
func (g *GroupConsumer) commit(ctx context.Context, list []pendingCommit) error {
	if len(list) == 0 {
		return nil
	}
	err := (&commitRun{k: g.coord, who: g.self, lost: g.lostClaim, settled: g.commitSettled}).run(ctx, list)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.stats.CommitErrors++
	} else {
		g.stats.Commits++
	}
	return err
}

// self is who this member is now.
func (g *GroupConsumer) self() member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return member{g.member, g.m.epoch}
}

// lostClaim tells why a commit must not be sent any more: what is lost must not be committed under what the member is
// now.
func (g *GroupConsumer) lostClaim(p *pendingCommit) *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !p.claim.over {
		return nil
	}
	return newError(wire.CodeStaleMemberEpoch, where{topic: p.Topic, partition: p.Partition},
		"the partition is not this member's any more")
}

// commitSettled acts on the result of one commit, and tells whether it is to be sent again.
func (g *GroupConsumer) commitSettled(p *pendingCommit, e *Error, as member) (again bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case e == nil:
		p.claim.committed = p.Offset.Offset
	case mayRepeat(e):
		return true
	case e.Code == wire.CodeStaleMemberEpoch && g.m.epoch != as.epoch && !p.claim.over:
		return true // under the newer epoch
	case memberGone(e.Code) || e.Code == wire.CodeStaleMemberEpoch:
		g.m.hurry(time.Now()) // the heartbeat tells what has become of the member
		notify(g.beatNow)
	}
	return false
}

// commitMarks commits in the background.
func (g *GroupConsumer) commitMarks() {
	tick := time.NewTicker(g.opts.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			offsets, err := g.commitClaims(g.ctx, nil)
			if g.ctx.Err() == nil {
				g.tellCommit(offsets, err)
				g.logCommit(err)
			}
		case <-g.ctx.Done():
			return
		}
	}
}

// tellCommit calls OnCommit for a commit that nobody waits for.
func (g *GroupConsumer) tellCommit(offsets []Offset, err error) {
	if g.opts.OnCommit != nil && (err != nil || len(offsets) > 0) {
		g.opts.OnCommit(offsets, err)
	}
}

func (g *GroupConsumer) logCommit(err error) {
	if err != nil {
		g.c.opts.Logger.Warn("group member could not commit", "group", g.coord.group, "member", g.member, "error", err)
	}
}
