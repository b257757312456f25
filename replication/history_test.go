package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A leader that had no record in its epoch follows with records of an older one: these
// keep their epoch. (Found by seed 72: the next alignment cut committed records.)
func TestHistoryDropsEmptyEpochs(t *testing.T) {
	var h History
	h.Add(1, 0)
	h.Add(2, 68)
	h.Add(1, 68)
	require.Equal(t, History{{1, 0}}, h)
	require.EqualValues(t, 1, h.At(69))
}

func TestHistoryEndOffset(t *testing.T) {
	h := History{{2, 10}, {5, 20}}
	for _, c := range []struct {
		epoch, floor int32
		end          int64
	}{{6, NoEpoch, -1}, {5, 5, 30}, {4, 2, 20}, {2, 2, 20}, {1, 1, 10}} {
		floor, end := h.EndOffset(c.epoch, 30)
		require.Equal(t, c.floor, floor, "epoch %d", c.epoch)
		require.Equal(t, c.end, end, "epoch %d", c.epoch)
	}
	require.Equal(t, History{{2, 10}, {5, 20}}, h.from(20))
	require.Equal(t, History{{5, 20}}, h.from(21))
}
