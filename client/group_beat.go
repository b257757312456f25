package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/skidway/skidway/wire"
)

// newMemberID draws an id that nobody else has.
func newMemberID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// beat sends heartbeats: one at a time, whatever the program is at.
func (g *GroupConsumer) beat() {
	pauses := g.c.opts.pauses()
	for g.ctx.Err() == nil {
		now := time.Now()
		g.mu.Lock()
		due, ok := g.m.next()
		if !ok || now.Before(due) {
			g.mu.Unlock()
			g.restUntil(due, ok)
			continue
		}
		b := g.m.request(now)
		ctx, interrupt := context.WithCancel(g.ctx)
		g.interrupt = interrupt
		g.mu.Unlock()
		answer, err := g.heartbeat(ctx, b)
		if ctx.Err() != nil {
			g.beats.links.close() // what waits for news there would be answered before what is sent next
		}
		interrupt()
		if g.ctx.Err() != nil {
			return
		}
		if err != nil {
			g.c.opts.Logger.Debug("heartbeat failed", "group", g.beats.group, "member", g.member, "error", err)
			g.c.opts.Hooks.retry(wire.APIGroupHeartbeat, err)
		}
		g.mu.Lock()
		if err == nil {
			pauses.Reset()
			g.refused = nil
			interval := max(time.Duration(answer.HeartbeatIntervalMs)*time.Millisecond, shortest)
			g.m.answered(time.Now(), answer.MemberEpoch, interval, assignmentOf(answer))
			if b.epoch == epochJoin {
				closeOnce(g.admitted)
			}
		} else {
			g.unanswered(err, pauses.NextBackOff())
		}
		g.changed()
		g.mu.Unlock()
	}
}

// heartbeat sends a heartbeat, and waits for its answer.
func (g *GroupConsumer) heartbeat(ctx context.Context, b beat) (*wire.GroupHeartbeatResponse, *Error) {
	q := &wire.GroupHeartbeatRequest{Group: g.beats.group, MemberID: g.member, MemberEpoch: b.epoch,
		InstanceID: g.opts.InstanceID, ReportsOwned: b.owned != nil || b.epoch == epochJoin, Owned: byTopic(b.owned),
		MaxWaitMs: int32(b.wait.Milliseconds())}
	if b.full {
		q.Rack, q.Assignor = g.opts.Rack, g.opts.Assignor
		q.Subscribes, q.Topics, q.Regex = true, g.topics, g.opts.Regex
		q.RebalanceTimeoutMs = int32(g.opts.RebalanceTimeout.Milliseconds())
	}
	return ask[*wire.GroupHeartbeatResponse](ctx, g.beats, q, b.wait)
}

// assignmentOf returns the partitions of an answer; nil: as before.
func assignmentOf(r *wire.GroupHeartbeatResponse) []partitionID {
	if !r.Assigns {
		return nil
	}
	out := []partitionID{}
	for _, t := range r.Assignment {
		for _, index := range t.Partitions {
			out = append(out, partitionID{t.ID, index})
		}
	}
	return out
}

// restUntil waits for the time of the next heartbeat.
func (g *GroupConsumer) restUntil(due time.Time, ok bool) {
	wait := time.Hour
	if ok {
		wait = time.Until(due)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-g.beatNow:
	case <-g.ctx.Done():
	}
}

// unanswered acts on a heartbeat that failed. Under the lock.
func (g *GroupConsumer) unanswered(err *Error, pause time.Duration) {
	v := judgeBeat(err)
	if err.Code == wire.CodeInstanceInUse {
		g.refused = err // the session of a former life of it may have to end first
		if isClosed(g.admitted) {
			v = refused // another one has taken the place
		}
	}
	if v == refused {
		g.fatal = err
		closeOnce(g.admitted)
	}
	g.m.failed(time.Now(), v, pause, err)
}

// memberGone tells whether an error says that the group does not have the member, or not like this.
func memberGone(c Code) bool { return c == wire.CodeUnknownMember || c == wire.CodeMemberFenced }

// judgeBeat tells what a failed heartbeat means.
func judgeBeat(err *Error) verdict {
	switch {
	case memberGone(err.Code):
		return dropped
	case err.Retriable() || err.Outcome == OutcomeUnknown:
		return unheard
	}
	return refused
}
