package client_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// refusedStart starts a broker that cannot be of its cluster, and returns why.
func refusedStart(t *testing.T, config broker.Config, within time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	b, err := broker.Start(ctx, config)
	if err == nil {
		require.NoError(t, b.Shutdown(testContext(t)))
	}
	require.Error(t, err)
	return err
}

// A broker that cannot reach ZooKeeper names each server and why, and has written nothing.
func TestWrongZooKeeperAddress(t *testing.T) {
	dir, nobody := filepath.Join(t.TempDir(), "data"), freeAddress(t)
	err := refusedStart(t, clusterConfig(1, dir, "127.0.0.1:0", nobody), 3*time.Second)
	require.ErrorContains(t, err, nobody)
	require.ErrorContains(t, err, "refused")
	require.NoDirExists(t, dir)
}

// A broker whose id is another's, or whose store is of another cluster, does not start, says with whom it collides, and
// leaves all as it was.
func TestBrokerOfAnother(t *testing.T) {
	c := startCluster(t, 2)
	cl := c.connect(client.Options{})
	createReplicated(t, cl, "demo", 1, 2)
	send(t, cl, "demo", 0, 10)

	double := c.list[0].config
	double.DataDir, double.Listen = filepath.Join(t.TempDir(), "double"), "127.0.0.1:0"
	err := refusedStart(t, double, patience)
	require.ErrorContains(t, err, "broker id 1 is in use by the broker at "+c.list[0].address())

	c.list[1].stop()
	moved := c.list[1].config
	moved.Cluster.Chroot, moved.Listen = "/other", "127.0.0.1:0"
	err = refusedStart(t, moved, patience)
	require.ErrorContains(t, err, "holds a store, and there is no cluster at ")
	another := clusterConfig(1, filepath.Join(t.TempDir(), "another"), "127.0.0.1:0", c.zk)
	another.Cluster.Chroot = "/other"
	first := &server{t: t, config: another}
	first.start()
	defer first.stop()
	err = refusedStart(t, moved, patience)
	require.ErrorContains(t, err, "belongs to cluster id ")
	c.list[1].start()
	awaitInSync(t, cl, "demo", 2)
	send(t, cl, "demo", 10, 20)
	require.Equal(t, numbered(20), values(readAll(t, cl, "demo")[0]))
}

// A topic with more replicas than there are brokers is refused, and not made.
func TestClusterTooManyReplicas(t *testing.T) {
	c := startCluster(t, 2)
	cl := c.connect(client.Options{})
	made, err := client.NewAdmin(cl).CreateTopics(testContext(t),
		[]wire.NewTopic{{Name: "demo", Partitions: 1, Replicas: 3}}, client.Apply)
	require.NoError(t, err)
	require.Equal(t, wire.CodeNotEnoughBrokers, made[0].Error.Code)
	require.ErrorContains(t, made[0].Error, "3 replicas")
	topics, err := client.NewAdmin(cl).ListTopics(testContext(t))
	require.NoError(t, err)
	require.Empty(t, topics)
}

// A broker that comes back with an empty disk is another store (R7): what only it held is offline, and neither served
// as empty nor written to; what others hold too is copied to it again.
func TestC13WipedDisk(t *testing.T) {
	c := startCluster(t, 2)
	cl := c.connect(client.Options{})
	createReplicated(t, cl, "both", 2, 2, wire.Setting{Name: "min_in_sync", Value: "1"})
	createReplicated(t, cl, "lone", 2, 1)
	send(t, cl, "both", 0, 50)
	send(t, cl, "lone", 0, 50)
	wiped := c.list[1]
	wiped.stop()
	require.NoError(t, os.RemoveAll(wiped.config.DataDir))
	wiped.start()
	awaitInSync(t, cl, "both", 2)
	both, err := client.NewAdmin(cl).DescribeTopics(testContext(t), "both")
	require.NoError(t, err)

	lost := int32(-1)
	require.Eventually(t, func() bool {
		for _, p := range partitions(t, cl, "lone") {
			if p.Replicas[0] == 2 && p.Leader == -1 {
				lost = p.Index
			}
		}
		return lost >= 0
	}, patience, 50*time.Millisecond)
	hasty := connect(t, c.list[0].address(), client.Options{RequestTimeout: time.Second})
	p := newProducer(t, hasty, client.ProducerOptions{DeliveryTimeout: 2 * time.Second, Partitioner: client.Manual})
	_, err = p.Send(testContext(t), client.Record{Topic: "lone", Partition: lost, Value: []byte("x")})
	require.Error(t, err, "there is nobody who holds what was acknowledged")
	require.EqualValues(t, 50, heldRecords(t, wiped, both[0].ID, 2))
	wiped.start()
}
