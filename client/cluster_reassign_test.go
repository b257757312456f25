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

// A move that is ordered with a throttle ships no faster, and one that is ordered again with another goes on with that.
// What is in sync is not throttled.
func TestReassignThrottled(t *testing.T) {
	const slow, records, size = 100_000, 80, 10_000
	c := startCluster(t, 3)
	cl := c.connect(client.Options{})
	ctx, admin := testContext(t), client.NewAdmin(cl)
	createReplicated(t, cl, "demo", 1, 2)
	p := newProducer(t, cl, client.ProducerOptions{})
	for range records {
		_, err := p.Send(ctx, client.Record{Topic: "demo", Value: make([]byte, size)})
		require.NoError(t, err)
	}
	described, err := admin.DescribeTopics(ctx, "demo")
	require.NoError(t, err)
	id, was := described[0].ID, described[0].Partitions[0].Replicas
	other := 6 - was[0] - was[1]
	order := func(throttle int64) {
		results, err := admin.Reassign(ctx, []wire.Reassignment{{ID: id, Replicas: []int32{was[0], other}}}, client.Apply,
			client.Throttle(throttle))
		require.NoError(t, err)
		require.Nil(t, results[0].Error)
	}
	begin := time.Now()
	order(slow)
	moving := func() []wire.PartitionMove {
		moving, err := admin.ListReassignments(ctx)
		require.NoError(t, err)
		return moving
	}
	require.EqualValues(t, slow, moving()[0].Throttle)
	_, err = p.Send(ctx, client.Record{Topic: "demo", Value: []byte("live")})
	require.NoError(t, err)
	for time.Since(begin) < 3*time.Second { // 800 kB take 8 s, but for what goes at once
		require.Len(t, moving(), 1, "after %v", time.Since(begin))
		time.Sleep(100 * time.Millisecond)
	}
	order(100 << 20)
	require.Eventually(t, func() bool { return len(moving()) == 0 }, patience, 20*time.Millisecond)
	awaitInSync(t, cl, "demo", 2)
	require.EqualValues(t, records+1, heldRecords(t, c.list[other-1], id, 1))
}
