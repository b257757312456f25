package bench

import (
	"context"
	"fmt"
	"time"
)

// maxSteps is how many open loops a search takes after the closed one.
const maxSteps = 6

// Max searches the highest rate, in records a second, that the broker keeps up with: the load as a closed loop tells
// the most that it takes, and halving the distance what it takes with a p99 of at most limit. Each step is a run of
// its own; step is called with each, and whether it kept up. The error is that of a run, or says that no rate did.
func Max(ctx context.Context, d Driver, l Load, limit time.Duration, o Options,
	step func(*Result, bool)) (rate float64, err error) {
	l.Rate = 0
	closed, err := Run(ctx, d, l, o)
	if err != nil {
		return 0, err
	}
	if closed.Produce == nil {
		return 0, fmt.Errorf("bench: the load: mode %q has no rate to be searched", l.Mode)
	}
	step(closed, false)
	low, high := 0.0, closed.Produce.PerSecond
	for range maxSteps {
		l.Rate = (low + high) / 2
		r, err := Run(ctx, d, l, o)
		if err != nil {
			return 0, err
		}
		ok := r.sustained(limit)
		step(r, ok)
		if ok {
			low = l.Rate
		} else {
			high = l.Rate
		}
	}
	if low == 0 {
		return 0, fmt.Errorf("bench: no rate down to %.0f records a second had a p99 within %v", high, limit)
	}
	return low, nil
}

// sustained tells whether an open loop was kept up with, within the limit.
func (r *Result) sustained(limit time.Duration) bool {
	l := r.mainLatency()
	return r.OK() && l != nil && r.Produce.PerSecond >= 0.98*r.Load.Rate &&
		time.Duration(l.P99)*time.Microsecond <= limit
}
