package record

import "errors"

// The classes of what can be wrong with a batch. Errors of this package wrap exactly one of them and say where.
var (
	// ErrTruncated: the bytes end before the batch does. More bytes may make it whole.
	ErrTruncated = errors.New("record: batch is cut short")
	// ErrMalformed: the bytes are no record batch v2, whatever follows them.
	ErrMalformed = errors.New("record: malformed batch")
	// ErrChecksum: the bytes are not those that the producer has sent (CRC32C).
	ErrChecksum = errors.New("record: checksum does not match")
	// ErrTooLarge: a limit (see Limits) or one of the layout's own bounds is passed.
	ErrTooLarge = errors.New("record: batch too large")
	// ErrUnsupported: a well-formed batch that uses what this version does not know: a codec, an attribute bit.
	ErrUnsupported = errors.New("record: not supported")
	// ErrTimestamp: a record's timestamp lies outside of what Limits allow, or before -1 (Kafka's "no timestamp").
	ErrTimestamp = errors.New("record: timestamp out of range")
)
