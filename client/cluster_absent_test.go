package client_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
	"github.com/skidway/skidway/wire"
)

// M20, R6: a topic that vanishes from ZooKeeper without a tombstone is not served any more, and nothing of it is
// deleted, by the brokers or by the controller: when its node is back, all that was acknowledged is, too.
func TestM20ClusterTopicAbsent(t *testing.T) {
	const partitions = 2
	c := startCluster(t, 3)
	cl := c.connect(client.Options{})
	ctx := testContext(t)
	createReplicated(t, cl, "demo", partitions, 3)
	createReplicated(t, cl, "other", 1, 3)
	send(t, cl, "demo", 0, 100)
	described, err := client.NewAdmin(cl).DescribeTopics(ctx, "demo")
	require.NoError(t, err)

	store, err := zk.Open(ctx, zk.Config{
		Servers: []string{c.zk}, Chroot: "/test", Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	path := metadata.TopicsPath + "/demo"
	node, err := store.Get(ctx, path)
	require.NoError(t, err)
	require.NoError(t, store.Multi(ctx, metadata.Delete(path, node.Version)))
	for _, s := range c.list {
		admin := client.NewAdmin(connect(t, s.address(), client.Options{}))
		require.Eventually(t, func() bool {
			d, err := admin.DescribeTopics(ctx, "demo")
			return err == nil && d[0].Error != nil && d[0].Error.Code == wire.CodeUnknownTopic
		}, patience, 5*time.Millisecond)
	}
	// The controller has looked at all partitions after that, for it has made this one.
	createReplicated(t, cl, "later", 1, 3)
	send(t, cl, "other", 0, 10)

	require.NoError(t, store.Multi(ctx, metadata.Create(path, node.Data)))
	for _, s := range c.list {
		of := connect(t, s.address(), client.Options{})
		awaitCluster(t, of, func(d *wire.DescribeClusterResponse) bool { return d.Partitions == partitions+2 })
	}
	awaitInSync(t, cl, "demo", 3)
	read := 0
	for _, records := range readAll(t, c.connect(client.Options{}), "demo") {
		read += len(records)
	}
	require.Equal(t, 100, read, "acknowledged, and never deleted")
	for _, s := range c.list {
		require.EqualValues(t, 100, heldRecords(t, s, described[0].ID, partitions), "broker %d", s.config.NodeID)
	}
}
