package client_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/adopt"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata/zk"
	"github.com/skidway/skidway/wire"
)

// A broker that stood alone becomes the first of a cluster, two others join it, and it is killed: all records and
// committed offsets are there, and a producer that went on through all of it has written each record once.
func TestClusterAdopted(t *testing.T) {
	address := freeAddress(t)
	first := &brokerProcess{t: t, dir: filepath.Join(t.TempDir(), "broker1"), listen: address}
	first.start()
	t.Cleanup(func() { first.kill() })
	cl := connect(t, address, client.Options{RequestTimeout: 5 * time.Second})
	ctx := testContext(t)
	create(t, cl, "demo", 3, wire.Setting{Name: "retention", Value: "3d"})
	create(t, cl, "gone", 2)
	through := newProducer(t, cl, client.ProducerOptions{DeliveryTimeout: 2 * patience})
	acked := make(map[string]int64)
	send := func(from, to int) {
		for i := from; i < to; i++ {
			value := fmt.Sprint(i)
			rec, err := through.Send(ctx, client.Record{Topic: "demo", Partition: int32(i % 3), Value: []byte(value)})
			require.NoError(t, err)
			acked[value] = rec.Offset
		}
	}
	send(0, 300)
	_, err := client.NewAdmin(cl).DeleteTopics(ctx, []string{"gone"}, client.Apply)
	require.NoError(t, err)
	seen := newSeen(t)
	w := startWorkerIn(t, cl, joinAs{"w", "billing", []string{"demo"}}, client.GroupOptions{},
		func(r client.Record) { seen.add("w", r) })
	seen.await(ctx, 300)
	w.close()
	before := offsets(t, cl, "billing")
	require.Len(t, before, 3)
	send(300, 330)
	first.kill()

	server := startZooKeeper(t)
	report, err := adopt.Run(ctx, adopt.Config{
		Store:     kv.Options{Dir: first.dir, BrokerID: 1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))},
		ZooKeeper: zk.Config{Servers: []string{server}, Chroot: "/test"},
	})
	require.NoError(t, err)
	require.Equal(t, adopt.Adopted, report.Result)
	require.Equal(t, 3, report.Partitions())
	require.Equal(t, 1, report.Groups)

	member := func(id int) []string {
		return []string{brokerZooKeeperEnv + "=" + server, brokerIDEnv + "=" + fmt.Sprint(id),
			brokerPeerEnv + "=" + freeAddress(t)}
	}
	first.env = member(1)
	first.start()
	send(330, 360) // with the identity that it had before
	require.Equal(t, before, offsets(t, cl, "billing"))
	for _, p := range partitions(t, cl, "demo") {
		require.Equal(t, int32(1), p.Leader)
		require.Greater(t, p.LeaderEpoch, report.Epoch)
	}
	brokers := []*brokerProcess{first}
	addresses := []string{address}
	for id := 2; id <= 3; id++ {
		b := &brokerProcess{t: t, dir: filepath.Join(t.TempDir(), fmt.Sprint("broker", id)), listen: "127.0.0.1:0",
			env: member(id)}
		b.start()
		t.Cleanup(b.kill)
		brokers, addresses = append(brokers, b), append(addresses, b.listen)
	}
	awaitBrokers(t, addresses)
	d, err := client.NewAdmin(cl).DescribeTopics(ctx, "demo")
	require.NoError(t, err)
	var moves []wire.Reassignment
	for p := range int32(3) {
		moves = append(moves, wire.Reassignment{ID: d[0].ID, Index: p, Replicas: []int32{1, 2, 3}})
	}
	ordered, err := client.NewAdmin(cl).Reassign(ctx, moves, client.Apply)
	require.NoError(t, err)
	for _, r := range ordered {
		require.Nil(t, r.Error)
	}
	awaitInSync(t, cl, "demo", 3)
	first.kill()
	all := connectAll(t, brokers)
	awaitInSync(t, all, "demo", 2)
	require.Equal(t, before, offsets(t, all, "billing"))
	checkPlaced(t, all, acked)
	first.start()
	send(360, 390)
	awaitInSync(t, all, "demo", 3)
	checkPlaced(t, all, acked)
	t.Logf("3 partitions, %d records, adopted as cluster %s", len(acked), report.ClusterID)
}

// offsets are those that a group has committed.
func offsets(t *testing.T, cl *client.Client, group string) map[int32]int64 {
	t.Helper()
	found := make(map[int32]int64)
	patiently(t, func() error {
		ctx, cancel := context.WithTimeout(testContext(t), 10*time.Second)
		defer cancel()
		list, err := client.NewAdmin(cl).GroupOffsets(ctx, group)
		for _, o := range list {
			found[o.Partition] = o.Offset.Offset
		}
		return err
	})
	return found
}

// checkPlaced holds that demo has each record that was acknowledged where the acknowledgement says, and no other.
func checkPlaced(t *testing.T, cl *client.Client, acked map[string]int64) {
	t.Helper()
	got := make(map[string]int64)
	for _, records := range readAll(t, cl, "demo") {
		for _, r := range records {
			require.NotContains(t, got, string(r.Value), "twice")
			got[string(r.Value)] = r.Offset
		}
	}
	require.Equal(t, acked, got)
}
