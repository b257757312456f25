package retention

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// machine is a wall clock and a monotonic clock, and the Clock that watches them.
type machine struct {
	t     testing.TB
	wall  time.Time
	mono  time.Duration
	clock Clock
	last  int64
}

var start = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

const year = 365 * 24 * time.Hour

func newMachine(t testing.TB) *machine {
	m := &machine{t: t, wall: start}
	m.step()
	return m
}

func (m *machine) step() {
	m.t.Helper()
	got := m.clock.Step(m.wall, m.mono)
	if got != m.clock.Now() || got < m.last {
		m.t.Fatalf("Step = %d, Now = %d, after %d", got, m.clock.Now(), m.last)
	}
	m.last = got
}

// run lets both clocks go on for d, with a Step each second.
func (m *machine) run(d time.Duration) {
	m.t.Helper()
	for ; d > 0; d -= time.Second {
		tick := min(d, time.Second)
		m.wall, m.mono = m.wall.Add(tick), m.mono+tick
		m.step()
	}
}

// jump sets the wall clock.
func (m *machine) jump(d time.Duration) {
	m.t.Helper()
	m.wall = m.wall.Add(d)
	m.step()
}

// ahead is how far Now is ahead of the wall clock.
func (m *machine) ahead() time.Duration {
	return time.UnixMilli(m.clock.Now()).Sub(m.wall)
}

func (m *machine) expect(what string, paused bool, ahead time.Duration) {
	m.t.Helper()
	got, reason := m.clock.Paused()
	if got != paused || got != (reason != "") {
		m.t.Fatalf("%s: paused = %v %q, want %v", what, got, reason, paused)
	}
	if m.ahead() != ahead {
		m.t.Fatalf("%s: Now is ahead of the wall clock by %v, want %v", what, m.ahead(), ahead)
	}
}

// F1: one year forward. Nothing may go by age until the clock has been stable for an hour.
func TestF1JumpForward(t *testing.T) {
	m := newMachine(t)
	m.run(time.Minute)
	m.jump(year)
	m.expect("after the jump", true, -year)
	m.run(time.Hour - time.Second)
	m.expect("one second before it is stable", true, -year)
	if _, reason := m.clock.Paused(); !strings.Contains(reason, "ahead by 8760h0m0s") ||
		!strings.Contains(reason, "since 59m59s ago") {
		t.Errorf("reason: %s", reason)
	}
	m.run(time.Second)
	m.expect("stable", false, 0)
}

// F1: the data of a broker whose clock jumps is judged by its true age meanwhile.
func TestF1NothingDeleted(t *testing.T) {
	m := newMachine(t)
	st := Stats{Start: 0, End: 1, Bytes: 1, OldestAppend: m.clock.Now()}
	m.run(time.Minute)
	m.jump(year)
	m.run(30 * time.Minute)
	if cut := Decide(m.clock.Now(), st, Policy{MaxAge: 7 * 24 * time.Hour}); !cut.None() {
		t.Errorf("a record 31 minutes old is to go: %+v", cut)
	}
}

// F2: one year back. Now goes on, first at full speed, then a little slower; no age is negative.
func TestF2JumpBack(t *testing.T) {
	m := newMachine(t)
	m.jump(-year)
	m.expect("after the jump", true, year)
	if _, reason := m.clock.Paused(); !strings.Contains(reason, "back by 8760h0m0s") {
		t.Errorf("reason: %s", reason)
	}
	m.run(time.Hour)
	slowed := time.Second / slewPart // the Step that adopts is the first slow one
	if paused, _ := m.clock.Paused(); paused || m.ahead() > year || m.ahead() < year-slowed-time.Millisecond {
		t.Fatalf("adopted: paused %v, ahead %v", paused, m.ahead())
	}
	before := m.clock.Now()
	m.run(16 * time.Hour)
	if got := m.clock.Now() - before; got != (15 * time.Hour).Milliseconds() {
		t.Errorf("16 h count as %v", time.Duration(got)*time.Millisecond)
	}
}

// A clock that was ten minutes ahead and is set right meets the wall clock again.
func TestJumpBackRejoins(t *testing.T) {
	m := newMachine(t)
	m.jump(-10 * time.Minute)
	m.run(time.Hour)
	m.run(9*16*time.Minute - 20*time.Second)
	if m.ahead() < time.Minute {
		t.Fatalf("too early: %v", m.ahead())
	}
	m.run(time.Minute + 20*time.Second)
	m.expect("after 9 minutes were worked off and one waited out", false, 0)
	m.run(time.Minute)
	m.expect("one minute later", false, 0)
}

// A jump that is undone within the hour is forgotten at once.
func TestJumpUndone(t *testing.T) {
	for _, d := range []time.Duration{year, -year, 61 * time.Second, -61 * time.Second} {
		m := newMachine(t)
		m.jump(d)
		m.expect("after the jump", true, -d)
		m.run(20 * time.Minute)
		m.jump(-d)
		m.expect("after it was undone", false, 0)
		m.run(time.Minute)
		m.expect("later", false, 0)
	}
}

// Each further jump starts the hour again.
func TestJumpsRestartTheHour(t *testing.T) {
	m := newMachine(t)
	m.jump(year)
	m.run(59 * time.Minute)
	m.jump(24 * time.Hour)
	m.run(time.Hour - time.Second)
	m.expect("an hour less a second after the second", true, -year-24*time.Hour)
	m.run(time.Second)
	m.expect("an hour after the second", false, 0)
}

// A clock that jumps all the time is never believed.
func TestClockThatNeverSettles(t *testing.T) {
	m := newMachine(t)
	for range 100 {
		m.jump(24 * time.Hour)
		m.run(30 * time.Minute)
	}
	m.expect("after 50 hours", true, -100*24*time.Hour)
}

