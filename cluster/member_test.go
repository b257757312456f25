package cluster

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/local"
	"github.com/skidway/skidway/replication"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; it decides nothing but when a hang is called one.
const patience = 30 * time.Second

// world is a metadata store with a member of a cluster that runs on it. Other brokers are their registrations.
type world struct {
	t     *testing.T
	kv    *kv.Store
	store *local.Store
	m     *Member
	stop  func()
}

func newWorld(t *testing.T) *world {
	s, err := kv.Open(kv.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	store, err := local.New(s)
	require.NoError(t, err)
	_, err = metadata.Bootstrap(t.Context(), store, "c")
	require.NoError(t, err)
	require.NoError(t, Bootstrap(t.Context(), store))
	w := &world{t: t, kv: s, store: store}
	w.m = New(store, s, Options{
		Self: replication.Member{Broker: 1, Storage: 11}, Client: "one:1", Peer: "one:2",
		Logger: slog.New(slog.DiscardHandler), Defaults: metadata.DefaultSettings(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.m.Run(ctx) }()
	w.stop = func() {
		cancel()
		require.NoError(t, <-ended)
		ended <- nil
	}
	t.Cleanup(func() { w.stop(); require.NoError(t, s.Close()) })
	return w
}

// register puts another broker's registration there.
func (w *world) register(broker int32) Registration {
	w.t.Helper()
	member := replication.Member{Broker: broker, Storage: uint64(broker) * 11}
	r := Registration{Member: member, Epoch: 1, Client: "other:1"}
	ctx := w.t.Context()
	node, err := w.store.Get(ctx, epochPath(broker))
	if err != nil {
		require.NoError(w.t, w.store.Multi(ctx, metadata.Create(epochPath(broker), nil)))
	}
	r.Epoch = node.Version + 1
	require.NoError(w.t, w.store.Multi(ctx, metadata.Set(epochPath(broker), encodeClaim(kv.Claim{}), node.Version),
		metadata.CreateEphemeral(registrationPath(broker), r.encode())))
	return r
}

func (w *world) unregister(broker int32) {
	w.t.Helper()
	require.NoError(w.t, w.store.Multi(w.t.Context(), metadata.Delete(registrationPath(broker), metadata.AnyVersion)))
}

func (w *world) createTopic(name string, partitions, replicas int32) uint64 {
	w.t.Helper()
	made := metadata.CreateTopics(w.t.Context(), w.store,
		[]metadata.NewTopic{{Name: name, Partitions: partitions, Replicas: replicas}},
		metadata.CreateOptions{Now: 1, MaxPartitions: 1000})
	require.NoError(w.t, made[0].Err)
	return made[0].Topic.ID
}

// await waits until the condition holds for each partition of the topic.
func (w *world) await(topic uint64, partitions int32, holds func(replication.State) bool) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		for i := range partitions {
			node, err := w.store.Get(w.t.Context(), PartitionID{topic, i}.path())
			if err != nil {
				return false
			}
			s, err := replication.DecodeState(node.Data)
			require.NoError(w.t, err)
			if !holds(s) {
				return false
			}
		}
		return true
	}, patience, time.Millisecond)
}

// A controller makes the partitions of a topic, spreads their leaders, moves those of a broker that went, and makes and
// removes what topics call for.
func TestController(t *testing.T) {
	w := newWorld(t)
	w.register(2)
	w.register(3)
	require.Eventually(t, func() bool { return len(w.m.Brokers()) == 3 }, patience, time.Millisecond)
	id := w.createTopic("demo", 6, 3)
	leaders := make(map[int32]int)
	w.await(id, 6, func(s replication.State) bool { return s.Leader > 0 && len(s.ISR) == 3 && s.MinISR == 2 })
	for i := range int32(6) {
		var p Partition
		require.Eventually(t, func() bool { // the member sees what it wrote a moment after the store has it
			var there bool
			p, there = w.m.Partition(PartitionID{id, i})
			return there
		}, patience, time.Millisecond)
		leaders[p.State.Leader]++
	}
	require.Equal(t, map[int32]int{1: 2, 2: 2, 3: 2}, leaders)

	w.unregister(2)
	w.await(id, 6, func(s replication.State) bool { return s.Leader != 2 && s.Leader > 0 && len(s.ISR) == 2 })

	w.register(2)
	_, err := metadata.AddPartitions(t.Context(), w.store, "demo", 8, 100)
	require.NoError(t, err)
	w.await(id, 8, func(s replication.State) bool { return s.Leader > 0 })

	deleted := metadata.DeleteTopics(t.Context(), w.store, []string{"demo"}, 1)
	require.NoError(t, deleted[0].Err)
	require.Eventually(t, func() bool {
		names, err := w.store.Children(t.Context(), partitionsPath)
		_, gone := metadata.GetTopic(t.Context(), w.store, "demo")
		return err == nil && len(names) == 0 && gone != nil
	}, patience, time.Millisecond)
}

// What a member learns it tells, once.
func TestNews(t *testing.T) {
	w := newWorld(t)
	seen := func(holds func(News) bool) {
		t.Helper()
		timeout := time.After(patience)
		for {
			select {
			case <-w.m.Ready():
				if holds(w.m.Take()) {
					return
				}
			case <-timeout:
				require.Fail(t, "no news of it")
			}
		}
	}
	seen(func(n News) bool { return n.Epoch >= 0 && n.Topics && n.Brokers })
	id := w.createTopic("demo", 1, 1)
	seen(func(n News) bool { return n.Topics })
	p, there := w.m.Partition(PartitionID{id, 0})
	if !there || p.State.Leader < 0 {
		seen(func(n News) bool { return slices.Contains(n.Partitions, PartitionID{id, 0}) })
	}
	w.stop()
	seen(func(n News) bool { return n.Epoch == Fenced })
}

