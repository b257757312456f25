package partitionlog

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/skidway/skidway/record"
)

// Shipped is a batch on its way from a leader's log to a follower's, with what its
// rows need and its bytes do not say.
type Shipped struct {
	Batch record.Batch // as the leader stamped it
	// Appended is the batch's append time, ms; where the log does not know it any
	// more, that of the last time row before it: a lower bound, a second away at most.
	// The batches of a time row, those that a topic stamps, and the last five of a
	// producer are always known.
	Appended int64
	// Gap is that of the time row which stands at the batch: how much later it was
	// appended than the batch before, ms. -1: there is no row.
	Gap int64
}

// maxShippedHead bounds what Append puts in front of a batch.
const maxShippedHead = 2 * binary.MaxVarintLen64

// Append appends the encoded form: varint Appended, uvarint Gap+1, the batch.
func (s Shipped) Append(dst []byte) []byte {
	dst = binary.AppendVarint(dst, s.Appended)
	dst = binary.AppendUvarint(dst, uint64(s.Gap+1))
	return append(dst, s.Batch...)
}

// DecodeShipped takes the first batch off b; its Batch lies in b. It checks the
// lengths, and no more: AppendShipped checks the rest. Errors: ErrDiscontinuous.
func DecodeShipped(b []byte) (first Shipped, rest []byte, err error) {
	d := rowDecoder{v: b}
	s := Shipped{Appended: d.varint(), Gap: d.length() - 1}
	if d.bad {
		return Shipped{}, nil, fmt.Errorf("%w: the head of a shipped batch is malformed", ErrDiscontinuous)
	}
	if s.Batch, rest, err = record.Split(d.v); err != nil {
		return Shipped{}, nil, fmt.Errorf("%w: %w", ErrDiscontinuous, err)
	}
	return s, rest, nil
}

// ReadAppended appends to dst encoded Shipped batches from the one at from on, up to
// about maxBytes, at least one where there is one, and none beyond the applied end,
// and gives the offset behind the last: from itself where there is nothing to be
// read now. What is not durable yet comes from memory; where memory has it not, a
// Move tells when it can be read. from must be a batch's base: ErrDiscontinuous.
// Other errors: *OffsetRangeError with the data start and the applied end as bounds,
// ErrDeleted, ErrCorrupt. Only after Replicate.
func (l *Log) ReadAppended(dst []byte, from int64, maxBytes int) (data []byte, end int64, err error) {
	for {
		var entries []recentEntry
		l.mu.Lock()
		generation, durable := l.generation, l.end
		err := l.shippable(from)
		if err == nil {
			entries = fitShipped(l.recent.find(from), l.applied, maxBytes)
		}
		l.mu.Unlock()
		switch {
		case err != nil:
			return dst, from, err
		case len(entries) > 0:
			return appendEntries(dst, from, entries)
		case from >= durable:
			return dst, from, nil
		}
		data, end, err := l.shipStored(dst, from, durable, maxBytes)
		if err == nil {
			return data, end, nil
		}
		l.mu.Lock()
		again := generation != l.generation || l.shippable(from) != nil
		l.mu.Unlock()
		if !again { // else it was cut meanwhile: look again
			return dst, from, err
		}
	}
}

// shippable is nil or why from cannot be read. Called with mu held.
func (l *Log) shippable(from int64) error {
	if err := l.usable(); err != nil {
		return err
	}
	if from < l.dataStart || from > l.applied {
		return &OffsetRangeError{Offset: from, Start: l.dataStart, End: l.applied}
	}
	return nil
}

// fitShipped gives a copy of the entries that lie below end and within maxBytes, the
// first in any case.
func fitShipped(entries []recentEntry, end int64, maxBytes int) []recentEntry {
	n, size := 0, 0
	for n < len(entries) && entries[n].last < end {
		if size += len(entries[n].mem) + maxShippedHead; n > 0 && size > maxBytes {
			break
		}
		n++
	}
	return append([]recentEntry(nil), entries[:n]...)
}

func appendEntries(dst []byte, from int64, entries []recentEntry) (data []byte, end int64, err error) {
	if base := entries[0].mem.BaseOffset(); base != from {
		return dst, from, misaligned(from, base)
	}
	for _, e := range entries {
		dst = Shipped{Batch: e.mem, Appended: e.appended, Gap: e.gap}.Append(dst)
		end = e.last + 1
	}
	return dst, end, nil
}

func misaligned(from, base int64) error {
	return fmt.Errorf("%w: offset %d lies in the batch at %d", ErrDiscontinuous, from, base)
}

// shipStored is ReadAppended from the store, in which all below durable is.
func (l *Log) shipStored(dst []byte, from, durable int64, maxBytes int) (data []byte, end int64, err error) {
	var batches []record.Batch
	buf := make([]byte, 0, min(maxBytes, 1<<20))
	size, idempotent := 0, false
	err = l.scan(from, durable, func(b record.Batch) bool {
		if size += len(b) + maxShippedHead; len(batches) > 0 && size > maxBytes {
			return false
		}
		at := len(buf)
		buf = append(buf, b...) // where it grows, those before keep the old memory
		batches = append(batches, record.Batch(buf[at:len(buf):len(buf)]))
		idempotent = idempotent || b.ProducerID() >= 0
		return size < maxBytes
	})
	if len(batches) == 0 {
		return dst, from, err
	}
	if base := batches[0].BaseOffset(); base != from {
		return dst, from, misaligned(from, base)
	}
	end = batches[len(batches)-1].LastOffset() + 1
	shipped, err := l.timed(batches, from, end)
	if err != nil {
		return dst, from, err
	}
	if idempotent {
		if err := l.timedByProducers(shipped); err != nil {
			return dst, from, err
		}
	}
	for i := range shipped {
		dst = shipped[i].Append(dst)
	}
	return dst, end, nil
}

// timed gives the batches of from..end-1 with the times that the time index knows.
func (l *Log) timed(batches []record.Batch, from, end int64) ([]Shipped, error) {
	before, err := l.rowBefore(from)
	if err != nil {
		return nil, err
	}
	appended := before.appended
	shipped := make([]Shipped, len(batches))
	for i, b := range batches {
		shipped[i] = Shipped{Batch: b, Appended: noTime, Gap: -1}
	}
	i := 0
	upTo := func(last int64) {
		for ; i < len(shipped) && shipped[i].Batch.LastOffset() < last; i++ {
			if b := shipped[i].Batch; b.TimestampType() == record.LogAppendTime {
				appended = max(appended, b.MaxTimestamp())
			}
			shipped[i].Appended = appended
		}
	}
	err = l.rows(from, end, func(r timeRow) bool {
		upTo(r.last)
		if i < len(shipped) && shipped[i].Batch.LastOffset() == r.last {
			appended = r.appended
			shipped[i].Appended, shipped[i].Gap = r.appended, r.gap
			i++
		}
		return true
	})
	upTo(math.MaxInt64)
	return shipped, err
}

// timedByProducers fills in the append times that the producers' states know.
func (l *Log) timedByProducers(shipped []Shipped) error {
	if err := l.load(loadedProducers); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.producers == nil { // taken out of memory again, or deleted: bounds will do
		return l.usable()
	}
	for i := range shipped {
		s := &shipped[i]
		p := l.producers.get(s.Batch.ProducerID())
		if p == nil {
			continue
		}
		for _, known := range p.list() {
			if known.base == s.Batch.BaseOffset() {
				s.Appended = known.appended
			}
		}
	}
	return nil
}
