package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The longest log of the newest epoch is first, not the longest of all: what is longer
// than it in an older epoch was cut off there.
func TestUncleanCandidates(t *testing.T) {
	ordered, lost := UncleanCandidates([]Candidate{
		{Member{1, 11}, 4, 90, 80}, {Member{2, 22}, 5, 70, 60}, {Member{3, 33}, 5, 75, 60},
	})
	require.Equal(t, []int32{3, 2, 1}, []int32{
		ordered[0].Member.Broker, ordered[1].Member.Broker, ordered[2].Member.Broker,
	})
	require.Equal(t, []int64{5, 10, 0}, lost)
}
