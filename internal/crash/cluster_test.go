package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/internal/failpoint"
	"github.com/skidway/skidway/internal/history"
	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/wire"
)

// patience bounds every wait of a test; it decides nothing but when a hang is called one.
const patience = 90 * time.Second

// topic has one partition on all brokers, so that what fires is about that one.
const topic = "crash"

// chroot is the cluster's place in ZooKeeper.
const chroot = "/crash"

var buildOnce sync.Once

func binaryDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("skidway-crash-%d", os.Getpid()))
}

// buildBroker builds the binary, once for all tests.
func buildBroker(t testing.TB) string {
	t.Helper()
	path := filepath.Join(binaryDir(), "skidway")
	buildOnce.Do(func() {
		cmd := exec.Command("go", "build", "-tags", "faultfs,failpoints", "-o", path,
			"github.com/skidway/skidway/cmd/skidway")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	})
	require.FileExists(t, path)
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(binaryDir())
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// node is a broker process.
type node struct {
	t      testing.TB
	id     int32
	args   []string
	listen string
	dir    string // of its store
	points string // directory of its failpoints
	output string // file of what it says
	cmd    *exec.Cmd
}

func (n *node) start() {
	n.t.Helper()
	out, err := os.OpenFile(n.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(n.t, err)
	n.cmd = exec.Command(buildBroker(n.t), n.args...)
	n.cmd.Env = append(os.Environ(), failpoint.Variable+"="+n.points)
	n.cmd.Stdout, n.cmd.Stderr = out, out
	require.NoError(n.t, n.cmd.Start())
	require.NoError(n.t, out.Close()) // the child has its own
}

// kill ends the process with no time for a last word: what it had not synced is gone.
func (n *node) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		n.awaitEnd()
	}
}

// awaitEnd waits for a process that has been killed, by itself or by others.
func (n *node) awaitEnd() {
	_ = n.cmd.Wait()
	n.cmd = nil
}

// stop has the process end in good order.
func (n *node) stop() {
	n.t.Helper()
	require.NoError(n.t, n.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(n.t, n.cmd.Wait(), "broker %d did not stop well", n.id)
	n.cmd = nil
}

func (n *node) arm(p failpoint.Point, a failpoint.Action) {
	n.t.Helper()
	require.NoError(n.t, failpoint.Arm(n.points, p, a))
}

func (n *node) disarm(p failpoint.Point) {
	n.t.Helper()
	require.NoError(n.t, failpoint.Disarm(n.points, p))
}

func (n *node) fired(p failpoint.Point) int {
	n.t.Helper()
	times, err := failpoint.Fired(n.points, p)
	require.NoError(n.t, err)
	return times
}

// awaitFired waits until a point has fired.
func (n *node) awaitFired(p failpoint.Point) {
	n.t.Helper()
	require.Eventually(n.t, func() bool { return n.fired(p) > 0 }, patience, time.Millisecond, "%s on broker %d", p, n.id)
}

// cluster is three brokers under load.
type cluster struct {
	t     testing.TB
	nodes map[int32]*node
	admin *client.Admin
	zk    string // ZooKeeper's address
	id    uint64 // of the topic
	load  *history.Load
}

// start runs three brokers, and makes the topic. Nothing is sent yet.
func start(t testing.TB) *cluster {
	t.Helper()
	buildBroker(t)
	zk, err := zkserver.Start(zkserver.Config{Dir: t.TempDir(), Servers: 1, Tick: 250 * time.Millisecond})
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("the test needs a ZooKeeper: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, zk.Close()) })
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("a secret of thirty-two bytes and"), 0o600))
	c := &cluster{t: t, nodes: make(map[int32]*node), zk: zk.Addresses()[0]}
	for id := int32(1); id <= 3; id++ {
		root := t.TempDir()
		n := &node{t: t, id: id, listen: freeAddress(t), dir: filepath.Join(root, "data"),
			points: filepath.Join(root, "points"), output: filepath.Join(root, "output")}
		require.NoError(t, os.Mkdir(n.points, 0o700))
		n.args = []string{"serve", "--node-id", fmt.Sprint(id), "--data-dir", n.dir, "--listen", n.listen, "--http", "off",
			"--cluster.zookeeper", c.zk, "--cluster.chroot", chroot, "--cluster.session-timeout", "3s",
			"--cluster.listen", freeAddress(t), "--cluster.secret-file", secret, "--log-format", "text"}
		c.nodes[id] = n
		n.start()
		t.Cleanup(n.kill)
	}
	t.Cleanup(c.showOutput)
	c.connectAdmin()
	c.create()
	c.connectAdmin() // one that knows all brokers
	for id := range c.nodes {
		require.Eventually(t, func() bool {
			p, ok := c.describeAt(id)
			return ok && p.Leader > 0
		}, patience, 10*time.Millisecond, "broker %d does not learn of the topic", id)
	}
	return c
}

