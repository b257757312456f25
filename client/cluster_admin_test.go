package client_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// send writes numbered records to a topic, spread over its partitions, and waits until they are acknowledged.
func send(t *testing.T, cl *client.Client, topic string, from, to int) {
	t.Helper()
	p := newProducer(t, cl, client.ProducerOptions{})
	ctx := testContext(t)
	for i := from; i < to; i++ {
		_, err := p.Send(ctx, client.Record{Topic: topic, Key: []byte(fmt.Sprint(i)), Value: []byte(fmt.Sprint(i))})
		require.NoError(t, err)
	}
	require.NoError(t, p.Close(ctx))
}

// partitions describes a topic's.
func partitions(t *testing.T, cl *client.Client, topic string) []wire.PartitionDescription {
	t.Helper()
	d, err := client.NewAdmin(cl).DescribeTopics(testContext(t), topic)
	require.NoError(t, err)
	require.Nil(t, d[0].Error)
	return d[0].Partitions
}

// awaitCluster waits until the cluster is as it is to be.
func awaitCluster(t *testing.T, cl *client.Client, holds func(*wire.DescribeClusterResponse) bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		d, err := client.NewAdmin(cl).DescribeCluster(testContext(t))
		return err == nil && holds(d)
	}, patience, 20*time.Millisecond)
}

// brokerOf finds a broker's state.
func brokerOf(d *wire.DescribeClusterResponse, id int32) wire.BrokerState {
	i := slices.IndexFunc(d.Brokers, func(b wire.BrokerState) bool { return b.ID == id })
	if i < 0 {
		return wire.BrokerState{ID: -1}
	}
	return d.Brokers[i]
}

// An operator looks at a cluster, drains a broker and lets it lead again, moves a partition, and decommissions a
// broker: nothing that was written is lost, and all of it is served.
func TestAdministerCluster(t *testing.T) {
	c := startCluster(t, 3)
	cl := c.connect(client.Options{})
	ctx, admin := testContext(t), client.NewAdmin(cl)
	createReplicated(t, cl, "demo", 6, 2)
	send(t, cl, "demo", 0, 60)

	awaitCluster(t, cl, func(d *wire.DescribeClusterResponse) bool {
		led := 0
		for _, b := range d.Brokers {
			led += int(b.Leaders)
		}
		return d.Controller > 0 && len(d.Brokers) == 3 && d.Partitions == 6 && led == 6 && d.Offline+d.UnderReplicated == 0
	})
	topics, err := admin.ListTopics(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(60), topics[0].Records, "the sum over the leaders")
	require.Equal(t, "ok", topics[0].Health)
	require.Eventually(t, func() bool {
		for _, p := range partitions(t, cl, "demo") {
			if len(p.Followers) != 1 || p.Followers[0].Lag != 0 || p.Followers[0].LagMs != 0 || p.HighWatermark != p.End {
				return false
			}
		}
		return true
	}, patience, 20*time.Millisecond)

	for id := int32(1); id <= 3; id++ {
		b, err := admin.DescribeBrokerAt(ctx, id)
		require.NoError(t, err)
		require.Equal(t, id, b.BrokerID)
	}

	_, _, err = admin.DrainBroker(ctx, 2)
	require.NoError(t, err)
	awaitCluster(t, cl, func(d *wire.DescribeClusterResponse) bool {
		return brokerOf(d, 2).Draining && brokerOf(d, 2).Leaders == 0
	})
	require.NoError(t, admin.UndrainBroker(ctx, 2))
	awaitCluster(t, cl, func(d *wire.DescribeClusterResponse) bool {
		return !brokerOf(d, 2).Draining && d.UnderReplicated == 0
	})
	require.NoError(t, admin.ElectPreferred(ctx))
	awaitCluster(t, cl, func(d *wire.DescribeClusterResponse) bool { return brokerOf(d, 2).Leaders == 2 })

	move(t, c, cl)

	_, _, err = admin.DecommissionBroker(ctx, 3, client.Apply)
	require.NoError(t, err)
	awaitCluster(t, cl, func(d *wire.DescribeClusterResponse) bool {
		return brokerOf(d, 3).Decommissioning && brokerOf(d, 3).Replicas == 0 && d.Moving == 0 && d.UnderReplicated == 0
	})
	send(t, cl, "demo", 60, 120)
	var got []string
	for _, records := range readAll(t, cl, "demo") {
		got = append(got, values(records)...)
	}
	require.ElementsMatch(t, numbered(120), got)
	require.NoError(t, admin.CancelDecommission(ctx, 3))
}

