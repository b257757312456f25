package kafka

import "github.com/skidway/skidway/wire"

// Node is a broker as Kafka's clients see it: it carries requests out, and knows what the native protocol has no
// request for. Its methods answer from memory, unless they say otherwise, and are safe for concurrent use.
type Node interface {
	wire.Handler
	Groups
	Members

	// Cluster tells of the cluster.
	Cluster() Cluster
	// TopicID finds a topic by its name, without allocating; 0: there is none.
	TopicID(name string) uint64
	// TopicName is the name of a topic; "": there is none of that id.
	TopicName(id uint64) string
	// Replication tells who has copies of the topic's partitions, in their order; nil: there is no such topic.
	Replication(topic uint64) []Replication
	// Position tells where a partition stands, without allocating; false: there is none. A log that is not open yet is
	// opened, which reads the disk.
	Position(topic uint64, partition int32) (Position, bool)
	// Settings are those of a topic, with where each comes from; of topic 0, those that a new one gets. The caller owns
	// the slice. nil: there is no such topic.
	Settings(topic uint64) []wire.SettingValue
	// EpochEnd tells the largest leader epoch of the partition that is not above epoch, and the offset behind its last
	// record; -1, -1 when epoch is above all. It reads the disk.
	EpochEnd(topic uint64, partition, epoch int32) (floor int32, end int64, refused *wire.Error)
}

// Cluster is the cluster of a Node.
type Cluster struct {
	// ID is its name, the same on all brokers.
	ID string
	// Self is the id of the broker that answers.
	Self int32
	// Controller is the id of the broker that controls the cluster; -1: none now.
	Controller int32
	// Brokers are those that Kafka's clients can reach, by id, with the addresses to dial for Kafka's protocol.
	Brokers []wire.Broker
}

// Replication is who has copies of a partition.
type Replication struct {
	// Leader is a broker's id, LeaderEpoch its epoch; -1: none now.
	Leader, LeaderEpoch int32
	// Replicas are the brokers assigned, InSync those in sync; not to be changed.
	Replicas, InSync []int32
	// Eligible are those that are not in sync and yet hold all that is committed; not to be changed.
	Eligible []int32
}

// Position is where a partition stands.
type Position struct {
	// Leader is a broker's id, LeaderEpoch its epoch, as far as this broker knows; -1: none.
	Leader, LeaderEpoch int32
	// Start and End are the first offset there is and the one behind the last that may be read; -1: this broker does
	// not lead the partition, or cannot open it.
	Start, End int64
}
