package faultfs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

const (
	topic      = "load"
	partitions = 8
	workers    = 4
)

// rounds is the number of power losses: at least 100 in each run of the tests, more by SKIDWAY_CRASH_ROUNDS.
func rounds(t *testing.T) int {
	text := os.Getenv("SKIDWAY_CRASH_ROUNDS")
	if text == "" {
		return 100
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "SKIDWAY_CRASH_ROUNDS")
	return n
}

// history is what producers were told, and what has been read: the state of the log as a user knows it.
type history struct {
	mu    sync.Mutex
	sent  map[string]bool              // values handed to a producer
	acked [partitions]map[int64]string // value by offset
	count atomic.Int64                 // of acks
	read  [partitions][]string         // the log as it was read last, from offset 0
	last  [partitions]map[string]int64 // the newest sequence read of each worker: order within a partition
	seen  map[string]struct{}          // values read: none comes twice
}

func newHistory() *history {
	h := &history{sent: map[string]bool{}, seen: map[string]struct{}{}}
	for p := range partitions {
		h.acked[p], h.last[p] = map[int64]string{}, map[string]int64{}
	}
	return h
}

func (h *history) send(value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent[value] = true
}

func (h *history) ack(r client.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked[r.Partition][r.Offset] = string(r.Value)
	h.count.Add(1)
}

// load produces unique values until ctx ends, and notes what was acknowledged.
func (h *history) load(ctx context.Context, t *testing.T, c *client.Client, round int) {
	var group sync.WaitGroup
	for w := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			p, err := client.NewProducer(c, client.ProducerOptions{
				Partitioner: client.Manual, BatchBytes: 4 << 10 << (2 * (round % 3)), DeliveryTimeout: 10 * time.Second,
			})
			if err != nil {
				t.Errorf("producer: %v", err)
				return
			}
			pad := strings.Repeat("x", 10<<(round%8))
			for seq := 0; ctx.Err() == nil; seq++ {
				value := fmt.Sprintf("%d/%d %d %s", round, w, seq, pad)
				h.send(value)
				r := client.Record{Topic: topic, Partition: int32(seq % partitions), Value: []byte(value)}
				p.SendAsync(ctx, r, func(r client.Record, err error) {
					if err == nil {
						h.ack(r)
					}
				})
			}
			closing, cancel := context.WithCancel(context.Background())
			cancel()
			_ = p.Close(closing) // what is under way may fail: the broker is gone
		}()
	}
	group.Wait()
}

// check reads what was appended since the last check, and the round's log up to there again in full if asked to.
func (h *history) check(t *testing.T, c *client.Client, scope checkScope) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	described, err := client.NewAdmin(c).DescribeTopics(ctx, topic)
	require.NoError(t, err)
	consumer, err := client.NewConsumer(c, client.ConsumerOptions{MaxWait: time.Millisecond})
	require.NoError(t, err)
	defer consumer.Close(ctx)
	for _, p := range described[0].Partitions {
		from := int64(len(h.read[p.Index]))
		if scope == checkAll {
			h.forget(p.Index)
			from = 0
		}
		require.GreaterOrEqual(t, p.End, from, "partition %d: the log is shorter than what was read before", p.Index)
		h.checkPartition(ctx, t, consumer, reading{partition: p, from: from})
	}
}

type checkScope int

const (
	checkNew checkScope = iota
	checkAll
)

type reading struct {
	partition wire.PartitionDescription
	from      int64
}

// forget makes partition p unread. The values stay known as sent.
func (h *history) forget(p int32) {
	for _, value := range h.read[p] {
		delete(h.seen, value)
	}
	h.read[p], h.last[p] = nil, map[string]int64{}
}

func (h *history) checkPartition(ctx context.Context, t *testing.T, consumer *client.Consumer, r reading) {
	p := r.partition.Index
	if r.from < r.partition.End {
		require.NoError(t, consumer.Assign(ctx, topic, client.At(r.from), p))
		defer consumer.Unassign(topic, p)
	}
	for int64(len(h.read[p])) < r.partition.End {
		records, err := consumer.Poll(ctx)
		require.NoError(t, err)
		for _, rec := range records {
			h.readOne(t, rec)
		}
	}
	for offset, value := range h.acked[p] {
		if offset >= int64(len(h.read[p])) {
			t.Fatalf("partition %d offset %d was acked and is not there", p, offset)
		}
		if h.read[p][offset] != value {
			t.Fatalf("partition %d offset %d was acked with another value", p, offset)
		}
	}
}

