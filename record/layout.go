package record

import (
	"encoding/binary"
	"math"
)

// A record, as the (decompressed) body holds one after another. varint is a zigzag variable-length integer of 32 bits
// (1 to 5 bytes), varlong of 64 bits (1 to 10).
//
//	varint   length           bytes that follow this field
//	int8     attributes       zero
//	varlong  timestamp delta  ms, from the batch's base timestamp; may be negative
//	varint   offset delta     from the batch's base offset
//	varint   key length       -1: there is no key (nil), 0: the empty key
//	         key
//	varint   value length     -1: there is no value (nil, a tombstone), 0: the empty value
//	         value
//	varint   header count
//	  varint   key length     0 or more
//	           key
//	  varint   value length   -1: nil
//	           value

const (
	maxVarint32 = 5  // bytes of the longest varint
	maxVarint64 = 10 // bytes of the longest varlong
	minHeader   = 2  // bytes of the smallest record header: two lengths
)

// rawRecord is one record as it lies in the body.
type rawRecord struct {
	timestampDelta int64
	offsetDelta    int32
	key, value     []byte // nil: none
	headerCount    int
	headers        []byte // encoded, checked
}

// parse reads the record that p holds, p being all that follows the record's length. It returns what is wrong with it,
// "" if nothing is.
func (r *rawRecord) parse(p []byte) (fault string) {
	if len(p) == 0 {
		return "no attributes"
	}
	if p[0] != 0 {
		return "unknown attributes"
	}
	var at int
	if r.timestampDelta, at = varint(p, 1, maxVarint64); at < 0 {
		return "timestamp delta is no varlong"
	}
	offset, at := varint(p, at, maxVarint32)
	if at < 0 {
		return "offset delta is no varint"
	}
	r.offsetDelta = int32(offset)
	if r.key, at = field(p, at); at < 0 {
		return "key length out of bounds"
	}
	if r.value, at = field(p, at); at < 0 {
		return "value length out of bounds"
	}
	count, at := varint(p, at, maxVarint32)
	if at < 0 || count < 0 || count > int64(len(p)-at)/minHeader {
		return "header count out of bounds"
	}
	r.headerCount, r.headers = int(count), p[at:]
	for range count {
		var key []byte
		if key, at = field(p, at); at < 0 || key == nil {
			return "header key length out of bounds"
		}
		if _, at = field(p, at); at < 0 {
			return "header value length out of bounds"
		}
	}
	if at != len(p) {
		return "bytes left over"
	}
	return ""
}

// field reads a length and as many bytes at p[at:]; nil if the length is -1. next is negative if it is out of bounds.
func field(p []byte, at int) (f []byte, next int) {
	n, at := varint(p, at, maxVarint32)
	if at < 0 || n > int64(len(p)-at) || n < -1 {
		return nil, -1
	}
	if n < 0 {
		return nil, at
	}
	end := at + int(n)
	return p[at:end:end], end
}

// varint reads a zigzag integer of at most maxLen bytes (maxVarint32 or maxVarint64) at p[at:]. next is negative if p
// ends within it or it is too long for its kind.
func varint(p []byte, at, maxLen int) (v int64, next int) {
	if at+1 >= len(p) {
		return longVarint(p, at, maxLen)
	}
	c := p[at] // nearly all are of one byte or two
	if c < 0x80 {
		return int64(c>>1) ^ -int64(c&1), at + 1
	}
	if d := p[at+1]; d < 0x80 {
		u := uint64(c&0x7f) | uint64(d)<<7
		return int64(u>>1) ^ -int64(u&1), at + 2
	}
	return longVarint(p, at, maxLen)
}

func longVarint(p []byte, at, maxLen int) (v int64, next int) {
	u, n := binary.Uvarint(p[min(at, len(p)):min(at+maxLen, len(p))])
	if n <= 0 || maxLen == maxVarint32 && u > math.MaxUint32 {
		return 0, -1
	}
	return int64(u>>1) ^ -int64(u&1), at + n
}

// varintLen is the number of bytes of v as a varint or varlong.
func varintLen(v int64) int {
	n := 1
	for u := uint64(v<<1) ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
