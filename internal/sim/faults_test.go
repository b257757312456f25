package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The promise covers one destroyed disk at a time with min.insync.replicas 2 (P3b): the
// second goes only when nothing counts on the first any more, or the run asks for more
// than was promised. (Seed 529.)
func TestP3bOneDiskAtATime(t *testing.T) {
	w := newWorld(Config{Seed: 1, Brokers: 3, Partitions: 1, MinISR: 2, Faulty: time.Minute})
	w.runTo(5 * time.Second)
	w.wipe(w.brokers[1])
	require.NotEqual(t, uint64(2), w.brokers[1].storage)
	w.wipe(w.brokers[2])
	require.EqualValues(t, 3, w.brokers[2].storage, "broker 3's disk holds all that broker 2's held")
}
