package client

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/skidway/skidway/record"
)

// batchState is where a batch is on its way.
type batchState int8

const (
	batchOpen    batchState = iota // takes records: the last one of its partition
	batchClosed                    // complete; somebody seals it
	batchReady                     // sealed; to be sent
	batchSent                      // in a request without an answer
	batchRefused                   // to be sent again once nothing of its partition is under way
	batchDone                      // its outcome is known; it waits for those before it
)

// identity is what a batch is numbered under: a producer id with its epoch.
type identity struct {
	id    int64
	epoch int16
	gen   int32 // grows with each identity of a Producer; 0: none
}

// noIdentity is that of a batch without numbers.
func noIdentity() identity { return identity{id: -1, epoch: -1} }

// batch is a number of records of one partition on their way, guarded by its partition's lock but for what is said
// otherwise.
type batch struct {
	state   batchState
	builder *record.Builder // until sealed; while batchClosed it belongs to who seals
	// once sealed. While batchSent, and for ever if pinned, it must not change: it may be being written
	data    record.Batch
	memory  []byte    // what data lies in, if that may be used again
	ident   identity  // what data is stamped with
	seq     int32     // what data is stamped with
	count   int32     // records
	cost    int64     // bytes of the producer's budget
	born    time.Time // when the first record came; the delivery time counts from here
	tries   int       // requests that it was part of
	hurried bool      // it is not to linger

	// pinned: a try ended without an answer, so the log may hold it under ident and seq, and only the same bytes tell.
	pinned bool
	// gap: the broker refused it because a batch before it is missing.
	gap bool

	entries []entry
	flushes []*flush
	base    int64  // offset of the first record, -1: not known; once done
	stamped int64  // append time in ms, -1: the records keep theirs; once done
	err     *Error // why it was refused last, or failed
}

// entry is a record whose sender wants to hear of it.
type entry struct {
	delta      int32 // its place in the batch
	timestamp  int64
	key, value []byte
	headers    []Header
	promise    func(Record, error)
}

// finish makes the outcome of a batch known.
func (b *batch) finish(err *Error) {
	b.state, b.err = batchDone, err
	if err != nil {
		b.base, b.stamped = -1, -1
	}
}

// keptBytes is what is at fixed places of a record batch (package record, Batch): CRC at 17, what it covers from 21
// on, producer id at 43, epoch at 51, first sequence at 53.
const (
	atCRC      = 17
	atCovered  = 21
	atProducer = 43
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// restamp gives a sealed batch another identity and sequence. It must not be pinned. A batch that was sent before is
// copied: a request that failed may still be about to be written.
func (b *batch) restamp(id identity, seq int32) {
	if b.pinned || b.state == batchSent {
		panic("client: restamp of a batch that may be in the log")
	}
	if b.tries > 0 {
		b.data, b.memory = append(record.Batch(nil), b.data...), nil
	}
	binary.BigEndian.PutUint64(b.data[atProducer:], uint64(id.id))
	binary.BigEndian.PutUint16(b.data[atProducer+8:], uint16(id.epoch))
	binary.BigEndian.PutUint32(b.data[atProducer+10:], uint32(seq))
	binary.BigEndian.PutUint32(b.data[atCRC:], crc32.Checksum(b.data[atCovered:], castagnoli))
	b.ident, b.seq = id, seq
}

// advance returns the sequence n records after seq: after the largest comes 0.
func advance(seq, n int32) int32 { return int32((int64(seq) + int64(n)) & math.MaxInt32) }

// pools keeps the memory of batches for the next ones. Safe for concurrent use.
//
// Memory of a sealed batch comes back only after the one request that ever carried it was answered: a request that
// ran into a time-out or a broken connection may still be written, and then must not carry another topic's records
// (CVE-2026-35554).
type pools struct {
	builders sync.Pool
	entries  sync.Pool
	memory   [32]sync.Pool // []byte, by the power of two of their capacity
	codec    record.Codec
}

func (p *pools) builder() *record.Builder {
	if b, ok := p.builders.Get().(*record.Builder); ok {
		return b
	}
	return record.NewBuilder(p.codec)
}

func (p *pools) putBuilder(b *record.Builder) {
	b.Reset()
	p.builders.Put(b)
}

func (p *pools) entrySlice() []entry {
	if e, ok := p.entries.Get().(*[]entry); ok {
		return *e
	}
	return nil
}

func (p *pools) putEntries(e []entry) {
	if cap(e) == 0 {
		return
	}
	clear(e)
	e = e[:0]
	p.entries.Put(&e)
}

// bytes returns an empty slice with room for n.
func (p *pools) bytes(n int) []byte {
	class := bits.Len(uint(max(n, 512) - 1))
	if class >= len(p.memory) {
		return make([]byte, 0, n)
	}
	if b, ok := p.memory[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 1<<class)
}

func (p *pools) putBytes(b []byte) {
	if class := bits.Len(uint(cap(b))) - 1; class >= 9 && class < len(p.memory) && cap(b) == 1<<class {
		b = b[:0]
		p.memory[class].Put(&b)
	}
}
