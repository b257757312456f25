package client

import (
	"fmt"
	"time"
)

// stopwatch measures how long a program has been at what it was given. Pure.
type stopwatch struct {
	limit time.Duration
	steps uint64
	since time.Time // when the program was last seen to go on
}

// late tells whether the program has been at one thing for the limit. steps grows with each; waiting tells that the
// program has nothing to do.
func (s *stopwatch) late(now time.Time, steps uint64, waiting bool) bool {
	if waiting || steps != s.steps || s.since.IsZero() {
		s.steps, s.since = steps, now
		return false
	}
	return now.Sub(s.since) >= s.limit
}

// watch lets go of what is kept for too long, and leaves the group when the program does not come back.
func (g *GroupConsumer) watch() {
	s := stopwatch{limit: g.opts.MaxProcessing}
	for g.ctx.Err() == nil {
		alarm, why := g.check(&s, time.Now())
		if why != nil {
			g.c.opts.Logger.Warn("group member leaves the group", "group", g.coord.group, "member", g.member,
				"why", why)
		}
		wait := g.opts.MaxProcessing / 10
		if !alarm.IsZero() {
			wait = min(wait, time.Until(alarm))
		}
		t := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-t.C:
		case <-g.watchNow:
		case <-g.ctx.Done():
		}
		t.Stop()
	}
}

// check acts on what is due. It returns when it is to be called again, zero for no time in particular, and why the
// member leaves, nil if it does not.
func (g *GroupConsumer) check(s *stopwatch, now time.Time) (alarm time.Time, why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	alarm = g.m.alarm()
	late := s.late(now, g.steps.Load(), g.inside.Load() > 0)
	switch {
	case !alarm.IsZero() && !now.Before(alarm):
		g.m.tick(now, tooSlow("partitions were not let go within nine tenths of RebalanceTimeout (%v)",
			g.opts.RebalanceTimeout))
		g.changed()
	case late && g.m.standing == inGroup && !g.closing:
		why = tooSlow("the program took longer than MaxProcessing (%v)", g.opts.MaxProcessing)
		g.leaveForSlowness(now, why)
	}
	return g.m.alarm(), why
}

// leaveForSlowness leaves until the next poll. Under the lock.
func (g *GroupConsumer) leaveForSlowness(now time.Time, why error) {
	g.stats.SlowLeaves++
	farewell := epochLeave
	if g.opts.InstanceID != "" {
		farewell = epochLeaveStatic
	}
	g.m.leave(now, farewell, outside, why)
	g.changed()
}

func tooSlow(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrTooSlow}, args...)...)
}
