package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
)

// Groups commit, members join, leave and die, and what is told of it fits together.
func TestGroups(t *testing.T) {
	b := startBrokerWith(t, func(c *broker.Config) { c.Groups.SessionTimeout = 2 * time.Second })
	r, err := Groups(t.Context(), []string{b.Addr().String()},
		GroupLoad{Groups: 3, Partitions: 12, Members: 2, Duration: 500 * time.Millisecond})
	require.NoError(t, err)
	require.Positive(t, r.Requests)
	require.InDelta(t, 12*r.Requests, r.Offsets, 1e-6)
	require.Positive(t, r.Commit.P50)
	require.Len(t, r.Rebalances, 3)
	join, leave, death := r.Rebalances[0], r.Rebalances[1], r.Rebalances[2]
	require.Equal(t, 4, join.Moved, "a third of the partitions, and no more")
	require.Equal(t, 4, leave.Moved)
	require.Positive(t, join.Took)
	require.Positive(t, leave.Took)
	require.Equal(t, 4, death.Moved)
	require.Equal(t, 2*time.Second, death.Session)
	require.Greater(t, death.Took, time.Second, "its session has to end first")
	var screen strings.Builder
	require.NoError(t, r.WriteScreen(&screen))
	require.Contains(t, screen.String(), "a member dies    4 of 12 partitions moved")

	_, err = Groups(t.Context(), []string{b.Addr().String()}, GroupLoad{Partitions: 2, Members: 4})
	require.ErrorContains(t, err, "more partitions than members")
}
