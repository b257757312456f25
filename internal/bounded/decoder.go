// Package bounded reads msgpack of which nothing is trusted: nodes that may be damaged, or written by a newer version.
// Nothing is allocated for a length or a count before it was held against the bytes that are left.
package bounded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// Decoder reads one value after another. The first fault is kept, and all that is read after it is zero. It is not safe
// for concurrent use.
type Decoder struct {
	data []byte
	r    bytes.Reader // of data
	dec  *msgpack.Decoder
	err  error
}

// NewDecoder returns a decoder that reads data, which must stay as it is until the last read.
func NewDecoder(data []byte) *Decoder {
	d := &Decoder{data: data}
	d.r.Reset(data)
	d.dec = msgpack.NewDecoder(&d.r)
	return d
}

// Reset starts again with other data and without a fault, as NewDecoder would.
func (d *Decoder) Reset(data []byte) {
	d.data, d.err = data, nil
	d.r.Reset(data)
	d.dec.ResetReader(&d.r)
}

// at is where the next value begins.
func (d *Decoder) at() int { return len(d.data) - d.r.Len() }

// Err returns the first fault.
func (d *Decoder) Err() error { return d.err }

// Fail notes a fault that the caller found in what was read. A former one stays.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = fmt.Errorf("at byte %d: %w", d.at(), err)
	}
}

// code peeks at the next value's code, and returns false after a fault.
func (d *Decoder) code() (byte, bool) {
	if d.err != nil {
		return 0, false
	}
	c, err := d.dec.PeekCode()
	if err != nil {
		d.Fail(err)
	}
	return c, err == nil
}

// count reads the head of what has that many elements, of at least size bytes each.
func (d *Decoder) count(read func() (int, error), size, most int) int {
	n, err := read()
	if err == nil && (n < 0 || n > most || n*size > d.r.Len()) {
		err = fmt.Errorf("%d elements, with %d bytes left, at most %d", n, d.r.Len(), most)
	}
	if err != nil {
		d.Fail(err)
		return 0
	}
	return n
}

// Array reads the head of an array of at most that many elements.
func (d *Decoder) Array(most int) int {
	c, ok := d.code()
	if !ok {
		return 0
	}
	if !isArray(c) {
		d.Fail(fmt.Errorf("no array (code %#x)", c))
		return 0
	}
	return d.count(d.dec.DecodeArrayLen, 1, most)
}

// ArrayOf reads the head of an array that has exactly n elements.
func (d *Decoder) ArrayOf(n int) {
	if got := d.Array(math.MaxInt32); got != n && d.err == nil {
		d.Fail(fmt.Errorf("%d elements, want %d", got, n))
	}
}

// Map reads the head of a map of at most that many pairs.
func (d *Decoder) Map(most int) int {
	c, ok := d.code()
	if !ok {
		return 0
	}
	if !isMap(c) {
		d.Fail(fmt.Errorf("no map (code %#x)", c))
		return 0
	}
	return d.count(d.dec.DecodeMapLen, 2, most)
}

// Int reads a number from low to high. After a fault it is 0, and low where this one is at fault.
func (d *Decoder) Int(low, high int64) int64 {
	c, ok := d.code()
	if !ok {
		return 0
	}
	v, err := int64(0), error(nil)
	switch {
	case isUnsigned(c):
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
		d.Fail(err)
		return low
	}
	return v
}

// Uint reads a number that is not negative.
func (d *Decoder) Uint() uint64 {
	c, ok := d.code()
	if !ok {
		return 0
	}
	if !isUnsigned(c) {
		d.Fail(fmt.Errorf("no unsigned number (code %#x)", c))
		return 0
	}
	v, err := d.dec.DecodeUint64()
	if err != nil {
		d.Fail(err)
	}
	return v
}

// Text reads a string of at most that many bytes.
func (d *Decoder) Text(most int) string {
	c, ok := d.code()
	if !ok {
		return ""
	}
	if !msgpcode.IsString(c) {
		d.Fail(fmt.Errorf("no text (code %#x)", c))
		return ""
	}
	b := make([]byte, d.count(d.dec.DecodeBytesLen, 1, most))
	if _, err := io.ReadFull(&d.r, b); err != nil {
		d.Fail(err)
		return ""
	}
	return string(b)
}

// Bytes reads bytes (bin), at most that many, which are part of the decoder's data.
func (d *Decoder) Bytes(most int) []byte {
	c, ok := d.code()
	if !ok {
		return nil
	}
	if !msgpcode.IsBin(c) {
		d.Fail(fmt.Errorf("no bytes (code %#x)", c))
		return nil
	}
	n := d.count(d.dec.DecodeBytesLen, 1, most)
	if d.err != nil {
		return nil
	}
	begin := d.at()
	if _, err := d.r.Seek(int64(n), io.SeekCurrent); err != nil {
		d.Fail(err)
		return nil
	}
	return d.data[begin : begin+n : begin+n]
}

// Raw moves past one value of any type, and returns its bytes as they came: they are part of the decoder's data. A
// value that is cut, or nested deeper than 15 arrays or maps, is a fault.
func (d *Decoder) Raw() []byte {
	if d.err != nil {
		return nil
	}
	begin := d.at()
	if err := d.skip(maxDepth); err != nil {
		d.Fail(err)
		return nil
	}
	return d.data[begin:d.at():d.at()]
}

// End returns the first fault; bytes that are left over are one.
func (d *Decoder) End() error {
	if d.err == nil && d.r.Len() > 0 {
		d.Fail(fmt.Errorf("%d bytes left over", d.r.Len()))
	}
	return d.err
}

// maxDepth bounds how deep a value that is moved past may be nested.
const maxDepth = 16

// skip moves past one value of any type, and allocates nothing for it.
func (d *Decoder) skip(depth int) error {
	if depth == 0 {
		return errors.New("nested too deep")
	}
	c, err := d.dec.PeekCode()
	if err != nil {
		return err
	}
	values, size := 0, 0 // that follow
	switch {
	case isMap(c):
		values, err = d.dec.DecodeMapLen()
		values *= 2
	case isArray(c):
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
	if err != nil {
		return err
	}
	for range values {
		if err := d.skip(depth - 1); err != nil {
			return err
		}
	}
	_, err = d.r.Seek(int64(size), io.SeekCurrent)
	return err
}

func isMap(c byte) bool { return msgpcode.IsFixedMap(c) || c == msgpcode.Map16 || c == msgpcode.Map32 }

func isArray(c byte) bool {
	return msgpcode.IsFixedArray(c) || c == msgpcode.Array16 || c == msgpcode.Array32
}

func isUnsigned(c byte) bool {
	return c <= msgpcode.PosFixedNumHigh || c >= msgpcode.Uint8 && c <= msgpcode.Uint64
}
