package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
)

// brokerDirEnv has the test binary be a broker on that directory, at the address in brokerListenEnv.
const (
	brokerDirEnv    = "SKIDWAY_TEST_BROKER_DIR"
	brokerListenEnv = "SKIDWAY_TEST_BROKER_LISTEN"
	// With these it is a broker of a cluster.
	brokerZooKeeperEnv = "SKIDWAY_TEST_BROKER_ZOOKEEPER"
	brokerIDEnv        = "SKIDWAY_TEST_BROKER_ID"
	brokerPeerEnv      = "SKIDWAY_TEST_BROKER_PEER"
	brokerKafkaEnv     = "SKIDWAY_TEST_BROKER_KAFKA" // for Kafka's clients, if set
)

// runBroker serves until it is killed.
func runBroker(dir string) error {
	cfg := broker.Config{DataDir: dir, Listen: os.Getenv(brokerListenEnv)}
	if zk := os.Getenv(brokerZooKeeperEnv); zk != "" {
		id, err := strconv.Atoi(os.Getenv(brokerIDEnv))
		if err != nil {
			return err
		}
		cfg = clusterConfig(int32(id), dir, cfg.Listen, zk)
		cfg.Cluster.Listen = os.Getenv(brokerPeerEnv)
	}
	cfg.Kafka.Listen = os.Getenv(brokerKafkaEnv)
	b, err := broker.Start(context.Background(), cfg)
	if err != nil {
		return err
	}
	fmt.Println("listening", b.Addr())
	return b.Wait()
}

// brokerProcess is a broker that can be killed with no time for a last word, and started again at its address.
type brokerProcess struct {
	t           testing.TB
	dir, listen string
	kafka       string   // its address for Kafka's clients; "": none
	env         []string // more of it
	cmd         *exec.Cmd
	killed      int
}

func (b *brokerProcess) start() {
	b.t.Helper()
	b.cmd = exec.Command(os.Args[0])
	b.cmd.Env = append(os.Environ(), brokerDirEnv+"="+b.dir, brokerListenEnv+"="+b.listen)
	b.cmd.Env = append(b.cmd.Env, b.env...)
	b.cmd.Stderr = os.Stderr
	out, err := b.cmd.StdoutPipe()
	require.NoError(b.t, err)
	require.NoError(b.t, b.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b.t, err)
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	require.True(b.t, ok, line)
	b.listen = address
}

func (b *brokerProcess) kill() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
	b.killed++
}

func (b *brokerProcess) signal(s syscall.Signal) {
	b.t.Helper()
	require.NoError(b.t, b.cmd.Process.Signal(s))
}

// The broker is killed under load, again and again. Each group sees every record at least once and in the order of its
// partition; a member that commits by hand after it has processed a record has processed each once, when those are left
// out that come again.
func TestGroupBrokerKilled(t *testing.T) {
	b := &brokerProcess{t: t, dir: t.TempDir(), listen: "127.0.0.1:0"}
	b.start()
	t.Cleanup(b.kill)
	c := connect(t, b.listen, client.Options{RequestTimeout: patience})
	create(t, c, "demo", 4)

	queue, byHand := newSeen(t), newSeen(t)
	var members []*worker
	for i := range 2 {
		name := fmt.Sprint("q", i)
		members = append(members, startWorkerIn(t, c, joinAs{name, "queue", []string{"demo"}},
			client.GroupOptions{CommitInterval: 20 * time.Millisecond}, func(r client.Record) { queue.add(name, r) }))
	}
	committer := make(chan *client.GroupConsumer, 1)
	var g *client.GroupConsumer // of the worker's goroutine
	hand := startWorkerIn(t, c, joinAs{"h", "hand", []string{"demo"}}, client.GroupOptions{Commit: client.CommitManual},
		func(r client.Record) {
			byHand.add("h", r)
			if r.Offset%16 != 0 {
				return
			}
			if g == nil {
				g = <-committer
			}
			err := g.CommitOffsets(testContext(t), client.Offset{Topic: r.Topic, Partition: r.Partition,
				Offset: r.Offset + 1, LeaderEpoch: r.LeaderEpoch})
			var e *client.Error
			if errors.As(err, &e) && e.Outcome == client.OutcomeFailed && !e.Retriable() {
				t.Errorf("commit of a partition that is held: %v", err)
			}
		})
	committer <- hand.g
	stop := load(t, c)
	for range 3 {
		before := byHand.count()
		byHand.until(testContext(t), "500 records more", func() bool { return len(byHand.times) >= before+500 })
		b.kill()
		b.start()
	}
	n := stop()
	queue.await(testContext(t), n)
	byHand.await(testContext(t), n)
	require.Len(t, queue.times, n, "each record, and no other")
	require.Len(t, byHand.times, n)
	require.Equal(t, 3, b.killed, "each fault has happened")
	for _, w := range append(members, hand) {
		w.close()
	}
}

// count is the number of different records.
func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}
