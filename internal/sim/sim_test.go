package sim

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	seeds   = flag.Int("seeds", 1000, "seeds that TestSeeds runs")
	first   = flag.Uint64("first", 1, "the first of them")
	verbose = flag.Bool("show", false, "print the trace of each seed")
)

// enoughSeeds is how many seeds bring every fault about.
const enoughSeeds = 200

func config(seed uint64, bug Bug) Config {
	cfg := Config{
		Seed: seed, Brokers: int(3 + seed/2%2), Replicas: 3, Partitions: 2, MinISR: int32(1 + seed%2),
		Faulty: 15 * time.Second, Replayed: 1, Unknown: 4, Bug: bug,
	}
	if seed%4 < 2 {
		cfg.Partitions, cfg.Doomed = 3, true
	}
	if seed%3 == 0 {
		cfg.Window = 60
	}
	return cfg
}

// runAll runs what config gives for each of count seeds, as many at a time as there are
// processors, until one of them is enough, and returns what came of them, in order.
func runAll(count int, config func(i int) Config, enough func(Result) bool) []Result {
	results := make([]Result, count)
	var next atomic.Int64
	var over atomic.Bool
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < count && !over.Load(); i = int(next.Add(1)) - 1 {
				results[i] = Run(config(i))
				if enough(results[i]) {
					over.Store(true)
				}
			}
		})
	}
	wg.Wait()
	return results
}

// repeat says how to run one seed again.
func repeat(seed uint64) string {
	return fmt.Sprintf("repeat it: go test ./internal/sim -run 'TestSeeds$' -seeds 1 -first %d -show -v", seed)
}

// Clusters keep their promise under all faults, and every fault comes about.
func TestSeeds(t *testing.T) {
	count := *seeds
	if raceEnabled && count > enoughSeeds {
		count = enoughSeeds // a seed is one goroutine's: make test runs all of them without the race detector, too
	}
	begin := time.Now()
	results := runAll(count, func(i int) Config {
		cfg := config(*first+uint64(i), NoBug)
		if *verbose {
			cfg.Trace = func(line string) { t.Log(strings.TrimSuffix(line, "\n")) }
		}
		return cfg
	}, func(Result) bool { return false })
	var sum Result
	failed := 0
	for i := range results {
		r := &results[i]
		sum.Events, sum.Acked, sum.Void = sum.Events+r.Events, sum.Acked+r.Acked, sum.Void+r.Void
		sum.Fired.Add(&r.Fired)
		if r.Err == nil {
			continue
		}
		if failed++; failed <= 10 {
			seed := *first + uint64(i)
			t.Errorf("seed %d: %v\n%s", seed, r.Err, repeat(seed))
		}
	}
	t.Logf("%d seeds, %d failed; %d events, %d acks, %d partitions led by a disk that lied; %.0f events/s",
		count, failed, sum.Events, sum.Acked, sum.Void, float64(sum.Events)/time.Since(begin).Seconds())
	t.Logf("what took effect:\n%v", &sum.Fired)
	require.Positive(t, sum.Acked)
	if count < enoughSeeds {
		return
	}
	for f, n := range sum.Fired {
		if n == 0 {
			t.Errorf("%d seeds, and not one %v", count, Fault(f))
		}
	}
}

// The same seed gives the same trace, and everything happens at the same times, in the
// same order: the hash has every event.
func TestSameSeedSameTrace(t *testing.T) {
	for seed := range uint64(8) {
		a, b := Run(config(seed, NoBug)), Run(config(seed, NoBug))
		require.Equal(t, a, b)
		require.NotEqual(t, a.Hash, Run(config(seed+100, NoBug)).Hash)
	}
}
