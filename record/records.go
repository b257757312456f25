package record

import (
	"fmt"
	"iter"
)

// Header is one of a record's headers. Keys may repeat; their order is kept.
type Header struct {
	Key   string
	Value []byte // nil is kept apart from empty
}

// Record is one record as a user sees it.
type Record struct {
	Offset    int64
	Timestamp int64 // ms since 1970
	// Key and Value keep nil and empty apart: a nil key is none, a nil value is a tombstone.
	Key, Value []byte
	Headers    []Header // nil if there are none
}

// Records gives all records of the batch in order. The first error ends it; it comes with a zero Record. Only
// l.MaxUncompressedBytes is looked at. Neither the checksum nor the other limits are checked (see VerifyCRC, Validate),
// but no bytes whatever make it panic or pass the limit. Offsets may have gaps, as compaction leaves them, but rise.
//
// Keys, values and header values alias b if it is not compressed, else a buffer that all records of this call share
// and that is never reused. Safe for concurrent use.
func (b Batch) Records(l Limits) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		body, err := b.records(l)
		if err != nil {
			yield(Record{}, err)
			return
		}
		it := reader{batch: b, body: body, last: -1}
		for it.index < b.Count() {
			r, err := it.next()
			if err != nil {
				yield(Record{}, fmt.Errorf("%w: record %d: %w", ErrMalformed, it.index, err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if len(it.body) != 0 {
			yield(Record{}, fmt.Errorf("%w: %d bytes after the last record", ErrMalformed, len(it.body)))
		}
	}
}

// records is the body, decompressed.
func (b Batch) records(l Limits) ([]byte, error) {
	if err := b.validateFrame(Limits{}); err != nil {
		return nil, err
	}
	if b.Codec() == None {
		return b.body(), nil
	}
	return decompress(b.Codec(), b.body(), l.maxUncompressed())
}

// reader takes one record after another off a body.
type reader struct {
	batch Batch
	body  []byte // what is left
	index int    // of the next record
	last  int32  // offset delta of the last record
	raw   rawRecord
}

// recordFault is what is wrong with a record.
type recordFault string

func (f recordFault) Error() string { return string(f) }

func (it *reader) next() (Record, error) {
	n, at := varint(it.body, 0, maxVarint32)
	if at < 0 || n < 0 || n > int64(len(it.body)-at) {
		return Record{}, recordFault("length out of bounds")
	}
	end := at + int(n)
	if fault := it.raw.parse(it.body[at:end]); fault != "" {
		return Record{}, recordFault(fault)
	}
	if it.raw.offsetDelta <= it.last || it.raw.offsetDelta > it.batch.LastOffsetDelta() {
		return Record{}, recordFault("offset delta out of order")
	}
	it.body, it.index, it.last = it.body[end:], it.index+1, it.raw.offsetDelta
	r := Record{
		Offset:    it.batch.BaseOffset() + int64(it.raw.offsetDelta),
		Timestamp: it.batch.BaseTimestamp() + it.raw.timestampDelta,
		Key:       it.raw.key,
		Value:     it.raw.value,
	}
	if it.batch.TimestampType() == LogAppendTime {
		r.Timestamp = it.batch.MaxTimestamp()
	}
	if it.raw.headerCount > 0 {
		r.Headers = decodeHeaders(it.raw.headers, it.raw.headerCount)
	}
	return r, nil
}

// decodeHeaders reads headers that parse has checked.
func decodeHeaders(p []byte, count int) []Header {
	headers := make([]Header, count) // count is at most len(p)/minHeader
	at := 0
	for i := range headers {
		var key []byte
		key, at = field(p, at)
		headers[i].Key = string(key)
		headers[i].Value, at = field(p, at)
	}
	return headers
}
