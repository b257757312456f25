package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/wire"
)

// startZooKeeper runs one real ZooKeeper server until the test ends.
func startZooKeeper(t testing.TB) string {
	t.Helper()
	e, err := zkserver.Start(zkserver.Config{Dir: t.TempDir(), Servers: 1, Tick: 250 * time.Millisecond})
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("the test needs a ZooKeeper: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e.Addresses()[0]
}

// clusterConfig is that of a broker of a cluster.
func clusterConfig(id int32, dir, listen, zk string) broker.Config {
	c := broker.Config{
		DataDir: dir, Listen: listen, NodeID: id, Mode: broker.ModeCluster, Cluster: broker.Cluster{
			ZooKeeper: []string{zk}, Chroot: "/test", SessionTimeout: 2 * time.Second, Listen: "127.0.0.1:0",
			Secret: []byte("a secret of thirty-two bytes and"), PreferredEvery: 2 * time.Second,
		},
	}
	if os.Getenv("SKIDWAY_TEST_LOG") != "" {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("broker", id)
	}
	return c
}

// brokers are those of one cluster, in this process.
type brokers struct {
	t    testing.TB
	zk   string
	list []*server // broker i+1
}

// startCluster runs n brokers on one ZooKeeper.
func startCluster(t testing.TB, n int) *brokers {
	t.Helper()
	c := &brokers{t: t, zk: startZooKeeper(t)}
	c.grow(n)
	return c
}

// grow adds n brokers.
func (c *brokers) grow(n int) {
	c.t.Helper()
	for range n {
		id := int32(len(c.list) + 1)
		dir := filepath.Join(c.t.TempDir(), fmt.Sprint("broker", id))
		s := &server{t: c.t, config: clusterConfig(id, dir, "127.0.0.1:0", c.zk)}
		c.list = append(c.list, s)
		s.start()
		c.t.Cleanup(s.stop)
	}
	awaitBrokers(c.t, c.addresses())
}

// awaitBrokers waits until all brokers know of all.
func awaitBrokers(t testing.TB, addresses []string) {
	t.Helper()
	for _, address := range addresses {
		admin := client.NewAdmin(connect(t, address, client.Options{}))
		require.Eventually(t, func() bool {
			d, err := admin.DescribeCluster(testContext(t))
			return err == nil && len(d.Brokers) == len(addresses)
		}, patience, 5*time.Millisecond)
	}
}

func (c *brokers) addresses() (list []string) {
	for _, s := range c.list {
		list = append(list, s.address())
	}
	return list
}

// connect makes a client that knows all brokers.
func (c *brokers) connect(o client.Options) *client.Client {
	c.t.Helper()
	cl, err := client.Connect(testContext(c.t), c.addresses(), o)
	require.NoError(c.t, err)
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(c.t, cl.Close(ctx))
	})
	return cl
}

// createReplicated makes a topic, and waits until its partitions have leaders and all replicas are in sync.
// Settings may say otherwise than the defaults.
func createReplicated(
	t testing.TB, cl *client.Client, topic string, partitions, replicas int32, settings ...wire.Setting,
) {
	t.Helper()
	made, err := client.NewAdmin(cl).CreateTopics(testContext(t),
		[]wire.NewTopic{{Name: topic, Partitions: partitions, Replicas: replicas, Settings: settings}}, client.Apply)
	require.NoError(t, err)
	require.Nil(t, made[0].Error)
	awaitInSync(t, cl, topic, int(replicas))
}

// awaitInSync waits until each partition has a leader and that many replicas in sync.
func awaitInSync(t testing.TB, cl *client.Client, topic string, replicas int) {
	t.Helper()
	ctx := testContext(t)
	require.Eventually(t, func() bool {
		d, err := client.NewAdmin(cl).DescribeTopics(ctx, topic)
		if err != nil || d[0].Error != nil {
			return false
		}
		for _, p := range d[0].Partitions {
			if p.Leader < 0 || len(p.ISR) != replicas {
				return false
			}
		}
		return true
	}, patience, 20*time.Millisecond)
}

// Records are written to the leaders of three brokers and read back, in order.
func TestClusterProduceConsume(t *testing.T) {
	c := startCluster(t, 3)
	cl := c.connect(client.Options{})
	createReplicated(t, cl, "demo", 6, 3)
	p := newProducer(t, cl, client.ProducerOptions{})
	ctx := testContext(t)
	const records = 600
	var failed atomic.Int64
	for i := range records {
		p.SendAsync(ctx, client.Record{Topic: "demo", Key: []byte(fmt.Sprint(i % 17)), Value: []byte(fmt.Sprint(i))},
			func(_ client.Record, err error) {
				if err != nil {
					t.Error(err)
					failed.Add(1)
				}
			})
	}
	require.NoError(t, p.Flush(ctx))
	require.Zero(t, failed.Load())
}

// A broker that leads what nobody else has stops in good order: it does not wait for somebody to move that to.
func TestClusterStopsLoneReplica(t *testing.T) {
	c := startCluster(t, 2)
	createReplicated(t, c.connect(client.Options{}), "demo", 4, 1)
	for _, s := range c.list {
		s.stop() // the test fails if that is an error
	}
}
