package cluster

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// maxMoves bounds the partitions that are moved at one time for decommissions.
const maxMoves = 50

// orders are those that the metadata store was last seen to hold.
type orders map[orderKey]Order

// putOrder takes over an order, nil for none.
func (v *view) putOrder(key orderKey, o *Order) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if o == nil {
		delete(v.orders, key)
		return
	}
	v.orders[key] = *o
}

// pruneOrders forgets the orders below path that are not there any more.
func (v *view) pruneOrders(path string, names []string) {
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.orders, func(key orderKey, _ Order) bool {
		name, below := strings.CutPrefix(key.path(), path+"/")
		return below && !there[name]
	})
}

func (v *view) hasOrder(key orderKey) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, ok := v.orders[key]
	return ok
}

// of gives a partition the orders that are about it.
func (o orders) of(p *replication.Partition) {
	if len(o) == 0 {
		return
	}
	id := PartitionID{p.Topic, p.Index}
	p.Target = o[orderKey{kind: Reassign, partition: id}].Target
	if e, ok := o[orderKey{kind: ElectUnclean, partition: id}]; ok {
		p.Unclean = &replication.UncleanOrder{Broker: e.Broker, LeaderEpoch: e.LeaderEpoch}
	}
}

// about gives a snapshot the orders that are about brokers, and about all partitions.
func (o orders) about(s *replication.Snapshot) {
	s.MaxMoves = maxMoves
	for key := range o {
		switch key.kind {
		case Decommission:
			s.Decommission = append(s.Decommission, key.broker)
		case Preferred:
			s.Preferred = true
		}
	}
	slices.Sort(s.Decommission)
}

// takeOrder puts an order's node into the view.
func (i *incarnation) takeOrder(path string, node metadata.Node, absent bool) error {
	key, ok := parseOrder(path)
	if !ok {
		i.m.log.Warn("the metadata store holds an order that this version does not know; it is left alone", "path", path)
		return nil
	}
	if absent {
		i.m.view.putOrder(key, nil)
		return nil
	}
	o, err := decodeOrder(key, node)
	if err == nil {
		i.m.view.putOrder(key, &o)
	}
	return err
}

// removeOrders removes orders that are carried out, or that cannot be any more.
func (i *incarnation) removeOrders(ctx context.Context, guard int32, list []Order) {
	var run []change
	for _, o := range list {
		i.m.log.Info("an order is carried out, or overtaken", "order", o.key().path())
		run = append(run, change{op: metadata.Delete(o.key().path(), o.version)})
	}
	for chunk := range slices.Chunk(run, planWrites) {
		if err := i.write(ctx, guard, chunk); err != nil && ctx.Err() == nil {
			i.m.log.Warn("an order cannot be removed; it is tried again", "error", err)
		}
	}
}

// finishedOrders returns the orders that nothing is left to be done for, in the order of their keys. Settled tells that
// the plan finds nothing to change, with leaderships given back.
func (v *view) finishedOrders(settled bool) (list []Order) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, o := range v.orders {
		if v.finished(&o, settled) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b Order) int { return a.key().compare(b.key()) })
	return list
}

// finished tells whether an order is carried out, or cannot be any more. One to drain or to decommission a broker
// stands until it is withdrawn: the broker is to take nothing anew. Called with mu held.
func (v *view) finished(o *Order, settled bool) bool {
	p, there := v.partitions[o.Partition.Topic][o.Partition.Index]
	s := &p.State
	switch o.Kind {
	case Reassign:
		return !there || len(s.Adding)+len(s.Removing) == 0 && slices.Equal(s.Replicas, o.Target)
	case ElectUnclean:
		_, registered := v.brokers[o.Broker]
		return !there || !registered || s.Leader != replication.NoLeader || s.LeaderEpoch != o.LeaderEpoch ||
			!slices.Contains(s.Replicas, o.Broker)
	case Preferred:
		return settled
	}
	return false
}
