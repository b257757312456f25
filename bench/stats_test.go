package bench

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	require.Equal(t, 3.0, Median([]float64{9, 1, 3}))
	require.Equal(t, 2.5, Median([]float64{4, 1, 3, 2}))
	require.True(t, math.IsNaN(Median(nil)))
}

func TestCompare(t *testing.T) {
	r := Compare([]float64{100, 101, 99, 100, 102}, []float64{200, 202, 198, 204, 200})
	require.InDelta(t, 2.0, r.Value, 1e-9)
	require.GreaterOrEqual(t, r.Low, 198.0/102)
	require.LessOrEqual(t, r.High, 204.0/99)
	require.Less(t, r.Low, r.High)
	require.True(t, r.Shows())

	noise := Compare([]float64{80, 120, 100, 90, 110}, []float64{85, 125, 105, 95, 100})
	require.False(t, noise.Shows(), "%+v", noise)
	same := Compare([]float64{5, 5, 5}, []float64{5, 5, 5})
	require.Equal(t, Ratio{1, 1, 1}, same)
	one := Compare([]float64{10}, []float64{30})
	require.InDelta(t, 3, one.Value, 1e-9)
	require.False(t, one.Shows(), "one run shows nothing")
}

func TestLatencyOfKnownTimes(t *testing.T) {
	a, b := newRecorder(), newRecorder()
	for us := int64(1); us <= 10_000; us++ {
		[]*recorder{a, b}[us%2].record(us * 1000)
	}
	h := newHistogram()
	a.collect(h)
	b.collect(h)
	a.collect(h) // nothing new
	l, err := newLatency(h)
	require.NoError(t, err)
	require.EqualValues(t, 10_000, l.Count)
	for want, got := range map[int64]int64{5000: l.P50, 9000: l.P90, 9500: l.P95, 9900: l.P99, 9990: l.P999,
		9999: l.P9999, 10_000: l.Max} {
		require.InEpsilon(t, want, got, 0.001)
	}
	require.InEpsilon(t, 5000.5, l.Mean, 0.001)
	a.record(1)
	a.record(math.MaxInt64)
	h = newHistogram()
	a.collect(h)
	require.EqualValues(t, 2, h.TotalCount(), "what is out of bounds counts at the bound")
	require.InEpsilon(t, longest, h.Max(), 0.001)
}

// sample is a result of a named load.
func sample(name string, mbs float64, p99 int64) *Result {
	return &Result{Load: Load{Name: name}, Produce: &Flow{Bytes: 1, BytesPerSecond: mbs * 1e6,
		Latency: &Latency{P50: p99 / 4, P99: p99}}}
}

func TestWriteComparison(t *testing.T) {
	var b strings.Builder
	columns := []Column{
		{"old", []*Result{sample("full", 100, 4000), sample("full", 110, 4400), sample("only old", 1, 1)}},
		{"new", []*Result{sample("full", 210, 2100), sample("full", 220, 2000)}},
	}
	require.NoError(t, WriteComparison(&b, columns, Markdown))
	require.Equal(t, `| load | figure | old | new | new / old |
|---|---|---|---|---|
| full | produced | 105.0 MB/s ±5% | 215.0 MB/s ±2% | 2.05x (1.91-2.20 of 2 and 2 runs) |
| full | produce p50 | 1.05ms ±5% | 512us ±2% | 0.49x (0.45-0.53 of 2 and 2 runs) |
| full | produce p99 | 4.20ms ±5% | 2.05ms ±2% | 0.49x (0.45-0.53 of 2 and 2 runs) |
| only old | produced | 1.0 MB/s | - | - |
| only old | produce p50 | 0us | - | - |
| only old | produce p99 | 1us | - | - |
`, b.String())
}

// Only five runs of each side make an interval of 95%; with fewer the table has their number.
func TestRatioTellsTooFewRuns(t *testing.T) {
	five, four := []float64{10, 11, 10, 11, 10}, []float64{20, 21, 22, 20}
	require.Equal(t, "2.10x (1.82-2.20)", ratio(five, []float64{20, 21, 22, 21, 20}))
	require.Equal(t, "2.05x (1.82-2.20 of 5 and 4 runs)", ratio(five, four))
	require.Equal(t, "1.00x (0.91-1.10 of 2 and 2 runs, no difference shown)", ratio(five[:2], five[:2]))
	require.Equal(t, "1.00x (one run: no interval)", ratio(five[:1], five[:1]))
}

func TestFormatLatency(t *testing.T) {
	for us, want := range map[int64]string{0: "0us", 940: "940us", 1210: "1.21ms", 10_100: "10.1ms", 423_000: "423ms",
		2_000_000: "2.00s", 60_000_000: "60.0s"} {
		require.Equal(t, want, FormatLatency(us))
	}
}
