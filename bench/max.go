package bench

import (
	"context"
	"fmt"
	"time"
)

// maxSteps is how many open loops a search takes after the closed one.
const maxSteps = 6

// Search says what Max looks for.
type Search struct {
	Limit time.Duration          // of the p99
	Step  func(*Result, Verdict) // is told each run
}

// Verdict is what a run of a search showed.
type Verdict int8

// The verdicts.
const (
	ClosedLoop Verdict = iota // the most that the broker takes, whatever the latency
	KeptUp
	TooMuch
)

// String is the verdict in words.
func (v Verdict) String() string { return [...]string{"closed loop", "kept up with", "too much"}[v] }

// Max searches the highest rate, in records a second, that the broker keeps up with: the load as a closed loop tells
// the most that it takes, and halving the distance what it takes within the limit. Each step is a run of its own. The
// error is that of a run, or says that no rate did.
func Max(ctx context.Context, d Driver, l Load, s Search, o Options) (rate float64, err error) {
	l.Rate = 0
	closed, err := Run(ctx, d, l, o)
	if err != nil {
		return 0, err
	}
	if closed.Produce == nil {
		return 0, fmt.Errorf("bench: the load: mode %q has no rate to be searched", l.Mode)
	}
	s.Step(closed, ClosedLoop)
	return highest(closed.Produce.PerSecond, func(rate float64) (bool, error) {
		l.Rate = rate
		r, err := Run(ctx, d, l, o)
		if err != nil {
			return false, err
		}
		kept := r.sustained(s.Limit)
		s.Step(r, map[bool]Verdict{true: KeptUp, false: TooMuch}[kept])
		return kept, nil
	})
}

// highest halves the distance between a rate that is kept up with and one that is not, from 0 and high on.
func highest(high float64, keepsUp func(rate float64) (bool, error)) (low float64, err error) {
	for range maxSteps {
		rate := (low + high) / 2
		kept, err := keepsUp(rate)
		if err != nil {
			return 0, err
		}
		if kept {
			low = rate
		} else {
			high = rate
		}
	}
	if low == 0 {
		return 0, fmt.Errorf("bench: no rate down to %.0f records a second was kept up with within the limit", high)
	}
	return low, nil
}

// sustained tells whether an open loop was kept up with, within the limit.
func (r *Result) sustained(limit time.Duration) bool {
	l := r.mainLatency()
	return r.OK() && l != nil && r.Produce.PerSecond >= 0.98*r.Load.Rate &&
		time.Duration(l.P99)*time.Microsecond <= limit
}
