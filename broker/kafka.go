package broker

import (
	"context"
	"fmt"
	"net"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/wire"
	"github.com/skidway/skidway/wire/kafka"
)

// kafkaFrameBytes is what Kafka's brokers take as one request (socket.request.max.bytes), and clients rely on: they put
// a batch of each partition into one request, and send the same again if the connection is closed on it.
const kafkaFrameBytes = 100 << 20

// kafkaServer is the listener for Kafka's clients.
type kafkaServer struct {
	server    *wire.Server
	listener  net.Listener
	advertise string
	serving   chan struct{} // closed when the accept loop has returned
	served    bool          // whether it was started
}

// openKafka opens the listener, if the configuration has one.
func (b *Broker) openKafka() (*kafkaServer, error) {
	address := b.cfg.Kafka.Listen
	if address == "" {
		return nil, nil
	}
	k := &kafkaServer{serving: make(chan struct{})}
	o := b.serverOptions()
	o.Handler = nil
	o.MaxFrameBytes = max(o.MaxFrameBytes, min(kafkaFrameBytes, b.cfg.Limits.MemoryBytes/4))
	o.MemoryBytes = max(o.MemoryBytes, 2*o.MaxFrameBytes)
	o.Events.Opened = func(net.Addr) { b.met.kafka.connections.Add(1) }
	o.Events.Closed = func(net.Addr, error) { b.met.kafka.connections.Add(-1) }
	var err error
	k.server, err = kafka.NewServer(kafka.Options{Node: kafkaNode{handler{b}}, Server: o, Answered: b.met.kafka.answered})
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	if k.listener, err = net.Listen("tcp", address); err != nil {
		return nil, &ListenError{Field: "Kafka.Listen", Address: address, Err: err}
	}
	k.advertise = advertised(b.cfg.Kafka.Advertise, k.listener.Addr())
	return k, nil
}

// startKafka serves Kafka's clients, once it is known what there is.
func (b *Broker) startKafka() {
	k := b.kafka
	if k == nil {
		return
	}
	k.served = true
	go func() {
		defer close(k.serving)
		b.serveOn(k.server, k.listener)
	}()
}

// stop ends the connections as Broker.Shutdown has it.
func (k *kafkaServer) stop(ctx context.Context) error {
	if k == nil {
		return nil
	}
	err := k.server.Shutdown(ctx)
	<-k.serving
	return err
}

// abandon closes a listener that was never served on.
func (k *kafkaServer) abandon() {
	if k != nil && !k.served {
		_ = k.listener.Close()
	}
}

// address is what Kafka's clients are told to dial; "": they are not served.
func (k *kafkaServer) address() string {
	if k == nil {
		return ""
	}
	return k.advertise
}

// KafkaAddr is the address that connections of Kafka's clients are accepted on; nil when there is none.
func (b *Broker) KafkaAddr() net.Addr {
	if b.kafka == nil {
		return nil
	}
	return b.kafka.listener.Addr()
}

// kafkaNode is the broker as Kafka's clients see it.
type kafkaNode struct{ handler }

var _ kafka.Node = kafkaNode{}

// Cluster tells of the brokers that Kafka's clients can reach.
func (n kafkaNode) Cluster() kafka.Cluster {
	b := n.b
	c := kafka.Cluster{ID: b.cluster, Self: b.cfg.NodeID, Controller: b.cfg.NodeID}
	if b.member == nil {
		c.Brokers = []wire.Broker{{ID: b.cfg.NodeID, Address: b.kafka.advertise}}
		return c
	}
	c.Controller = -1
	if controller, known := b.member.Controller(); known {
		c.Controller = controller.Broker
	}
	for _, r := range b.member.Brokers() {
		if r.Kafka != "" {
			c.Brokers = append(c.Brokers, wire.Broker{ID: r.Member.Broker, Address: r.Kafka, Rack: r.Rack})
		}
	}
	return c
}

// TopicID finds a topic.
func (n kafkaNode) TopicID(name string) uint64 {
	if t := n.b.topics.name(name); t != nil {
		return t.id
	}
	return 0
}

// TopicName names a topic.
func (n kafkaNode) TopicName(id uint64) string {
	if t := n.b.topics.id(id); t != nil {
		return t.name
	}
	return ""
}

// Replication tells who has copies of the topic's partitions.
func (n kafkaNode) Replication(topic uint64) []kafka.Replication {
	t := n.b.topics.id(topic)
	if t == nil {
		return nil
	}
	parts := t.partitions()
	list := make([]kafka.Replication, len(parts))
	for i, p := range parts {
		l := n.b.leadership(p)
		list[i] = kafka.Replication{Leader: l.leader, LeaderEpoch: l.epoch, Replicas: l.replicas, InSync: l.inSync,
			Eligible: l.elr}
	}
	return list
}

// Position tells where a partition stands.
func (n kafkaNode) Position(topic uint64, partition int32) (kafka.Position, bool) {
	b := n.b
	at := kafka.Position{Leader: -1, LeaderEpoch: -1, Start: -1, End: -1}
	t := b.topics.id(topic)
	if t == nil {
		return at, false
	}
	p := t.partition(partition)
	if p == nil {
		return at, false
	}
	if b.replicas == nil {
		at.Leader, at.LeaderEpoch = b.cfg.NodeID, b.store.Identity().LeaderEpoch
	} else {
		at.Leader, at.LeaderEpoch = b.replicas.leader(cluster.PartitionID{Topic: topic, Index: partition})
	}
	if log, err := b.openLog(p); err == nil {
		at.Start, at.End = log.Bounds()
	}
	return at, true
}

// Settings are those of a topic, or of a new one.
func (n kafkaNode) Settings(topic uint64) []wire.SettingValue {
	if topic == 0 {
		return n.b.settingValues(&topicState{settings: n.b.defaults})
	}
	if t := n.b.topics.id(topic); t != nil {
		return n.b.settingValues(t.state.Load())
	}
	return nil
}

// EpochEnd tells where a leader epoch ends.
func (n kafkaNode) EpochEnd(topic uint64, partition, epoch int32) (floor int32, end int64, refused *wire.Error) {
	p, log, refused := n.b.lookup(topic, partition)
	if refused != nil {
		return -1, -1, refused
	}
	floor, end, err := log.EpochEnd(epoch)
	if err != nil {
		return -1, -1, n.b.logError(p, err)
	}
	return floor, end, nil
}
