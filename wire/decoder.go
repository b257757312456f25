package wire

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// maxDepth bounds the nesting of arrays, the frame's own being the first.
const maxDepth = 8

// decoder reads one frame that lies in memory whole. It stops at the first
// fault: every later call returns a zero value, and fault tells what was wrong
// with which field. It allocates nothing on the strength of a declared length
// that the bytes left could not fill. Not safe for concurrent use.
type decoder struct {
	cur     cursor
	mp      *msgpack.Decoder
	version uint16
	depth   int
	fault   *fault
}

// fault is what is wrong with a frame: the field's path, built from the inside
// outwards while the decoder unwinds, and the reason.
type fault struct{ path, reason string }

// Error is "topics[0].partitions[3].batch: 70000000 bytes declared, 12 left".
func (f *fault) Error() string {
	if f.path == "" {
		return f.reason
	}
	return f.path + ": " + f.reason
}

// cursor is the frame as msgpack.Decoder reads it.
type cursor struct {
	b   []byte
	pos int
}

func (c *cursor) Read(p []byte) (int, error) {
	if c.pos >= len(c.b) {
		return 0, io.EOF
	}
	n := copy(p, c.b[c.pos:])
	c.pos += n
	return n, nil
}

func (c *cursor) ReadByte() (byte, error) {
	if c.pos >= len(c.b) {
		return 0, io.EOF
	}
	c.pos++
	return c.b[c.pos-1], nil
}

func (c *cursor) UnreadByte() error {
	if c.pos == 0 {
		return io.ErrShortBuffer
	}
	c.pos--
	return nil
}

func newDecoder() *decoder {
	d := &decoder{}
	d.mp = msgpack.NewDecoder(&d.cur)
	return d
}

// reset makes the decoder start on another frame; nil drops the reference to the
// last one.
func (d *decoder) reset(frame []byte) {
	d.cur = cursor{b: frame}
	d.version, d.depth, d.fault = 0, 0, nil
}

// left is the number of bytes not yet read.
func (d *decoder) left() int { return len(d.cur.b) - d.cur.pos }

// fail records the first fault.
func (d *decoder) fail(name, format string, args ...any) {
	if d.fault == nil {
		d.fault = &fault{name, fmt.Sprintf(format, args...)}
	}
}

// at puts the fault's path inside the i-th element of a list.
func (d *decoder) at(list string, i int) {
	switch {
	case d.fault.path == "":
		d.fault.path = fmt.Sprintf("%s[%d]", list, i)
	default:
		d.fault.path = fmt.Sprintf("%s[%d].%s", list, i, d.fault.path)
	}
}

// within puts the fault's path inside a field that is an array itself.
func (d *decoder) within(name string) {
	if d.fault == nil {
		return
	}
	if d.fault.path == "" {
		d.fault.path = name
	} else {
		d.fault.path = name + "." + d.fault.path
	}
}

// peek is the first byte of the next value.
func (d *decoder) peek(name string) (byte, bool) {
	if d.fault != nil {
		return 0, false
	}
	if d.left() == 0 {
		d.fail(name, "missing: the frame ends here")
		return 0, false
	}
	return d.cur.b[d.cur.pos], true
}

// wrong records that the next value has another type than wanted.
func (d *decoder) wrong(name, want string, c byte) {
	d.fail(name, "%s wanted, %s found", want, kindOf(c))
}

// header reads the length of an array, a str or a bin.
func (d *decoder) header(name string, read func() (int, error)) (int, bool) {
	n, err := read()
	if err != nil || n < 0 {
		d.fail(name, "the frame ends inside a length")
		return 0, false
	}
	return n, true
}

// array enters an array and returns its length, of which every element takes a
// byte at least. Every array entered must be left.
func (d *decoder) array(name string, limit int) int {
	c, ok := d.peek(name)
	if !ok {
		return 0
	}
	if !msgpcode.IsFixedArray(c) && c != msgpcode.Array16 && c != msgpcode.Array32 {
		d.wrong(name, "array", c)
		return 0
	}
	n, ok := d.header(name, d.mp.DecodeArrayLen)
	if !ok {
		return 0
	}
	d.depth++
	switch {
	case d.depth > maxDepth:
		d.fail(name, "arrays nested deeper than %d", maxDepth)
	case n > limit:
		d.fail(name, "%d elements declared, at most %d are allowed", n, limit)
	case n > d.left():
		d.fail(name, "%d elements declared, %d bytes left", n, d.left())
	default:
		return n
	}
	return 0
}

