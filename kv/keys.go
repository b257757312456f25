package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The keys. Integers are big endian and never negative, so that bytes sort as
// numbers and a partition's rows of one kind lie side by side, in order.
//
//	 0         1                 9             13                21
//	+---------+-----------------+-------------+-----------------+
//	| 'd' 1   | topic id 8      | partition 4 | last offset 8   |  one record batch
//	| 'e' 1   | topic id 8      | partition 4 | leader epoch 4  |  first offset of that epoch
//	| 'm' 1   | topic id 8      | partition 4 |                    the partition's state
//	| 'p' 1   | topic id 8      | partition 4 | producer id 8   |  one producer's state
//	| 't' 1   | topic id 8      | partition 4 | last offset 8   |  time and size up to that offset
//	+---------+-----------------+-------------+
//	| 's' 1   | name, bytes     |                                  the store itself
//	| 'x' 1   | path, bytes     |                                  a node of the embedded metadata store
//	+---------+-----------------+
//
// A batch stands under its last offset, so that a seek to an offset lands on
// the batch that holds it, and the range [first, key(start)) holds exactly
// the batches that lie whole below start.
//
// These bytes are on disks. They never change; a new layout is a new format
// version (FormatVersion) and new tags.
const (
	tagBatch    byte = 'd'
	tagEpoch    byte = 'e'
	tagMeta     byte = 'm'
	tagProducer byte = 'p'
	tagStore    byte = 's'
	tagTime     byte = 't'
	tagNode     byte = 'x'

	partitionKeySize = 1 + 8 + 4
	offsetKeySize    = partitionKeySize + 8
	epochKeySize     = partitionKeySize + 4
)

// partitionTags are the tags whose keys begin with a partition, in key order.
var partitionTags = [...]byte{tagBatch, tagEpoch, tagMeta, tagProducer, tagTime}

// errKey is what parseKey answers to bytes that no key of this layout has.
var errKey = errors.New("kv: not a key of this layout")

// Partition names one partition of one topic.
type Partition struct {
	// Topic is the topic's id, which is never given to a second topic.
	Topic uint64
	// Index is the partition's number within its topic, from 0.
	Index int32
}

// String is the partition as error messages name it.
func (p Partition) String() string {
	return fmt.Sprintf("topic id %d, partition %d", p.Topic, p.Index)
}

// appendPartition appends the key of p under tag: the prefix of all its rows
// of that kind, and for 'm' the whole key.
func appendPartition(dst []byte, tag byte, p Partition) []byte {
	if p.Index < 0 {
		panic(fmt.Sprintf("kv: negative partition: %v", p))
	}
	dst = append(dst, tag)
	dst = binary.BigEndian.AppendUint64(dst, p.Topic)
	return binary.BigEndian.AppendUint32(dst, uint32(p.Index))
}

// appendNumbered appends a key of the tags 'd', 'p' and 't'.
func appendNumbered(dst []byte, tag byte, p Partition, n int64) []byte {
	if n < 0 {
		panic(fmt.Sprintf("kv: negative number %d in a key of %v", n, p))
	}
	return binary.BigEndian.AppendUint64(appendPartition(dst, tag, p), uint64(n))
}

// appendEpochKey appends a key of the tag 'e'.
func appendEpochKey(dst []byte, p Partition, epoch int32) []byte {
	if epoch < 0 {
		panic(fmt.Sprintf("kv: negative epoch %d in a key of %v", epoch, p))
	}
	return binary.BigEndian.AppendUint32(appendPartition(dst, tagEpoch, p), uint32(epoch))
}

// appendTopic appends the prefix of all rows of a topic under tag.
func appendTopic(dst []byte, tag byte, topic uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tag), topic)
}

// appendNamed appends a key of the tags 's' and 'x'.
func appendNamed(dst []byte, tag byte, name string) []byte {
	return append(append(dst, tag), name...)
}

// prefixEnd is the smallest key above all keys that begin with prefix. The
// prefix begins with a tag, so there always is one.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	panic("kv: prefix without an end")
}

// parsedKey is a key taken apart. Which fields are set depends on the tag.
type parsedKey struct {
	tag       byte
	partition Partition
	number    int64  // last offset, producer id or epoch
	name      string // 's' and 'x'
}

// parseKey takes a key apart. It accepts exactly what append makes.
func parseKey(k []byte) (parsedKey, error) {
	if len(k) == 0 {
		return parsedKey{}, errKey
	}
	pk := parsedKey{tag: k[0]}
	switch pk.tag {
	case tagStore, tagNode:
		pk.name = string(k[1:])
		return pk, nil
	case tagBatch, tagEpoch, tagMeta, tagProducer, tagTime:
	default:
		return parsedKey{}, fmt.Errorf("%w: tag %q", errKey, k[0])
	}
	if want := keySize(pk.tag); len(k) != want {
		return parsedKey{}, fmt.Errorf("%w: %d bytes under tag %q, not %d", errKey, len(k), pk.tag, want)
	}
	index := binary.BigEndian.Uint32(k[9:])
	pk.partition = Partition{Topic: binary.BigEndian.Uint64(k[1:]), Index: int32(index)}
	switch rest := k[partitionKeySize:]; len(rest) {
	case 4:
		pk.number = int64(int32(binary.BigEndian.Uint32(rest)))
	case 8:
		pk.number = int64(binary.BigEndian.Uint64(rest))
	}
	if pk.partition.Index < 0 || pk.number < 0 {
		return parsedKey{}, fmt.Errorf("%w: negative number under tag %q", errKey, pk.tag)
	}
	return pk, nil
}

// keySize is the length of every key under a tag that begins with a partition.
func keySize(tag byte) int {
	switch tag {
	case tagMeta:
		return partitionKeySize
	case tagEpoch:
		return epochKeySize
	default:
		return offsetKeySize
	}
}

// describeKey is a key as error messages name it.
func describeKey(k []byte) string {
	pk, err := parseKey(k)
	if err != nil {
		return fmt.Sprintf("key %x", k)
	}
	switch pk.tag {
	case tagBatch:
		return fmt.Sprintf("batch of %v, last offset %d", pk.partition, pk.number)
	case tagEpoch:
		return fmt.Sprintf("epoch row of %v, epoch %d", pk.partition, pk.number)
	case tagMeta:
		return fmt.Sprintf("state row of %v", pk.partition)
	case tagProducer:
		return fmt.Sprintf("producer row of %v, producer %d", pk.partition, pk.number)
	case tagTime:
		return fmt.Sprintf("time row of %v, last offset %d", pk.partition, pk.number)
	case tagStore:
		return fmt.Sprintf("store row %q", pk.name)
	default:
		return fmt.Sprintf("metadata node %q", pk.name)
	}
}
