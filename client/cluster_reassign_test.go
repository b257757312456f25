package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// A broker whose copy of a partition went to another broker while it was away deletes its own when it is back, and
// nothing else.
func TestReassignedWhileAway(t *testing.T) {
	c := startCluster(t, 3)
	cl := c.connect(client.Options{})
	ctx, admin := testContext(t), client.NewAdmin(cl)
	createReplicated(t, cl, "demo", 1, 2)
	createReplicated(t, cl, "kept", 1, 3)
	send(t, cl, "demo", 0, 50)
	send(t, cl, "kept", 0, 50)
	described, err := admin.DescribeTopics(ctx, "demo", "kept")
	require.NoError(t, err)
	demo, kept := described[0], described[1]
	was := demo.Partitions[0].Replicas
	away, other := c.list[was[1]-1], 6-was[0]-was[1]

	require.EqualValues(t, 50, heldRecords(t, away, demo.ID, 1))
	results, err := admin.Reassign(ctx, []wire.Reassignment{{ID: demo.ID, Replicas: []int32{was[0], other}}}, client.Apply)
	require.NoError(t, err)
	require.Nil(t, results[0].Error)
	require.Eventually(t, func() bool {
		moving, err := admin.ListReassignments(ctx)
		return err == nil && len(moving) == 0
	}, patience, 20*time.Millisecond)

	require.Eventually(t, func() bool {
		away.start()
		return heldRecords(t, away, demo.ID, 1) == 0
	}, patience, time.Second)
	require.EqualValues(t, 50, heldRecords(t, away, kept.ID, 1))
	require.Equal(t, numbered(50), values(readAll(t, cl, "demo")[0]))
}
