package adopt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long what must come may take on a busy machine.
const patience = 60 * time.Second

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// startZooKeeper runs one real server until the test ends.
func startZooKeeper(t testing.TB) string {
	if _, err := zkserver.Find(""); errors.Is(err, zkserver.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	e, err := zkserver.Start(zkserver.Config{Dir: t.TempDir(), Servers: 1, Tick: 250 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e.Addresses()[0]
}

// serve runs a broker on the directory, and f with a client of it.
func serve(t testing.TB, cfg broker.Config, f func(*client.Client)) {
	t.Helper()
	cfg.Listen, cfg.Logger = "127.0.0.1:0", quiet()
	b, err := broker.Start(patient(t), cfg)
	require.NoError(t, err)
	c, err := client.Connect(patient(t), []string{b.Addr().String()}, client.Options{})
	require.NoError(t, err)
	f(c)
	require.NoError(t, c.Close(patient(t)))
	require.NoError(t, b.Shutdown(patient(t)))
}

func alone(dir string) broker.Config { return broker.Config{DataDir: dir} }

func member(dir, server, chroot string) broker.Config {
	return broker.Config{DataDir: dir, Mode: broker.ModeCluster, Cluster: broker.Cluster{
		ZooKeeper: []string{server}, Chroot: chroot, SessionTimeout: 2 * time.Second, Listen: "127.0.0.1:0",
		Secret: []byte("a secret of thirty-two bytes and"),
	}}
}

// createTopics makes topics of two partitions.
func createTopics(t testing.TB, c *client.Client, names ...string) {
	var specs []wire.NewTopic
	for _, name := range names {
		specs = append(specs, wire.NewTopic{Name: name, Partitions: 2, Replicas: 1})
	}
	made, err := client.NewAdmin(c).CreateTopics(patient(t), specs, client.Apply)
	require.NoError(t, err)
	for _, m := range made {
		require.Nil(t, m.Error)
	}
}

// fill has the broker do what leaves metadata of every kind.
func fill(t testing.TB, c *client.Client) {
	createTopics(t, c, "orders", "gone")
	p, err := client.NewProducer(c, client.ProducerOptions{})
	require.NoError(t, err)
	_, err = p.Send(patient(t), client.Record{Topic: "orders", Value: []byte("one")})
	require.NoError(t, err)
	require.NoError(t, p.Close(patient(t)))
	g, err := client.JoinGroup(patient(t), c, "billing/\u00e9", []string{"orders"}, client.GroupOptions{})
	require.NoError(t, err)
	records, err := g.Poll(patient(t))
	require.NoError(t, err)
	g.Mark(records...)
	require.NoError(t, g.Commit(patient(t)))
	require.NoError(t, g.Close(patient(t)))
	_, err = client.NewAdmin(c).DeleteTopics(patient(t), []string{"gone"}, client.Apply)
	require.NoError(t, err)
}

// dump reads all nodes that a store has.
func dump(t testing.TB, server, chroot string) map[string]string {
	s := open(t, server, chroot)
	defer func() { require.NoError(t, s.Close()) }()
	nodes := make(map[string]string)
	var visit func(string)
	visit = func(parent string) {
		names, err := s.Children(patient(t), parent)
		require.NoError(t, err)
		for _, name := range names {
			path := filepath.Join(parent, name)
			node, err := s.Get(patient(t), path)
			require.NoError(t, err)
			nodes[path] = string(node.Data)
			visit(path)
		}
	}
	visit("/")
	return nodes
}

func open(t testing.TB, server, chroot string) *zk.Store {
	s, err := zk.Open(patient(t), zk.Config{Servers: []string{server}, Chroot: chroot, Logger: quiet()})
	require.NoError(t, err)
	return s
}

// config adopts the directory.
func config(dir, server, chroot string) Config {
	return Config{
		Store:     kv.Options{Dir: dir, BrokerID: 1, Logger: quiet()},
		ZooKeeper: zk.Config{Servers: []string{server}, Chroot: chroot},
	}
}

// copyOf is a data directory like that one.
func copyOf(t testing.TB, dir string) string {
	to := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	require.NoError(t, os.Chmod(to, 0o700))
	return to
}

// What is written is what the broker alone had, and what a cluster has beside.
func TestAdoptedNodes(t *testing.T) {
	server, dir := startZooKeeper(t), filepath.Join(t.TempDir(), "data")
	var last int64
	serve(t, alone(dir), func(c *client.Client) {
		fill(t, c)
		last = producerID(t, c)
	})

	cfg := config(dir, server, "/a/place")
	cfg.DryRun = true
	r, err := Run(patient(t), cfg)
	require.NoError(t, err)
	require.Equal(t, WouldAdopt, r.Result)
	_, err = zk.Open(patient(t), zk.Config{Servers: []string{server}, Chroot: "/a", Logger: quiet()})
	require.ErrorIs(t, err, metadata.ErrNoNode, "a dry run makes nothing")
	serve(t, alone(dir), func(c *client.Client) { last = max(last, producerID(t, c)) })

	cfg.DryRun = false
	r, err = Run(patient(t), cfg)
	require.NoError(t, err)
	require.Equal(t, Adopted, r.Result)
	nodes := dump(t, server, "/a/place")
	require.NotContains(t, nodes, "/cluster/adopting")
	require.Contains(t, nodes, "/topics/orders")
	require.NotContains(t, nodes, "/topics/gone")
	require.Contains(t, nodes, group.Path("billing/\u00e9"))
	require.True(t, slices.ContainsFunc(slices.Collect(keys(nodes)), func(path string) bool {
		return filepath.Base(filepath.Dir(path)) == "offsets"
	}), "committed offsets")
	topic, err := metadata.DecodeTopic("orders", []byte(nodes["/topics/orders"]))
	require.NoError(t, err)
	s := open(t, server, "/a/place")
	id, err := metadata.Bootstrap(patient(t), s, "")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Equal(t, r.ClusterID, id)
	for _, index := range []int{0, 1} {
		state, err := replication.DecodeState([]byte(nodes[fmt.Sprintf("/parts/%d/%d", topic.ID, index)]))
		require.NoError(t, err)
		require.Equal(t, []int32{1}, state.Replicas)
		require.Len(t, state.ISR, 1)
		require.NotZero(t, state.ISR[0].Storage)
		require.Positive(t, state.LeaderEpoch, "records have epoch 0")
	}

	r, err = Run(patient(t), cfg)
	require.NoError(t, err)
	require.Equal(t, AlreadyAdopted, r.Result)
	serve(t, member(dir, server, "/a/place"), func(c *client.Client) {
		require.Greater(t, producerID(t, c), last, "no id is given out twice")
	})
	_, err = broker.Start(patient(t), broker.Config{DataDir: dir, Listen: "127.0.0.1:0", Logger: quiet()})
	var role *kv.RoleError
	require.ErrorAs(t, err, &role)
	require.True(t, role.Member)
}

func keys(nodes map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for path := range nodes {
			if !yield(path) {
				return
			}
		}
	}
}

// producerID has the broker give an id to a producer.
func producerID(t testing.TB, c *client.Client) (id int64) {
	conn, err := wire.Dial(patient(t), c.Address(), wire.DialOptions{})
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	answer, err := conn.Do(patient(t), &wire.InitProducerIDRequest{ProducerID: -1, Epoch: -1})
	require.NoError(t, err)
	return answer.(*wire.InitProducerIDResponse).ProducerID
}

// TestAdoptionKilled ends a run at each of its steps. Until the store is marked the broker starts alone, and may go on;
// from then on it does not; in no case does a broker start in the cluster before the adoption is over. Run again it
// ends as one that was not interrupted.
func TestAdoptionKilled(t *testing.T) {
	server, template := startZooKeeper(t), filepath.Join(t.TempDir(), "data")
	serve(t, alone(template), func(c *client.Client) { fill(t, c) })
	killed := errors.New("killed")
	want := map[string]string(nil)
	for n := 0; ; n++ {
		dir, chroot := copyOf(t, template), fmt.Sprint("/run", n)
		cfg := config(dir, server, chroot)
		cfg.writes = 12
		step, at := 0, ""
		cfg.step = func(name string) error {
			at = name
			if step++; step == n {
				return killed
			}
			return nil
		}
		_, err := Run(patient(t), cfg)
		if n == 0 {
			require.NoError(t, err)
			want = dump(t, server, chroot)
			continue
		}
		if err == nil {
			require.Greater(t, n, 6, "more than one write")
			break
		}
		require.ErrorIs(t, err, killed)
		t.Log("killed after: ", at)
		cfg.step = nil
		if at != "finished" {
			_, err = broker.Start(patient(t), member(dir, server, chroot))
			require.Error(t, err)
			fresh := member(filepath.Join(t.TempDir(), "other"), server, chroot)
			fresh.NodeID = 2
			_, err = broker.Start(patient(t), fresh)
			require.ErrorIs(t, err, metadata.ErrAdopting)
		}
		if at == "marked" || at == "finished" {
			_, err = broker.Start(patient(t), broker.Config{DataDir: dir, Listen: "127.0.0.1:0"})
			var role *kv.RoleError
			require.ErrorAs(t, err, &role)
			_, err = Run(patient(t), cfg)
			require.NoError(t, err)
			require.Equal(t, want, dump(t, server, chroot))
			continue
		}
		other := copyOf(t, dir)
		serve(t, alone(other), func(c *client.Client) { createTopics(t, c, "later") })
		_, err = Run(patient(t), cfg)
		require.NoError(t, err)
		require.Equal(t, want, dump(t, server, chroot))

		_, err = Run(patient(t), config(other, server, chroot))
		require.ErrorIs(t, err, ErrCopied, "the copy that went on is not this cluster's")
		_, err = Run(patient(t), config(other, server, chroot+"-later"))
		require.NoError(t, err)
		require.Contains(t, dump(t, server, chroot+"-later"), "/topics/later")
	}
}

// A run that was interrupted, after which the broker went on alone, brings what the broker has then.
func TestAdoptionBegunAnew(t *testing.T) {
	server, dir := startZooKeeper(t), filepath.Join(t.TempDir(), "data")
	serve(t, alone(dir), func(c *client.Client) { createTopics(t, c, "early", "other") })
	cfg := config(dir, server, "/x")
	cfg.step = func(name string) error {
		if name == "written" {
			return errors.New("killed")
		}
		return nil
	}
	_, err := Run(patient(t), cfg)
	require.ErrorContains(t, err, "killed")
	serve(t, alone(dir), func(c *client.Client) {
		createTopics(t, c, "later")
		_, err := client.NewAdmin(c).DeleteTopics(patient(t), []string{"early"}, client.Apply)
		require.NoError(t, err)
	})
	cfg.step = nil
	_, err = Run(patient(t), cfg)
	require.NoError(t, err)
	nodes := dump(t, server, "/x")
	require.Contains(t, nodes, "/topics/later")
	require.NotContains(t, nodes, "/topics/early")
	serve(t, member(dir, server, "/x"), func(c *client.Client) {
		topics, err := client.NewAdmin(c).ListTopics(patient(t))
		require.NoError(t, err)
		require.Len(t, topics, 2)
	})
}

// What is refused, and then nothing is changed.
func TestAdoptRefuses(t *testing.T) {
	server, dir := startZooKeeper(t), filepath.Join(t.TempDir(), "data")
	_, err := Run(patient(t), config(dir, server, "/x"))
	require.ErrorIs(t, err, ErrNoStore)
	require.NoDirExists(t, dir)
	serve(t, alone(dir), func(c *client.Client) {
		createTopics(t, c, "orders")
		_, err = Run(patient(t), config(dir, server, "/x"))
		var locked *kv.LockedError
		require.ErrorAs(t, err, &locked, "the broker runs")
	})
	cfg := config(dir, server, "/x")
	cfg.Store.BrokerID = 2
	_, err = Run(patient(t), cfg)
	var foreign *kv.IdentityError
	require.ErrorAs(t, err, &foreign)

	var none *broker.NoClusterError
	_, err = broker.Start(patient(t), member(dir, server, "/x"))
	require.ErrorAs(t, err, &none, "a broker with a store makes no cluster")

	serve(t, member(filepath.Join(t.TempDir(), "b"), server, "/taken"), func(*client.Client) {})
	before := dump(t, server, "/taken")
	for _, dry := range []bool{true, false} {
		cfg = config(dir, server, "/taken")
		cfg.DryRun = dry
		_, err = Run(patient(t), cfg)
		require.ErrorIs(t, err, metadata.ErrOccupied)
	}
	require.Equal(t, before, dump(t, server, "/taken"))
	_, err = broker.Start(patient(t), member(dir, server, "/taken"))
	require.Error(t, err, "it is of another cluster")

	_, err = Run(patient(t), config(dir, server, "/x"))
	require.NoError(t, err)
	_, err = Run(patient(t), config(dir, server, "/empty"))
	require.ErrorIs(t, err, ErrMember)
}
