package broker

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/wire"
)

// metadata tells which brokers and topics there are and who leads the partitions: this broker leads all. A topic that
// is asked for by name and is absent is answered with E110, or made, with the broker's defaults, where the request asks
// for it and the configuration allows it.
//
// Not done: rights.
func (b *Broker) metadata(ctx context.Context, req *wire.MetadataRequest) (*wire.MetadataResponse, error) {
	resp := &wire.MetadataResponse{ClusterID: b.cluster, Brokers: b.brokers(), Stale: b.stale()}
	if req.All {
		topics := b.sortedTopics()
		resp.Topics = make([]wire.TopicMetadata, len(topics))
		for i, t := range topics {
			resp.Topics[i] = b.topicMetadata(t)
		}
		return resp, nil
	}
	resp.Topics = make([]wire.TopicMetadata, len(req.Topics))
	var missing []int
	seen := make(map[string]bool, len(req.Topics))
	for i, name := range req.Topics {
		if seen[name] { // a small request would have an answer of any size
			return nil, wire.Errorf(wire.CodeInvalidArgument, "topic %q is named twice", name)
		}
		seen[name] = true
		if t := b.topics.name(name); t != nil {
			resp.Topics[i] = b.topicMetadata(t)
		} else {
			resp.Topics[i] = wire.TopicMetadata{Name: name, Error: unknownTopic(name)}
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 && req.CreateMissing && b.createsTopics() {
		b.createMissing(ctx, resp.Topics, missing)
	}
	return resp, nil
}

// stale tells whether the broker is out of touch with the cluster: others may lead by now what it has led.
func (b *Broker) stale() bool {
	if b.replicas == nil {
		return false
	}
	return !b.replicas.touched.Load().stands()
}

// createsTopics tells whether a topic is made when it is first asked for.
func (b *Broker) createsTopics() bool {
	switch b.cfg.AutoCreate {
	case AutoCreateOn:
		return true
	case AutoCreateOff:
		return false
	}
	return b.cfg.Mode == ModeDev
}

// createMissing makes the topics at the places given, and fills in their answers.
func (b *Broker) createMissing(ctx context.Context, answers []wire.TopicMetadata, places []int) {
	if err := b.beginAdmin(); err != nil {
		return
	}
	defer b.adminMu.Unlock()
	specs := make([]metadata.NewTopic, len(places))
	for i, place := range places {
		specs[i] = metadata.NewTopic{
			Name: answers[place].Name, Partitions: b.cfg.TopicDefaults.Partitions, Replicas: b.defaultReplicas(),
		}
	}
	for i, r := range b.makeTopics(ctx, b.meta, specs) {
		answer := &answers[places[i]]
		err := r.Err
		if err == nil {
			err = b.show(r.Topic)
			b.log.Info("topic created on first use", "topic", r.Topic.Name, "partitions", r.Topic.Partitions)
		}
		if t := b.topics.name(answer.Name); t != nil {
			*answer = b.topicMetadata(t) // also when another client was faster
		} else if !errors.Is(err, metadata.ErrTopicExists) {
			answer.Error = wireError(err)
		}
	}
}

func (b *Broker) brokers() []wire.Broker {
	if b.member == nil {
		return []wire.Broker{{ID: b.cfg.NodeID, Address: b.advertise}}
	}
	return brokersOf(b.member.Brokers())
}

// brokersOf tells clients of registered brokers.
func brokersOf(list []cluster.Registration) []wire.Broker {
	brokers := make([]wire.Broker, len(list))
	for i, r := range list {
		brokers[i] = wire.Broker{ID: r.Member.Broker, Address: r.Client, Rack: r.Rack}
	}
	return brokers
}

// leadership is who leads a partition, and who has copies of it.
type leadership struct {
	leader, epoch    int32 // -1: nobody, as far as this broker knows
	replicas, inSync []int32
	minInSync        int32
	// What a reassignment and a shrunken ISR leave in a partition's state.
	elr, adding, removing []int32
}

// leadership tells who leads a partition: this broker, if it stands alone.
func (b *Broker) leadership(p *partition) leadership {
	if b.member == nil {
		self := []int32{b.cfg.NodeID}
		return leadership{
			leader: b.cfg.NodeID, epoch: b.store.Identity().LeaderEpoch, replicas: self, inSync: self, minInSync: 1,
		}
	}
	known, there := b.member.Partition(p.id())
	if !there {
		return leadership{leader: -1, epoch: -1}
	}
	s := &known.State
	return leadership{
		leader: s.Leader, epoch: s.LeaderEpoch, replicas: s.Replicas, inSync: memberIDs(s.ISR), minInSync: s.MinISR,
		elr: memberIDs(s.ELR), adding: s.Adding, removing: s.Removing,
	}
}

// memberIDs are the brokers of the members.
func memberIDs(members []replication.Member) (ids []int32) {
	for _, m := range members {
		ids = append(ids, m.Broker)
	}
	return ids
}

func (b *Broker) topicMetadata(t *topic) wire.TopicMetadata {
	parts := make([]wire.PartitionMetadata, len(t.partitions()))
	for i, p := range t.partitions() {
		l := b.leadership(p)
		parts[i] = wire.PartitionMetadata{Index: p.index, Leader: l.leader, LeaderEpoch: l.epoch}
	}
	return wire.TopicMetadata{Name: t.name, ID: t.id, Partitions: parts}
}

// sortedTopics lists the topics by name.
func (b *Broker) sortedTopics() []*topic {
	topics := b.topics.all()
	slices.SortFunc(topics, func(x, y *topic) int { return cmp.Compare(x.name, y.name) })
	return topics
}
