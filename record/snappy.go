package record

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
)

// Snappy comes in two forms, both written by producers as codec 2. librdkafka and franz-go: one raw block, which begins
// with its decoded length as a varint. Java, by the library xerial: a stream of blocks,
//
//	8  0x82 'S' 'N' 'A' 'P' 'P' 'Y' 0
//	4  version 1 (big-endian)
//	4  least compatible version 1
//	   blocks: 4 length (big-endian), raw block
const (
	xerialMagic  = "\x82SNAPPY\x00"
	xerialHeader = len(xerialMagic) + 4 + 4

	// maxSnappyRatio bounds what a byte of a raw block can decode to: the densest element is a copy of 64 bytes in 3.
	// A block that says more is lying, and is refused before memory is taken for it.
	maxSnappyRatio = 64.0 / 3

	maxPooledBlock = 1 << 20 // larger buffers are left to the garbage collector
)

// snappyReader decodes one block at a time.
type snappyReader struct {
	src    []byte // what is left
	max    int    // bytes that one block may decode to
	xerial bool
	block  []byte // the decoded block, kept for its capacity
	at     int    // how much of block has been read
	err    error
}

func newSnappyReader(src []byte, max int) *snappyReader {
	r := snappyReaders.Get().(*snappyReader)
	r.src, r.max, r.xerial, r.block, r.at, r.err = src, max, false, r.block[:0], 0, nil
	if len(src) >= xerialHeader && string(src[:len(xerialMagic)]) == xerialMagic {
		r.xerial, r.src = true, src[xerialHeader:]
	} else if len(src) == 0 {
		r.err = fmt.Errorf("%w: snappy body: empty", ErrMalformed)
	}
	return r
}

func (r *snappyReader) release() {
	r.src = nil
	if cap(r.block) > maxPooledBlock {
		r.block = nil
	}
	snappyReaders.Put(r)
}

func (r *snappyReader) Read(p []byte) (int, error) {
	for r.at == len(r.block) && r.err == nil {
		r.at, r.block = 0, r.block[:0]
		if len(r.src) == 0 {
			r.err = io.EOF
			break
		}
		r.err = r.decode()
	}
	if r.at == len(r.block) {
		return 0, r.err
	}
	n := copy(p, r.block[r.at:])
	r.at += n
	return n, nil
}

// decode decodes the next block.
func (r *snappyReader) decode() error {
	raw := r.src
	if r.xerial {
		if len(raw) < 4 {
			return fmt.Errorf("%w: snappy body: %d bytes after the last block", ErrMalformed, len(raw))
		}
		n := int64(binary.BigEndian.Uint32(raw))
		if n > int64(len(raw)-4) {
			return fmt.Errorf("%w: snappy body: block of %d bytes in %d", ErrMalformed, n, len(raw)-4)
		}
		raw = raw[4 : 4+n]
		r.src = r.src[4+n:]
	} else {
		r.src = nil
	}
	n, err := snappy.DecodedLen(raw)
	if err != nil {
		return err
	}
	if float64(n) > float64(len(raw))*maxSnappyRatio {
		return fmt.Errorf("%w: snappy block of %d bytes claims to hold %d", ErrMalformed, len(raw), n)
	}
	if n > r.max {
		return fmt.Errorf("%w: snappy block decompresses to %d bytes, limit %d", ErrTooLarge, n, r.max)
	}
	// Strict: the other decoder takes an extension that no Kafka client reads.
	block, err := snappy.DecodeStrict(r.block[:cap(r.block)], raw)
	if err != nil {
		return err
	}
	r.block = block
	return nil
}
