package bench

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// made is a run of n measured seconds, after some that do not count.
func made(n int, set func(*Tick, float64)) []Tick {
	ticks := []Tick{{Phase: PhaseWarmUp, Produced: 1e9, RSS: 1 << 40}}
	for i := range n {
		t := Tick{Phase: PhaseMeasuring, At: float64(i), Produced: 1000, Written: 2_000_000, RSS: 1 << 28, Files: 100}
		set(&t, float64(i)/float64(n))
		ticks = append(ticks, t)
	}
	return append(ticks, Tick{Phase: PhaseDraining})
}

func trendNamed(t *testing.T, all []Trend, name string) Trend {
	t.Helper()
	for _, tr := range all {
		if tr.Name == name {
			return tr
		}
	}
	require.Fail(t, "no trend", name)
	return Trend{}
}

func TestTrends(t *testing.T) {
	noise := rand.New(rand.NewPCG(1, 2))
	all := trends(made(1800, func(k *Tick, x float64) {
		k.Produced *= 0.9 + 0.2*noise.Float64()
		k.RSS = int64(float64(k.RSS) * (1 + x))   // twice as much at the end
		k.P99 = int64(1000 * (2 - x))             // half
		k.Stored = int64(1e9 * min(1, 4*x))       // fills up in the first quarter, then stays
		k.Files = int64(100 + 40*noise.Float64()) // to and fro
	}), 1000)
	flat := func(name string) bool { tr := trendNamed(t, all, name); return tr.Flat() }
	require.True(t, flat("produced"))
	require.True(t, flat("disk space"), "only the second half counts")
	require.True(t, flat("open files"))
	require.True(t, flat("bytes written a byte"))
	memory := trendNamed(t, all, "memory")
	require.False(t, memory.Flat())
	require.InDelta(t, 0.5/1.75, memory.Change, 0.02)
	require.Contains(t, memory.String(), "memory rises by 29%")
	latency := trendNamed(t, all, "p99")
	require.False(t, latency.Flat())
	require.Contains(t, latency.String(), "falls")
	for _, tr := range all {
		require.NotEqual(t, "caught up", tr.Name, "what is 0 all the time is unknown")
	}
	require.Empty(t, trends(made(100, func(*Tick, float64) {}), 1000), "too short to tell")
}