// A registration that somebody removed is noticed, and made again in another epoch.
func TestRegistersAgain(t *testing.T) {
	w := newWorld(t)
	require.Eventually(t, func() bool { _, ok := w.m.Broker(1); return ok }, patience, time.Millisecond)
	first, _ := w.m.Broker(1)
	w.unregister(1)
	require.Eventually(t, func() bool {
		again, ok := w.m.Broker(1)
		return ok && again.Epoch > first.Epoch
	}, patience, time.Millisecond)
}

// Outcomes of a leader's writes.
func TestWrite(t *testing.T) {
	w := newWorld(t)
	id := PartitionID{w.createTopic("demo", 1, 1), 0}
	w.await(id.Topic, 1, func(s replication.State) bool { return s.Leader == 1 })
	require.Eventually(t, func() bool { _, ok := w.m.Partition(id); return ok }, patience, time.Millisecond)
	other := w.register(2)
	require.Eventually(t, func() bool { _, ok := w.m.Broker(2); return ok }, patience, time.Millisecond)
	own, _ := w.m.Broker(1)
	p, _ := w.m.Partition(id)
	write := func(version int32, checks ...replication.Check) replication.Outcome {
		return w.m.Write(t.Context(), id, own.Epoch, replication.WriteState{State: p.State, Version: version, Checks: checks})
	}
	require.Equal(t, replication.OutcomeBadVersion, write(p.Version+7))
	require.Equal(t, replication.OutcomeCheckFailed,
		write(p.Version, replication.Check{Broker: 2, BrokerEpoch: other.Epoch + 1}))
	require.Equal(t, replication.OutcomeCheckFailed, write(p.Version, replication.Check{Broker: 3, BrokerEpoch: 1}))
	require.Equal(t, replication.OutcomeFenced,
		w.m.Write(t.Context(), id, own.Epoch+1, replication.WriteState{State: p.State, Version: p.Version}))
	require.Equal(t, replication.OutcomeOK, write(p.Version, replication.Check{Broker: 2, BrokerEpoch: other.Epoch}))
	now, _ := w.m.Partition(id)
	require.Equal(t, p.Version+1, now.Version)
}

// A broker id that another store holds is refused, and nothing is changed.
func TestDuplicateBroker(t *testing.T) {
	w := newWorld(t)
	require.Eventually(t, func() bool { _, ok := w.m.Broker(1); return ok }, patience, time.Millisecond)
	first, _ := w.m.Broker(1)
	second := New(w.store, w.kv, Options{
		Self: replication.Member{Broker: 1, Storage: 99}, Client: "two:1", Logger: slog.New(slog.DiscardHandler),
		Defaults: metadata.DefaultSettings(), SessionTimeout: 500 * time.Millisecond,
	})
	err := second.Run(t.Context())
	var duplicate *DuplicateError
	require.ErrorAs(t, err, &duplicate)
	require.ErrorContains(t, err, "broker id 1 is in use by the broker at one:1")
	again, _ := w.m.Broker(1)
	require.Equal(t, first, again)
}

func TestCodecs(t *testing.T) {
	r := Registration{
		Member: replication.Member{Broker: 7, Storage: 1 << 63}, Epoch: 3, Client: "c:1", Peer: "p:1", Rack: "r",
		Draining: true, Kafka: "k:1",
	}
	got, err := decodeRegistration(metadata.Node{Data: r.encode()})
	require.NoError(t, err)
	require.Equal(t, r, got)
	// A broker of before Kafka's clients were served says nothing of them.
	r.Kafka = ""
	old := r.encode()
	old[0]--
	got, err = decodeRegistration(metadata.Node{Data: old[:len(old)-1]})
	require.NoError(t, err)
	require.Equal(t, r, got)
	c := Controller{Broker: 1, BrokerEpoch: 2, Epoch: 3}
	gotC, err := decodeController(metadata.Node{Data: c.encode()})
	require.NoError(t, err)
	require.Equal(t, c, gotC)
	claim := kv.Claim{StorageID: 5, Epoch: 6}
	gotClaim, err := decodeClaim(metadata.Node{Data: encodeClaim(claim)})
	require.NoError(t, err)
	require.Equal(t, claim, gotClaim)
	_, err = decodeRegistration(metadata.Node{Path: "/x", Data: []byte{0x93, 1}})
	require.ErrorIs(t, err, metadata.ErrCorrupt)
	_, err = decodeController(metadata.Node{Path: "/x", Data: []byte{0x94, 9, 1, 1, 1}})
	require.ErrorIs(t, err, metadata.ErrNewerFormat)
}

// FuzzNodes: no data of a node makes the decoders fail otherwise than with an error.
func FuzzNodes(f *testing.F) {
	f.Add(Registration{Client: "c"}.encode())
	f.Add(Controller{Broker: 1}.encode())
	f.Add(encodeClaim(kv.Claim{Epoch: 1}))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = decodeRegistration(metadata.Node{Data: data})
		_, _ = decodeController(metadata.Node{Data: data})
		_, _ = decodeClaim(metadata.Node{Data: data})
	})
}
