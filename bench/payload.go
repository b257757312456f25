package bench

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// HeaderBytes is what a record's value begins with: run (8), producer (4), slot (4), sequence (8), intended time of
// sending (8), all big-endian; then a check of the first five (8).
const HeaderBytes = 40

// tag is what a record says of itself.
type tag struct {
	run      uint64 // of this run: others' records in a topic are not counted
	producer uint32
	slot     uint32 // the place that is free again when the record is answered
	sequence uint64 // of the producer, from 0
	intended int64  // ns since the run's epoch
}

// filler makes the rest of values: bytes that do not compress, chosen by sequence so that damage shows.
type filler struct {
	pool []byte // size + poolSpread random bytes
	size int
}

// poolSpread is the number of places in the pool at which a value may begin.
const poolSpread = 1 << 20

func newFiller(size int, seed uint64) *filler {
	f := &filler{pool: make([]byte, size+poolSpread), size: size}
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	_, _ = rand.NewChaCha8(key).Read(f.pool) // it cannot fail
	return f
}

// rest is what follows the header.
func (f *filler) rest(t *tag) []byte {
	from := mix(t.sequence+uint64(t.producer)<<40) % poolSpread
	return f.pool[from : int(from)+f.size-HeaderBytes]
}

// write fills a value of the filler's size.
func (f *filler) write(value []byte, t *tag) {
	binary.BigEndian.PutUint64(value, t.run)
	binary.BigEndian.PutUint32(value[8:], t.producer)
	binary.BigEndian.PutUint32(value[12:], t.slot)
	binary.BigEndian.PutUint64(value[16:], t.sequence)
	binary.BigEndian.PutUint64(value[24:], uint64(t.intended))
	binary.BigEndian.PutUint64(value[32:], t.sum())
	copy(value[HeaderBytes:], f.rest(t))
}

// read takes a value apart. ok tells whether it is one that write made, byte for byte.
func (f *filler) read(value []byte) (t tag, ok bool) {
	if len(value) < HeaderBytes {
		return t, false
	}
	t.run = binary.BigEndian.Uint64(value)
	t.producer = binary.BigEndian.Uint32(value[8:])
	t.slot = binary.BigEndian.Uint32(value[12:])
	t.sequence = binary.BigEndian.Uint64(value[16:])
	t.intended = int64(binary.BigEndian.Uint64(value[24:]))
	if binary.BigEndian.Uint64(value[32:]) != t.sum() || len(value) != f.size {
		return t, false
	}
	return t, bytes.Equal(value[HeaderBytes:], f.rest(&t))
}

// sum is a check of the header.
func (t *tag) sum() uint64 {
	return mix(t.run ^ mix(uint64(t.producer)<<32|uint64(t.slot)) ^ mix(t.sequence+1)<<1 ^ mix(uint64(t.intended)+2)<<2)
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
