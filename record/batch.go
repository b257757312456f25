package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// The header of a record batch v2. All integers are big-endian. Nothing here may ever change: it is what is on disk and
// what Kafka's clients read and write.
//
//	at  size  field
//	 0     8  base offset            stamped by the broker, outside the checksum
//	 8     4  length                 bytes that follow this field
//	12     4  partition leader epoch stamped by the broker, outside the checksum
//	16     1  magic                  2
//	17     4  crc                    CRC32C (Castagnoli) of all that follows it: bytes 21..end
//	21     2  attributes             bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control,
//	                                 6 base timestamp is a delete horizon (KIP-534), 7-15 zero
//	23     4  last offset delta      last offset - base offset
//	27     8  base timestamp         ms since 1970; the first record's, deltas count from it
//	35     8  max timestamp          ms since 1970
//	43     8  producer id            -1: none
//	51     2  producer epoch         -1: none
//	53     4  base sequence          sequence of the first record, -1: none
//	57     4  record count
//	61        body: the records, compressed as a whole by the codec
const (
	// HeaderSize is the length of a batch's header in bytes: the least a batch has.
	HeaderSize = 61

	atBaseOffset     = 0
	atLength         = 8
	atLeaderEpoch    = 12
	atMagic          = 16
	atCRC            = 17
	atAttributes     = 21
	atLastDelta      = 23
	atBaseTimestamp  = 27
	atMaxTimestamp   = 35
	atProducerID     = 43
	atProducerEpoch  = 51
	atBaseSequence   = 53
	atCount          = 57
	beforeLengthEnds = 12 // bytes of a batch that its length field does not count

	magic2 = 2

	attrCodecMask     = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
	attrKnown         = attrCodecMask | attrLogAppendTime | attrTransactional | attrControl | attrDeleteHorizon
)

// Batch is one whole encoded batch. The accessors read the field in place and need a batch that came from Split, Seal
// or Validate: they panic on fewer than HeaderSize bytes. Reading is safe concurrently; the two Stamp methods write.
type Batch []byte

// Split takes the first batch off b. It checks bounds and magic only: length, checksum and records are checked by
// Validate. It returns ErrTruncated if b ends within the batch (also if b is empty), ErrMalformed if no batch begins
// here. Both results alias b; first cannot be appended to in place.
func Split(b []byte) (first Batch, rest []byte, err error) {
	if len(b) > atMagic && b[atMagic] != magic2 {
		return nil, b, fmt.Errorf("%w: magic %d, want %d", ErrMalformed, b[atMagic], magic2)
	}
	if len(b) < beforeLengthEnds {
		return nil, b, fmt.Errorf("%w: %d bytes", ErrTruncated, len(b))
	}
	length := int64(int32(binary.BigEndian.Uint32(b[atLength:])))
	if length < HeaderSize-beforeLengthEnds {
		return nil, b, fmt.Errorf("%w: length %d, less than a header", ErrMalformed, length)
	}
	size := length + beforeLengthEnds
	if int64(len(b)) < size {
		return nil, b, fmt.Errorf("%w: %d bytes of %d", ErrTruncated, len(b), size)
	}
	return Batch(b[:size:size]), b[size:], nil
}

// BaseOffset is the offset of the first record.
func (b Batch) BaseOffset() int64 { return int64(binary.BigEndian.Uint64(b[atBaseOffset:])) }

// LastOffset is the offset of the last record.
func (b Batch) LastOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) }

// LastOffsetDelta is LastOffset - BaseOffset: one less than the number of offsets that the batch takes.
func (b Batch) LastOffsetDelta() int32 { return int32(binary.BigEndian.Uint32(b[atLastDelta:])) }

// LeaderEpoch is the epoch of the leader that appended the batch, -1 before that.
func (b Batch) LeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b[atLeaderEpoch:])) }

// CRC is the checksum that the header holds; VerifyCRC compares it.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[atCRC:]) }

