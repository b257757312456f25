package broker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// atOnce has the first members of a classic group wait for nobody.
func atOnce(c *Config) { c.Groups.InitialRebalanceDelay = -1 }

// kafkaMember is a consumer of franz-go's in the group "g" on topic "demo", which polls until it is stopped.
type kafkaMember struct {
	*kgo.Client
	t    testing.TB
	stop context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	owned []int32
	seen  map[string]int
}

func startKafkaMember(t testing.TB, n *node, opts ...kgo.Opt) *kafkaMember {
	t.Helper()
	m := &kafkaMember{t: t, done: make(chan struct{}), seen: make(map[string]int)}
	m.Client = kafkaClient(t, n, append([]kgo.Opt{
		kgo.ConsumerGroup("g"), kgo.ConsumeTopics("demo"), kgo.HeartbeatInterval(50 * time.Millisecond),
		kgo.FetchMaxWait(100 * time.Millisecond), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			m.own(func(owned []int32) []int32 { return append(owned, parts["demo"]...) })
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.lose(parts["demo"]) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.lose(parts["demo"]) }),
	}, opts...)...)
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	t.Cleanup(m.stop)
	go m.run(ctx)
	return m
}

func (m *kafkaMember) own(change func([]int32) []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owned = change(m.owned)
	slices.Sort(m.owned)
}

func (m *kafkaMember) lose(parts []int32) {
	m.own(func(owned []int32) []int32 {
		return slices.DeleteFunc(owned, func(p int32) bool { return slices.Contains(parts, p) })
	})
}

// run polls, and commits what it has seen.
func (m *kafkaMember) run(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		fetches := m.PollFetches(ctx)
		m.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) { m.seen[string(r.Value)]++ })
		m.mu.Unlock()
		if fetches.NumRecords() > 0 {
			_ = m.CommitRecords(ctx, fetches.Records()...) // one that a rebalance refuses is read again
		}
	}
}

// leave stops the consumer, which ends its membership unless it is a static one; it returns when the group knows.
func (m *kafkaMember) leave() {
	m.stop()
	<-m.done
	m.Close()
}

func (m *kafkaMember) partitions() []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.owned)
}

// eventually waits for a condition, as long as a slow machine may take.
func eventually(t testing.TB, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, time.Minute, 5*time.Millisecond)
}

// numberedRecords are records i to j-1 of "demo", over all partitions.
func numberedRecords(i, j, partitions int) (list []*kgo.Record) {
	for ; i < j; i++ {
		list = append(list, &kgo.Record{Topic: "demo", Partition: int32(i % partitions), Value: fmt.Append(nil, i)})
	}
	return list
}

// Consumers of Kafka's share the partitions of a topic, with each of the usual assignors, eager and cooperative: each
// partition is with one of them, one that comes gets its share, what one that goes had goes to the others, and they go
// on where it had committed.
func TestKafkaGroupAssignors(t *testing.T) {
	for _, balancer := range []kgo.GroupBalancer{
		kgo.RangeBalancer(), kgo.RoundRobinBalancer(), kgo.StickyBalancer(), kgo.CooperativeStickyBalancer(),
	} {
		t.Run(balancer.ProtocolName(), func(t *testing.T) {
			t.Parallel()
			const partitions = 6
			n := startNode(t, onKafka, atOnce)
			n.create("demo", partitions)
			producer := kafkaClient(t, n, kgo.RecordPartitioner(kgo.ManualPartitioner()))
			kafkaSend(t, producer, numberedRecords(0, 60, partitions)...)
			a := startKafkaMember(t, n, kgo.Balancers(balancer))
			eventually(t, func() bool { return len(a.partitions()) == partitions })
			b := startKafkaMember(t, n, kgo.Balancers(balancer))
			eventually(t, func() bool { return len(a.partitions()) == 3 && len(b.partitions()) == 3 })
			all := append(a.partitions(), b.partitions()...)
			slices.Sort(all)
			require.Equal(t, []int32{0, 1, 2, 3, 4, 5}, all)
			kafkaSend(t, producer, numberedRecords(60, 120, partitions)...)
			eventually(t, func() bool { return sawAll(120, a, b) })
			d := n.describe("g")
			require.Equal(t, "stable", d.State)
			require.Equal(t, balancer.ProtocolName(), d.Assignor)
			require.Len(t, d.Members, 2)
			for _, m := range d.Members {
				require.Equal(t, []string{"demo"}, m.Topics)
				require.Len(t, m.Partitions, 3)
			}
			a.leave()
			eventually(t, func() bool { return len(b.partitions()) == partitions })
			kafkaSend(t, producer, numberedRecords(120, 180, partitions)...)
			eventually(t, func() bool { return sawAll(180, a, b) })
			eventually(t, func() bool {
				var sum int64
				for i := range int32(partitions) {
					sum += n.committed("g", d.Topics[0].ID, i)
				}
				return sum == 180
			})
			b.leave()
			c := startKafkaMember(t, n, kgo.Balancers(balancer))
			kafkaSend(t, producer, numberedRecords(180, 186, partitions)...)
			eventually(t, func() bool { return sawAll(186, a, b, c) })
			c.leave()
			require.Len(t, c.seen, 6) // and nothing that was committed
		})
	}
}

