package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/internal/faultfs"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// childDir in the environment makes the test binary a broker on that directory, to be killed.
const childDir = "SKIDWAY_TEST_BROKER_DIR"

// childFaults in the environment are the faults of its disk, as faultfs.ParseOptions reads them.
const childFaults = "SKIDWAY_TEST_BROKER_FAULTS"

// runChild is the life of such a process.
func runChild(dir string) {
	cfg := Config{DataDir: dir, Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if text := os.Getenv(childFaults); text != "" {
		faults, err := faultfs.ParseOptions(text)
		if err == nil {
			cfg.Storage.FS, err = faultfs.New(dir, faults)
		}
		if err != nil {
			fmt.Println("error", err)
			os.Exit(2)
		}
	}
	b, err := Start(context.Background(), cfg)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("listening", b.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	if err := b.Shutdown(context.Background()); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// child is a broker in a process of its own.
type child struct {
	node
	cmd *exec.Cmd
}

func startChild(t *testing.T, dir string, env ...string) *child {
	t.Helper()
	c := &child{node: node{t: t}, cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(append(os.Environ(), env...), childDir+"="+dir)
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); _ = c.cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	require.True(t, ok, line)
	c.conn, err = wire.Dial(t.Context(), addr, wire.DialOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// kill ends the process as a crash would.
func (c *child) kill() {
	require.NoError(c.t, c.cmd.Process.Kill())
	_ = c.cmd.Wait()
	c.conn.Close()
}

func (c *child) topicID(name string) uint64 {
	md := do[*wire.MetadataResponse](&c.node, &wire.MetadataRequest{Topics: []string{name}})
	require.Nil(c.t, md.Topics[0].Error)
	return md.Topics[0].ID
}

// A4, A5, H1: the process is killed after it has answered; what it has acknowledged is there after the restart, a retry
// of the last batch is answered with its first offset, and no producer id comes again.
func TestKillAndRetryA4A5(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, dir)
	id := c.create("orders", 2)
	who := do[*wire.InitProducerIDResponse](&c.node, &wire.InitProducerIDRequest{ProducerID: -1, Epoch: -1})
	seen := map[int64]bool{who.ProducerID: true}
	var want []string
	for round := range int32(3) {
		require.Equal(t, id, c.topicID("orders"))
		for seq := 10 * round; seq < 10*round+10; seq++ {
			require.EqualValues(t, seq, c.produce(id, 1, idempotent(t, who.ProducerID, 0, seq)).BaseOffset)
			want = append(want, fmt.Sprint(seq))
		}
		c.kill()
		c = startChild(t, dir)
		again := c.produce(id, 1, idempotent(t, who.ProducerID, 0, 10*round+9))
		require.Nil(t, again.Error)
		require.EqualValues(t, 10*round+9, again.BaseOffset)
		require.Equal(t, want, c.read(id, 1, 0))
		other := do[*wire.InitProducerIDResponse](&c.node, &wire.InitProducerIDRequest{ProducerID: -1, Epoch: -1})
		require.False(t, seen[other.ProducerID], "producer id %d comes again", other.ProducerID)
		seen[other.ProducerID] = true
	}
}

// C4, B8: the first failed fsync ends the process. What was acknowledged before is there after a power loss at that
// moment; what was not was answered as unknown.
func TestFailedFsyncEndsTheProcessC4(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, dir, childFaults+"=fail-sync-after=60")
	id := c.create("orders", 1)
	var acked []string
	for i := range 200 {
		value := fmt.Sprint(i)
		r, err := try[*wire.ProduceResponse](&c.node, produceOne(id, 0, batch(t, value)))
		if err != nil {
			require.ErrorIs(t, err, wire.ErrOutcomeUnknown)
			break
		}
		if e := r.Topics[0].Partitions[0].Error; e != nil {
			requireCode(t, wire.CodeTimedOut, e)
			break
		}
		acked = append(acked, value)
	}
	require.NotEmpty(t, acked)
	require.Less(t, len(acked), 200)
	require.Error(t, c.cmd.Wait())
	require.Equal(t, 1, c.cmd.ProcessState.ExitCode())

	c = startChild(t, dir)
	got := c.read(id, 0, 0)
	require.GreaterOrEqual(t, len(got), len(acked))
	require.Equal(t, acked, got[:len(acked)])
}

// A clean stop and a start: topics, settings, records and bounds are as before, and the start is fast.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	inDir := func(c *Config) { c.DataDir = dir }
	n := startNode(t, inDir)
	cluster := n.ClusterID()
	id := n.create("orders", 3, "retention", "30d")
	n.append(id, 2, "a", "b", "c")
	do[*wire.DeleteRecordsResponse](n, deleteBefore(id, 2, 1))
	do[*wire.AddPartitionsResponse](n, &wire.AddPartitionsRequest{
		Topics: []wire.PartitionCount{{Name: "orders", Total: 4}},
	})
	n.stopNode()

	n = startNode(t, inDir)
	require.Equal(t, cluster, n.ClusterID())
	md := do[*wire.MetadataResponse](n, &wire.MetadataRequest{All: true})
	require.Equal(t, id, md.Topics[0].ID)
	require.Len(t, md.Topics[0].Partitions, 4)
	require.EqualValues(t, 1, n.start(id, 2))
	require.Equal(t, []string{"b", "c"}, n.read(id, 2, 1))
	require.EqualValues(t, 3, n.append(id, 2, "d"))
	require.EqualValues(t, 30*24*time.Hour, n.topics.id(id).settings().Retention)
}

// A12: a deletion that was cut off after its first step is finished at the next start; until then nobody sees the
// topic.
func TestUnfinishedDeletionA12(t *testing.T) {
	dir := t.TempDir()
	inDir := func(c *Config) { c.DataDir = dir }
	n := startNode(t, inDir)
	id := n.create("orders", 1)
	n.append(id, 0, "x")
	for _, r := range metadata.DeleteTopics(t.Context(), n.meta, []string{"orders"}, 1) {
		require.NoError(t, r.Err)
	}
	n.stopNode()

	n = startNode(t, inDir)
	md := do[*wire.MetadataResponse](n, &wire.MetadataRequest{Topics: []string{"orders"}})
	requireCode(t, wire.CodeUnknownTopic, md.Topics[0].Error)
	require.Eventually(t, func() bool {
		_, err := metadata.GetTopic(t.Context(), n.meta, "orders")
		return errors.Is(err, metadata.ErrUnknownTopic)
	}, 10*time.Second, time.Millisecond)
	rows := 0
	require.NoError(t, n.store.Batches(kv.Partition{Topic: id}, 0, func(int64, []byte) bool { rows++; return true }))
	require.Zero(t, rows, "the records are deleted")
	require.NotEqual(t, id, n.create("orders", 1))
}

// C16: two brokers on one directory: the second refuses, and the first is not disturbed.
func TestTwoBrokersOnOneDirectoryC16(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, dir)
	id := c.create("orders", 1)
	_, err := Start(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0"})
	var locked *kv.LockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, c.cmd.Process.Pid, locked.PID)
	require.EqualValues(t, 0, c.append(id, 0, "x"))
}

// C14: the directory of another broker is refused.
func TestDirectoryOfAnotherBrokerC14(t *testing.T) {
	dir := t.TempDir()
	startNode(t, func(c *Config) { c.DataDir = dir }).stopNode()
	_, err := Start(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0", NodeID: 7})
	var identity *kv.IdentityError
	require.ErrorAs(t, err, &identity)
}

// A port in use is told as such, and the directory is free again afterwards.
func TestPortInUse(t *testing.T) {
	n := startNode(t)
	dir := t.TempDir()
	for _, change := range []func(*Config){
		func(c *Config) { c.Listen = n.Addr().String() },
		func(c *Config) { c.Listen, c.HTTPListen = "127.0.0.1:0", n.Addr().String() },
	} {
		cfg := Config{DataDir: dir}
		change(&cfg)
		_, err := Start(t.Context(), cfg)
		var listen *ListenError
		require.ErrorAs(t, err, &listen)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.Contains(t, err.Error(), n.Addr().String())
	}
	startNode(t, func(c *Config) { c.DataDir = dir })
}

// C6, E303: a damaged byte in one partition's records is told to who reads them; the other partitions go on, and the
// operator sees it.
func TestDamagedRecordsC6(t *testing.T) {
	dir := t.TempDir()
	inDir := func(c *Config) { c.DataDir, c.knobs.warm = dir, -1 }
	n := startNode(t, inDir)
	id := n.create("orders", 4)
	marker := "MARKER" + strings.Repeat("m", 3000)
	for p := range int32(4) {
		for i := range 80 {
			if p == 2 && i == 20 {
				n.append(id, p, marker)
			} else {
				n.append(id, p, strings.Repeat("x", 3000))
			}
		}
	}
	n.stopNode() // flushes: the records lie in tables
	damage(t, dir, "MARKER")

	n = startNode(t, inDir, withHTTP)
	r := n.fetch(id, 2, 20)
	requireCode(t, wire.CodeDamaged, r.Error)
	require.Contains(t, r.Error.Message, `topic "orders" partition 2`)
	require.Contains(t, r.Error.Message, "offset 20")
	require.Len(t, n.read(id, 0, 0), 80, "others go on")
	require.EqualValues(t, 80, n.append(id, 2, "more"))
	require.Equal(t, []string{"more"}, n.read(id, 2, 80))
	require.Contains(t, n.get("/readyz?verbose", 200), `"status":"degraded"`)
	l := do[*wire.ListTopicsResponse](n, &wire.ListTopicsRequest{})
	require.Equal(t, "damaged (1)", l.Topics[0].Health)
}

// damage flips a bit of what follows the marker in the store's files, where it is found.
func damage(t *testing.T, dir, marker string) {
	t.Helper()
	hits := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".log") {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		if at := strings.Index(string(data), marker); at >= 0 {
			hits++
			_, err = f.WriteAt([]byte{data[at+len(marker)] ^ 1}, int64(at+len(marker)))
		}
		return err
	}))
	require.Positive(t, hits, "the marker lies in a table")
}
