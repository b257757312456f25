package broker

import (
	"errors"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/wire"
)

// What the requests that administer a cluster have in common: an operator's order is written into the metadata store,
// and answered; the controller carries it out.

// inCluster refuses what a broker that stands alone cannot do.
func (b *Broker) inCluster(api wire.API) error {
	switch {
	case b.member == nil:
		return wire.Errorf(wire.CodeUnsupported,
			"%s needs a cluster, and this broker stands alone: it leads and holds all partitions itself", api)
	case b.isDraining():
		return wire.Errorf(wire.CodeShuttingDown, "the broker is stopping")
	}
	return nil
}

// orderTarget finds the partition that an order is about.
func (b *Broker) orderTarget(topicID uint64, index int32) (*partition, *wire.Error) {
	t := b.topics.id(topicID)
	if t == nil {
		return nil, unknownTopicID(topicID)
	}
	p := t.partition(index)
	if p == nil {
		return nil, unknownPartition(t, index)
	}
	return p, nil
}

// orderError is err as it is told about a partition.
func orderError(p *partition, err error) *wire.Error {
	if err == nil {
		return nil
	}
	e := wireError(err)
	if errors.Is(err, cluster.ErrUnknownPartition) {
		e = wire.Errorf(wire.CodeNotLeader, "it is only being made")
	}
	return wire.Errorf(e.Code, "%s: %s", partitionName(p), e.Message)
}

// held counts what a broker leads and holds as yet.
func (b *Broker) held(broker int32) (leaders, replicas int32) {
	s := b.member.Snapshot()
	l, r := replication.Held(&s, broker)
	return int32(l), int32(r)
}