// leave ends an array.
func (d *decoder) leave() { d.depth-- }

// fields enters a struct, which is an array of exactly n fields.
func (d *decoder) fields(n int) bool {
	got := d.array("", math.MaxInt32)
	if d.fault != nil {
		return false
	}
	if got != n {
		d.fail("", "%d fields wanted, %d found", n, got)
		return false
	}
	return true
}

// empty reads a struct without fields.
func (d *decoder) empty() {
	if d.fields(0) {
		d.leave()
	}
}

// i64 reads an integer of any width that lies in [lo, hi].
func (d *decoder) i64(name string, lo, hi int64) int64 {
	c, ok := d.peek(name)
	if !ok {
		return 0
	}
	if !msgpcode.IsFixedNum(c) && (c < msgpcode.Uint8 || c > msgpcode.Int64) {
		d.wrong(name, "integer", c)
		return 0
	}
	n, err := d.mp.DecodeInt64()
	switch {
	case err != nil:
		d.fail(name, "the frame ends inside an integer")
	case c == msgpcode.Uint64 && n < 0:
		d.fail(name, "%d is above 2^63-1", uint64(n))
	case n < lo || n > hi:
		d.fail(name, "%d is outside %d..%d", n, lo, hi)
	default:
		return n
	}
	return 0
}

func (d *decoder) i32(name string, lo, hi int32) int32 {
	return int32(d.i64(name, int64(lo), int64(hi)))
}

// id reads a topic id: 0 to 2^63-1.
func (d *decoder) id(name string) uint64 { return uint64(d.i64(name, 0, math.MaxInt64)) }

// index reads a partition or broker number: 0 to 2^31-1.
func (d *decoder) index(name string) int32 { return d.i32(name, 0, math.MaxInt32) }

// orMinusOne is an index, or -1 where that means none or unknown.
func (d *decoder) orMinusOne(name string) int32 { return d.i32(name, -1, math.MaxInt32) }

func (d *decoder) u16(name string) uint16 { return uint16(d.i64(name, 0, math.MaxUint16)) }

// float reads a finite float32 or float64.
func (d *decoder) float(name string) float64 {
	c, ok := d.peek(name)
	if !ok {
		return 0
	}
	if c != msgpcode.Float && c != msgpcode.Double {
		d.wrong(name, "float", c)
		return 0
	}
	f, err := d.mp.DecodeFloat64()
	switch {
	case err != nil:
		d.fail(name, "the frame ends inside a float")
	case math.IsNaN(f) || math.IsInf(f, 0):
		d.fail(name, "the float is not finite")
	default:
		return f
	}
	return 0
}

func (d *decoder) bool(name string) bool {
	c, ok := d.peek(name)
	if !ok {
		return false
	}
	if c != msgpcode.True && c != msgpcode.False {
		d.wrong(name, "bool", c)
		return false
	}
	d.cur.pos++
	return c == msgpcode.True
}

// null tells whether the next value is nil, and reads it if so.
func (d *decoder) null(name string) bool {
	c, ok := d.peek(name)
	if !ok || c != msgpcode.Nil {
		return false
	}
	d.cur.pos++
	return true
}

// raw reads the bytes of a str or bin without copying them.
func (d *decoder) raw(name string, limit int) []byte {
	n, ok := d.header(name, d.mp.DecodeBytesLen)
	switch {
	case !ok:
	case n > d.left():
		d.fail(name, "%d bytes declared, %d left", n, d.left())
	case n > limit:
		d.fail(name, "%d bytes, at most %d are allowed", n, limit)
	default:
		b := d.cur.b[d.cur.pos : d.cur.pos+n : d.cur.pos+n]
		d.cur.pos += n
		return b
	}
	return nil
}

