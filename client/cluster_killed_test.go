package client_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// startProcesses runs n brokers of one cluster, each a process of its own that can be killed.
func startProcesses(t testing.TB, n int) []*brokerProcess {
	t.Helper()
	zk := startZooKeeper(t)
	list := make([]*brokerProcess, n)
	var addresses []string
	for i := range list {
		b := &brokerProcess{t: t, dir: filepath.Join(t.TempDir(), fmt.Sprint("broker", i+1)), listen: "127.0.0.1:0"}
		b.kafka = freeAddress(t)
		b.env = []string{brokerKafkaEnv + "=" + b.kafka, brokerZooKeeperEnv + "=" + zk, brokerIDEnv + "=" + fmt.Sprint(i+1),
			brokerPeerEnv + "=" + freeAddress(t)}
		b.start()
		t.Cleanup(b.kill)
		list[i] = b
		addresses = append(addresses, b.listen)
	}
	awaitBrokers(t, addresses)
	return list
}

// freeAddress is one that nobody listens on, of a port below those that systems give to outgoing connections: it stays
// free while a broker is away.
func freeAddress(t testing.TB) string {
	t.Helper()
	for {
		address := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000))
		if l, err := net.Listen("tcp", address); err == nil {
			require.NoError(t, l.Close())
			return address
		}
	}
}

// Leaders are killed one after the other under load, also the one that is the controller, and come back. What was
// acknowledged is there, once and in the order in which it was sent.
func TestClusterLeadersKilled(t *testing.T) {
	const partitions = 6
	brokers := startProcesses(t, 3)
	cl := connectAll(t, brokers)
	createReplicated(t, cl, "demo", partitions, 3)
	p := newProducer(t, cl, client.ProducerOptions{Partitioner: client.RoundRobin, DeliveryTimeout: patience})
	var mu sync.Mutex
	acked := make(map[string]int64)
	var gaps []time.Duration // between acknowledgements
	last := time.Now()
	stop, done := make(chan struct{}), make(chan int, 1)
	halt := sync.OnceFunc(func() { close(stop) })
	defer halt()
	go func() {
		sent := 0
		defer func() { done <- sent }()
		for ; ; sent++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			value := fmt.Sprint(sent)
			p.SendAsync(testContext(t), client.Record{Topic: "demo", Value: []byte(value)}, func(r client.Record, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("record %s: %v", value, err)
					return
				}
				gaps, last = append(gaps, time.Since(last)), time.Now()
				acked[value] = r.Offset
			})
		}
	}()
	for round := range 3 {
		time.Sleep(300 * time.Millisecond)
		mu.Lock()
		gaps = nil
		mu.Unlock()
		d, err := client.NewAdmin(cl).DescribeCluster(testContext(t))
		require.NoError(t, err)
		victim := round
		if round == 2 {
			victim = int(d.Controller) - 1
		}
		brokers[victim].kill()
		mu.Lock()
		before := len(acked)
		mu.Unlock()
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acked) > before+1000
		}, patience, time.Millisecond)
		mu.Lock()
		t.Logf("broker %d killed (controller: %v): the longest pause was %v", victim+1, int32(victim+1) == d.Controller,
			slices.Max(gaps))
		mu.Unlock()
		brokers[victim].start()
		awaitInSync(t, cl, "demo", 3)
	}
	halt()
	sent := <-done
	require.NoError(t, p.Flush(testContext(t)))
	checkNumbers(t, cl, sent, acked)
}

func connectAll(t testing.TB, brokers []*brokerProcess) *client.Client {
	var addresses []string
	for _, b := range brokers {
		addresses = append(addresses, b.listen)
	}
	return connect(t, strings.Join(addresses, ","), client.Options{RequestTimeout: 5 * time.Second})
}

// checkNumbers holds that each number is there once, where its acknowledgement says, and in order within a partition.
func checkNumbers(t testing.TB, cl *client.Client, sent int, acked map[string]int64) {
	t.Helper()
	seen := make(map[string]bool)
	for part, records := range readAll(t, cl, "demo") {
		newest := -1
		for _, r := range records {
			value := string(r.Value)
			var n int
			_, err := fmt.Sscan(value, &n)
			require.NoError(t, err)
			require.False(t, seen[value], "record %s twice", value)
			require.Greater(t, n, newest, "partition %d is out of order", part)
			offset, there := acked[value]
			require.True(t, there, "record %s was not acknowledged", value)
			require.Equal(t, offset, r.Offset)
			seen[value], newest = true, n
		}
	}
	require.Len(t, seen, sent)
}

// A producer that begins while the leader is known to be dead, and no other is elected yet, goes to the next one as
// soon as there is one.
func TestClusterProducerBeforeElection(t *testing.T) {
	brokers := startProcesses(t, 3)
	cl := connectAll(t, brokers)
	createReplicated(t, cl, "demo", 1, 3, wire.Setting{Name: "min_in_sync", Value: "1"})
	d, err := client.NewAdmin(cl).DescribeCluster(testContext(t))
	require.NoError(t, err)
	leader := partitions(t, cl, "demo")[0].Leader
	other := d.Controller // with it gone as well, nobody is left who could confirm that the leader is dead
	for id := int32(1); other == leader; id++ {
		other = id
	}
	brokers[leader-1].kill()
	brokers[other-1].kill()
	last := connect(t, brokers[6-leader-other-1].listen, client.Options{RequestTimeout: 5 * time.Second})
	p := newProducer(t, last, client.ProducerOptions{DeliveryTimeout: patience})
	rec, err := p.Send(testContext(t), client.Record{Topic: "demo", Value: []byte("0")})
	require.NoError(t, err)
	require.Zero(t, rec.Offset)
}

// A consumer goes on at the next leader when the process of the one that it reads from is killed.
func TestClusterConsumerLosesTheLeader(t *testing.T) {
	brokers := startProcesses(t, 3)
	cl := connectAll(t, brokers)
	createReplicated(t, cl, "demo", 1, 3)
	r, err := client.NewConsumer(connectAll(t, brokers), client.ConsumerOptions{})
	require.NoError(t, err)
	require.NoError(t, r.Assign(testContext(t), "demo", client.AtStart()))
	send(t, cl, "demo", 0, 1)
	records, err := r.Poll(testContext(t))
	require.NoError(t, err)
	require.Len(t, records, 1)

	brokers[partitions(t, cl, "demo")[0].Leader-1].kill()
	send(t, cl, "demo", 1, 2)
	records, err = r.Poll(testContext(t))
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Equal(t, int64(1), records[0].Offset)
}
