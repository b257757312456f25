package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// Errors of orders, which say that nothing was ordered.
var (
	// ErrUnknownBroker says that no broker of the id is registered.
	ErrUnknownBroker = errors.New("no such broker")
	// ErrUnknownPartition says that the cluster has no such partition.
	ErrUnknownPartition = errors.New("no such partition")
	// ErrRefusedOrder says that the order makes no sense in the state that the cluster is in.
	ErrRefusedOrder = errors.New("refused")
)

// orderAttempts bounds how often an order is written again because another one was faster.
const orderAttempts = 20

// OrderReassign asks for a partition to be moved to other replicas, the preferred leader first, with throttle bytes a
// second from each broker at most, 0 for no such bound (Order.Throttle). It takes the place of an order about the
// partition that is not carried out yet. Errors: ErrUnknownPartition, ErrUnknownBroker,
// ErrRefusedOrder, metadata.ErrContention, and the store's.
func (m *Member) OrderReassign(ctx context.Context, id PartitionID, target []int32, throttle int64) error {
	p, err := m.CheckReassign(id, target)
	if err != nil {
		return err
	}
	o := Order{Kind: Reassign, Partition: id, Target: target, Before: before(&p.State), Throttle: throttle}
	return m.give(ctx, o, func(o, known *Order) { o.Before = known.Before })
}

// Throttle returns the bytes a second that the order allows by which a partition is being moved to the broker; 0: there
// is no such order, or it does not say.
func (m *Member) Throttle(id PartitionID, broker int32) int64 {
	m.view.mu.RLock()
	defer m.view.mu.RUnlock()
	o := m.view.orders[orderKey{kind: Reassign, partition: id}]
	if !slices.Contains(m.view.partitions[id.Topic][id.Index].State.Adding, broker) {
		return 0
	}
	return o.Throttle
}

// before are the replicas without those that a reassignment is adding.
func before(s *replication.State) (list []int32) {
	for _, id := range s.Replicas {
		if !slices.Contains(s.Adding, id) {
			list = append(list, id)
		}
	}
	return list
}

// CheckReassign returns the partition if it may be moved to the replicas, or one of the errors of OrderReassign.
func (m *Member) CheckReassign(id PartitionID, target []int32) (Partition, error) {
	p, err := m.known(id)
	if err != nil {
		return p, err
	}
	if len(target) < int(p.State.MinISR) {
		return p, fmt.Errorf("%w: %d replicas are too few, since min_in_sync is %d: nothing could be written",
			ErrRefusedOrder, len(target), p.State.MinISR)
	}
	if len(target) > maxOrderReplicas {
		return p, fmt.Errorf("%w: %d replicas, at most %d are possible", ErrRefusedOrder, len(target), maxOrderReplicas)
	}
	for n, broker := range target {
		if slices.Contains(target[:n], broker) {
			return p, fmt.Errorf("%w: broker %d is named twice among the replicas", ErrRefusedOrder, broker)
		}
		if slices.Contains(p.State.Replicas, broker) {
			continue
		}
		if err := m.takes(broker); err != nil {
			return p, err
		}
	}
	return p, nil
}

// takes tells why a broker cannot be given a replica; nil: it can.
func (m *Member) takes(broker int32) error {
	r, there := m.Broker(broker)
	switch {
	case !there:
		return fmt.Errorf("%w: broker %d is not registered", ErrUnknownBroker, broker)
	case r.Draining:
		return fmt.Errorf("%w: broker %d is draining and takes no replicas", ErrRefusedOrder, broker)
	case m.Decommissioning(broker):
		return fmt.Errorf("%w: broker %d is being decommissioned and takes no replicas", ErrRefusedOrder, broker)
	}
	return nil
}

// Decommissioning tells whether there is an order to decommission the broker.
func (m *Member) Decommissioning(broker int32) bool {
	return m.view.hasOrder(orderKey{kind: Decommission, broker: broker})
}

