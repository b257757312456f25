package sim

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	seeds   = flag.Int("seeds", 60, "seeds that TestSeeds runs")
	first   = flag.Uint64("first", 1, "the first of them")
	verbose = flag.Bool("show", false, "print the trace of each seed")
)

func config(seed uint64, bug Bug) Config {
	return Config{
		Seed: seed, Brokers: int(3 + seed/2%2), Replicas: 3, Partitions: 2, MinISR: int32(1 + seed%2),
		Faulty: 15 * time.Second, Replayed: 1, Unknown: 4, Bug: bug,
	}
}

func TestSeeds(t *testing.T) {
	total, acked, ends, faults, begin := 0, 0, 0, 0, time.Now()
	for i := range *seeds {
		cfg := config(*first+uint64(i), NoBug)
		if *verbose {
			cfg.Trace = func(line string) { t.Log(strings.TrimSuffix(line, "\n")) }
		}
		r := Run(cfg)
		total, acked, ends, faults = total+r.Events, acked+r.Acked, ends+r.Ends, faults+r.Faults
		if r.Err != nil {
			t.Errorf("seed %d: %v\nrepeat it: go test ./internal/sim -run 'TestSeeds$' -seeds 1 -first %d -show -v",
				cfg.Seed, r.Err, cfg.Seed)
			if t.Failed() && i > 20 {
				break
			}
		}
	}
	require.Positive(t, acked)
	require.Positive(t, ends)
	require.Positive(t, faults)
	t.Logf("%d events, %d acks, %d newest offsets, %d faults, %.0f events/s", total, acked, ends, faults,
		float64(total)/time.Since(begin).Seconds())
}

func TestSameSeedSameTrace(t *testing.T) {
	for seed := range uint64(5) {
		a, b := Run(config(seed, NoBug)), Run(config(seed, NoBug))
		require.Equal(t, a, b)
		require.NotEqual(t, a.Hash, Run(config(seed+100, NoBug)).Hash)
	}
}
