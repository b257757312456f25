package broker

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// counters count what goes in and out of one topic. The four sums are added to on the data path; the rates are
// computed by the ticker. Safe for concurrent use.
type counters struct {
	recordsIn, recordsOut atomic.Int64
	bytesIn, bytesOut     atomic.Int64

	mu              sync.Mutex // guards what follows
	lastIn, lastOut int64
	rateIn, rateOut float64 // records a second
	measured        bool
}

// rateWindow is the time over which a rate forgets: after it, 63 % of a change is seen.
const rateWindow = 5 * time.Second

// sample moves the rates on by what came within the time since the last call.
func (c *counters) sample(elapsed time.Duration) {
	if elapsed <= 0 {
		return
	}
	in, out := c.recordsIn.Load(), c.recordsOut.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	nowIn := float64(in-c.lastIn) / elapsed.Seconds()
	nowOut := float64(out-c.lastOut) / elapsed.Seconds()
	c.lastIn, c.lastOut = in, out
	weight := 1 - math.Exp(-float64(elapsed)/float64(rateWindow))
	if !c.measured {
		weight, c.measured = 1, true
	}
	c.rateIn = settle(c.rateIn + weight*(nowIn-c.rateIn))
	c.rateOut = settle(c.rateOut + weight*(nowOut-c.rateOut))
}

// settle makes a rate that fades out zero.
func settle(rate float64) float64 {
	if rate < 0.05 {
		return 0
	}
	return rate
}

// rates are the records a second in and out, smoothed over about rateWindow.
func (c *counters) rates() (in, out float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rateIn, c.rateOut
}
