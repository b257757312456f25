package client_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
)

// longTimeout is a RequestTimeout that no test lives to see: what goes on has not waited for it.
const longTimeout = 5 * patience

// pause has a broker say nothing from now on; its connections stay open, and the kernel goes on to accept more.
func (b *brokerProcess) pause() {
	b.t.Helper()
	b.signal(syscall.SIGSTOP)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", b.cmd.Process.Pid))
	require.NoError(b.t, err)
	require.Eventually(b.t, func() bool { // until then one of them may go on
		return !slices.ContainsFunc(threads, func(path string) bool {
			stat, err := os.ReadFile(path)
			return err == nil && !strings.Contains(string(stat), ") T ")
		})
	}, patience, time.Millisecond)
}

// resume has a broker go on where it was paused.
func (b *brokerProcess) resume() { b.signal(syscall.SIGCONT) }

// connectFirst makes a client that is connected to one of the brokers, and knows where all are.
func connectFirst(t testing.TB, brokers []*brokerProcess, first int32) *client.Client {
	t.Helper()
	addresses := brokers[first-1].listen
	for i, b := range brokers {
		if int32(i+1) != first {
			addresses += "," + b.listen
		}
	}
	cl := connect(t, addresses, client.Options{RequestTimeout: longTimeout})
	require.Equal(t, first, cl.Hello().BrokerID)
	return cl
}

// D1: the leader is paused, which is also the broker that producer and consumer ask for metadata, while a record is on
// its way and the end of the log is awaited. Both go on at the next leader, and wait for no answer of the old one. When
// it is back, everything is there, once and in order.
func TestD1LeaderPaused(t *testing.T) {
	brokers := startProcesses(t, 3)
	admin := connectAll(t, brokers)
	createReplicated(t, admin, "demo", 1, 3)
	leader := partitions(t, admin, "demo")[0].Leader
	p := newProducer(t, connectFirst(t, brokers, leader), client.ProducerOptions{DeliveryTimeout: longTimeout})
	r := newConsumer(t, connectFirst(t, brokers, leader), client.ConsumerOptions{})
	require.NoError(t, r.Assign(testContext(t), "demo", client.AtStart()))
	var read []string
	readTo := func(n int) {
		t.Helper()
		for len(read) < n {
			records, err := r.Poll(testContext(t))
			require.NoError(t, err)
			read = append(read, values(records)...)
		}
	}
	sendTo := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			got, err := p.Send(testContext(t), client.Record{Topic: "demo", Value: []byte(fmt.Sprint(i))})
			require.NoError(t, err)
			require.Equal(t, int64(i), got.Offset)
		}
	}
	sendTo(0, 10)
	readTo(10)

	silent := brokers[leader-1]
	silent.pause()
	begun := time.Now()
	sendTo(10, 11)
	acked := time.Since(begun)
	readTo(11)
	t.Logf("with a session of 2 s: acknowledged after %v, read after %v", acked, time.Since(begun))
	sendTo(11, 20)
	readTo(20)

	silent.resume()
	sendTo(20, 30)
	readTo(30)
	awaitInSync(t, connectAll(t, brokers), "demo", 3)
	require.Equal(t, numbered(30), read)
	require.Equal(t, numbered(30), values(readAll(t, connectAll(t, brokers), "demo")[0]))
}

// D1: the coordinator of a group is paused, which is also the broker that the member asks for metadata. Its heartbeats
// and commits go to the next coordinator: another member that joins gets its share, and commits are taken.
func TestD1GroupCoordinatorPaused(t *testing.T) {
	brokers := startProcesses(t, 3)
	admin := connectAll(t, brokers)
	createReplicated(t, admin, "demo", 2, 3)
	s := newSeen(t)
	require.NoError(t, admin.CommitOffsets(testContext(t), "g", client.Offset{Topic: "demo", LeaderEpoch: -1}))
	silent := coordinatorOf(t, admin, "g")
	old := startWorker(t, connectFirst(t, brokers, int32(silent+1)), "old", client.GroupOptions{},
		func(r client.Record) { s.add("old", r) })
	old.await(2)
	send(t, admin, "demo", 0, 10)
	s.await(testContext(t), 10)
	require.NoError(t, old.g.Commit(testContext(t)))

	brokers[silent].pause()
	begun := time.Now()
	// Only a coordinator that has heard of both members gives one partition to each.
	others := connectFirst(t, brokers, int32((silent+1)%3+1))
	young := startWorker(t, others, "young", client.GroupOptions{},
		func(r client.Record) { s.add("young", r) })
	young.await(1)
	old.await(1)
	t.Logf("with a session of 2 s: both have a partition after %v", time.Since(begun))
	send(t, others, "demo", 10, 30)
	s.await(testContext(t), 30)
	require.NoError(t, old.g.Commit(testContext(t)))
	require.NoError(t, young.g.Commit(testContext(t)))

	brokers[silent].resume()
	young.close()
	old.close()
	offsets, err := admin.FetchOffsets(testContext(t), "g", "demo")
	require.NoError(t, err)
	require.EqualValues(t, 30, sum(offsets), "all is committed")
}

// D1: offsets are asked of a leader that is paused. The answer comes from the one that leads next.
func TestD1OffsetsOfPausedLeader(t *testing.T) {
	brokers := startProcesses(t, 3)
	admin := connectAll(t, brokers)
	createReplicated(t, admin, "demo", 1, 3)
	send(t, admin, "demo", 0, 3)
	silent := partitions(t, admin, "demo")[0].Leader
	cl := connectFirst(t, brokers, silent%3+1)
	c := newConsumer(t, cl, client.ConsumerOptions{})
	require.Equal(t, silent, partitions(t, cl, "demo")[0].Leader)

	brokers[silent-1].pause()
	begun := time.Now()
	require.NoError(t, c.Assign(testContext(t), "demo", client.AtEnd()))
	t.Logf("with a session of 2 s: the end is known after %v", time.Since(begun))
	send(t, cl, "demo", 3, 4)
	records, err := c.Poll(testContext(t))
	require.NoError(t, err)
	require.Equal(t, []string{"3"}, values(records))
	brokers[silent-1].resume()
}