func (c *cluster) connectAdmin() {
	c.t.Helper()
	cl, err := c.connect()
	require.NoError(c.t, err)
	c.t.Cleanup(func() { require.NoError(c.t, cl.Close(context.Background())) })
	c.admin = client.NewAdmin(cl)
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

// showOutput prints what the brokers said last, if the test failed.
func (c *cluster) showOutput() {
	for id, n := range c.nodes {
		if text, err := os.ReadFile(n.output); err == nil && c.t.Failed() {
			lines := strings.Split(string(text), "\n")
			c.t.Logf("broker %d:\n%s", id, strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	}
}

func (c *cluster) context() context.Context {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	c.t.Cleanup(cancel)
	return ctx
}

func (c *cluster) addresses() (list []string) {
	for id := int32(1); id <= 3; id++ {
		list = append(list, c.nodes[id].listen)
	}
	return list
}

// connect waits for a broker that answers.
func (c *cluster) connect() (*client.Client, error) {
	for ctx := c.context(); ; {
		cl, err := client.Connect(ctx, c.addresses(), client.Options{DialTimeout: time.Second,
			RequestTimeout: 5 * time.Second})
		if err == nil || ctx.Err() != nil {
			return cl, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// create makes the topic once all brokers are there.
func (c *cluster) create() {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		d, err := c.admin.DescribeCluster(c.context())
		if err != nil || len(d.Brokers) < 3 {
			return false
		}
		made, err := c.admin.CreateTopics(c.context(), []wire.NewTopic{{Name: topic, Partitions: 1, Replicas: 3,
			Settings: []wire.Setting{{Name: "min_in_sync", Value: "2"}}}}, client.Apply)
		return err == nil && (made[0].Error == nil || made[0].Error.Code == wire.CodeTopicExists)
	}, patience, 20*time.Millisecond)
	c.awaitInSync()
	d, err := c.admin.DescribeTopics(c.context(), topic)
	require.NoError(c.t, err)
	c.id = d[0].ID
}

// describe asks for the partition; false: it was not told.
func (c *cluster) describe() (wire.PartitionDescription, bool) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	d, err := c.admin.DescribeTopics(ctx, topic)
	return described(d, err)
}

// describeAt asks one broker for what it knows of the partition.
func (c *cluster) describeAt(broker int32) (wire.PartitionDescription, bool) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	d, err := c.admin.DescribeTopicsAt(ctx, broker, topic)
	return described(d, err)
}

func described(d []wire.TopicDescription, err error) (p wire.PartitionDescription, ok bool) {
	if err != nil || len(d) != 1 || d[0].Error != nil || len(d[0].Partitions) != 1 {
		return p, false
	}
	return d[0].Partitions[0], true
}

// awaitInSync waits until the partition has a leader and all replicas in sync.
func (c *cluster) awaitInSync() (p wire.PartitionDescription) {
	c.t.Helper()
	require.Eventually(c.t, func() (ok bool) {
		p, ok = c.describe()
		return ok && p.Leader > 0 && len(p.ISR) == 3
	}, patience, 20*time.Millisecond, "the replicas are not in sync")
	return p
}

// begin starts the load and waits until it goes well. onAck may be nil.
func (c *cluster) begin(rate int, onAck func()) (leader *node, followers []*node) {
	c.t.Helper()
	var err error
	c.load, err = history.StartLoad(c.context(), history.LoadOptions{Servers: c.addresses(), Topic: topic, Rate: rate,
		DeliveryTimeout: 2 * patience, OnAck: func(int32, int64) {
			if onAck != nil {
				onAck()
			}
		}})
	require.NoError(c.t, err)
	c.progress(50)
	p := c.awaitInSync()
	for id, n := range c.nodes {
		if id != p.Leader {
			followers = append(followers, n)
		}
	}
	return c.nodes[p.Leader], followers
}

// progress waits until n more records are acknowledged: I13.
func (c *cluster) progress(n int64) {
	c.t.Helper()
	before := c.load.Acked()
	require.Eventually(c.t, func() bool { return c.load.Acked() >= before+n }, patience, time.Millisecond,
		"records are not acknowledged any more")
}

// epoch is the partition's leader epoch, once somebody leads it.
func (c *cluster) epoch() (epoch int32) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		p, ok := c.describe()
		epoch = p.LeaderEpoch
		return ok && p.Leader > 0
	}, patience, 10*time.Millisecond)
	return epoch
}

// finish brings back who is down, has the load go on and end, and checks the history and the stores. Every send must
// have come to a good end, once: producers are idempotent, and repeat until it has.
func (c *cluster) finish() {
	c.t.Helper()
	for _, n := range c.nodes {
		if n.cmd == nil {
			n.start()
		}
	}
	c.progress(100)
	c.awaitInSync()
	h, err := c.load.Stop(c.context())
	require.NoError(c.t, err)
	for _, f := range history.Check(h) {
		c.t.Error(f)
	}
	var end, sent int64
	for _, e := range h.Events() {
		switch {
		case e.Op == history.Final && e.Kind == history.OK:
			end = int64(len(e.Values))
		case e.Op == history.Send && e.Kind == history.Invoke:
			sent++
		case e.Op == history.Send && e.Kind != history.OK:
			c.t.Errorf("a send did not come to a good end: %v", &e)
		}
	}
	require.Equal(c.t, sent, end, "what was sent is there, once")
	c.awaitInSync()
	dirs := make(map[int32]string)
	for id, n := range c.nodes {
		n.stop()
		dirs[id] = n.dir
	}
	found, err := history.CompareStores(dirs, history.ReplicaLog{Log: c.log(), End: end})
	require.NoError(c.t, err)
	for _, f := range found {
		c.t.Error(f)
	}
	c.t.Logf("%d records, all acknowledged and there", end)
}

func (c *cluster) log() kv.Partition { return kv.Partition{Topic: c.id, Index: 0} }

// storedEnd is the end of the partition in the store of a broker that is down.
func (c *cluster) storedEnd(n *node) int64 {
	c.t.Helper()
	require.Nil(c.t, n.cmd)
	s, err := kv.Open(kv.Options{Dir: n.dir, Role: kv.RoleAny})
	require.NoError(c.t, err)
	last, there, err := s.LastBatch(c.log())
	require.NoError(c.t, errors.Join(err, s.Close()))
	if !there {
		return 0
	}
	return last + 1
}