// Steps of up to a minute are followed at once; backward ones by waiting.
func TestSmallSteps(t *testing.T) {
	m := newMachine(t)
	m.jump(time.Minute)
	m.expect("a minute forward", false, 0)
	m.jump(-time.Minute)
	m.expect("a minute back", false, time.Minute)
	m.run(59 * time.Second)
	m.expect("almost met", false, time.Second)
	m.run(time.Second)
	m.expect("met", false, 0)
	m.jump(time.Minute + time.Millisecond)
	m.expect("more than a minute", true, -time.Minute-time.Millisecond)
}

// F5: a clock that strobes by 200 ms is never paused, and Now is off by no more than that.
func TestF5Strobe(t *testing.T) {
	m := newMachine(t)
	for i := range 10_000 {
		m.run(100 * time.Millisecond)
		m.jump([]time.Duration{200, -200, -200, 200}[i%4] * time.Millisecond)
		if paused, why := m.clock.Paused(); paused || m.ahead() < 0 || m.ahead() > 400*time.Millisecond {
			t.Fatalf("paused %v (%s), ahead %v", paused, why, m.ahead())
		}
	}
}

// A suspended machine's monotonic clock stands still: that is a jump forward, adopted after an hour awake.
func TestSuspend(t *testing.T) {
	m := newMachine(t)
	m.wall = m.wall.Add(8 * time.Hour)
	m.step()
	m.expect("after resume", true, -8*time.Hour)
	m.run(time.Hour)
	m.expect("awake for an hour", false, 0)
}

// F4: a stopped process, whose clocks both go on, notices nothing.
func TestF4Stopped(t *testing.T) {
	m := newMachine(t)
	m.wall, m.mono = m.wall.Add(24*time.Hour), m.mono+24*time.Hour
	m.step()
	m.expect("after 24 hours without a Step", false, 0)
}

// F6: a monotonic clock that drifts by 10 % is followed.
func TestF6Drift(t *testing.T) {
	for _, rate := range []float64{0.9, 1.1} {
		m := newMachine(t)
		for range 36_000 {
			m.wall = m.wall.Add(time.Second)
			m.mono += time.Duration(rate * float64(time.Second))
			m.step()
			m.expect("drifting", false, 0)
		}
	}
}

// A jump while Now is still ahead from an earlier one.
func TestJumpWhileAhead(t *testing.T) {
	m := newMachine(t)
	m.jump(-time.Hour)
	m.run(time.Hour + 16*time.Minute)
	ahead := m.ahead()
	m.jump(2 * time.Hour)
	m.expect("jumped ahead of Now", true, ahead-2*time.Hour)
	m.run(time.Hour)
	m.expect("adopted", false, 0)
}

func TestRestartBelievesTheWallClock(t *testing.T) {
	var c Clock
	if c.Now() != 0 {
		t.Fatalf("Now before the first Step = %d", c.Now())
	}
	if got := c.Step(start.Add(-year), 42*time.Hour); got != start.Add(-year).UnixMilli() {
		t.Fatalf("first Step = %d", got)
	}
	if paused, _ := c.Paused(); paused {
		t.Fatal("paused at the start")
	}
}

// A reading that was taken before the latest one, but comes after it, changes nothing.
func TestReadingsOutOfOrder(t *testing.T) {
	m := newMachine(t)
	m.run(10 * time.Second)
	now := m.clock.Now()
	if got := m.clock.Step(m.wall.Add(-3*time.Second), m.mono-3*time.Second); got != now {
		t.Fatalf("Now went from %d to %d", now, got)
	}
	m.run(time.Second)
	m.expect("next", false, 0)
}

// Whatever the clocks do, Now never goes back, never runs faster than the clock that
// it follows or projects, and a paused clock moves with the monotonic one.
func TestClockProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var c Clock
		wall, mono := start.UnixMilli(), int64(0)
		c.Step(time.UnixMilli(wall), 0)
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			tick := rapid.Int64Range(0, 10*60_000).Draw(rt, "tick")
			mono += tick
			wall += tick
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				wall += rapid.Int64Range(-2*year.Milliseconds(), 2*year.Milliseconds()).Draw(rt, "jump")
			case 1:
				wall += rapid.Int64Range(-70_000, 70_000).Draw(rt, "step")
			}
			before := c.Now()
			wasPaused, _ := c.Paused()
			now := c.Step(time.UnixMilli(wall), time.Duration(mono)*time.Millisecond)
			isPaused, _ := c.Paused()
			switch {
			case now < before:
				rt.Fatalf("Now went back from %d to %d", before, now)
			case !isPaused && now < wall:
				rt.Fatalf("believed, but behind the wall clock by %d ms", wall-now)
			case (isPaused || wasPaused && now > wall) && now > before+tick:
				rt.Fatalf("went on by %d ms in %d ms", now-before, tick)
			case !isPaused && !wasPaused && now-wall > 60_000 && now-before < tick/16*15:
				rt.Fatalf("went on by %d ms only, in %d ms", now-before, tick)
			}
		}
	})
}

func TestClockAtTheEndsOfTime(t *testing.T) {
	edges := []time.Time{{}, time.UnixMilli(math.MaxInt64), time.UnixMilli(math.MinInt64), start}
	for _, a := range edges {
		for _, b := range edges {
			var c Clock
			c.Step(a, math.MinInt64)
			first := c.Now()
			c.Step(b, 0)
			c.Step(a, math.MaxInt64-time.Hour)
			c.Step(b, math.MaxInt64)
			c.Paused()
			if c.Now() < first {
				t.Errorf("%v, %v: went back", a, b)
			}
		}
	}
}
