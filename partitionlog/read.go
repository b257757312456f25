package partitionlog

import (
	"errors"
	"fmt"
	"slices"

	"github.com/skidway/skidway/record"
)

// ReadResult is what Read gives.
type ReadResult struct {
	// Data is dst with whole batches appended; the first one may begin below
	// the offset that was asked for.
	Data []byte
	// Start and End are the bounds at that time: End is the durable end, or, in a
	// replica's log, the high watermark.
	Start, End int64
}

// Read appends to dst the batches from the one that holds offset on, up to
// maxBytes, but at least one where there is one (KIP-74), and none beyond the
// durable end, or the high watermark of a replica's log. At the end it gives no data,
// and none where a reader is ahead of the high watermark, as it may be after an
// election, until that has moved (G26).
//
// An offset outside of the bounds is an *OffsetRangeError, damage ErrCorrupt:
// what lies before the damage is given first, and nothing damaged ever.
func (l *Log) Read(dst []byte, offset int64, maxBytes int) (ReadResult, error) {
	for {
		r, done, err := l.readOnce(dst, offset, maxBytes)
		if done || err != nil {
			return r, err
		}
	}
}

// readOnce answers done = false where the log was cut under the read.
func (l *Log) readOnce(dst []byte, offset int64, maxBytes int) (r ReadResult, done bool, err error) {
	l.mu.Lock()
	if err := l.readable(offset); err != nil {
		l.mu.Unlock()
		return ReadResult{}, true, err
	}
	r = ReadResult{Data: dst, Start: l.start, End: l.readEnd()}
	generation := l.generation
	if offset >= r.End {
		l.mu.Unlock()
		return r, true, nil
	}
	if err := l.knownDamage(offset); err != nil {
		l.mu.Unlock()
		return ReadResult{}, true, err
	}
	var few [16]record.Batch
	batches, size := fit(few[:0], l.recent.find(offset), r.End, maxBytes)
	l.mu.Unlock()
	if len(batches) > 0 {
		r.Data = slices.Grow(r.Data, size)
		for _, b := range batches {
			r.Data = append(r.Data, b...)
		}
		return r, true, nil
	}
	data, failed := l.readStore(dst, offset, r.End, maxBytes)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.readable(offset); err != nil {
		return ReadResult{}, true, err
	}
	if l.generation != generation {
		return r, false, nil
	}
	if failed != nil && len(data) == len(dst) {
		l.noteDamage(offset, failed)
		return ReadResult{}, true, failed
	}
	r.Data, r.Start = data, l.start
	return r, true, nil
}

// damage is what a read at offset has met. Pebble looks for the flipped bit each
// time, which costs it a second of a processor, and consumers try again.
type damage struct {
	offset int64
	err    error
	asked  int // times that it was answered from here
}

// damageRetry is how many reads of the damaged offset are answered from memory
// before the store is asked again.
const damageRetry = 100

// knownDamage is nil, or the error of the last damaged read if that was at
// offset. Called with mu held.
func (l *Log) knownDamage(offset int64) error {
	d := l.damage
	if d == nil || d.offset != offset {
		return nil
	}
	if d.asked++; d.asked > damageRetry {
		l.damage = nil
		return nil
	}
	return d.err
}

// noteDamage is called with mu held.
func (l *Log) noteDamage(offset int64, err error) {
	if errors.Is(err, ErrCorrupt) {
		l.damage = &damage{offset: offset, err: err}
	}
}

// readable is nil or why offset cannot be read. Called with mu held.
func (l *Log) readable(offset int64) error {
	if err := l.usable(); err != nil {
		return err
	}
	if l.replica && offset > l.hw && offset <= l.end {
		return nil
	}
	return l.inRange(offset)
}

// fit appends to dst the entries that lie below end and within maxBytes, the
// first one in any case, and tells their size.
func fit(dst []record.Batch, entries []recentEntry, end int64, maxBytes int) ([]record.Batch, int) {
	size := 0
	for _, e := range entries {
		if e.last >= end || size > 0 && size+len(e.mem) > maxBytes {
			break
		}
		dst = append(dst, e.mem)
		size += len(e.mem)
	}
	return dst, size
}

// readStore is Read from the store. Data that was read before a failure is
// given with it.
func (l *Log) readStore(dst []byte, offset, end int64, maxBytes int) ([]byte, error) {
	before := len(dst)
	err := l.scan(offset, end, func(b record.Batch) bool {
		size := len(dst) - before
		if size > 0 && size+len(b) > maxBytes {
			return false
		}
		dst = append(dst, b...)
		return size+len(b) < maxBytes
	})
	return dst, err
}

// scan yields the stored batches from the one that holds from on, up to to, each
// checked: whole, where its key says, adjoining the one before, its checksum
// right. The first fault ends it. So does a batch that holds to and what lies below:
// a high watermark may lie in one. A batch is good only within the call. What was
// appended but not applied yet is not seen, so to must not be beyond the durable
// end.
func (l *Log) scan(from, to int64, yield func(record.Batch) bool) error {
	at, ended := from, false
	var bad error
	err := l.logs.store.Batches(l.part, from, func(last int64, v []byte) bool {
		if last >= to {
			ended = at < to && straddles(v, at)
			return false
		}
		var b record.Batch
		if b, bad = checkStored(last, v, at, at == from); bad != nil {
			return false
		}
		at = last + 1
		ended = !yield(b) || at >= to
		return !ended
	})
	if err != nil {
		return readError(l.part, at, err)
	}
	if bad != nil {
		return corrupt(l.part, at, bad)
	}
	if at < to && !ended {
		return corrupt(l.part, at, errGap)
	}
	return nil
}

// straddles says whether the stored batch holds at.
func straddles(v []byte, at int64) bool {
	b, _, err := record.Split(v)
	return err == nil && b.BaseOffset() <= at
}

// checkStored checks a stored value: its key's last offset is last, and it has
// to hold offset at; only the first batch of a scan may begin below that.
func checkStored(last int64, v []byte, at int64, first bool) (record.Batch, error) {
	b, rest, err := record.Split(v)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%d bytes behind the batch", len(rest))
	}
	if b.LastOffset() != last || b.BaseOffset() > last {
		return nil, fmt.Errorf("batch %d..%d under the key of %d", b.BaseOffset(), b.LastOffset(), last)
	}
	if b.BaseOffset() > at || b.BaseOffset() < at && !first {
		return nil, fmt.Errorf("%w: batch %d..%d does not hold it", errGap, b.BaseOffset(), last)
	}
	if err := b.VerifyCRC(); err != nil {
		return nil, err
	}
	return b, nil
}