// str reads valid UTF-8 of at most limit bytes.
func (d *decoder) str(name string, limit int) string {
	c, ok := d.peek(name)
	if !ok {
		return ""
	}
	if !isStr(c) {
		d.wrong(name, "str", c)
		return ""
	}
	b := d.raw(name, limit)
	if !utf8.Valid(b) {
		d.fail(name, "not valid UTF-8")
		return ""
	}
	return string(b)
}

// bin reads bytes as a part of the frame, empty but never nil.
func (d *decoder) bin(name string) []byte {
	c, ok := d.peek(name)
	if !ok {
		return nil
	}
	if !isBin(c) {
		d.wrong(name, "bin", c)
		return nil
	}
	return d.raw(name, math.MaxInt32)
}

// bytes reads a bin or a str, as a part of the frame.
func (d *decoder) bytes(name string) []byte {
	c, ok := d.peek(name)
	if !ok {
		return nil
	}
	if !isBin(c) && !isStr(c) {
		d.wrong(name, "bin or str", c)
		return nil
	}
	return d.raw(name, math.MaxInt32)
}

// optBytes is bytes that may be nil.
func (d *decoder) optBytes(name string) []byte {
	if d.null(name) {
		return nil
	}
	return d.bytes(name)
}

// err reads nil or [code, message].
func (d *decoder) err(name string) *Error {
	if d.null(name) || d.fault != nil {
		return nil
	}
	e := new(Error)
	if d.fields(2) {
		e.Code = Code(d.i64("code", 0, math.MaxUint16))
		e.Message = d.str("message", maxMessage)
		d.leave()
	}
	if d.fault != nil {
		d.within(name)
		return nil
	}
	return e
}

// strs reads a list of strings; an empty one gives nil.
func (d *decoder) strs(name string, limit, each int) []string {
	return decodeList(d, listOf{name, limit, 1}, func(s *string, d *decoder) { *s = d.str("", each) })
}

// ints reads a list of partition or broker numbers; an empty one gives nil.
func (d *decoder) ints(name string, limit int) []int32 {
	return decodeList(d, listOf{name, limit, 1}, func(n *int32, d *decoder) { *n = d.index("") })
}

// listOf says what a list may be: its field's name, its longest length, and the
// least number of bytes that an element takes.
type listOf struct {
	name    string
	limit   int
	minElem int
}

// decodeList reads a list with one allocation, of no more elements than the bytes
// left can hold; an empty one gives nil.
func decodeList[T any](d *decoder, l listOf, each func(*T, *decoder)) []T {
	n := d.array(l.name, l.limit)
	if d.fault != nil {
		return nil
	}
	if n == 0 {
		d.leave()
		return nil
	}
	out := make([]T, 0, min(n, d.left()/l.minElem))
	for i := range n {
		var zero T
		out = append(out, zero) // beyond its capacity only to say what is wrong with the element
		each(&out[i], d)
		if d.fault != nil {
			d.at(l.name, i)
			return nil
		}
	}
	d.leave()
	return out
}

func isStr(c byte) bool {
	return msgpcode.IsFixedString(c) || c == msgpcode.Str8 || c == msgpcode.Str16 || c == msgpcode.Str32
}

func isBin(c byte) bool { return c == msgpcode.Bin8 || c == msgpcode.Bin16 || c == msgpcode.Bin32 }

// kindOf names the type of a value by its first byte.
func kindOf(c byte) string {
	switch {
	case msgpcode.IsFixedNum(c) || (c >= msgpcode.Uint8 && c <= msgpcode.Int64):
		return "integer"
	case msgpcode.IsFixedArray(c) || c == msgpcode.Array16 || c == msgpcode.Array32:
		return "array"
	case msgpcode.IsFixedMap(c) || c == msgpcode.Map16 || c == msgpcode.Map32:
		return "map"
	case isStr(c):
		return "str"
	case isBin(c):
		return "bin"
	case c == msgpcode.Nil:
		return "nil"
	case c == msgpcode.True || c == msgpcode.False:
		return "bool"
	case c == msgpcode.Float || c == msgpcode.Double:
		return "float"
	case msgpcode.IsExt(c):
		return "extension"
	}
	return fmt.Sprintf("byte 0x%02x, which msgpack does not use,", c)
}

// cut makes s valid UTF-8 of at most n bytes.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "?")
}
