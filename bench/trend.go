package bench

import (
	"fmt"
	"math"
)

// Trend says whether a figure stayed as it was over the second half of a long run.
type Trend struct {
	Name string  `json:"name"`
	Mean float64 `json:"mean"`
	// Change is how much a straight line through the figure rises over that time, as a share of Mean; Error is what it
	// may be off, with 95% confidence.
	Change float64 `json:"change"`
	Error  float64 `json:"error"`
}

// The least that a trend is made of, and what counts as no change.
const (
	trendTicks  = 60
	trendPoints = 30
	trendSlack  = 0.1
)

// Flat tells whether the figure changed by no more than a tenth, as far as one can tell.
func (t *Trend) Flat() bool { return math.Abs(t.Change)-t.Error <= trendSlack }

// String is "flat", or how the figure changed.
func (t *Trend) String() string {
	if t.Flat() {
		return fmt.Sprintf("%s flat", t.Name)
	}
	word := "rises"
	if t.Change < 0 {
		word = "falls"
	}
	return fmt.Sprintf("%s %s by %.0f%% ± %.0f%%", t.Name, word, 100*math.Abs(t.Change), 100*t.Error)
}

// trends looks at the second half of what was measured; none if that is too short to tell.
func trends(timeline []Tick, size Bytes) (all []Trend) {
	var ticks []Tick
	for _, t := range timeline {
		if t.Phase == PhaseMeasuring {
			ticks = append(ticks, t)
		}
	}
	ticks = ticks[len(ticks)/2:]
	if len(ticks) < trendTicks {
		return nil
	}
	for _, s := range []struct {
		name string
		of   func(*Tick) float64
	}{
		{"produced", func(t *Tick) float64 { return t.Produced }},
		{"consumed", func(t *Tick) float64 { return t.Consumed }},
		{"caught up", func(t *Tick) float64 { return t.CaughtUp }},
		{"p99", func(t *Tick) float64 { return float64(t.P99) }},
		{"bytes written a byte", func(t *Tick) float64 { return t.amplification(size) }},
		{"disk space", func(t *Tick) float64 { return float64(t.Stored) }},
		{"memory", func(t *Tick) float64 { return float64(t.RSS) }},
		{"open files", func(t *Tick) float64 { return float64(t.Files) }},
	} {
		if t, ok := trendOf(s.name, ticks, s.of); ok {
			all = append(all, t)
		}
	}
	return all
}

// amplification is what the broker wrote to the disk a byte that was produced in that second; 0: unknown.
func (t *Tick) amplification(size Bytes) float64 {
	if t.Produced <= 0 {
		return 0
	}
	return t.Written / (t.Produced * float64(size))
}

// trendOf lays a line of least squares through means of neighbouring ticks, whose noise is nearly independent. A figure
// that is 0 all the time is unknown.
func trendOf(name string, ticks []Tick, of func(*Tick) float64) (Trend, bool) {
	var y [trendPoints]float64
	var n [trendPoints]float64
	for i := range ticks {
		at := i * trendPoints / len(ticks)
		y[at] += of(&ticks[i])
		n[at]++
	}
	mean := 0.0
	for i := range y {
		y[i] /= n[i]
		mean += y[i] / trendPoints
	}
	if mean == 0 {
		return Trend{}, false
	}
	const middle = (trendPoints - 1) / 2.0
	var xy, xx, rest float64
	for i, v := range y {
		x := float64(i) - middle
		xy += x * (v - mean)
		xx += x * x
	}
	slope := xy / xx
	for i, v := range y {
		d := v - mean - slope*(float64(i)-middle)
		rest += d * d
	}
	const t95 = 2.05 // Student's t for trendPoints-2 degrees of freedom
	off := t95 * math.Sqrt(rest/(trendPoints-2)/xx)
	t := Trend{Name: name, Mean: mean, Change: slope * trendPoints / mean, Error: off * trendPoints / math.Abs(mean)}
	return t, true
}
