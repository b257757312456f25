package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// threeBrokers is a world of three brokers with a topic, whose partitions' states are there.
func threeBrokers(t *testing.T, partitions, replicas int32) (*world, uint64) {
	w := newWorld(t)
	w.register(2)
	w.register(3)
	require.Eventually(t, func() bool { return len(w.m.Brokers()) == 3 }, patience, time.Millisecond)
	id := w.createTopic("demo", partitions, replicas)
	w.await(id, partitions, func(s replication.State) bool { return s.Leader > 0 })
	w.seen(PartitionID{id, 0}, func(s replication.State) bool { return s.Leader > 0 })
	return w, id
}

// seen waits until the member itself knows it.
func (w *world) seen(id PartitionID, holds func(replication.State) bool) Partition {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		p, there := w.m.Partition(id)
		return there && holds(p.State)
	}, patience, time.Millisecond)
	p, _ := w.m.Partition(id)
	return p
}

// awaitOrders waits until the store holds that many orders of the kind.
func (w *world) awaitOrders(kind OrderKind, count int) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		list, err := w.m.Orders(w.t.Context(), kind)
		return err == nil && len(list) == count
	}, patience, time.Millisecond)
}

// writeISR does what a leader does: it takes all that are registered of the replicas into the ISR.
func (w *world) writeISR(id PartitionID) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		node, err := w.store.Get(w.t.Context(), id.path())
		require.NoError(w.t, err)
		s, err := replication.DecodeState(node.Data)
		require.NoError(w.t, err)
		s.ISR = nil
		for _, b := range s.Replicas {
			if r, there := w.m.Broker(b); there {
				s.ISR = append(s.ISR, r.Member)
			}
		}
		return w.store.Multi(w.t.Context(), metadata.Set(id.path(), replication.EncodeState(s), node.Version)) == nil
	}, patience, time.Millisecond)
}

func TestOrderReassign(t *testing.T) {
	w, topic := threeBrokers(t, 1, 2)
	ctx, id := t.Context(), PartitionID{topic, 0}
	p, _ := w.m.Partition(id)
	old := p.State.Replicas
	other := 6 - old[0] - old[1]
	target := []int32{other, old[0]}
	require.NoError(t, w.m.OrderReassign(ctx, id, target, 0))
	w.await(topic, 1, func(s replication.State) bool { return slices.Equal(s.Adding, []int32{other}) })
	list, err := w.m.Orders(ctx, Reassign)
	require.NoError(t, err)
	require.Len(t, list, 1, "the order stands until it is carried out")
	require.Equal(t, target, list[0].Target)
	require.Equal(t, old, list[0].Before)

	w.writeISR(id)
	w.await(topic, 1, func(s replication.State) bool {
		return slices.Equal(s.Replicas, target) && len(s.Adding)+len(s.Removing) == 0
	})
	w.awaitOrders(Reassign, 0)
}

// A reassignment that is taken back ends with the replicas that there were before the first order, in their order.
func TestCancelReassign(t *testing.T) {
	w, topic := threeBrokers(t, 1, 2)
	ctx, id := t.Context(), PartitionID{topic, 0}
	p, _ := w.m.Partition(id)
	old := p.State.Replicas
	other := 6 - old[0] - old[1]
	require.ErrorIs(t, w.m.CancelReassign(ctx, id), ErrRefusedOrder)
	require.NoError(t, w.m.OrderReassign(ctx, id, []int32{other, old[1]}, 0))
	w.seen(id, func(s replication.State) bool { return len(s.Adding) == 1 })
	require.NoError(t, w.m.OrderReassign(ctx, id, []int32{old[1], other}, 0))
	require.NoError(t, w.m.CancelReassign(ctx, id))
	w.await(topic, 1, func(s replication.State) bool {
		return slices.Equal(s.Replicas, old) && len(s.Adding)+len(s.Removing) == 0
	})
	w.awaitOrders(Reassign, 0)
}

func TestReassignRefused(t *testing.T) {
	w, topic := threeBrokers(t, 1, 3)
	id := PartitionID{topic, 0}
	for _, tc := range []struct {
		target []int32
		is     error
		says   string
	}{
		{[]int32{1}, ErrRefusedOrder, "1 replicas are too few, since min_in_sync is 2"},
		{nil, ErrRefusedOrder, "0 replicas"},
		{[]int32{1, 2, 1}, ErrRefusedOrder, "broker 1 is named twice"},
		{[]int32{1, 9}, ErrUnknownBroker, "broker 9 is not registered"},
		{make([]int32, maxOrderReplicas+1), ErrRefusedOrder, "at most 1024"},
	} {
		err := w.m.OrderReassign(t.Context(), id, tc.target, 0)
		require.ErrorIs(t, err, tc.is)
		require.ErrorContains(t, err, tc.says)
	}
	require.ErrorIs(t, w.m.OrderReassign(t.Context(), PartitionID{topic, 1}, []int32{1, 2}, 0), ErrUnknownPartition)
	require.ErrorIs(t, w.m.OrderReassign(t.Context(), PartitionID{topic + 1, 0}, []int32{1, 2}, 0), ErrUnknownPartition)
	w.awaitOrders(Reassign, 0)
}

