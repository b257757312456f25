package group

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// formatVersion is the first element of each node. It is raised when an older broker would misread the node,
// which then refuses it. Fields that are added behind the others leave it as it is.
const formatVersion = 1

// encoder writes one node. Encoding into memory does not fail.
type encoder struct {
	buf bytes.Buffer
	enc *msgpack.Encoder
}

// newEncoder begins a node: an array of that many elements, the first of which is the format.
func newEncoder(elements int) *encoder {
	e := &encoder{}
	e.enc = msgpack.NewEncoder(&e.buf)
	e.array(elements)
	e.int(formatVersion)
	return e
}

func (e *encoder) array(n int)   { must(e.enc.EncodeArrayLen(n)) }
func (e *encoder) mapLen(n int)  { must(e.enc.EncodeMapLen(n)) }
func (e *encoder) int(v int64)   { must(e.enc.EncodeInt(v)) }
func (e *encoder) uint(v uint64) { must(e.enc.EncodeUint(v)) }
func (e *encoder) text(s string) { must(e.enc.EncodeString(s)) }
func (e *encoder) raw(b []byte)  { e.buf.Write(b) }

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("group: encoding into memory failed: %v", err))
	}
}

// decoder reads one node. The first fault is kept, and all that is read after it is zero. Nothing is allocated
// for a count or a length before it was held against the bytes that are left.
type decoder struct {
	r   bytes.Reader
	dec *msgpack.Decoder
	err error
}

// newDecoder reads the head of a node: an array of at least that many elements, of a format that can be read. It
// returns how many more elements there are.
func newDecoder(data []byte, elements int) (d *decoder, more int) {
	d = &decoder{}
	d.r.Reset(data)
	d.dec = msgpack.NewDecoder(&d.r)
	n := d.array(math.MaxInt32)
	format := d.int(0, math.MaxInt64)
	switch {
	case d.err != nil:
	case format > formatVersion:
		d.err = fmt.Errorf("%w: format %d, this version reads up to %d", ErrNewerFormat, format, formatVersion)
	case format == 0 || n < elements:
		d.fail(fmt.Errorf("%d fields of format %d", n, format))
	}
	return d, n - elements
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: at byte %d: %w", ErrCorrupt, int(d.r.Size())-d.r.Len(), err)
	}
}

// code peeks at the next value's code, and returns false after a fault.
func (d *decoder) code() (byte, bool) {
	if d.err != nil {
		return 0, false
	}
	c, err := d.dec.PeekCode()
	if err != nil {
		d.fail(err)
	}
	return c, err == nil
}

// count reads the head of an array or map whose elements have at least that many bytes each.
func (d *decoder) count(read func() (int, error), size, most int) int {
	n, err := read()
	if err == nil && (n < 0 || n > most || n*size > d.r.Len()) {
		err = fmt.Errorf("%d elements, with %d bytes left, at most %d", n, d.r.Len(), most)
	}
	if err != nil {
		d.fail(err)
		return 0
	}
	return n
}

func (d *decoder) array(most int) int {
	c, ok := d.code()
	if !ok {
		return 0
	}
	if !msgpcode.IsFixedArray(c) && c != msgpcode.Array16 && c != msgpcode.Array32 {
		d.fail(fmt.Errorf("no array (code %#x)", c))
		return 0
	}
	return d.count(d.dec.DecodeArrayLen, 1, most)
}

// arrayOf reads the head of an array that has exactly n elements.
func (d *decoder) arrayOf(n int) {
	if got := d.array(math.MaxInt32); got != n && d.err == nil {
		d.fail(fmt.Errorf("%d elements, want %d", got, n))
	}
}

func (d *decoder) mapLen(most int) int {
	c, ok := d.code()
	if !ok {
		return 0
	}
	if !msgpcode.IsFixedMap(c) && c != msgpcode.Map16 && c != msgpcode.Map32 {
		d.fail(fmt.Errorf("no map (code %#x)", c))
		return 0
	}
	return d.count(d.dec.DecodeMapLen, 2, most)
}