// known returns a partition that is not being deleted.
func (m *Member) known(id PartitionID) (Partition, error) {
	p, there := m.Partition(id)
	t, named := m.view.topicByID(id.Topic)
	if !there || named && t.Deleting {
		return p, fmt.Errorf("%w: topic id %d has no partition %d", ErrUnknownPartition, id.Topic, id.Index)
	}
	return p, nil
}

// CancelReassign has a partition go back to the replicas that it had. Errors: as of OrderReassign; ErrRefusedOrder also
// if the partition is not being moved.
func (m *Member) CancelReassign(ctx context.Context, id PartitionID) error {
	back, err := m.beforeMove(ctx, id)
	if err != nil {
		return err
	}
	return m.give(ctx, Order{Kind: Reassign, Partition: id, Target: back, Before: back}, nil)
}

// CheckCancelReassign returns why CancelReassign would be refused.
func (m *Member) CheckCancelReassign(ctx context.Context, id PartitionID) error {
	_, err := m.beforeMove(ctx, id)
	return err
}

// beforeMove returns the replicas that a partition had before it was moved.
func (m *Member) beforeMove(ctx context.Context, id PartitionID) ([]int32, error) {
	p, err := m.known(id)
	if err != nil {
		return nil, err
	}
	key := orderKey{kind: Reassign, partition: id}
	node, err := m.sessions.Get(ctx, key.path())
	absent := errors.Is(err, metadata.ErrNoNode)
	switch {
	case err != nil && !absent:
		return nil, fmt.Errorf("read %s: %w", key.path(), err)
	case absent && len(p.State.Adding)+len(p.State.Removing) == 0:
		return nil, fmt.Errorf("%w: the partition is not being moved", ErrRefusedOrder)
	case absent:
		return before(&p.State), nil
	}
	known, err := decodeOrder(key, node)
	return known.Before, err
}

// OrderElectUnclean has a broker lead a partition that has no leader, though what was acknowledged and the broker does
// not hold is lost. leaderEpoch is the epoch that the operator saw. Errors: as of OrderReassign.
func (m *Member) OrderElectUnclean(ctx context.Context, id PartitionID, broker, leaderEpoch int32) error {
	p, err := m.known(id)
	if err != nil {
		return err
	}
	switch _, registered := m.Broker(broker); {
	case p.State.Leader != replication.NoLeader:
		return fmt.Errorf("%w: broker %d leads the partition: there is nothing to elect", ErrRefusedOrder, p.State.Leader)
	case !slices.Contains(p.State.Replicas, broker):
		return fmt.Errorf("%w: broker %d is no replica of the partition; %v are", ErrRefusedOrder, broker,
			p.State.Replicas)
	case !registered:
		return fmt.Errorf("%w: broker %d is not registered", ErrUnknownBroker, broker)
	case p.State.LeaderEpoch != leaderEpoch:
		return fmt.Errorf("%w: the partition is in leader epoch %d, not %d: look again at what there is",
			ErrRefusedOrder, p.State.LeaderEpoch, leaderEpoch)
	}
	o := Order{Kind: ElectUnclean, Partition: id, Broker: broker, LeaderEpoch: leaderEpoch}
	return m.give(ctx, o, nil)
}

// OrderPreferred has leaderships go back to the first of the replicas, where these are in sync.
func (m *Member) OrderPreferred(ctx context.Context) error {
	return m.give(ctx, Order{Kind: Preferred}, nil)
}

// OrderDrain has a broker lead nothing, and take nothing, until the order is withdrawn; also one that is away: it will
// when it is back. Errors: ErrUnknownBroker and the store's.
func (m *Member) OrderDrain(ctx context.Context, broker int32) error {
	if err := m.ever(broker); err != nil {
		return err
	}
	return m.give(ctx, Order{Kind: Drain, Broker: broker}, nil)
}

// OrderDecommission has a broker hold nothing, until the order is withdrawn. It may be away for good. Errors:
// ErrUnknownBroker, replication.ErrTooFewBrokers, and the store's.
func (m *Member) OrderDecommission(ctx context.Context, broker int32) error {
	if err := m.CheckDecommission(broker); err != nil {
		return err
	}
	return m.give(ctx, Order{Kind: Decommission, Broker: broker}, nil)
}

