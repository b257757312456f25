package record

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Validate makes all checks that a broker must make before it appends bytes that a client sent, which may be damaged or
// hostile (faults I-11, I-12). nil means: the checksum is right; the header agrees with itself and with the records;
// the offset deltas are 0, 1, 2 to count-1; nothing is left over anywhere; max timestamp is that of the records; all of
// l is kept; Records will read it all. The base offset and the leader epoch, which the broker stamps, are not looked
// at. Transactional and control batches and LogAppendTime are accepted: refusing them is the caller's rule.
//
// It allocates nothing per record. A compressed body is decompressed as a stream and never held whole, with two
// exceptions by the codec's nature: a zstd frame may need a window of up to 8 MiB (larger ones are refused), and a raw
// snappy block is decoded as one, up to l.MaxUncompressedBytes. Safe for concurrent use.
func (b Batch) Validate(l Limits) error {
	if err := b.validateFrame(l); err != nil {
		return err
	}
	if err := b.VerifyCRC(); err != nil { // first: a flipped bit is to be reported as such and not as what it has become
		return err
	}
	if err := b.validateHeader(l); err != nil {
		return err
	}
	w := walk{batch: b, limits: l, count: b.Count(), base: b.BaseTimestamp(), min: math.MaxInt64, max: math.MinInt64}
	if b.Codec() == None {
		if err := w.memory(b.body()); err != nil {
			return err
		}
	} else if err := w.compressed(b.Codec(), b.body()); err != nil {
		return err
	}
	return w.finish()
}

// validateFrame checks what says where the batch ends.
func (b Batch) validateFrame(l Limits) error {
	if len(b) < HeaderSize {
		return fmt.Errorf("%w: %d bytes, less than a header", ErrTruncated, len(b))
	}
	if b[atMagic] != magic2 {
		return fmt.Errorf("%w: magic %d, want %d", ErrMalformed, b[atMagic], magic2)
	}
	length := int64(int32(binary.BigEndian.Uint32(b[atLength:])))
	if have := int64(len(b) - beforeLengthEnds); length > have {
		return fmt.Errorf("%w: %d bytes of %d", ErrTruncated, have, length)
	} else if length < have {
		return fmt.Errorf("%w: length %d, but %d bytes", ErrMalformed, length, have)
	}
	if l.MaxBatchBytes > 0 && len(b) > l.MaxBatchBytes {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(b), l.MaxBatchBytes)
	}
	return nil
}

func (b Batch) validateHeader(l Limits) error {
	if a := b.attributes(); a&^attrKnown != 0 || a&attrDeleteHorizon != 0 {
		return fmt.Errorf("%w: attributes %#04x", ErrUnsupported, a)
	}
	if !b.Codec().known() {
		return fmt.Errorf("%w: %v", ErrUnsupported, b.Codec())
	}
	count := b.Count()
	if count <= 0 {
		return fmt.Errorf("%w: record count %d", ErrMalformed, count)
	}
	if l.MaxRecords > 0 && count > l.MaxRecords {
		return fmt.Errorf("%w: %d records, limit %d", ErrTooLarge, count, l.MaxRecords)
	}
	if int64(b.LastOffsetDelta()) != int64(count)-1 {
		return fmt.Errorf("%w: last offset delta %d, but %d records", ErrMalformed, b.LastOffsetDelta(), count)
	}
	id, epoch, sequence := b.ProducerID(), b.ProducerEpoch(), b.BaseSequence()
	if id < -1 || epoch < -1 || sequence < -1 || id >= 0 && (epoch < 0 || sequence < 0 && !b.Control()) {
		return fmt.Errorf("%w: producer id %d, epoch %d, sequence %d", ErrMalformed, id, epoch, sequence)
	}
	return nil
}

// walk goes through all records of a batch and gathers what the header must agree with.
type walk struct {
	batch  Batch
	limits Limits
	count  int
	base   int64 // base timestamp

	next     int   // index of the next record, its offset delta too
	min, max int64 // of the timestamps so far
	record   rawRecord
}

func (w *walk) malformed(fault string) error {
	return fmt.Errorf("%w: record %d: %s", ErrMalformed, w.next, fault)
}

// memory walks records that lie in memory.
func (w *walk) memory(body []byte) error {
	for at := 0; at < len(body); {
		n, next := varint(body, at, maxVarint32)
		if next < 0 || n < 0 || n > int64(len(body)-next) {
			return w.malformed("length out of bounds")
		}
		at = next + int(n)
		if fault := w.record.parse(body[next:at]); fault != "" {
			return w.malformed(fault)
		}
		if err := w.add(w.record.timestampDelta, w.record.offsetDelta); err != nil {
			return err
		}
	}
	return nil
}

// add takes the next record in; its own bytes have been checked.
func (w *walk) add(timestampDelta int64, offsetDelta int32) error {
	if w.next >= w.count {
		return fmt.Errorf("%w: more than the %d records of the header", ErrMalformed, w.count)
	}
	if int(offsetDelta) != w.next {
		return w.malformed("offset delta is not the record's index")
	}
	ts := w.base + timestampDelta
	if (ts < w.base) != (timestampDelta < 0) {
		return w.malformed("timestamp overflows")
	}
	w.min, w.max = min(w.min, ts), max(w.max, ts)
	w.next++
	return nil
}

// finish compares what was gathered with the header and the limits.
func (w *walk) finish() error {
	if w.next != w.count {
		return fmt.Errorf("%w: %d records, header says %d", ErrMalformed, w.next, w.count)
	}
	if w.batch.TimestampType() == LogAppendTime {
		if ts := w.batch.MaxTimestamp(); ts < 0 {
			return fmt.Errorf("%w: append time %d", ErrTimestamp, ts)
		}
		return nil
	}
	if w.min < -1 {
		return fmt.Errorf("%w: %d", ErrTimestamp, w.min)
	}
	if ts := w.batch.MaxTimestamp(); ts != w.max {
		return fmt.Errorf("%w: max timestamp %d, of the records %d", ErrMalformed, ts, w.max)
	}
	if l := w.limits; l.NotBefore != 0 && w.min < l.NotBefore {
		return fmt.Errorf("%w: %d, before %d", ErrTimestamp, w.min, l.NotBefore)
	} else if l.NotAfter != 0 && w.max > l.NotAfter {
		return fmt.Errorf("%w: %d, after %d", ErrTimestamp, w.max, l.NotAfter)
	}
	return nil
}
