package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
)

// withKafka gives a broker a listener for Kafka's clients, and has it ask members of groups to be heard of often: those
// of Kafka's learn of news with their heartbeats alone.
func withKafka(c *broker.Config) {
	c.Kafka.Listen = "127.0.0.1:0"
	c.Groups.HeartbeatInterval = 50 * time.Millisecond
}

func (s *server) kafkaAddress() string { return s.broker.KafkaAddr().String() }

// kafkaMember is franz-go's consumer as a member of a group whose partitions the broker assigns (KIP-848). It consumes
// in a goroutine, marks each record, commits what it has marked before it lets go, and takes note of what it has.
type kafkaMember struct {
	*kgo.Client
	t    testing.TB
	name string
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	has    []client.TopicPartition
	events []string      // of hooks, in words
	change chan struct{} // closed, and made anew, with each event
}

// startKafkaMember has a member of group g join that consumes demo, unless opts say otherwise; each of its records goes
// to handle.
func startKafkaMember(t testing.TB, address, name string, handle func(client.Record), opts ...kgo.Opt) *kafkaMember {
	t.Helper()
	m := &kafkaMember{t: t, name: name, done: make(chan struct{}), change: make(chan struct{})}
	revoked := func(ctx context.Context, c *kgo.Client, parts map[string][]int32) {
		if err := c.CommitMarkedOffsets(ctx); err != nil {
			t.Errorf("%s: commit of what it lets go: %v", name, err)
		}
		m.happened("revoked", parts, false)
	}
	base := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(address, ",")...), kgo.ConsumerGroup("g"), kgo.ServerSideBalancer(), kgo.ClientID(name),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			m.happened("assigned", parts, true)
		}),
		kgo.OnPartitionsRevoked(revoked),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			m.happened("lost", parts, false)
		}),
		kgo.BlockRebalanceOnPoll(), kgo.AutoCommitMarks(), kgo.AutoCommitInterval(100 * time.Millisecond),
		kgo.FetchMaxWait(100 * time.Millisecond), kgo.MetadataMinAge(50 * time.Millisecond),
	}
	if len(opts) == 0 {
		opts = []kgo.Opt{kgo.ConsumeTopics("demo")}
	}
	c, err := kgo.NewClient(append(base, opts...)...)
	require.NoError(t, err)
	m.Client = c
	ctx, stop := context.WithCancel(t.Context())
	m.stop = sync.OnceFunc(func() {
		stop()
		<-m.done
		c.CloseAllowingRebalance()
	})
	go m.consume(ctx, handle)
	t.Cleanup(m.stop)
	return m
}

func (m *kafkaMember) consume(ctx context.Context, handle func(client.Record)) {
	defer close(m.done)
	for ctx.Err() == nil {
		m.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			handle(client.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})
			m.MarkCommitRecords(r)
		})
		m.AllowRebalance()
	}
}

// happened takes note of a hook.
func (m *kafkaMember) happened(what string, parts map[string][]int32, gains bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for topic, list := range parts {
		n += len(list)
		for _, index := range list {
			p := client.TopicPartition{Topic: topic, Partition: index}
			if m.has = slices.DeleteFunc(m.has, func(q client.TopicPartition) bool { return q == p }); gains {
				m.has = append(m.has, p)
			}
		}
	}
	m.events = append(m.events, fmt.Sprintf("%s %d", what, n))
	close(m.change)
	m.change = make(chan struct{})
}

// close leaves the group; a static member stops.
func (m *kafkaMember) close() { m.stop() }

// await waits for a number of partitions.
func (m *kafkaMember) await(partitions int) {
	m.t.Helper()
	m.until(fmt.Sprintf("%d partitions", partitions), func() bool { return len(m.has) == partitions })
}

func (m *kafkaMember) until(what string, done func() bool) {
	m.t.Helper()
	for ctx := testContext(m.t); ; {
		m.mu.Lock()
		ok, change, events := done(), m.change, slices.Clone(m.events)
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-ctx.Done():
			require.Failf(m.t, "waited too long", "%s: for %s; %v", m.name, what, events)
		}
	}
}