// An order that nobody can carry out any more goes, without harm to anything.
func TestOrderOvertaken(t *testing.T) {
	w, topic := threeBrokers(t, 1, 2)
	ctx, id := t.Context(), PartitionID{topic, 0}
	p, _ := w.m.Partition(id)
	stale := Order{Kind: ElectUnclean, Partition: id, Broker: p.State.Replicas[1], LeaderEpoch: p.State.LeaderEpoch}
	require.NoError(t, w.m.give(ctx, stale, nil))
	w.awaitOrders(ElectUnclean, 0)
	gone := Order{Kind: Reassign, Partition: PartitionID{topic, 7}, Target: []int32{1}, Before: []int32{2}}
	require.NoError(t, w.m.give(ctx, gone, nil))
	w.awaitOrders(Reassign, 0)
	now, _ := w.m.Partition(id)
	require.Equal(t, p.State.Leader, now.State.Leader)
	require.Equal(t, p.State.LeaderEpoch, now.State.LeaderEpoch)
}

// When all that hold a partition's data are gone, an operator may have another replica lead it: once, by name.
func TestOrderElectUnclean(t *testing.T) {
	w := newWorld(t)
	w.register(2)
	require.Eventually(t, func() bool { return len(w.m.Brokers()) == 2 }, patience, time.Millisecond)
	topic := w.createTopic("demo", 1, 2)
	ctx, id := t.Context(), PartitionID{topic, 0}
	w.await(topic, 1, func(s replication.State) bool { return s.Leader > 0 })
	node, err := w.store.Get(ctx, id.path())
	require.NoError(t, err)
	s, err := replication.DecodeState(node.Data)
	require.NoError(t, err)
	two, _ := w.m.Broker(2)
	s.Leader, s.LeaderBrokerEpoch, s.ISR, s.ELR = 2, two.Epoch, []replication.Member{two.Member}, nil
	require.NoError(t, w.store.Multi(ctx, metadata.Set(id.path(), replication.EncodeState(s), node.Version)))
	epoch := w.seen(id, func(s replication.State) bool { return s.Leader == 2 }).State.LeaderEpoch

	require.ErrorContains(t, w.m.OrderElectUnclean(ctx, id, 1, epoch), "broker 2 leads the partition")
	w.unregister(2)
	w.seen(id, func(s replication.State) bool { return s.Leader == replication.NoLeader })
	require.ErrorContains(t, w.m.OrderElectUnclean(ctx, id, 1, epoch-1), "leader epoch")
	require.ErrorContains(t, w.m.OrderElectUnclean(ctx, id, 3, epoch), "is no replica")
	require.ErrorIs(t, w.m.OrderElectUnclean(ctx, id, 2, epoch), ErrUnknownBroker)
	require.NoError(t, w.m.OrderElectUnclean(ctx, id, 1, epoch))
	w.await(topic, 1, func(s replication.State) bool {
		return s.Leader == 1 && slices.Equal(s.UncleanEpochs, []int32{epoch + 1})
	})
	w.awaitOrders(ElectUnclean, 0)
}

// A broker drains by an order, and takes leaderships again when that is withdrawn.
func TestOrderDrain(t *testing.T) {
	w, topic := threeBrokers(t, 3, 3)
	ctx := t.Context()
	require.ErrorIs(t, w.m.OrderDrain(ctx, 9), ErrUnknownBroker)
	require.NoError(t, w.m.OrderDrain(ctx, 1))
	w.await(topic, 3, func(s replication.State) bool { return s.Leader != 1 })
	r, _ := w.m.Broker(1)
	require.True(t, r.Draining)

	require.NoError(t, w.m.Withdraw(ctx, Drain, 1))
	require.NoError(t, w.m.Withdraw(ctx, Drain, 1), "twice is no error")
	require.Eventually(t, func() bool { r, _ := w.m.Broker(1); return !r.Draining }, patience, time.Millisecond)
	for i := range int32(3) {
		id := PartitionID{topic, i}
		w.writeISR(id)
		w.seen(id, func(s replication.State) bool { return len(s.ISR) == 3 }) // else the order is carried out without it
	}
	require.NoError(t, w.m.OrderPreferred(ctx))
	w.await(topic, 3, func(s replication.State) bool { return s.Leader == s.Replicas[0] })
	require.Eventually(t, func() bool {
		_, err := w.store.Get(ctx, Preferred.path())
		return err != nil
	}, patience, time.Millisecond, "the order is carried out")
}

