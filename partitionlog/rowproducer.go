package partitionlog

import (
	"encoding/binary"
	"math"
)

// The 'p' row: what a log remembers of one idempotent producer, written in the
// same commit as the batch that changed it.
//
//	version     1 byte, 1
//	epoch       2 bytes, big-endian
//	count       1 byte, 1..5: the batches that follow, oldest first, all of that epoch
//	for each:
//	  first     uvarint  sequence of the first record
//	  span      uvarint  records - 1; the last sequence is (first + span) mod 2^31
//	  base      uvarint  offset of the first record
//	  appended  varint   append time, ms
const producerVersion = 1

// remembered is how many batches of a producer are known as duplicates:
// Kafka's limit of requests in flight (KIP-98).
const remembered = 5

// maxProducerRow bounds an encoded row.
const maxProducerRow = 4 + remembered*(2*binary.MaxVarintLen32+2*binary.MaxVarintLen64)

// sequenced is one batch of a producer.
type sequenced struct {
	first    int32 // sequence of the first record, 0..2^31-1
	span     int32 // records - 1
	base     int64
	appended int64
}

// last is the sequence of the last record: sequences wrap to 0.
func (s sequenced) last() int32 { return int32((int64(s.first) + int64(s.span)) & math.MaxInt32) }

// lastOffset is the offset of the last record.
func (s sequenced) lastOffset() int64 { return s.base + int64(s.span) }

// producerState is what is remembered of a producer: 1..5 batches, oldest
// first, of one epoch.
type producerState struct {
	epoch   int16
	count   int8
	batches [remembered]sequenced
}

func (s *producerState) newest() *sequenced { return &s.batches[s.count-1] }

func (s *producerState) list() []sequenced { return s.batches[:s.count] }

// add remembers b as the newest.
func (s *producerState) add(b sequenced) {
	if s.count == remembered {
		copy(s.batches[:], s.batches[1:])
		s.count--
	}
	s.batches[s.count] = b
	s.count++
}

// append encodes the state; count must not be 0.
func (s *producerState) append(dst []byte) []byte {
	dst = append(dst, producerVersion)
	dst = binary.BigEndian.AppendUint16(dst, uint16(s.epoch))
	dst = append(dst, byte(s.count))
	for _, b := range s.list() {
		dst = binary.AppendUvarint(dst, uint64(b.first))
		dst = binary.AppendUvarint(dst, uint64(b.span))
		dst = binary.AppendUvarint(dst, uint64(b.base))
		dst = binary.AppendVarint(dst, b.appended)
	}
	return dst
}

func decodeProducer(v []byte) (producerState, error) {
	if len(v) < 4 || v[0] != producerVersion || v[3] < 1 || v[3] > remembered {
		return producerState{}, errRow
	}
	s := producerState{epoch: int16(binary.BigEndian.Uint16(v[1:])), count: int8(v[3])}
	d := rowDecoder{v: v[4:]}
	for i := range s.list() {
		first, span := d.length(), d.length()
		if first > math.MaxInt32 || span > math.MaxInt32 {
			return producerState{}, errRow
		}
		s.batches[i] = sequenced{first: int32(first), span: int32(span), base: d.length(), appended: d.varint()}
	}
	if d.bad || len(d.v) != 0 || s.epoch < 0 {
		return producerState{}, errRow
	}
	return s, nil
}