func (h *history) readOne(t *testing.T, r client.Record) {
	p, value := r.Partition, string(r.Value)
	_, seen := h.seen[value]
	switch {
	case int64(len(h.read[p])) != r.Offset:
		t.Fatalf("partition %d offset %d where %d should be: a gap or a repeat", p, r.Offset, len(h.read[p]))
	case !h.sent[value]:
		t.Fatalf("partition %d offset %d holds what nobody sent: %.40q", p, r.Offset, value)
	case seen:
		t.Fatalf("partition %d offset %d is a duplicate: %.40q", p, r.Offset, value)
	}
	fields := strings.Fields(value)
	seq, err := strconv.ParseInt(fields[1], 10, 64)
	require.NoError(t, err)
	if last, ok := h.last[p][fields[0]]; ok && last >= seq {
		t.Fatalf("partition %d offset %d: %d after %d: out of order", p, r.Offset, seq, last)
	}
	h.last[p][fields[0]] = seq
	h.seen[value] = struct{}{}
	h.read[p] = append(h.read[p], value)
}

func createTopic(t *testing.T, c *client.Client) {
	_, err := client.NewAdmin(c).CreateTopics(context.Background(),
		[]wire.NewTopic{{Name: topic, Partitions: partitions}}, client.Apply)
	require.NoError(t, err)
}

// TestB1B2B5B8PowerLossUnderLoad loses power again and again under load, with more or less of the unsynced bytes and
// names surviving at random. After each loss all that was ever acknowledged is there, once and in order, and nothing
// that was not sent.
func TestB1B2B5B8PowerLossUnderLoad(t *testing.T) {
	b := newBroker(t, "--storage.memtable", "1MiB") // small, so that flushes and WAL rotations are among what is cut
	h := newHistory()
	n := rounds(t)
	rng := rand.New(rand.NewPCG(1, 2))
	b.start("")
	c := b.connect()
	createTopic(t, c)
	require.NoError(t, c.Close(context.Background()))
	b.powerLoss()
	for round := range n {
		b.start(fmt.Sprintf("seed=%d,writeback=%g", round, []float64{0, 0.02, 0.3}[round%3]))
		c := b.connect()
		h.check(t, c, checkNew)
		ctx, stop := context.WithCancel(context.Background())
		loaded := make(chan struct{})
		before := h.count.Load()
		go func() { defer close(loaded); h.load(ctx, t, c, round) }()
		require.Eventually(t, func() bool { return h.count.Load() > before }, time.Minute, time.Millisecond,
			"no ack in round %d", round)
		time.Sleep(time.Duration(rng.IntN(150)) * time.Millisecond)
		b.powerLoss()
		stop()
		<-loaded
		closing, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Close(closing)
	}
	b.start("")
	c = b.connect()
	h.check(t, c, checkAll)
	require.NoError(t, c.Close(context.Background()))
	t.Logf("%d power losses, %d records acked, all there", n+1, h.count.Load())
}

// TestA16H1ProducerOutlivesPowerLosses keeps one producer going over many power losses: all that it was given is
// acknowledged in the end, once and in order.
func TestA16H1ProducerOutlivesPowerLosses(t *testing.T) {
	b := newBroker(t)
	h := newHistory()
	b.start("")
	c := b.connect()
	createTopic(t, c)
	p, err := client.NewProducer(c, client.ProducerOptions{Partitioner: client.Manual, BatchBytes: 2 << 10})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	losses := rounds(t) / 10
	sent := 0
	for loss := range losses {
		for range 2000 {
			value := fmt.Sprintf("0/0 %d %s", sent, strings.Repeat("x", 100))
			h.send(value)
			r := client.Record{Topic: topic, Partition: int32(sent % partitions), Value: []byte(value)}
			p.SendAsync(ctx, r, func(r client.Record, err error) {
				if err != nil {
					t.Errorf("a record failed: %v", err)
					return
				}
				h.ack(r)
			})
			sent++
		}
		b.powerLoss()
		b.start(fmt.Sprintf("seed=%d,writeback=0.05", loss))
	}
	require.NoError(t, p.Close(ctx))
	require.EqualValues(t, sent, h.count.Load())
	h.check(t, c, checkAll)
	for part := range partitions {
		require.Len(t, h.read[part], len(h.acked[part]), "partition %d holds more than was acked", part)
	}
	require.NoError(t, c.Close(ctx))
}

// TestC3C4FailedWriteOrSyncEndsTheProcess fails one write or fsync and all after it: the broker ends by itself, and
// what it acked is there.
func TestC3C4FailedWriteOrSyncEndsTheProcess(t *testing.T) {
	for _, fault := range []string{"fail-sync-after=60", "fail-write-after=300"} {
		t.Run(fault, func(t *testing.T) {
			b := newBroker(t)
			h := newHistory()
			b.start("")
			c := b.connect()
			createTopic(t, c)
			require.NoError(t, c.Close(context.Background()))
			b.powerLoss()
			b.start(fault)
			c = b.connect()
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() { defer close(ended); _ = b.cmd.Wait(); stop() }()
			h.load(ctx, t, c, 0)
			<-ended
			require.False(t, b.cmd.ProcessState.Success(), "the process ended well: %s", b.output)
			require.Contains(t, b.output.String(), "input/output error")
			b.cmd = nil
			closing, cancel := context.WithCancel(context.Background())
			cancel()
			_ = c.Close(closing)
			b.start("")
			c = b.connect()
			h.check(t, c, checkAll)
			require.NoError(t, c.Close(context.Background()))
		})
	}
}
