package retention

import (
	"fmt"
	"math"
	"time"
)

// The bounds of the clock's rules, in ms.
const (
	// maxStep is how far the wall clock may move against the monotonic clock between
	// two Steps and still be followed.
	maxStep = int64(time.Minute / time.Millisecond)
	// settleTime is how long a wall clock that jumped must run steadily until it is believed.
	settleTime = int64(time.Hour / time.Millisecond)
	// slewPart: a clock that is ahead by more than maxStep runs slower by one part in
	// slewPart until it is not.
	slewPart = 16
)

// Clock is the time that append times and ages are counted by, in ms since 1970. It
// follows the wall clock, does not follow it when it jumps, and never goes back. It
// reads no clock: Step tells it what the clocks show. The zero Clock is ready for
// its first Step. It is not safe for concurrent use; a mutex around Step is enough.
//
// It compares, from Step to Step, how far the wall clock moved with how far the
// monotonic clock moved, and is in one of two states:
//
//   - Following. The wall clock is believed. A step of at most a minute, either
//     way, is followed at once; a larger one is a jump: the clock becomes Paused.
//   - Paused. The wall clock is not believed: time goes on from where it was, at the
//     speed of the monotonic clock, and nothing may be deleted by age. It ends when
//     the wall clock comes back to within a minute of the time so projected (the
//     jump was undone), or when it has run an hour without another jump (it is
//     adopted: someone set it). Each further jump starts the hour again. The first
//     Step after a start is believed as it is, so a restart adopts at once too.
//
// A suspended machine, whose monotonic clock stands still, is a jump forward.
//
// Now is the wall clock whenever it is believed and not behind what Now was. Where
// it is behind, because it was set back, Now does not follow:
//
//   - behind by at most a minute: Now stands still until the wall clock gets there;
//   - by more, after a jump back was adopted: Now goes on at 15/16 of the monotonic
//     clock's speed, so that it meets the wall clock some time (ten minutes within
//     three hours), and if it does not (a year), append times still tell records
//     apart and ages are short by at most 1/16: deleted late, never early.
type Clock struct {
	started bool
	paused  bool
	mono    int64 // of the latest Step, ms
	offset  int64 // wall - mono, at the latest Step
	now     int64 // never decreases
	// slack is the part of a ms, in 1/slewPart, that slewing has not yet counted; 0 <= slack < slewPart.
	slack int64

	// While paused:
	projection int64 // wall - mono that would have been, had the clock not jumped
	jumpedAt   int64 // mono at the first jump
	stableFrom int64 // mono at the latest jump
	jump       int64 // how far the wall clock is from the projection
}

// Step tells the clock what the wall clock and the monotonic clock show, read
// together, and returns Now. Mono is the time since any fixed moment of this process.
// Call it at least every few seconds; how often does not matter to the result but
// for steps of less than a minute, which add up between two calls. A mono that is
// behind the latest one counts as the latest.
func (c *Clock) Step(wall time.Time, mono time.Duration) int64 {
	wallMs, monoMs := wall.UnixMilli(), mono.Milliseconds()
	if !c.started {
		*c = Clock{started: true, mono: monoMs, offset: satSub(wallMs, monoMs), now: wallMs}
		return c.now
	}
	elapsed := satSub(monoMs, c.mono)
	if elapsed < 0 {
		return c.now
	}
	c.mono = monoMs
	c.observe(satSub(wallMs, monoMs))
	c.advance(elapsed)
	return c.now
}

// observe takes a new wall - mono and decides the state.
func (c *Clock) observe(offset int64) {
	moved := distance(offset, c.offset)
	before := c.offset
	c.offset = offset
	if !c.paused {
		if moved > maxStep {
			c.paused, c.projection = true, before
			c.jumpedAt, c.stableFrom = c.mono, c.mono
			c.jump = satSub(offset, before)
		}
		return
	}
	c.jump = satSub(offset, c.projection)
	switch {
	case distance(offset, c.projection) <= maxStep:
		c.paused = false
	case moved > maxStep:
		c.stableFrom = c.mono
	case satSub(c.mono, c.stableFrom) >= settleTime:
		c.paused = false
	}
}

// advance moves now on, when elapsed ms went by on the monotonic clock.
func (c *Clock) advance(elapsed int64) {
	target := satAdd(c.mono, c.offset)
	if c.paused {
		target = satAdd(c.mono, c.projection)
	}
	if lead := satSub(c.now, target); lead > maxStep {
		target = max(target, satAdd(c.now, c.slewed(elapsed)))
	} else {
		c.slack = 0
	}
	c.now = max(c.now, target)
}

// slewed is 15/16 of elapsed; what is cut off by rounding is kept for the next time.
func (c *Clock) slewed(elapsed int64) int64 {
	parts := elapsed%slewPart*(slewPart-1) + c.slack
	c.slack = parts % slewPart
	return elapsed/slewPart*(slewPart-1) + parts/slewPart
}

// Now returns the time as of the latest Step, in ms since 1970; 0 before the first.
func (c *Clock) Now() int64 { return c.now }

// Paused tells whether the wall clock jumped and is not believed, and why. While it
// is true, nothing may be deleted by age.
func (c *Clock) Paused() (paused bool, reason string) {
	if !c.paused {
		return false, ""
	}
	way := "ahead"
	if c.jump < 0 {
		way = "back"
	}
	return true, fmt.Sprintf("the wall clock jumped; it is %s by %s since %s ago; deleting by age waits until it "+
		"returns or has run steadily for %s (it has for %s)",
		way, millis(distance(c.jump, 0)), millis(satSub(c.mono, c.jumpedAt)),
		millis(settleTime), millis(satSub(c.mono, c.stableFrom)))
}

// distance is |a - b|, held at the end of int64.
func distance(a, b int64) int64 {
	d := satSub(a, b)
	if d == math.MinInt64 {
		return math.MaxInt64
	}
	return max(d, -d)
}

// millis is ms as a duration for people, held at the end of time.Duration.
func millis(ms int64) time.Duration {
	if ms > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return (time.Duration(ms) * time.Millisecond).Round(time.Second)
}