// partitions returns what it has.
func (m *kafkaMember) partitions() []client.TopicPartition {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.has)
}

// Members that speak Kafka's protocol and members that speak the native one share a group: the broker assigns to all of
// them. Partitions go from one to the other and back under load, and nothing is passed over or comes twice, for each
// begins where the other has committed.
func TestKafkaAndNativeMembersShareAGroup(t *testing.T) {
	s := startServer(t, withKafka)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 6)
	all := newSeen(t)
	native := func(name string) *worker {
		return startWorker(t, c, name, client.GroupOptions{}, func(r client.Record) { all.add(name, r) })
	}
	kafka := func(name string) *kafkaMember {
		return startKafkaMember(t, s.kafkaAddress(), name, func(r client.Record) { all.add(name, r) })
	}
	more := func(name string) {
		all.until(testContext(t), "records of "+name, func() bool { return all.by[name] > 100 })
	}
	stopLoad := load(t, c)

	a := native("native a")
	a.await(6)
	more("native a")
	k := kafka("kafka k")
	a.await(3)
	k.await(3)
	more("kafka k")
	b := native("native b")
	a.await(2)
	k.await(2)
	b.await(2)
	more("native b")
	k.close()
	a.await(3)
	b.await(3)
	l := kafka("kafka l")
	l.await(2)
	more("kafka l")
	a.close()
	b.close()
	l.await(6)

	n := stopLoad()
	all.await(testContext(t), n)
	require.Zero(t, all.again())
	l.close()
	offsets, err := c.FetchOffsets(testContext(t), "g", "demo")
	require.NoError(t, err)
	require.EqualValues(t, n, sum(offsets), "all is committed, by whomever")
}

// A static member that restarts gets its partitions back, and nobody else moves; another one with its instance id is
// refused while it is there.
func TestKafkaStaticMemberRestarts(t *testing.T) {
	s := startServer(t, withKafka)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 4)
	static := []kgo.Opt{kgo.ConsumeTopics("demo"), kgo.InstanceID("i1")}
	a := startKafkaMember(t, s.kafkaAddress(), "a", ignore, static...)
	b := startWorker(t, c, "b", client.GroupOptions{}, ignore)
	a.await(2)
	b.await(2)
	before, held := b.happenedNow(), a.partitions()
	_, err := client.JoinGroup(inHaste(t), c, "g", []string{"demo"}, client.GroupOptions{InstanceID: "i1"})
	require.ErrorIs(t, err, client.ErrInstanceInUse)
	a.close()
	again := startKafkaMember(t, s.kafkaAddress(), "a again", ignore, static...)
	again.await(2)
	require.ElementsMatch(t, held, again.partitions())
	require.Equal(t, before, b.happenedNow())
	again.close()

	// A native one may take the place, too.
	w := startWorker(t, c, "w", client.GroupOptions{InstanceID: "i1"}, ignore)
	w.await(2)
	require.Equal(t, before, b.happenedNow())
}

// inHaste ends soon: what it is for does not succeed before.
func inHaste(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(testContext(t), haste)
	t.Cleanup(cancel)
	return ctx
}

// cable is the network of one client: it can be cut.
type cable struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (c *cable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return nil, errors.New("the cable is cut")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	c.conns = append(c.conns, conn)
	return conn, err
}

func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut = cut; cut {
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.conns = nil
	}
}