// A broker that is gone for good is decommissioned: others take what it held, and it is given nothing when it is back.
func TestOrderDecommission(t *testing.T) {
	w, topic := threeBrokers(t, 4, 2)
	ctx := t.Context()
	require.ErrorIs(t, w.m.OrderDecommission(ctx, 9), ErrUnknownBroker)
	w.unregister(3)
	require.Eventually(t, func() bool { return len(w.m.Brokers()) == 2 }, patience, time.Millisecond)
	require.NoError(t, w.m.OrderDecommission(ctx, 3))
	w.await(topic, 4, func(s replication.State) bool {
		return !slices.Contains(s.Replicas, 3) || slices.Contains(s.Removing, 3)
	})
	for i := range int32(4) {
		w.writeISR(PartitionID{topic, i})
	}
	w.await(topic, 4, func(s replication.State) bool { return !s.Lists(3) && len(s.Removing) == 0 })
	require.NoError(t, w.m.OrderDecommission(ctx, 3), "given again, when all is done")
	w.register(3)
	require.Eventually(t, func() bool { return len(w.m.Brokers()) == 3 }, patience, time.Millisecond)
	require.ErrorIs(t, w.m.OrderDecommission(ctx, 2), replication.ErrTooFewBrokers)
	require.ErrorContains(t, w.m.OrderReassign(ctx, PartitionID{topic, 0}, []int32{3, 1}, 0), "being decommissioned")
	w.awaitOrders(Decommission, 1)
	require.NoError(t, w.m.Withdraw(ctx, Decommission, 3))
	require.Eventually(t, func() bool {
		return w.m.OrderReassign(ctx, PartitionID{topic, 0}, []int32{3, 1}, 0) == nil
	}, patience, time.Millisecond)
}

func drawOrder(t *rapid.T) Order {
	ids := rapid.SliceOfN(rapid.Int32Min(0), 1, 5)
	o := Order{Kind: rapid.SampledFrom(append(slices.Clone(orderKinds), Preferred)).Draw(t, "kind")}
	switch {
	case o.Kind == Preferred:
		return o
	case o.Kind.ofPartition():
		o.Partition = PartitionID{rapid.Uint64().Draw(t, "topic"), rapid.Int32Min(0).Draw(t, "index")}
		o.LeaderEpoch = rapid.Int32Min(0).Draw(t, "epoch")
		o.Target, o.Before = ids.Draw(t, "target"), ids.Draw(t, "before")
	}
	o.Broker = rapid.Int32Min(0).Draw(t, "broker")
	return o
}

// An order is read as it was written, at the path that it was written to; what a newer version added stays (G30).
func TestOrderCodec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawOrder(t)
		if rapid.Bool().Draw(t, "newer") {
			o.unknown = [][]byte{{0x07}, {0x92, 0x01, 0xa1, 'x'}}
		}
		key := o.key()
		parsed, ok := parseOrder(key.path())
		require.True(t, ok)
		require.Equal(t, key, parsed)
		got, err := decodeOrder(key, metadata.Node{Path: key.path(), Data: o.encode()})
		require.NoError(t, err)
		require.Equal(t, o, got)
	})
	for _, path := range []string{
		"/admin", "/admin/reassign", "/admin/reassign/7", "/admin/reassign/7-", "/admin/reassign/07-1", "/admin/elect/-1-1",
		"/admin/drain/x", "/admin/drain/-1", "/admin/drain/+1", "/admin/other/1", "/topics/x",
	} {
		_, ok := parseOrder(path)
		require.False(t, ok, path)
	}
	drain := orderKey{kind: Drain, broker: 1}
	for _, data := range [][]byte{
		nil, {0x95, 1, 2, 0, 0x90, 0x90}, {0x93, 1, 1, 0}, {0x95, 1, 1, 0, 0x90, 0xdd, 0x7f, 0xff, 0xff, 0xff},
	} {
		_, err := decodeOrder(drain, metadata.Node{Path: "/x", Data: data})
		require.ErrorIs(t, err, metadata.ErrCorrupt)
	}
	_, err := decodeOrder(drain, metadata.Node{Path: "/x", Data: []byte{0x95, 2, 1, 0, 0x90, 0x90}})
	require.ErrorIs(t, err, metadata.ErrNewerFormat)
}

// FuzzOrder: no data of a node makes the decoder fail otherwise than with an error, and what it reads it writes.
func FuzzOrder(f *testing.F) {
	reassign := Order{Kind: Reassign, Target: []int32{1}, Before: []int32{2}}
	f.Add(reassign.encode())
	f.Add((&Order{Kind: Drain, Broker: 3}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, key := range []orderKey{reassign.key(), {kind: Drain, broker: 3}} {
			o, err := decodeOrder(key, metadata.Node{Data: data})
			if err != nil {
				continue
			}
			again, err := decodeOrder(key, metadata.Node{Data: o.encode()})
			require.NoError(t, err)
			require.Equal(t, o, again)
		}
	})
}
