package client_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/client"
)

// kafkaWorker consumes "demo" in the group "g" with franz-go, and commits each poll before the next.
type kafkaWorker struct {
	*kgo.Client
	mu   sync.Mutex
	next map[int32]int64 // the offset after the last record seen, by partition
	seen map[string]bool
}

func startKafkaWorker(t testing.TB, addresses []string) (w *kafkaWorker, stop func()) {
	t.Helper()
	w = &kafkaWorker{next: make(map[int32]int64), seen: make(map[string]bool)}
	w.Client = kafkaClient(t, addresses, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("demo"), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(100*time.Millisecond), kgo.FetchMaxWait(100*time.Millisecond), kgo.BlockRebalanceOnPoll())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			fetches := w.PollFetches(ctx)
			w.mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) {
				// A record comes again after a commit that was lost; none is left out.
				if next, known := w.next[r.Partition]; known && r.Offset > next {
					t.Errorf("partition %d: offset %d follows %d", r.Partition, r.Offset, next-1)
				}
				w.next[r.Partition] = r.Offset + 1
				w.seen[string(r.Value)] = true
			})
			w.mu.Unlock()
			for fetches.NumRecords() > 0 && ctx.Err() == nil && w.CommitRecords(ctx, fetches.Records()...) != nil {
				time.Sleep(10 * time.Millisecond)
			}
			w.AllowRebalance()
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return w, stop
}

// H14: the coordinator of a group of Kafka's classic consumers is killed under load, twice, and comes back. The group
// goes on at another broker in the generation that it had: nobody is rebalanced, every record is consumed, and what was
// committed is there.
func TestH14KafkaGroupCoordinatorKilled(t *testing.T) {
	brokers := startProcesses(t, 3)
	var addresses []string
	for _, b := range brokers {
		addresses = append(addresses, b.kafka)
	}
	cl := connectAll(t, brokers)
	createReplicated(t, cl, "demo", 4, 3)
	a, stopA := startKafkaWorker(t, addresses)
	b, stopB := startKafkaWorker(t, addresses)
	admin := client.NewAdmin(cl)
	stable := func() bool {
		d, err := admin.DescribeGroup(testContext(t), "g")
		return err == nil && d.State == "stable" && len(d.Members) == 2 &&
			len(d.Members[0].Partitions) == 2 && len(d.Members[1].Partitions) == 2
	}
	require.Eventually(t, stable, patience, 10*time.Millisecond)
	_, generation := a.GroupMetadata()

	producer := kafkaClient(t, addresses)
	ctx, sent := testContext(t), 0
	send := func(n int) {
		for range n {
			producer.Produce(ctx, &kgo.Record{Topic: "demo", Key: fmt.Append(nil, sent), Value: fmt.Append(nil, sent)},
				func(_ *kgo.Record, err error) {
					if err != nil {
						t.Errorf("produce: %v", err)
					}
				})
			sent++
		}
		require.NoError(t, producer.Flush(ctx))
	}
	saw := func() bool {
		all := make(map[string]bool)
		for _, w := range []*kafkaWorker{a, b} {
			w.mu.Lock()
			for v := range w.seen {
				all[v] = true
			}
			w.mu.Unlock()
		}
		return len(all) == sent
	}
	for range 2 {
		send(200)
		victim := coordinatorOf(t, cl, "g")
		brokers[victim].kill()
		send(200)
		require.Eventually(t, saw, patience, 10*time.Millisecond)
		brokers[victim].start()
		awaitInSync(t, cl, "demo", 3)
		require.Eventually(t, stable, patience, 10*time.Millisecond)
	}
	for _, w := range []*kafkaWorker{a, b} {
		_, now := w.GroupMetadata()
		require.Equal(t, generation, now)
	}
	require.Eventually(t, func() bool {
		offsets, err := cl.FetchOffsets(testContext(t), "g", "demo")
		return err == nil && sum(offsets) == int64(sent)
	}, patience, 10*time.Millisecond)
	stopA()
	stopB()
}

// Where only some brokers serve Kafka's clients, those coordinate all groups: a client of the others' could not be told
// where to go.
func TestKafkaGroupsWhereSomeServeKafka(t *testing.T) {
	c := &brokers{t: t, zk: startZooKeeper(t)}
	for id := range int32(3) {
		s := &server{t: t, config: clusterConfig(id+1, filepath.Join(t.TempDir(), fmt.Sprint(id)), "127.0.0.1:0", c.zk)}
		if id == 1 {
			s.config.Kafka.Listen = "127.0.0.1:0"
		}
		c.list = append(c.list, s)
		s.start()
		t.Cleanup(s.stop)
	}
	awaitBrokers(t, c.addresses())
	kc := kafkaClient(t, []string{c.list[1].broker.KafkaAddr().String()})
	req := kmsg.NewPtrFindCoordinatorRequest()
	for i := range 50 {
		req.CoordinatorKeys = append(req.CoordinatorKeys, fmt.Sprint("group", i))
	}
	resp, err := req.RequestWith(testContext(t), kc)
	require.NoError(t, err)
	require.Len(t, resp.Coordinators, 50)
	for _, found := range resp.Coordinators {
		require.Zero(t, found.ErrorCode)
		require.EqualValues(t, 2, found.NodeID)
	}
}