// move has partition 0 of demo moved, and moved back while that is under way or done.
func move(t *testing.T, c *brokers, cl *client.Client) {
	t.Helper()
	ctx, admin := testContext(t), client.NewAdmin(cl)
	d, err := admin.DescribeTopics(ctx, "demo")
	require.NoError(t, err)
	id, before := d[0].ID, d[0].Partitions[0].Replicas
	other := 6 - before[0] - before[1]
	target := []int32{other, before[1]}
	for _, mode := range []client.Mode{client.ValidateOnly, client.Apply} {
		results, err := admin.Reassign(ctx, []wire.Reassignment{
			{ID: id, Index: 0, Replicas: target}, {ID: id, Index: 1, Replicas: []int32{9, 1}}, {ID: id, Index: 7},
		}, mode)
		require.NoError(t, err)
		require.Nil(t, results[0].Error)
		require.Equal(t, wire.CodeUnknownBroker, results[1].Error.Code)
		require.ErrorContains(t, results[1].Error, `topic "demo" partition 1: `)
		require.Equal(t, wire.CodeUnknownPartition, results[2].Error.Code)
	}
	require.Eventually(t, func() bool {
		moving, err := admin.ListReassignments(ctx)
		p := partitions(t, cl, "demo")[0]
		return err == nil && len(moving) == 0 && slices.Equal(p.Replicas, target) && p.Leader == other
	}, patience, 20*time.Millisecond)
	results, err := admin.Reassign(ctx, []wire.Reassignment{{ID: id, Index: 0}}, client.Apply)
	require.NoError(t, err)
	require.Equal(t, wire.CodeInvalidArgument, results[0].Error.Code, "it is not being moved")
}

// When all replicas in sync are lost, a partition is offline until an operator names who is to lead it, in the epoch
// that he saw, and accepts what is lost (J8).
func TestElectUnclean(t *testing.T) {
	c := startCluster(t, 2)
	cl := c.connect(client.Options{})
	ctx, admin := testContext(t), client.NewAdmin(cl)
	createReplicated(t, cl, "demo", 1, 2, wire.Setting{Name: "min_in_sync", Value: "1"})
	send(t, cl, "demo", 0, 10)
	p := partitions(t, cl, "demo")[0]
	leader, other := p.Leader, 3-p.Leader
	c.list[other-1].stop()
	awaitCluster(t, cl, func(d *wire.DescribeClusterResponse) bool { return d.UnderReplicated == 1 })
	send(t, cl, "demo", 10, 20) // the other one never has these
	c.list[leader-1].stop()
	c.list[other-1].start()
	var id uint64
	require.Eventually(t, func() bool {
		d, err := admin.DescribeTopics(ctx, "demo")
		if err != nil || d[0].Error != nil || d[0].Partitions[0].Leader >= 0 {
			return false
		}
		id, p = d[0].ID, d[0].Partitions[0]
		return true
	}, patience, 50*time.Millisecond)
	require.Equal(t, int64(10), p.End, "what the one that is there holds")
	require.Equal(t, int32(1), p.LastEpoch, "the first leader's")

	order := wire.UncleanElection{ID: id, Index: 0, Broker: other, LeaderEpoch: p.LeaderEpoch - 1}
	results, err := admin.ElectUnclean(ctx, []wire.UncleanElection{order})
	require.NoError(t, err)
	require.Equal(t, wire.CodeInvalidArgument, results[0].Error.Code, "another epoch than the one that is there")
	order.LeaderEpoch = p.LeaderEpoch
	results, err = admin.ElectUnclean(ctx, []wire.UncleanElection{order})
	require.NoError(t, err)
	require.Nil(t, results[0].Error)
	require.Eventually(t, func() bool { return partitions(t, cl, "demo")[0].Leader == other }, patience,
		20*time.Millisecond)
	require.Equal(t, numbered(10), values(readAll(t, cl, "demo")[0]))
}

// A broker that stands alone says so.
func TestAdministerStandalone(t *testing.T) {
	s := startServer(t, nil)
	cl := connect(t, s.address(), client.Options{})
	ctx, admin := testContext(t), client.NewAdmin(cl)
	_, err := admin.ListReassignments(ctx)
	require.ErrorContains(t, err, "list_reassignments needs a cluster, and this broker stands alone")
	_, _, err = admin.DecommissionBroker(ctx, 1, client.Apply)
	require.ErrorContains(t, err, "stands alone")
	require.ErrorContains(t, admin.ElectPreferred(ctx), "stands alone")
	create(t, cl, "demo", 3)
	d, err := admin.DescribeCluster(ctx)
	require.NoError(t, err)
	require.Equal(t, int32(3), d.Partitions)
	require.Equal(t, int32(3), d.Brokers[0].Leaders)
}

// A client that was there before two of the brokers knows what they lead.
func TestAdminCountsBrokersThatCameLater(t *testing.T) {
	c := startCluster(t, 1)
	early := c.connect(client.Options{})
	admin := client.NewAdmin(early)
	_, err := admin.ListTopics(testContext(t))
	require.NoError(t, err)
	c.grow(2)
	cl := c.connect(client.Options{})
	createReplicated(t, cl, "spread", 3, 1)
	send(t, cl, "spread", 0, 30)

	topics, err := admin.DescribeTopics(testContext(t), "spread")
	require.NoError(t, err)
	leaders, records := map[int32]bool{}, int64(0)
	for _, p := range topics[0].Partitions {
		leaders[p.Leader] = true
		records += p.End - p.Start
	}
	require.Len(t, leaders, 3)
	require.Equal(t, int64(30), records)
	list, err := admin.ListTopics(testContext(t))
	require.NoError(t, err)
	require.Equal(t, int64(30), list[0].Records)
}
