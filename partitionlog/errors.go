package partitionlog

import (
	"errors"
	"fmt"

	"github.com/skidway/skidway/kv"
)

var (
	// ErrOffsetOutOfRange is the class of *OffsetRangeError.
	ErrOffsetOutOfRange = errors.New("partitionlog: offset out of range")
	// ErrOutOfOrderSequence is the class of *SequenceError. The batch was not
	// appended and will never appear.
	ErrOutOfOrderSequence = errors.New("partitionlog: out of order sequence")
	// ErrProducerFenced says that a newer epoch of the producer has appended
	// here: this one is a zombie (KIP-98).
	ErrProducerFenced = errors.New("partitionlog: a newer epoch of the producer has taken over")
	// ErrCorrupt says that stored records are damaged or missing. The error
	// names topic id, partition and offset. Other offsets and logs go on.
	ErrCorrupt = errors.New("partitionlog: stored records are damaged")
	// ErrDeleted says that the log's topic was deleted.
	ErrDeleted = errors.New("partitionlog: the log was deleted")
	// ErrTruncating says that the log's end is being cut right now. Nothing was
	// appended; it may be tried again.
	ErrTruncating = errors.New("partitionlog: the log is being truncated")
	// ErrOffsetsExhausted says that an offset would pass 2^63-1. Nothing was
	// appended: offsets do not wrap.
	ErrOffsetsExhausted = errors.New("partitionlog: no offsets are left")
	// ErrStaleEpoch says that the log holds records of a newer leader epoch
	// than the one that would append. Nothing was appended.
	ErrStaleEpoch = errors.New("partitionlog: the log has records of a newer leader epoch")
	// ErrStaleGeneration says that the log has been given to another role since
	// the one that would append, or change it. Of a receipt: the append was
	// dropped, and will never appear. A log of a replica refuses what carries no
	// generation.
	ErrStaleGeneration = errors.New("partitionlog: the log has a newer generation")
	// ErrDiscontinuous says that a shipped batch does not continue the log.
	// Nothing was appended.
	ErrDiscontinuous = errors.New("partitionlog: the batch does not continue the log")
	// ErrVoid says that the log was marked as damaged. Nothing was appended.
	ErrVoid = errors.New("partitionlog: the log is damaged and waits to be rebuilt")
	// ErrBadReset says that offsets, epochs or producer rows of a Reset contradict
	// each other or are malformed. Nothing was changed.
	ErrBadReset = errors.New("partitionlog: not a state that a log can begin with")

	// errGap says that a batch is missing between two others.
	errGap = errors.New("a batch is missing")
)

// OffsetRangeError says that an offset is below the log start or beyond the
// log's end. Its class is ErrOffsetOutOfRange.
type OffsetRangeError struct {
	Offset int64
	// Start and End are the bounds at that time: Start <= offset <= End is
	// what may be read.
	Start, End int64
}

// Error names the offset and the bounds.
func (e *OffsetRangeError) Error() string {
	return fmt.Sprintf("%v: %d is not within %d..%d", ErrOffsetOutOfRange, e.Offset, e.Start, e.End)
}

// Is makes errors.Is(err, ErrOffsetOutOfRange) hold.
func (e *OffsetRangeError) Is(target error) bool { return target == ErrOffsetOutOfRange }

// SequenceError says that a batch of an idempotent producer does not follow
// its last one. Its class is ErrOutOfOrderSequence.
type SequenceError struct {
	ProducerID int64
	Epoch      int16
	// Expected is the sequence that would have been taken, Got the batch's
	// first one.
	Expected, Got int32
	// Known is false where the log holds no state of the producer: it never
	// appended here, or so long ago that its state has expired. It has to
	// start again at sequence 0, with a new epoch or id.
	Known bool
}

// Error names the producer and both sequences.
func (e *SequenceError) Error() string {
	known := ""
	if !e.Known {
		known = " (no state of this producer here)"
	}
	return fmt.Sprintf("%v: producer %d epoch %d: expected %d, got %d%s",
		ErrOutOfOrderSequence, e.ProducerID, e.Epoch, e.Expected, e.Got, known)
}

// Is makes errors.Is(err, ErrOutOfOrderSequence) hold.
func (e *SequenceError) Is(target error) bool { return target == ErrOutOfOrderSequence }

// corrupt is the error for damage found at offset of p; cause may be nil.
func corrupt(p kv.Partition, offset int64, cause error) error {
	where := fmt.Sprintf("topic id %d partition %d offset %d", p.Topic, p.Index, offset)
	if cause == nil {
		return fmt.Errorf("%w: %s: missing", ErrCorrupt, where)
	}
	return fmt.Errorf("%w: %s: %w", ErrCorrupt, where, cause)
}