// sawAll tells whether the members saw all of the first n records.
func sawAll(n int, members ...*kafkaMember) bool {
	all := make(map[string]bool)
	for _, m := range members {
		m.mu.Lock()
		for v := range m.seen {
			all[v] = true
		}
		m.mu.Unlock()
	}
	return len(all) == n
}

// A static member that stops and starts again takes its place without a rebalance: the other one hears nothing.
func TestKafkaGroupStaticMember(t *testing.T) {
	n := startNode(t, onKafka, atOnce)
	n.create("demo", 4)
	a := startKafkaMember(t, n, kgo.InstanceID("a"))
	b := startKafkaMember(t, n, kgo.InstanceID("b"))
	eventually(t, func() bool { return len(a.partitions()) == 2 && len(b.partitions()) == 2 })
	_, generation := a.GroupMetadata()
	former, had := b.partitions(), b
	b.leave() // a static member says nothing of that to the group
	b = startKafkaMember(t, n, kgo.InstanceID("b"))
	eventually(t, func() bool { return len(b.partitions()) == 2 })
	require.Equal(t, former, b.partitions())
	id, again := b.GroupMetadata()
	require.Equal(t, generation, again)
	formerID, _ := had.GroupMetadata()
	require.NotEqual(t, formerID, id)
	// It stops for good: an operator removes it by its instance id.
	b.leave()
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group, leave.Version = "g", 5
	leave.Members = []kmsg.LeaveGroupRequestMember{{InstanceID: kmsg.StringPtr("b")}, {InstanceID: kmsg.StringPtr("x")}}
	resp := ask[*kmsg.LeaveGroupResponse](dialKafka(t, n), leave)
	require.Zero(t, resp.ErrorCode)
	require.Zero(t, resp.Members[0].ErrorCode)
	requireKafka(t, kerr.UnknownMemberID, resp.Members[1].ErrorCode)
	eventually(t, func() bool { return len(a.partitions()) == 4 })
	a.leave()
}

// A member whose process dies is one until its session ends; then the others share what it had.
func TestKafkaGroupSessionEnds(t *testing.T) {
	n := startNode(t, onKafka, atOnce)
	n.create("demo", 2)
	dead := &rawMember{rawKafka: dialKafka(t, n)}
	require.Zero(t, dead.join(9, func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 5000 }).ErrorCode)
	require.Zero(t, dead.sync(5, dead.id).ErrorCode)
	require.NoError(t, dead.Close())
	m := startKafkaMember(t, n, kgo.Balancers(kgo.RangeBalancer()))
	eventually(t, func() bool { return len(m.partitions()) == 2 })
	require.Equal(t, []string{"member timed out"}, reasons(n.describe("g"), "member timed out"))
	m.leave()
	require.Equal(t, "empty", n.describe("g").State)
}

// reasons are the reasons of a group's rebalances that are the one given.
func reasons(d wire.GroupDescription, want string) (list []string) {
	for _, r := range d.Rebalances {
		if r.Reason == want {
			list = append(list, r.Reason)
		}
	}
	return list
}

// A broker that is stopped tells those that wait for others that the group is elsewhere. Started again it knows the
// members of a group that was stable, in their generation.
func TestKafkaGroupRestart(t *testing.T) {
	dir := t.TempDir()
	inDir := func(c *Config) { c.DataDir = dir }
	n := startNode(t, onKafka, atOnce, inDir)
	n.create("demo", 2)
	m := &rawMember{rawKafka: dialKafka(t, n)}
	require.Zero(t, m.join(9, nil).ErrorCode)
	require.Zero(t, m.sync(5, m.id).ErrorCode)
	require.Nil(t, m.commit(8, 5))
	waiting := &rawMember{rawKafka: dialKafka(t, n)}
	answer := make(chan *kmsg.JoinGroupResponse)
	go func() { answer <- waiting.join(3, nil) }() // it waits for m
	eventually(t, func() bool { return n.describe("g").State == "preparing" })
	n.stopNode()
	requireKafka(t, kerr.NotCoordinator, (<-answer).ErrorCode)

	n = startNode(t, onKafka, atOnce, inDir)
	m.rawKafka = dialKafka(t, n)
	// The rebalance that waiting began goes on, without it.
	require.Equal(t, kerr.RebalanceInProgress, m.beat(4))
	require.Nil(t, m.commit(8, 6))
	before := m.generation
	require.Zero(t, m.join(9, nil).ErrorCode)
	require.Greater(t, m.generation, before)
	require.Zero(t, m.sync(5, m.id).ErrorCode)
	n.stopNode()

	n = startNode(t, onKafka, atOnce, inDir)
	m.rawKafka = dialKafka(t, n)
	require.Nil(t, m.beat(4))
	require.Nil(t, m.commit(8, 7))
	require.NotEmpty(t, m.sync(5).MemberAssignment)
	offset, _ := fetchedOffset(m.rawKafka, 8)
	require.Equal(t, int64(7), offset)
}