// H12: a member that is cut off is one no more when its session is over; others get its partitions, and what it commits
// is refused. When it is back it joins again, and nothing was passed over.
func TestH12KafkaMemberCutOff(t *testing.T) {
	s := startServer(t, func(c *broker.Config) {
		shortSessions(c)
		c.Kafka.Listen = "127.0.0.1:0"
	})
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 4)
	all, line := newSeen(t), &cable{}
	a := startKafkaMember(t, s.kafkaAddress(), "a", func(r client.Record) { all.add("a", r) },
		kgo.ConsumeTopics("demo"), kgo.Dialer(line.dial), kgo.RetryBackoffFn(func(int) time.Duration { return haste / 10 }))
	a.await(4)
	stopLoad := load(t, c)
	all.await(testContext(t), 500)
	id, epoch := a.GroupMetadata()
	line.set(true)
	b := startWorker(t, c, "b", client.GroupOptions{}, func(r client.Record) { all.add("b", r) })
	b.await(4)

	late := kmsg.NewPtrOffsetCommitRequest()
	late.Group, late.MemberID, late.Generation = "g", id, epoch
	late.Topics = []kmsg.OffsetCommitRequestTopic{
		{Topic: "demo", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 0, LeaderEpoch: -1}}},
	}
	other, err := kgo.NewClient(kgo.SeedBrokers(s.kafkaAddress()))
	require.NoError(t, err)
	defer other.Close()
	refused, err := late.RequestWith(testContext(t), other)
	require.NoError(t, err)
	require.Equal(t, kerr.UnknownMemberID.Code, refused.Topics[0].Partitions[0].ErrorCode)

	line.set(false)
	a.until("its return", func() bool { return slices.Contains(a.events, "lost 4") && len(a.has) == 2 })
	b.await(2)
	n := stopLoad()
	all.await(testContext(t), n)
}

// The broker finds the topics of a pattern, also those that are made later.
func TestKafkaMemberSubscribesByPattern(t *testing.T) {
	s := startServer(t, withKafka)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "orders-eu", 2)
	create(t, c, "other", 2)
	m := startKafkaMember(t, s.kafkaAddress(), "m", ignore, kgo.ConsumeRegex(), kgo.ConsumeTopics("^orders-"))
	m.await(2)
	create(t, c, "orders-us", 1)
	m.await(3)
	want := []client.TopicPartition{
		{Topic: "orders-eu", Partition: 0}, {Topic: "orders-eu", Partition: 1}, {Topic: "orders-us", Partition: 0},
	}
	require.ElementsMatch(t, want, m.partitions())
	d, err := client.NewAdmin(c).DescribeGroup(testContext(t), "g")
	require.NoError(t, err)
	require.NotEmpty(t, d.Members[0].Regex)
	require.Empty(t, d.Members[0].Topics)
}

// H14: the coordinator of a group is killed under load, and comes back. Members of both protocols go on at another
// broker as what they are: nobody loses a partition, each record comes in the order of its partition, and all is
// committed.
func TestH14KafkaMemberCoordinatorKilled(t *testing.T) {
	brokers := startProcesses(t, 3)
	var addresses []string
	for _, b := range brokers {
		addresses = append(addresses, b.kafka)
	}
	cl := connectAll(t, brokers)
	createReplicated(t, cl, "demo", 6, 3)
	all := newSeen(t)
	k := startKafkaMember(t, strings.Join(addresses, ","), "kafka", func(r client.Record) { all.add("kafka", r) })
	k.await(6)
	w := startWorker(t, cl, "native", client.GroupOptions{}, func(r client.Record) { all.add("native", r) })
	w.await(3)
	k.await(3)
	id, _ := k.GroupMetadata()
	stopLoad := load(t, cl)
	for range 2 {
		victim := coordinatorOf(t, cl, "g")
		brokers[victim].kill()
		require.Eventually(t, func() bool {
			d, err := client.NewAdmin(cl).DescribeGroup(testContext(t), "g")
			return err == nil && int(d.Coordinator) != victim+1
		}, patience, 5*time.Millisecond)
		before := all.count()
		all.until(testContext(t), "500 records more", func() bool { return len(all.times) >= before+500 })
		brokers[victim].start()
		awaitInSync(t, cl, "demo", 3)
	}
	n := stopLoad()
	all.await(testContext(t), n)
	now, _ := k.GroupMetadata()
	require.Equal(t, id, now, "it was a member all the time")
	k.close()
	w.await(6)
	require.NotContains(t, strings.Join(k.events, " "), "lost")
	w.close()
	offsets, err := cl.FetchOffsets(testContext(t), "g", "demo")
	require.NoError(t, err)
	require.EqualValues(t, n, sum(offsets), "all is committed, by whomever")
}
