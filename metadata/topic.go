package metadata

import (
	"fmt"
	"math"
)

// MaxPartitions bounds the partitions of one topic.
const MaxPartitions = 10_000

// Topic is what all brokers know of one topic.
type Topic struct {
	ID         uint64 // never reused; the first part of the key of all its data
	Name       string // the last part of its node's path, not held in the node's data
	Partitions int32  // 1 to MaxPartitions; never fewer than it was
	Replicas   int32  // of each partition, at least 1
	Created    int64  // ms since 1970
	Deleting   bool   // the tombstone is written; the data is being deleted
	// Settings holds the topic's own settings only, by name; all others follow the
	// broker's. ResolveSettings makes Settings of them.
	Settings map[string]string
	// Unknown holds the fields of the node that only a newer version knows, encoded.
	// They are kept when the topic is rewritten (G30).
	Unknown map[string][]byte
}

// Keys of a topic's node. They are stored: never change one, never give one a new meaning.
const (
	keyID         = "id"
	keyPartitions = "partitions"
	keyReplicas   = "rf"
	keyCreated    = "created"
	keyState      = "state"
	keyConfig     = "config"

	stateActive   = "active"
	stateDeleting = "deleting"
)

// EncodeTopic returns the data of the topic's node: the same bytes for the same topic.
//
//	msgpack map, keys sorted:
//	  config: map name -> value   created: int, ms   id: uint   partitions: int
//	  rf: int   state: "active" | "deleting"   v: format   + unknown keys as they came
func EncodeTopic(t Topic) []byte {
	d := newDocument(t.Unknown)
	d.putUint(keyID, t.ID)
	d.putInt(keyPartitions, int64(t.Partitions))
	d.putInt(keyReplicas, int64(t.Replicas))
	d.putInt(keyCreated, t.Created)
	d.putStrings(keyConfig, t.Settings)
	if t.Deleting {
		d.putString(keyState, stateDeleting)
	} else {
		d.putString(keyState, stateActive)
	}
	return d.encode()
}

// DecodeTopic reads the data of the node of the topic of that name. The error wraps
// ErrCorrupt or ErrNewerFormat and names the topic. The result shares no memory with data.
func DecodeTopic(name string, data []byte) (Topic, error) {
	d, err := decodeDocument(data)
	if err != nil {
		return Topic{}, fmt.Errorf("topic %q: %w", clip(name), err)
	}
	t := Topic{Name: name}
	t.ID = d.takeUint(keyID)
	t.Partitions = int32(d.takeInt(keyPartitions, 1, MaxPartitions))
	t.Replicas = int32(d.takeInt(keyReplicas, 1, math.MaxInt32))
	t.Created = d.takeInt(keyCreated, math.MinInt64, math.MaxInt64)
	t.Settings = d.takeStrings(keyConfig)
	switch state := d.takeString(keyState); state {
	case stateActive:
	case stateDeleting:
		t.Deleting = true
	default:
		d.fail(keyState, fmt.Errorf("unknown state %q", clip(state)))
	}
	if t.ID == 0 {
		d.fail(keyID, fmt.Errorf("is 0"))
	}
	if t.Unknown, err = d.rest(); err != nil {
		return Topic{}, fmt.Errorf("topic %q: %w", clip(name), err)
	}
	return t, nil
}

// Tombstone says that a topic was deleted: it alone allows that data of that topic id is deleted.
type Tombstone struct {
	ID      uint64 // the topic's id
	Name    string // the topic's name
	Deleted int64  // when, ms since 1970
}

// Keys of a tombstone's node, stored.
const (
	keyName    = "name"
	keyDeleted = "time"
)

func encodeTombstone(ts Tombstone) []byte {
	d := newDocument(nil)
	d.putString(keyName, ts.Name)
	d.putInt(keyDeleted, ts.Deleted)
	return d.encode()
}

func decodeTombstone(id uint64, data []byte) (Tombstone, error) {
	d, err := decodeDocument(data)
	if err != nil {
		return Tombstone{}, fmt.Errorf("tombstone of topic id %d: %w", id, err)
	}
	ts := Tombstone{ID: id, Name: d.takeString(keyName), Deleted: d.takeInt(keyDeleted, math.MinInt64, math.MaxInt64)}
	if _, err := d.rest(); err != nil {
		return Tombstone{}, fmt.Errorf("tombstone of topic id %d: %w", id, err)
	}
	return ts, nil
}
