package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/wire"
)

// heldRecords stops a broker and counts what its store holds of a topic, as offsets.
func heldRecords(t *testing.T, s *server, topic uint64, partitions int32) (n int64) {
	t.Helper()
	s.stop()
	store, err := kv.Open(kv.Options{Dir: s.config.DataDir, Role: kv.RoleAny})
	require.NoError(t, err)
	for i := range partitions { // from their first on, since nothing is trimmed; not only up to the high watermark
		last, there, err := store.LastBatch(kv.Partition{Topic: topic, Index: i})
		require.NoError(t, err)
		if there {
			n += last + 1
		}
	}
	require.NoError(t, store.Close())
	return n
}

// A topic that is deleted is gone from all brokers of the cluster, its records and its partitions, also from one that
// was away meanwhile (R6: it is told by the tombstone); and its name is free.
func TestClusterDeleteTopic(t *testing.T) {
	const partitions = 4
	c := startCluster(t, 3)
	cl := c.connect(client.Options{})
	ctx, admin := testContext(t), client.NewAdmin(cl)
	createReplicated(t, cl, "demo", partitions, 3)
	createReplicated(t, cl, "kept", partitions, 3)
	send(t, cl, "demo", 0, 200)
	send(t, cl, "kept", 0, 200)
	described, err := admin.DescribeTopics(ctx, "demo", "kept")
	require.NoError(t, err)
	demo, kept := described[0].ID, described[1].ID

	away := c.list[2]
	require.EqualValues(t, 200, heldRecords(t, away, demo, partitions), "the test needs all replicas to hold all records")
	left := &brokers{t: t, list: c.list[:2]}
	cl = left.connect(client.Options{})
	admin = client.NewAdmin(cl)

	results, err := admin.DeleteTopics(ctx, []string{"demo"}, client.Apply)
	require.NoError(t, err)
	require.Nil(t, results[0].Error)
	made, err := admin.CreateTopics(ctx, []wire.NewTopic{{Name: "demo", Partitions: 1, Replicas: 2}}, client.Apply)
	require.NoError(t, err)
	require.Nil(t, made[0].Error, "the name is free")
	require.NotEqual(t, demo, made[0].ID)

	away.start()
	for _, s := range c.list {
		awaitCluster(t, connect(t, s.address(), client.Options{}), func(d *wire.DescribeClusterResponse) bool {
			return len(d.Brokers) == 3 && d.Partitions == partitions+1 && d.UnderReplicated == 0
		})
	}
	for _, s := range c.list {
		require.Zero(t, heldRecords(t, s, demo, partitions), "broker %d keeps records", s.config.NodeID)
		require.EqualValues(t, 200, heldRecords(t, s, kept, partitions))
	}
}

// A topic is deleted while a produce waits for a follower that is paused: the producer hears that the topic is gone,
// and does not wait for an answer that nobody will give.
func TestClusterDeleteUnderProduce(t *testing.T) {
	brokers := startProcesses(t, 3)
	admin := connectAll(t, brokers)
	createReplicated(t, admin, "demo", 1, 3)
	leader := partitions(t, admin, "demo")[0].Leader
	first := connectFirst(t, brokers, leader)
	p := newProducer(t, first, client.ProducerOptions{DeliveryTimeout: longTimeout})
	_, err := p.Send(testContext(t), client.Record{Topic: "demo"})
	require.NoError(t, err)

	brokers[leader%3].pause()
	done := make(chan error, 1)
	p.SendAsync(testContext(t), client.Record{Topic: "demo"}, func(_ client.Record, err error) { done <- err })
	require.Eventually(t, func() bool { // it is in the leader's log
		ends, err := client.NewAdmin(first).DescribeTopics(testContext(t), "demo")
		return err == nil && ends[0].Error == nil && ends[0].Partitions[0].End == 2
	}, patience, 10*time.Millisecond)
	_, err = client.NewAdmin(first).DeleteTopics(testContext(t), []string{"demo"}, client.Apply)
	require.NoError(t, err)
	select {
	case err := <-done:
		t.Log(err)
	case <-time.After(patience):
		t.Fatal("the producer still waits")
	}
	brokers[leader%3].resume()
}
