package bench

import (
	"math/bits"
	"sync/atomic"
)

// Verification is what became of every record.
type Verification struct {
	Sent       int64 `json:"sent"`
	Acked      int64 `json:"acked"`
	Failed     int64 `json:"failed"`   // answered with an error, or not at all
	Received   int64 `json:"received"` // distinct records
	Lost       int64 `json:"lost"`     // acknowledged and not received
	Duplicated int64 `json:"duplicated"`
	Reordered  int64 `json:"reordered"` // received after a later record of the same producer and partition
	Damaged    int64 `json:"damaged"`   // not byte for byte what was sent
	Checked    bool  `json:"checked"`   // false: nothing was read, so the last five say nothing
}

// OK tells whether every record that was sent was acknowledged and, if it was checked, received once, in order and
// whole.
func (v *Verification) OK() bool {
	return v.Failed == 0 && v.Sent == v.Acked && v.Lost == 0 && v.Duplicated == 0 && v.Reordered == 0 && v.Damaged == 0
}

// ledger counts the records of one run. Safe for concurrent use, but each partition must be received on one goroutine
// at a time.
type ledger struct {
	run      uint64
	acked    []bitmap // by producer
	received []bitmap
	newest   [][]uint64 // by partition and producer: the highest sequence received plus 1; 0: none yet

	distinct, duplicated, reordered, damaged atomic.Int64
}

func newLedger(run uint64, producers, partitions int) *ledger {
	l := &ledger{run: run, acked: make([]bitmap, producers), received: make([]bitmap, producers),
		newest: make([][]uint64, partitions)}
	for i := range l.newest {
		l.newest[i] = make([]uint64, producers)
	}
	return l
}

// ack takes note of an acknowledged record.
func (l *ledger) ack(producer uint32, sequence uint64) { l.acked[producer].set(sequence) }

// receive takes note of a record that was read; whole tells whether it is what was sent. It returns whether the
// record is of this run and was not received before.
func (l *ledger) receive(partition int32, t *tag, whole bool) bool {
	if !whole {
		l.damaged.Add(1)
		return false
	}
	if t.run != l.run || int(t.producer) >= len(l.received) || int(partition) >= len(l.newest) {
		return false // someone else's
	}
	if l.received[t.producer].set(t.sequence) {
		l.duplicated.Add(1)
		return false
	}
	l.distinct.Add(1)
	newest := &l.newest[partition][t.producer]
	if t.sequence+1 < *newest {
		l.reordered.Add(1)
		return true
	}
	*newest = t.sequence + 1
	return true
}

// lost counts the records that were acknowledged and not received.
func (l *ledger) lost() (n int64) {
	for i := range l.acked {
		n += l.acked[i].without(&l.received[i])
	}
	return n
}

// bitmap is a set of sequences that grows by chunks. Safe for concurrent use.
type bitmap struct {
	chunks [maxChunks]atomic.Pointer[chunk]
}

const (
	chunkBits = 1 << 22
	maxChunks = 1 << 13 // 34 billion records a producer
)

type chunk [chunkBits / 64]atomic.Uint64

// set adds a sequence and returns whether it was there. One beyond all bounds counts as there: it cannot be of this
// run.
func (b *bitmap) set(sequence uint64) bool {
	if sequence >= chunkBits*maxChunks {
		return true
	}
	at := &b.chunks[sequence/chunkBits]
	c := at.Load()
	if c == nil {
		at.CompareAndSwap(nil, new(chunk))
		c = at.Load()
	}
	bit := uint64(1) << (sequence % 64)
	return c[sequence%chunkBits/64].Or(bit)&bit != 0
}

// without counts the members that are not members of other.
func (b *bitmap) without(other *bitmap) (n int64) {
	for i := range b.chunks {
		c, o := b.chunks[i].Load(), other.chunks[i].Load()
		if c == nil {
			continue
		}
		for j := range c {
			word := c[j].Load()
			if o != nil {
				word &^= o[j].Load()
			}
			n += int64(bits.OnesCount64(word))
		}
	}
	return n
}