// int reads a number from low to high.
func (d *decoder) int(low, high int64) int64 {
	c, ok := d.code()
	if !ok {
		return 0
	}
	var v int64
	var err error
	switch {
	case c <= msgpcode.PosFixedNumHigh || c >= msgpcode.Uint8 && c <= msgpcode.Uint64:
		var u uint64
		if u, err = d.dec.DecodeUint64(); err == nil && u > math.MaxInt64 {
			err = fmt.Errorf("%d is out of range", u)
		}
		v = int64(u)
	case c >= msgpcode.NegFixedNumLow || c >= msgpcode.Int8 && c <= msgpcode.Int64:
		v, err = d.dec.DecodeInt64()
	default:
		err = fmt.Errorf("no number (code %#x)", c)
	}
	if err == nil && (v < low || v > high) {
		err = fmt.Errorf("%d is not in %d..%d", v, low, high)
	}
	if err != nil {
		d.fail(err)
		return low
	}
	return v
}

func (d *decoder) uint() uint64 {
	c, ok := d.code()
	if !ok {
		return 0
	}
	if c > msgpcode.PosFixedNumHigh && (c < msgpcode.Uint8 || c > msgpcode.Uint64) {
		d.fail(fmt.Errorf("no unsigned number (code %#x)", c))
		return 0
	}
	v, err := d.dec.DecodeUint64()
	if err != nil {
		d.fail(err)
	}
	return v
}

// text reads a string of at most that many bytes.
func (d *decoder) text(most int) string {
	c, ok := d.code()
	if !ok {
		return ""
	}
	if !msgpcode.IsString(c) {
		d.fail(fmt.Errorf("no text (code %#x)", c))
		return ""
	}
	n := d.count(d.dec.DecodeBytesLen, 1, most)
	b := make([]byte, n)
	if _, err := io.ReadFull(&d.r, b); err != nil {
		d.fail(err)
		return ""
	}
	return string(b)
}

// end returns the first fault; bytes that are left over are one.
func (d *decoder) end() error {
	if d.err == nil && d.r.Len() > 0 {
		d.fail(errors.New("bytes left over"))
	}
	return d.err
}

// tail returns the encoded elements that follow, which a newer version wrote: they are kept as they are.
func (d *decoder) tail(elements int) ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	if elements == 0 {
		return nil, d.end()
	}
	size := int(d.r.Size())
	rest := make([]byte, d.r.Len())
	_, err := io.ReadFull(&d.r, rest)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	d.r.Reset(rest)
	d.dec.ResetReader(&d.r)
	for range elements {
		if err := d.skip(maxDepth); err != nil {
			return nil, fmt.Errorf("%w: field of a newer version, before byte %d: %w", ErrCorrupt, size, err)
		}
	}
	return rest, d.end()
}

// maxDepth bounds how deep a value of an unknown field may be nested.
const maxDepth = 16

// skip moves past one value of any type, and allocates nothing for it.
func (d *decoder) skip(depth int) error {
	c, err := d.dec.PeekCode()
	if err != nil {
		return err
	}
	values, size := 0, 0
	switch {
	case depth == 0:
		err = errors.New("nested too deep")
	case msgpcode.IsFixedMap(c), c == msgpcode.Map16, c == msgpcode.Map32:
		values, err = d.dec.DecodeMapLen()
		values *= 2
	case msgpcode.IsFixedArray(c), c == msgpcode.Array16, c == msgpcode.Array32:
		values, err = d.dec.DecodeArrayLen()
	case msgpcode.IsString(c), msgpcode.IsBin(c):
		size, err = d.dec.DecodeBytesLen()
	case msgpcode.IsExt(c):
		_, size, err = d.dec.DecodeExtHeader()
	default:
		return d.dec.Skip()
	}
	if err == nil && (values > d.r.Len() || size > d.r.Len()) {
		err = io.ErrUnexpectedEOF
	}
	for i := 0; i < values && err == nil; i++ {
		err = d.skip(depth - 1)
	}
	if err == nil {
		_, err = d.r.Seek(int64(size), io.SeekCurrent)
	}
	return err
}
