//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/internal/history"
	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/wire"
)

// asked tells whether SKIDWAY_CHAOS has a word, of those between commas.
func asked(word string) bool {
	return slices.Contains(strings.Split(os.Getenv("SKIDWAY_CHAOS"), ","), word)
}

// long tells whether the long form runs: more rounds, longer faults.
func long() bool { return asked("long") }

// rounds is how often something is done in the short form, or in the long one.
func rounds(short, many int) int {
	if long() {
		return many
	}
	return short
}

// session is the brokers' timeout: what is silent for longer is replaced.
const session = 3 * time.Second

// stage is a cluster, on which one case after the other is played.
type stage struct {
	*Cluster
	t    *testing.T
	logs []history.ReplicaLog
}

// newStage starts a cluster for a test. Config.Binary is the tag that the program is built with.
func newStage(t *testing.T, cfg Config) *stage {
	t.Helper()
	if _, err := zkserver.Find(""); errors.Is(err, zkserver.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	cfg.Dir, cfg.Network, cfg.SessionTimeout = keptDir(t), newTestNetwork(t), session
	cfg.Binary = buildBroker(t, cfg.Binary)
	c, err := Start(within(t, 2*patience), cfg)
	require.NoError(t, err)
	s := &stage{Cluster: c, t: t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Logs(60))
		}
		require.NoError(t, c.Close())
	})
	return s
}

// keptDir is a directory of the test, below SKIDWAY_CHAOS_DIR, where it stays, or else a temporary one.
func keptDir(t *testing.T) string {
	kept := os.Getenv("SKIDWAY_CHAOS_DIR")
	if kept == "" {
		return t.TempDir()
	}
	dir := filepath.Join(kept, t.Name(), time.Now().Format("150405.000"))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	return dir
}

// within is a context that ends after a time, or with the test.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, fmt.Errorf("not within %v", d))
	t.Cleanup(cancel)
	return ctx
}

// finish stops the brokers and compares what they hold of the topics of all cases.
func (s *stage) finish() {
	s.t.Helper()
	if s.t.Failed() {
		return
	}
	require.NoError(s.t, s.Stop(within(s.t, 2*patience)))
	found, err := history.CompareStores(s.Stores(), s.logs...)
	require.NoError(s.t, err)
	for _, f := range found {
		s.t.Error(f)
	}
	s.t.Logf("%d partitions compared; faults: %v", len(s.logs), s.Fired())
}

// scene is one case: a topic of its own, under load.
type scene struct {
	*stage
	t     *testing.T
	ctx   context.Context
	name  string
	topic string
	load  *history.Load

	linear bool // see playSmall
}

// caseLimit bounds what a case waits for, all in all.
const caseLimit = 5 * time.Minute

// play makes a topic, puts it under load, has the faults happen, heals all, and holds that records are acknowledged
// again within a minute (I13), that all replicas are in sync again, and that the history keeps the promise. Each fault
// that is wanted must have been seen to happen.
func (s *stage) play(name string, partitions int, faults func(*scene), want ...Fault) {
	s.t.Helper()
	s.act(name, scale{partitions: partitions, rate: 300}, faults, want)
}

// playSmall is play with few records in each partition, so that the history is held against a log, too, on which each
// operation took place at one moment: of reads it asks that whoever asks for the end is told of all that was
// acknowledged before, also by a leader that another has followed.
func (s *stage) playSmall(name string, partitions int, faults func(*scene), want ...Fault) {
	s.t.Helper()
	s.act(name, scale{partitions: partitions, rate: 40, linear: true}, faults, want)
}

// scale is how much a case has of what.
type scale struct {
	partitions, rate int
	linear           bool // it is little enough for history.CheckLinear
}

func (s *stage) act(name string, size scale, faults func(*scene), want []Fault) {
	s.t.Helper()
	if s.t.Failed() {
		return // the cluster may be in any state
	}
	s.t.Run(name, func(t *testing.T) {
		c := &scene{stage: s, t: t, ctx: within(t, caseLimit), name: name, linear: size.linear}
		c.topic = strings.ToLower(strings.Map(func(r rune) rune {
			if r == ' ' || r == ',' {
				return '-'
			}
			return r
		}, name))
		c.create(c.topic, size.partitions)
		var err error
		c.load, err = history.StartLoad(c.ctx, history.LoadOptions{
			Servers: s.Servers(), Topic: c.topic, Producers: 3, Readers: 2, Rate: size.rate,
		})
		require.NoError(t, err)
		running := true
		defer func() { // a case that failed leaves no load behind
			if running {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				h, _ := c.load.Stop(ctx)
				c.keep(h)
			}
		}()
		c.awaitAcks("before any fault")
		before := s.Fired()
		faults(c)
		fired := s.Fired()
		for _, f := range want {
			require.Greater(t, fired[f], before[f], "the fault %q was intended and has not happened", f)
		}
		c.note("heal")
		healed := within(t, patience)
		require.NoError(t, s.Heal(healed))
		require.NoError(t, c.moreAcks(healed), "no progress within a minute after everything is healed")
		c.awaitInSync(c.topic, len(s.Brokers))
		running = false
		c.check()
	})
}