func (b Batch) attributes() uint16 { return binary.BigEndian.Uint16(b[atAttributes:]) }

// Codec is how the records are compressed; it may be one that this package does not know (Validate refuses those).
func (b Batch) Codec() Codec { return Codec(b.attributes() & attrCodecMask) }

// TimestampType says whose clock the timestamps are from.
func (b Batch) TimestampType() TimestampType {
	if b.attributes()&attrLogAppendTime != 0 {
		return LogAppendTime
	}
	return CreateTime
}

// Transactional reports whether the batch is part of a transaction (KIP-98).
func (b Batch) Transactional() bool { return b.attributes()&attrTransactional != 0 }

// Control reports whether the records are markers between brokers (a transaction's end) and not a client's data.
func (b Batch) Control() bool { return b.attributes()&attrControl != 0 }

// BaseTimestamp is the first record's timestamp in ms, which the deltas of all records count from.
func (b Batch) BaseTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[atBaseTimestamp:])) }

// MaxTimestamp is the largest timestamp of the records in ms; with LogAppendTime, that of every record.
func (b Batch) MaxTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[atMaxTimestamp:])) }

// ProducerID is the id of the idempotent producer, -1 if there is none.
func (b Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b[atProducerID:])) }

// ProducerEpoch is the producer's epoch, -1 if there is none.
func (b Batch) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[atProducerEpoch:])) }

// BaseSequence is the producer's sequence number of the first record, -1 if there is none.
func (b Batch) BaseSequence() int32 { return int32(binary.BigEndian.Uint32(b[atBaseSequence:])) }

// LastSequence is the sequence number of the last record, -1 if there is none. Sequences wrap from 2^31-1 to 0.
func (b Batch) LastSequence() int32 {
	base := b.BaseSequence()
	if base < 0 {
		return -1
	}
	return int32((int64(base) + int64(b.LastOffsetDelta())) & math.MaxInt32)
}

// Count is the number of records.
func (b Batch) Count() int { return int(int32(binary.BigEndian.Uint32(b[atCount:]))) }

func (b Batch) body() []byte { return b[HeaderSize:] }

// Stamp writes, in place, what the leader decides at append: the offset of the first record and its own epoch. Both lie
// outside the checksum. Not safe while others read b.
func (b Batch) Stamp(baseOffset int64, leaderEpoch int32) {
	binary.BigEndian.PutUint64(b[atBaseOffset:], uint64(baseOffset))
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(leaderEpoch))
}

// StampAppendTime gives, in place, all records the timestamp ms and marks the batch LogAppendTime. The checksum is
// patched by what has changed and not computed anew, so the cost is the same for any size and a batch that was damaged
// before stays recognisably damaged. Not safe while others read b.
func (b Batch) StampAppendTime(ms int64) {
	const end = atMaxTimestamp + 8
	var delta [end - atAttributes]byte
	copy(delta[:], b[atAttributes:end])
	binary.BigEndian.PutUint16(b[atAttributes:], b.attributes()|attrLogAppendTime)
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(ms))
	for i := range delta {
		delta[i] ^= b[atAttributes+i]
	}
	binary.BigEndian.PutUint32(b[atCRC:], b.CRC()^crcDelta(delta[:], len(b)-end))
}

// VerifyCRC returns ErrChecksum if the bytes from the attributes on are not those that the checksum was made of.
// A wrong offset, epoch, length or magic is not seen by it.
func (b Batch) VerifyCRC() error {
	if len(b) < HeaderSize {
		return fmt.Errorf("%w: %d bytes, less than a header", ErrTruncated, len(b))
	}
	if got, want := b.computeCRC(), b.CRC(); got != want {
		return fmt.Errorf("%w: computed %08x, header says %08x", ErrChecksum, got, want)
	}
	return nil
}

func (b Batch) computeCRC() uint32 { return crc32.Checksum(b[atAttributes:], castagnoli) }
