package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is sent over a long time is what the rate allows, however large the pieces are; copies of one rate share it.
func TestThrottle(t *testing.T) {
	var all throttles
	for _, bytesPerSecond := range []int64{1, 50_000, 100 << 20} {
		for _, piece := range []int{10_000, 256 << 10, 8 << 20} {
			begin := time.Unix(1, 0).Add(time.Duration(piece) * time.Hour)
			sent, ticks := int64(0), int64(600)
			for tick := range ticks {
				now := begin.Add(time.Duration(tick) * replicaTick)
				for all.of(bytesPerSecond).open(now) {
					all.of(bytesPerSecond).spend(now, piece)
					sent += int64(piece)
				}
			}
			allowed := bytesPerSecond * ticks / int64(time.Second/replicaTick)
			require.LessOrEqual(t, sent, allowed+bytesPerSecond/5+1+int64(piece), "%d/s in pieces of %d", bytesPerSecond, piece)
			require.GreaterOrEqual(t, sent, allowed*99/100, "%d/s in pieces of %d", bytesPerSecond, piece)
			all = throttles{}
		}
	}
	require.True(t, all.of(0).open(time.Now()))
	all.of(0).spend(time.Now(), 1<<30)
	require.True(t, all.of(0).open(time.Now()), "no limit")
	require.Same(t, all.of(5), all.of(5))
}
