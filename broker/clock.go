package broker

import (
	"sync"
	"time"

	"github.com/skidway/skidway/retention"
)

// clock is the one source of append times and of ages: the guarded clock of package retention, moved on by each
// reading. Safe for concurrent use.
type clock struct {
	read clockSource

	mu    sync.Mutex // guards guard
	guard retention.Clock
}

// clockSource tells the wall clock's time, and the time since some fixed moment, which no change of the wall clock
// moves.
type clockSource func() (wall time.Time, mono time.Duration)

// systemClock is the machine's.
func systemClock() clockSource {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}
}

// now is the time in ms since 1970. It never goes back.
func (c *clock) now() int64 {
	wall, mono := c.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.guard.Step(wall, mono)
}

// paused tells whether ages cannot be relied on now, and why (F1, F2).
func (c *clock) paused() (bool, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.guard.Paused()
}
