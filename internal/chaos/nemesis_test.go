//go:build linux

package chaos

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Mixes of faults, one after the other, each healed: once in the short form, and for SKIDWAY_CHAOS_DURATION in the long
// one. SKIDWAY_CHAOS_SEED repeats the choices of a run.
func TestNemesis(t *testing.T) {
	t.Parallel()
	duration := time.Second
	if text := os.Getenv("SKIDWAY_CHAOS_DURATION"); text != "" {
		var err error
		duration, err = time.ParseDuration(text)
		require.NoError(t, err, "SKIDWAY_CHAOS_DURATION")
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SKIDWAY_CHAOS_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "SKIDWAY_CHAOS_SEED")
	}
	t.Logf("SKIDWAY_CHAOS_SEED=%d", seed)
	s := newStage(t, Config{Brokers: 3, ZooKeepers: 3, ProxyClients: noNamespaces == nil})
	n := NewNemesis(s.Cluster, seed)
	began := time.Now()
	for round := 1; round == 1 || time.Since(began) < duration; round++ {
		s.play("mix "+strconv.Itoa(round), 3, func(c *scene) {
			before := total(s.Fired())
			c.must(n.Mix(c.ctx, c.note))
			require.Greater(c.t, total(s.Fired()), before, "nothing has happened")
		})
		if t.Failed() {
			break
		}
	}
	s.finish()
}

func total(fired map[Fault]int) (n int) {
	for _, more := range fired {
		n += more
	}
	return n
}