// A group's members are of one kind: those of the other kind are refused, with an error that says so, until it is
// empty. What one kind has committed is where the other goes on.
func TestKafkaGroupChangesItsKind(t *testing.T) {
	n := startNode(t, onKafka, atOnce)
	id := n.create("demo", 1)
	n.append(id, 0, "0", "1", "2", "3")
	k := startKafkaMember(t, n)
	eventually(t, func() bool { return sawAll(4, k) && n.committed("g", id, 0) == 4 })
	native := n.consumer("g", "n")
	err := native.join("demo")
	require.Equal(t, wire.CodeInconsistentProtocol, codeOf(err))
	require.ErrorContains(t, err, "Kafka's classic consumers")
	require.Equal(t, wire.CodeUnknownMember, codeOf(n.commit("g", nil, id, 0, 1)))
	k.leave()
	require.Equal(t, int64(4), n.committed("g", id, 0))

	native.mustJoin("demo")
	settleGroup(t, native)
	require.Equal(t, []int32{0}, native.partitions())
	n.append(id, 0, "4", "5")
	require.Nil(t, n.commit("g", native, id, 0, 6))
	raw := &rawMember{rawKafka: dialKafka(t, n)}
	requireKafka(t, kerr.InconsistentGroupProtocol, raw.join(9, nil).ErrorCode)
	raw.id, raw.generation = "", -1
	require.Equal(t, kerr.UnknownMemberID, raw.commit(8, 0))
	require.NoError(t, native.beat(func(r *wire.GroupHeartbeatRequest) { r.MemberEpoch = -1 }))

	k = startKafkaMember(t, n)
	n.append(id, 0, "6")
	eventually(t, func() bool { return n.committed("g", id, 0) == 7 })
	k.leave()
	require.Equal(t, map[string]int{"6": 1}, k.seen)
}

// A client that goes away while it waits takes nobody down; its member is one until its session ends.
func TestKafkaGroupWaiterGoes(t *testing.T) {
	n := startNode(t, onKafka, atOnce)
	n.create("demo", 2)
	m := &rawMember{rawKafka: dialKafka(t, n)}
	require.Zero(t, m.join(9, nil).ErrorCode)
	require.Zero(t, m.sync(5, m.id).ErrorCode)
	gone := dialKafka(t, n)
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.SessionTimeoutMillis, req.ProtocolType = "g", 1000, "consumer"
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
	gone.send(req)
	eventually(t, func() bool { return n.describe("g").State == "preparing" })
	require.NoError(t, gone.Close())
	require.Len(t, m.join(9, nil).Members, 2)
	require.Zero(t, m.sync(5, m.id).ErrorCode)
	eventually(t, func() bool { return m.beat(4) == kerr.RebalanceInProgress })
	require.Len(t, m.join(9, nil).Members, 1)
}

// While the metadata store refuses writes nothing of a generation is promised: who waits is told to look for the
// coordinator again, and finds the group as it was.
func TestKafkaGroupWhileTheStoreIsAway(t *testing.T) {
	n, store := startFaulty(t, onKafka, atOnce)
	n.create("demo", 2)
	m := &rawMember{rawKafka: dialKafka(t, n)}
	require.Zero(t, m.join(9, nil).ErrorCode)
	require.Zero(t, m.sync(5, m.id).ErrorCode)
	id, generation := m.id, m.generation
	store.fail(func([]metadata.Op) (bool, error) { return false, metadata.ErrUnavailable })
	requireKafka(t, kerr.CoordinatorNotAvailable, m.join(9, nil).ErrorCode)
	store.fail(nil)
	m.id, m.generation = id, generation
	require.Nil(t, m.beat(4))
	require.NotEmpty(t, m.sync(5).MemberAssignment)
	// If the outcome is unknown, what is stored decides.
	store.fail(func([]metadata.Op) (bool, error) { store.fail(nil); return true, metadata.ErrUnknown })
	requireKafka(t, kerr.CoordinatorNotAvailable, m.join(9, nil).ErrorCode)
	m.id, m.generation = id, generation
	require.Zero(t, m.join(9, nil).ErrorCode)
	require.Greater(t, m.generation, generation)
}
