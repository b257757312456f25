package kafka

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/skidway/skidway/wire"
)

// fetchBody is the answer of a fetch. It is encoded here, and not by kmsg, so that the batches are not copied.
type fetchBody struct {
	version       int16
	errorCode     int16
	session       int32
	readCommitted bool
	parts         []fetchPart // those of a topic stand together
}

// flexibleFetch is the first version of a fetch whose lengths are varints.
const flexibleFetch = 12

// put encodes the answer.
func (b *fetchBody) put(f *wire.Frame) {
	f.Append(func(dst []byte) []byte {
		dst = binary.BigEndian.AppendUint32(dst, 0) // not throttled
		if b.version >= 7 {
			dst = binary.BigEndian.AppendUint16(dst, uint16(b.errorCode))
			dst = binary.BigEndian.AppendUint32(dst, uint32(b.session))
		}
		topics := 0
		for i := range b.parts {
			if b.beginsTopic(i) {
				topics++
			}
		}
		return b.length(dst, topics, 4)
	})
	for i := range b.parts {
		p := &b.parts[i]
		f.Append(func(dst []byte) []byte {
			if b.beginsTopic(i) {
				dst = b.length(dst, len(p.topic), 2)
				dst = append(dst, p.topic...)
				dst = b.length(dst, b.sameTopic(i), 4)
			}
			return b.partition(dst, p)
		})
		f.Refer(p.batches)
		f.Append(func(dst []byte) []byte {
			dst = b.leader(dst, p)
			if i == len(b.parts)-1 || b.beginsTopic(i+1) {
				dst = b.noTags(dst)
			}
			return dst
		})
	}
	f.Append(b.noTags)
}

// beginsTopic tells whether the i-th partition is the first of its topic.
func (b *fetchBody) beginsTopic(i int) bool { return i == 0 || b.parts[i].topic != b.parts[i-1].topic }

// sameTopic is how many partitions from the i-th on are of its topic.
func (b *fetchBody) sameTopic(i int) int {
	n := 1
	for i+n < len(b.parts) && !b.beginsTopic(i+n) {
		n++
	}
	return n
}

// partition encodes what comes before the batches.
func (b *fetchBody) partition(dst []byte, p *fetchPart) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.index))
	dst = binary.BigEndian.AppendUint16(dst, uint16(p.errorCode))
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.end))
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.end)) // the last stable offset
	if b.version >= 5 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.start))
	}
	aborted := -1
	if b.readCommitted {
		aborted = 0
	}
	dst = b.length(dst, aborted, 4)
	if b.version >= 11 {
		dst = binary.BigEndian.AppendUint32(dst, ^uint32(0)) // no other replica is better to read from
	}
	return b.length(dst, len(p.batches), 4)
}

// leader encodes the tags of a partition: who leads it, if that is why it was not read.
func (b *fetchBody) leader(dst []byte, p *fetchPart) []byte {
	moved := p.errorCode == kerr.NotLeaderForPartition.Code || p.errorCode == kerr.FencedLeaderEpoch.Code
	if b.version < flexibleFetch || !moved || p.leader.Leader < 1 {
		return b.noTags(dst)
	}
	dst = append(dst, 1, 1, 9) // one tag, CurrentLeader, of 9 bytes
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.leader.Leader))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.leader.LeaderEpoch))
	return append(dst, 0)
}

// length encodes a length, of width bytes unless the version is flexible; -1 is null.
func (b *fetchBody) length(dst []byte, n, width int) []byte {
	switch {
	case b.version >= flexibleFetch:
		return binary.AppendUvarint(dst, uint64(n+1))
	case width == 2:
		return binary.BigEndian.AppendUint16(dst, uint16(n))
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// noTags ends a struct.
func (b *fetchBody) noTags(dst []byte) []byte {
	if b.version < flexibleFetch {
		return dst
	}
	return append(dst, 0)
}
