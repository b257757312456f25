package kafka

import (
	"crypto/sha256"
	"encoding/binary"
)

// topicUUID is the id of a topic as Kafka's clients know it: eight bytes made of the cluster's id, so that topics of
// two clusters differ, and the topic's number, which is never used again. The first bit is 0: as people write a uuid,
// it then never begins with "-", which would be taken for an option.
func topicUUID(cluster string, topic uint64) (id [16]byte) {
	if topic == 0 {
		return id
	}
	sum := sha256.Sum256([]byte("skidway topic ids of cluster " + cluster))
	copy(id[:8], sum[:8])
	id[0] &= 0x7f
	binary.BigEndian.PutUint64(id[8:], topic)
	return id
}

// topicNumber is the number of a topic whose id is of the cluster; 0 when it is not.
func topicNumber(cluster string, id [16]byte) uint64 {
	topic := binary.BigEndian.Uint64(id[8:])
	if topicUUID(cluster, topic) != id {
		return 0
	}
	return topic
}