// check ends the load, checks the history, and takes down what is committed, for the comparison of the stores.
func (c *scene) check() {
	c.t.Helper()
	h, err := c.load.Stop(c.ctx)
	require.NoError(c.t, err)
	for _, f := range history.Check(h) {
		c.t.Error(f)
	}
	if c.linear {
		for _, f := range history.CheckLinear(h, history.Strict, patience) {
			c.t.Error(f)
		}
	}
	if c.t.Failed() {
		c.keep(h)
	}
	c.committed(c.topic)
	c.t.Logf("%d records acknowledged, %d events", c.load.Acked(), len(h.Events()))
}

// keep writes the history of a case that failed beside the brokers' logs.
func (c *scene) keep(h *history.History) {
	c.t.Helper()
	path := filepath.Join(c.cfg.Dir, c.topic+".history.jsonl")
	f, err := os.Create(path)
	require.NoError(c.t, err)
	require.NoError(c.t, errors.Join(h.Write(f), f.Close()))
	c.t.Log("the history:", path)
}

// committed takes down up to where the partitions of a topic are committed, for the comparison of the stores.
func (c *scene) committed(topic string) {
	c.t.Helper()
	d, err := c.Brokers[0].Topic(c.ctx, topic)
	require.NoError(c.t, err)
	for _, p := range d.Partitions {
		own, err := c.Broker(p.Leader).Partition(c.ctx, topic, int(p.Index))
		require.NoError(c.t, err)
		c.logs = append(c.logs, history.ReplicaLog{
			Log: kv.Partition{Topic: d.ID, Index: p.Index}, Brokers: p.Replicas, End: own.HighWatermark,
		})
	}
}

// admin returns a client of all brokers.
func (c *scene) admin() *client.Admin { return client.NewAdmin(c.connect(c.Servers()...)) }

func (c *scene) connect(servers ...string) *client.Client {
	c.t.Helper()
	cl, err := client.Connect(c.ctx, servers, client.Options{DialTimeout: time.Second})
	require.NoError(c.t, err)
	c.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nothing of it is awaited
		_ = cl.Close(ctx)
	})
	return cl
}

// create makes a topic with a replica on each broker that runs, and waits until all are in sync.
func (c *scene) create(topic string, partitions int) {
	c.t.Helper()
	replicas := 0
	for _, b := range c.Brokers {
		if b.Running() {
			replicas++
		}
	}
	made, err := c.admin().CreateTopics(c.ctx, []wire.NewTopic{{
		Name: topic, Partitions: int32(partitions), Replicas: int32(replicas),
	}}, client.Apply)
	require.NoError(c.t, err)
	require.Nil(c.t, made[0].Error)
	c.awaitInSync(topic, replicas)
}

// note puts a fault into the log of the test and into the history.
func (c *scene) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.t.Log(text)
	if c.load != nil {
		c.load.Note(text)
	}
}

// await waits until a condition holds; an error says what does not hold yet.
func (c *scene) await(what string, try func(context.Context) error) {
	c.t.Helper()
	require.NoError(c.t, Await(within(c.t, patience), try), what)
}

// awaitAcks waits until more records are acknowledged.
func (c *scene) awaitAcks(when string) {
	c.t.Helper()
	require.NoError(c.t, c.moreAcks(within(c.t, patience)), when)
}

func (c *scene) moreAcks(ctx context.Context) error {
	goal := c.load.Acked() + 100
	return Await(ctx, func(context.Context) error {
		if n := c.load.Acked(); n < goal {
			return fmt.Errorf("%d records are acknowledged, and %d should be", n, goal)
		}
		return nil
	})
}

