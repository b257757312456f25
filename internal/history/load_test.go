package history

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/wire"
)

// cluster is three brokers in this process, on a real ZooKeeper.
type cluster struct {
	t       testing.TB
	configs []broker.Config
	brokers []*broker.Broker
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	zk, err := zkserver.Start(zkserver.Config{Dir: t.TempDir(), Servers: 1, Tick: 250 * time.Millisecond})
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("the test needs a ZooKeeper: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, zk.Close()) })
	c := &cluster{t: t, brokers: make([]*broker.Broker, 3)}
	for i := range c.brokers {
		c.configs = append(c.configs, broker.Config{
			DataDir: filepath.Join(t.TempDir(), fmt.Sprint("broker", i+1)), Listen: "127.0.0.1:0", NodeID: int32(i + 1),
			Mode: broker.ModeCluster, Cluster: broker.Cluster{
				ZooKeeper: zk.Addresses(), Chroot: "/test", SessionTimeout: 2 * time.Second, Listen: "127.0.0.1:0",
				Secret: []byte("a secret of thirty-two bytes and"),
			},
		})
		c.start(i)
		t.Cleanup(func() { c.stop(i) })
	}
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	b, err := broker.Start(testContext(c.t), c.configs[i])
	require.NoError(c.t, err)
	c.brokers[i], c.configs[i].Listen = b, b.Addr().String()
}

func (c *cluster) stop(i int) {
	c.t.Helper()
	if c.brokers[i] == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(c.t, c.brokers[i].Shutdown(ctx))
	c.brokers[i] = nil
}

func (c *cluster) addresses() (list []string) {
	for _, one := range c.configs {
		list = append(list, one.Listen)
	}
	return list
}

// create makes a topic with three replicas once all brokers are there, and returns its id.
func (c *cluster) create(topic string, partitions int32) uint64 {
	c.t.Helper()
	ctx := testContext(c.t)
	cl, err := client.Connect(ctx, c.addresses(), client.Options{})
	require.NoError(c.t, err)
	defer func() { require.NoError(c.t, cl.Close(ctx)) }()
	admin := client.NewAdmin(cl)
	require.Eventually(c.t, func() bool {
		made, err := admin.CreateTopics(ctx, []wire.NewTopic{{Name: topic, Partitions: partitions, Replicas: 3}},
			client.Apply)
		return err == nil && (made[0].Error == nil || made[0].Error.Code == wire.CodeTopicExists)
	}, patience, 20*time.Millisecond)
	c.awaitInSync(topic)
	d, err := admin.DescribeTopics(ctx, topic)
	require.NoError(c.t, err)
	return d[0].ID
}

// awaitInSync waits until each partition has a leader and three replicas in sync.
func (c *cluster) awaitInSync(topic string) {
	c.t.Helper()
	ctx := testContext(c.t)
	cl, err := client.Connect(ctx, c.addresses(), client.Options{})
	require.NoError(c.t, err)
	defer func() { require.NoError(c.t, cl.Close(ctx)) }()
	require.Eventually(c.t, func() bool {
		d, err := client.NewAdmin(cl).DescribeTopics(ctx, topic)
		if err != nil || d[0].Error != nil {
			return false
		}
		for _, p := range d[0].Partitions {
			if p.Leader < 0 || len(p.ISR) != 3 {
				return false
			}
		}
		return true
	}, patience, 20*time.Millisecond)
}

// A load on a cluster of which one broker after the other is stopped and started again: nothing is found, neither in
// what clients saw nor in the stores, and the load was what it was to be.
func TestLoad(t *testing.T) {
	c := startCluster(t)
	const partitions = 3
	topic := c.create("load", partitions)
	ctx := testContext(t)
	l, err := StartLoad(ctx, LoadOptions{Servers: c.addresses(), Topic: "load"})
	require.NoError(t, err)
	for i := range 3 {
		before := l.Acked()
		require.Eventually(t, func() bool { return l.Acked() > before+200 }, patience, time.Millisecond)
		l.Note(fmt.Sprint("broker ", i+1, " stops"))
		c.stop(i)
		c.start(i)
		c.awaitInSync("load")
	}
	h, err := l.Stop(ctx)
	require.NoError(t, err)
	for _, f := range Check(h) {
		t.Error(f)
	}
	seen := make(map[Op]map[Kind]int)
	for _, e := range h.Events() {
		if seen[e.Op] == nil {
			seen[e.Op] = make(map[Kind]int)
		}
		seen[e.Op][e.Kind]++
	}
	t.Logf("%v", seen)
	require.EqualValues(t, l.Acked(), seen[Send][OK])
	require.Equal(t, partitions, seen[Final][OK])
	require.Equal(t, 3, seen[Crash][Info])
	for _, op := range []Op{Poll, Assign, Latest} {
		require.Greater(t, seen[op][OK], partitions, op)
	}
	dirs := make(map[int32]string)
	for i := range 3 {
		c.stop(i)
		dirs[int32(i+1)] = c.configs[i].DataDir
	}
	var logs []ReplicaLog
	for _, e := range h.Events() {
		if e.Op == Final && e.Kind == OK {
			logs = append(logs, ReplicaLog{Log: kv.Partition{Topic: topic, Index: e.Partition}, Brokers: []int32{1, 2, 3},
				End: int64(len(e.Values))})
		}
	}
	found, err := CompareStores(dirs, logs...)
	require.NoError(t, err)
	require.Empty(t, found)
}

// A small load, dense enough for every moment to matter, is linearizable.
func TestLoadLinearizable(t *testing.T) {
	c := startCluster(t)
	c.create("load", 1)
	ctx := testContext(t)
	l, err := StartLoad(ctx, LoadOptions{Servers: c.addresses(), Topic: "load", Producers: 3, Rate: 200})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return l.Acked() > 400 }, patience, time.Millisecond)
	h, err := l.Stop(ctx)
	require.NoError(t, err)
	require.Empty(t, Check(h))
	require.Empty(t, CheckLinear(h, Strict, patience))
}

// What StartLoad cannot do it says at once.
func TestStartLoadRefuses(t *testing.T) {
	b, err := broker.Start(testContext(t), broker.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Shutdown(testContext(t))) }()
	here := []string{b.Addr().String()}
	for want, o := range map[string]LoadOptions{
		"Servers: no address":     {Topic: "x"},
		"Topic: empty":            {Servers: here},
		"must not be negative":    {Servers: here, Topic: "x", Rate: -1},
		"ValueBytes: 7, must be":  {Servers: here, Topic: "x", ValueBytes: 7},
		`topic "x": no topic "x"`: {Servers: here, Topic: "x"},
	} {
		_, err := StartLoad(testContext(t), o)
		require.ErrorContains(t, err, want)
	}
	short, cancel := context.WithCancel(testContext(t))
	cancel()
	_, err = StartLoad(short, LoadOptions{Servers: []string{"127.0.0.1:1"}, Topic: "x"})
	require.ErrorContains(t, err, "history: ")
}
