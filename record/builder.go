package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// maxBodyBytes keeps the length field, and with it a batch's size, within 31 bits.
const maxBodyBytes = math.MaxInt32 - HeaderSize

// Builder makes a batch of records. Append encodes into one buffer that Reset keeps, so that a Builder in use allocates
// nothing per record. Not safe for concurrent use.
type Builder struct {
	codec   Codec
	body    []byte // encoded records
	scratch []byte // compressed body; kept for its capacity
	count   int
	base    int64 // first record's timestamp
	max     int64 // largest timestamp
	err     error // of the first Append that could not be done: Seal returns it

	producerID    int64
	producerEpoch int16
	baseSequence  int32
}

// NewBuilder makes an empty Builder whose batches are compressed by codec at its default level. It panics on a codec
// that is none of this package's.
func NewBuilder(codec Codec) *Builder {
	if !codec.known() {
		panic("record: NewBuilder with " + codec.String())
	}
	b := &Builder{codec: codec}
	b.Reset()
	return b
}

// Reset empties the Builder for the next batch: no records, no producer. Batches that Seal has made stay as they are.
func (b *Builder) Reset() {
	b.body, b.count, b.base, b.max, b.err = b.body[:0], 0, 0, 0, nil
	b.SetProducer(-1, -1, -1)
}

// SetProducer sets the idempotent producer's id and epoch and the sequence number of the first record; -1, -1, -1 is
// none. It may be called at any time before Seal.
func (b *Builder) SetProducer(id int64, epoch int16, firstSeq int32) {
	b.producerID, b.producerEpoch, b.baseSequence = id, epoch, firstSeq
}

// Count is the number of records appended.
func (b *Builder) Count() int { return b.count }

// Size is an upper bound, in bytes, of the batch that Seal would make now: its exact size without compression.
func (b *Builder) Size() int { return HeaderSize + len(b.body) }

// RecordSize is the number of bytes that Append(r) would add to Size now.
func (b *Builder) RecordSize(r Record) int {
	size := b.recordLength(&r)
	return varintLen(int64(size)) + size
}

// Append adds a record as the next one: its offset is its place in the batch, r.Offset is not looked at. All of r is
// copied. A record that the layout cannot hold is not added and makes Seal fail: a timestamp below -1 or of 2^63-1,
// from which a delta may overflow (ErrTimestamp), or more than 2 GiB in all (ErrTooLarge).
func (b *Builder) Append(r Record) {
	if r.Timestamp < -1 || r.Timestamp == math.MaxInt64 {
		b.fail(fmt.Errorf("%w: %d", ErrTimestamp, r.Timestamp))
		return
	}
	size := b.recordLength(&r)
	if size > maxBodyBytes-len(b.body)-maxVarint32 {
		b.fail(fmt.Errorf("%w: %d bytes and a record of %d", ErrTooLarge, len(b.body), size))
		return
	}
	if b.count == 0 {
		b.base, b.max = r.Timestamp, r.Timestamp
	}
	b.max = max(b.max, r.Timestamp)
	p := binary.AppendVarint(b.body, int64(size))
	p = append(p, 0) // attributes
	p = binary.AppendVarint(p, r.Timestamp-b.base)
	p = binary.AppendVarint(p, int64(b.count))
	p = appendField(p, r.Key)
	p = appendField(p, r.Value)
	p = binary.AppendVarint(p, int64(len(r.Headers)))
	for i := range r.Headers {
		p = binary.AppendVarint(p, int64(len(r.Headers[i].Key)))
		p = append(p, r.Headers[i].Key...)
		p = appendField(p, r.Headers[i].Value)
	}
	b.body = p
	b.count++
}

func (b *Builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// recordLength is the value of the record's length field, were it appended now.
func (b *Builder) recordLength(r *Record) int {
	var delta int64
	if b.count > 0 {
		delta = r.Timestamp - b.base
	}
	n := 1 + varintLen(delta) + varintLen(int64(b.count)) + fieldLen(r.Key) + fieldLen(r.Value)
	n += varintLen(int64(len(r.Headers)))
	for i := range r.Headers {
		key := len(r.Headers[i].Key)
		n += varintLen(int64(key)) + key + fieldLen(r.Headers[i].Value)
	}
	return n
}

func fieldLen(f []byte) int {
	if f == nil {
		return 1 // -1 is one byte
	}
	return varintLen(int64(len(f))) + len(f)
}

func appendField(p, f []byte) []byte {
	if f == nil {
		return binary.AppendVarint(p, -1)
	}
	p = binary.AppendVarint(p, int64(len(f)))
	return append(p, f...)
}

// Seal appends the batch of all records so far to dst and returns the batch alone: what was appended, which shares
// dst's memory if that had room. Base offset is 0, leader epoch -1. If compression does not make the records smaller,
// they are left uncompressed, so the batch may have codec none. The Builder stays as it is: Seal may be called again,
// also after another SetProducer, and Reset begins the next batch. A Builder without records gives ErrMalformed.
func (b *Builder) Seal(dst []byte) (Batch, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.count == 0 {
		return nil, fmt.Errorf("%w: no records", ErrMalformed)
	}
	codec, body := None, b.body
	if b.codec != None {
		var err error
		if b.scratch, err = compress(b.codec, b.scratch[:0], b.body); err != nil {
			return nil, err
		}
		if len(b.scratch) < len(b.body) {
			codec, body = b.codec, b.scratch
		}
	}
	start := len(dst)
	dst = b.appendHeader(dst, codec, len(body))
	dst = append(dst, body...)
	batch := Batch(dst[start:len(dst):len(dst)])
	binary.BigEndian.PutUint32(batch[atCRC:], crc32.Checksum(batch[atAttributes:], castagnoli))
	return batch, nil
}

// appendHeader appends the header but for the checksum, for which it leaves room.
func (b *Builder) appendHeader(dst []byte, codec Codec, bodyLen int) []byte {
	be := binary.BigEndian
	dst = be.AppendUint64(dst, 0)
	dst = be.AppendUint32(dst, uint32(HeaderSize-beforeLengthEnds+bodyLen))
	dst = be.AppendUint32(dst, math.MaxUint32) // leader epoch -1
	dst = append(dst, magic2)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint16(dst, uint16(codec))
	dst = be.AppendUint32(dst, uint32(b.count-1))
	dst = be.AppendUint64(dst, uint64(b.base))
	dst = be.AppendUint64(dst, uint64(b.max))
	dst = be.AppendUint64(dst, uint64(b.producerID))
	dst = be.AppendUint16(dst, uint16(b.producerEpoch))
	dst = be.AppendUint32(dst, uint32(b.baseSequence))
	return be.AppendUint32(dst, uint32(b.count))
}