// CheckDecommission returns why a broker cannot be decommissioned: an error of OrderDecommission.
func (m *Member) CheckDecommission(broker int32) error {
	if err := m.ever(broker); err != nil {
		return err
	}
	s := m.Snapshot()
	left := 0
	for _, b := range s.Brokers {
		id := b.Member.Broker
		if id != broker && !b.Draining && !slices.Contains(s.Decommission, id) {
			left++
		}
	}
	var most int
	for i := range s.Partitions {
		state := &s.Partitions[i].State
		if slices.Contains(state.Replicas, broker) {
			most = max(most, len(state.Replicas)-len(state.Removing))
		}
	}
	if left < most || left == 0 {
		return fmt.Errorf("%w: broker %d holds partitions with %d replicas, and %d other brokers can take any",
			replication.ErrTooFewBrokers, broker, most, left)
	}
	return nil
}

// ever returns an error if a broker of the id is neither there, nor known to hold anything, nor being decommissioned:
// an order that is given once more is carried out already.
func (m *Member) ever(broker int32) error {
	if _, there := m.Broker(broker); there {
		return nil
	}
	s := m.Snapshot()
	leads, replicas := replication.Held(&s, broker)
	if leads+replicas > 0 || slices.Contains(s.Decommission, broker) {
		return nil
	}
	return fmt.Errorf("%w: broker %d is not registered, and no partition has a replica on it", ErrUnknownBroker, broker)
}

// Snapshot returns all that is known of the cluster, as plans are made of it. It shares no list with the Member but
// those within the partitions' states, which are not to be changed.
func (m *Member) Snapshot() replication.Snapshot { return m.view.snapshot(m.opts.Defaults) }

// give writes an order. If there is one of the same key already, it takes its place; merge, if it is not nil, may keep
// something of that.
func (m *Member) give(ctx context.Context, o Order, merge func(o, known *Order)) error {
	key := o.key()
	for range orderAttempts {
		op := metadata.Create(key.path(), nil)
		node, err := m.sessions.Get(ctx, key.path())
		switch {
		case err == nil:
			known, err := decodeOrder(key, node)
			if err != nil {
				return fmt.Errorf("give the order: %w", err)
			}
			o.unknown = known.unknown
			if merge != nil {
				merge(&o, &known)
			}
			op = metadata.Set(key.path(), nil, node.Version)
		case !errors.Is(err, metadata.ErrNoNode):
			return fmt.Errorf("read %s: %w", key.path(), err)
		}
		op.Data = o.encode()
		if err := m.sessions.Multi(ctx, op); err == nil || !refused(err) {
			return err
		}
	}
	return fmt.Errorf("give the order %s: %w", key.path(), metadata.ErrContention)
}

// Withdraw takes back an order to drain or to decommission a broker. None of the kind is no error.
func (m *Member) Withdraw(ctx context.Context, kind OrderKind, broker int32) error {
	key := orderKey{kind: kind, broker: broker}
	err := m.sessions.Multi(ctx, metadata.Delete(key.path(), metadata.AnyVersion))
	if err != nil && !errors.Is(err, metadata.ErrNoNode) {
		return fmt.Errorf("withdraw the order %s: %w", key.path(), err)
	}
	return nil
}

// Orders returns the orders of a kind that the store holds now, in no order. Errors are the store's.
func (m *Member) Orders(ctx context.Context, kind OrderKind) ([]Order, error) {
	names, err := m.sessions.Children(ctx, kind.path())
	if errors.Is(err, metadata.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.path(), err)
	}
	var list []Order
	for _, name := range names {
		path := kind.path() + "/" + name
		key, ok := parseOrder(path)
		if !ok {
			continue
		}
		node, err := m.sessions.Get(ctx, path)
		if errors.Is(err, metadata.ErrNoNode) {
			continue // carried out meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		o, err := decodeOrder(key, node)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}
