package wire

import (
	"encoding/binary"
	"math"
	"net"

	"github.com/vmihailenco/msgpack/v5"
)

// copyBelow is the length from which bytes are referred to instead of copied: a
// copy of less costs less than one more element of a writev.
const copyBelow = 2048

// keepEncoder is the largest small buffer that a reused encoder keeps.
const keepEncoder = 256 << 10

// encoder builds one or more frames. What is small goes to buf; byte fields of
// copyBelow and more stay where they are and are woven in when it is written.
// Not safe for concurrent use.
type encoder struct {
	buf     []byte
	far     []farBytes
	farLen  int // sum of the lengths in far
	version uint16
	mp      *msgpack.Encoder
	vec     [][]byte    // scratch of buffers
	out     net.Buffers // what buffers returned, consumed by a write
}

// farBytes belongs between buf[:at] and buf[at:].
type farBytes struct {
	at int
	b  []byte
}

func newEncoder() *encoder {
	e := &encoder{}
	e.mp = msgpack.NewEncoder(e)
	return e
}

// reset forgets the frames and every reference to far bytes.
func (e *encoder) reset() {
	clear(e.far)
	clear(e.vec)
	e.buf, e.far, e.farLen, e.vec, e.out = e.buf[:0], e.far[:0], 0, e.vec[:0], nil
	if cap(e.buf) > keepEncoder {
		e.buf = nil
	}
}

// Write makes the encoder a target of msgpack.Encoder. It never fails.
func (e *encoder) Write(p []byte) (int, error) {
	e.buf = append(e.buf, p...)
	return len(p), nil
}

// WriteByte makes the encoder a target of msgpack.Encoder. It never fails.
func (e *encoder) WriteByte(c byte) error {
	e.buf = append(e.buf, c)
	return nil
}

// size is the number of bytes of all frames so far.
func (e *encoder) size() int { return len(e.buf) + e.farLen }

// mark is a place in the encoder to go back to.
type mark struct{ buf, far, farLen int }

// begin opens a frame: the length comes first and is filled in by end.
func (e *encoder) begin() mark {
	m := mark{len(e.buf), len(e.far), e.farLen}
	e.buf = append(e.buf, 0, 0, 0, 0)
	return m
}

// end closes the frame opened at m and returns its size with the length field.
func (e *encoder) end(m mark) int {
	n := e.size() - m.buf - m.farLen
	if n-frameHeader <= math.MaxInt32 {
		binary.BigEndian.PutUint32(e.buf[m.buf:], uint32(n-frameHeader))
	}
	return n
}

// rewind drops everything since m.
func (e *encoder) rewind(m mark) {
	clear(e.far[m.far:])
	e.buf, e.far, e.farLen = e.buf[:m.buf], e.far[:m.far], m.farLen
}

// buffers returns the frames as what one writev takes. They are valid until the
// next reset.
func (e *encoder) buffers() *net.Buffers {
	e.vec = e.vec[:0]
	at := 0
	for _, f := range e.far {
		if f.at > at {
			e.vec = append(e.vec, e.buf[at:f.at])
		}
		e.vec = append(e.vec, f.b)
		at = f.at
	}
	if len(e.buf) > at {
		e.vec = append(e.vec, e.buf[at:])
	}
	e.out = e.vec
	return &e.out
}

// ok states an invariant: writing into memory does not fail.
func (e *encoder) ok(err error) {
	if err != nil {
		panic("wire: encoding into memory failed: " + err.Error())
	}
}

func (e *encoder) array(n int)     { e.ok(e.mp.EncodeArrayLen(n)) }
func (e *encoder) int(n int64)     { e.ok(e.mp.EncodeInt(n)) }
func (e *encoder) uint(n uint64)   { e.ok(e.mp.EncodeUint(n)) }
func (e *encoder) float(f float64) { e.ok(e.mp.EncodeFloat64(f)) }
func (e *encoder) bool(b bool)     { e.ok(e.mp.EncodeBool(b)) }
func (e *encoder) str(s string)    { e.ok(e.mp.EncodeString(s)) }
func (e *encoder) null()           { e.ok(e.mp.EncodeNil()) }

// bin encodes bytes; nil becomes empty.
func (e *encoder) bin(b []byte) {
	e.ok(e.mp.EncodeBytesLen(len(b)))
	e.raw(b)
}

// raw adds bytes as they are.
func (e *encoder) raw(b []byte) {
	if len(b) < copyBelow {
		e.buf = append(e.buf, b...)
		return
	}
	e.far = append(e.far, farBytes{len(e.buf), b})
	e.farLen += len(b)
}

// optBin encodes bytes of which nil is told apart from empty.
func (e *encoder) optBin(b []byte) {
	if b == nil {
		e.null()
		return
	}
	e.bin(b)
}

func (e *encoder) err(err *Error) {
	if err == nil {
		e.null()
		return
	}
	e.array(2)
	e.uint(uint64(err.Code))
	e.str(cut(err.Message, maxMessage))
}

func (e *encoder) strs(list []string) {
	e.array(len(list))
	for _, s := range list {
		e.str(s)
	}
}

func (e *encoder) ints(list []int32) {
	e.array(len(list))
	for _, n := range list {
		e.int(int64(n))
	}
}

// encodeList encodes a list of structs.
func encodeList[T any](e *encoder, list []T, each func(*T, *encoder)) {
	e.array(len(list))
	for i := range list {
		each(&list[i], e)
	}
}
