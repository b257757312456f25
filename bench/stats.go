package bench

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Median returns the middle of the values, or the mean of the two in the middle; NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// Ratio is that of two medians, with the interval that holds it with 95% confidence.
type Ratio struct{ Value, Low, High float64 }

// resamples is how often Compare draws; the ends of the interval then hardly depend on the draw.
const resamples = 4000

// Compare returns the ratio of the median of after to that of before. The interval is that of the bootstrap: the runs
// of each side are drawn again with repetition, and the middle 95% of the ratios are taken. The draw is the same each
// time. Of a single run nothing is known of the spread: the interval then has no bounds.
func Compare(before, after []float64) Ratio {
	r := Ratio{Value: Median(after) / Median(before), Low: math.Inf(-1), High: math.Inf(1)}
	if len(before) < 2 || len(after) < 2 {
		return r
	}
	source := rand.New(rand.NewPCG(1, 2))
	draw := func(from []float64) float64 {
		again := make([]float64, len(from))
		for i := range again {
			again[i] = from[source.IntN(len(from))]
		}
		return Median(again)
	}
	ratios := make([]float64, resamples)
	for i := range ratios {
		b := draw(before)
		ratios[i] = draw(after) / b
	}
	slices.Sort(ratios)
	r.Low, r.High = ratios[resamples/40], ratios[resamples-1-resamples/40]
	return r
}

// Shows tells whether the interval leaves no doubt on which side of 1 the ratio lies.
func (r Ratio) Shows() bool { return r.Low > 1 || r.High < 1 }