// awaitInSync waits until each broker that runs knows a leader for each partition, and that many replicas in sync.
func (c *scene) awaitInSync(topic string, replicas int) {
	c.t.Helper()
	for _, b := range c.Brokers {
		if !b.Running() {
			continue
		}
		c.await("replicas in sync", func(ctx context.Context) error {
			d, err := b.Topic(ctx, topic)
			if err != nil {
				return err
			}
			for _, p := range d.Partitions {
				if p.Leader < 0 || len(p.ISR) != replicas {
					return fmt.Errorf("broker %d knows partition %d to have leader %d and ISR %v of %d", b.ID, p.Index, p.Leader,
						p.ISR, replicas)
				}
			}
			return nil
		})
	}
}

// leads returns who leads a partition of the topic, and in which epoch, as one broker knows it.
func (c *scene) leads(ask *Broker, partition int) (leader *Broker, epoch int32) {
	c.t.Helper()
	c.await("a leader", func(ctx context.Context) (err error) {
		leader, epoch, err = c.Leader(ctx, ask, c.topic, partition)
		return err
	})
	return leader, epoch
}

// awaitNewEpoch waits until a broker knows a leader of a later epoch, and returns it.
func (c *scene) awaitNewEpoch(ask *Broker, partition int, than int32) (leader *Broker, epoch int32) {
	c.t.Helper()
	c.await("a later leader epoch", func(ctx context.Context) (err error) {
		if leader, epoch, err = c.Leader(ctx, ask, c.topic, partition); err == nil && epoch <= than {
			err = fmt.Errorf("broker %d knows the leader %d of epoch %d", ask.ID, leader.ID, epoch)
		}
		return err
	})
	return leader, epoch
}

// awaitISR waits until a broker knows exactly these to be in sync.
func (c *scene) awaitISR(ask *Broker, partition int, members ...*Broker) {
	c.t.Helper()
	var want []int32
	for _, b := range members {
		want = append(want, b.ID)
	}
	slices.Sort(want)
	c.await(fmt.Sprintf("ISR %v", want), func(ctx context.Context) error {
		p, err := ask.Partition(ctx, c.topic, partition)
		if err != nil {
			return err
		}
		if got := slices.Sorted(slices.Values(p.ISR)); !slices.Equal(got, want) {
			return fmt.Errorf("broker %d knows the leader %d and the ISR %v", ask.ID, p.Leader, got)
		}
		return nil
	})
}

// controller returns who controls the cluster, as a broker knows it.
func (c *scene) controller(ask *Broker) (controller *Broker) {
	c.t.Helper()
	c.await("a controller", func(ctx context.Context) error {
		d, err := ask.DescribeCluster(ctx)
		if err == nil && d.Controller < 0 {
			err = errors.New("there is none")
		}
		if err == nil {
			controller = c.Broker(d.Controller)
		}
		return err
	})
	return controller
}

// topicID returns the id of a topic, as a broker knows it.
func (c *scene) topicID(ask *Broker, topic string) uint64 {
	c.t.Helper()
	d, err := ask.Topic(c.ctx, topic)
	require.NoError(c.t, err)
	return d.ID
}

// readAll reads that many records of a topic from its start, and holds that there are no more.
func (c *scene) readAll(topic string, n int) (values []string) {
	c.t.Helper()
	cl := c.connect(c.Servers()...)
	ends, err := client.NewAdmin(cl).ListOffsets(c.ctx, topic, client.OffsetEnd)
	require.NoError(c.t, err)
	total := int64(0)
	for _, e := range ends {
		require.Nil(c.t, e.Error)
		total += e.Offset
	}
	require.EqualValues(c.t, n, total)
	r, err := client.NewConsumer(cl, client.ConsumerOptions{})
	require.NoError(c.t, err)
	require.NoError(c.t, r.Assign(c.ctx, topic, client.AtStart()))
	for len(values) < n {
		records, err := r.Poll(c.ctx)
		require.NoError(c.t, err)
		for _, one := range records {
			values = append(values, string(one.Value))
		}
	}
	return values
}

// must holds that something was done to the cluster.
func (c *scene) must(err error) {
	c.t.Helper()
	require.NoError(c.t, err)
}

// hosts returns those of brokers.
func hosts(brokers ...*Broker) (list []*Host) {
	for _, b := range brokers {
		list = append(list, b.Host)
	}
	return list
}

// orders are all orders of brokers.
func orders(brokers []*Broker) (all [][]*Broker) {
	if len(brokers) < 2 {
		return [][]*Broker{slices.Clone(brokers)}
	}
	for i, first := range brokers {
		rest := slices.Delete(slices.Clone(brokers), i, i+1)
		for _, o := range orders(rest) {
			all = append(all, append([]*Broker{first}, o...))
		}
	}
	return all
}

// lastLine is the last one of a text.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
