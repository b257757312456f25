package client

import (
	"bytes"
	"slices"
	"time"

	"github.com/skidway/skidway/record"
)

// Header is a name and a value that go with a record.
type Header = record.Header

// Record is one record, to be sent or received.
type Record struct {
	Topic     string
	Partition int32 // to send: read by the partitioner Manual only; received and returned: where the record is
	// LeaderEpoch is that of the leader which took the record; only of a received record, and -1 if it is not known
	LeaderEpoch int32
	Offset      int64     // to send: not read; -1 when the broker did not tell (AcksNone)
	Timestamp   time.Time // to send: the zero time is now; kept in milliseconds
	Key         []byte    // nil is no key, which is not an empty key
	Value       []byte    // nil is no value, which is not an empty value
	Headers     []Header
}

// millis returns the record's timestamp as the format keeps it.
func (r *Record) millis() int64 {
	if r.Timestamp.IsZero() {
		return time.Now().UnixMilli()
	}
	return r.Timestamp.UnixMilli()
}

// cost is the number of bytes that a record counts for in a producer's buffer: an upper bound of its encoded length.
func (r *Record) cost() int64 {
	// varints of length, attributes, timestamp, offset, key, value, header count
	const lengths = 5 + 1 + 10 + 5 + 5 + 5 + 5
	n := int64(lengths + len(r.Key) + len(r.Value))
	for i := range r.Headers {
		n += int64(10 + len(r.Headers[i].Key) + len(r.Headers[i].Value))
	}
	return n
}

// copyBytes gives the record bytes of its own.
func (r *Record) copyBytes() {
	r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	r.Headers = slices.Clone(r.Headers)
	for i := range r.Headers {
		r.Headers[i].Value = bytes.Clone(r.Headers[i].Value)
	}
}
