package partitionlog

import (
	"encoding/binary"
	"math"
)

// The 't' row stands at one batch; its key carries that batch's last offset.
// A log's first batch has one, and then each batch that completes TimeRowBytes
// or TimeRowInterval of append time since the row before.
//
//	version      1 byte, 1
//	max          varint   largest record timestamp up to and with this batch, ms
//	segment max  uvarint  max - largest record timestamp since the row before
//	appended     varint   append time of this batch, ms
//	gap          uvarint  appended - append time of the batch before
//	bytes        uvarint  bytes of all batches before this one since the log was made
//	size         uvarint  bytes of this batch
//	span         uvarint  last offset - base offset of this batch
//	step         uvarint  last offset - last offset of the row before, 0: no row before
//
// max, appended and bytes rise from row to row, so that each can be searched
// by bisection. step shows where a row is missing.
const timeVersion = 1

// maxTimeRow bounds an encoded row.
const maxTimeRow = 1 + 8*binary.MaxVarintLen64

// timeRow is a 't' row. The zero value stands for "before the first batch"
// once max is noTime and last is -1: see noRow.
type timeRow struct {
	last int64 // the key
	base int64 // base offset of the batch
	prev int64 // last offset of the row before, -1: none

	max, segmentMax int64
	appended        int64
	gap             int64
	bytes, size     int64
}

// noTime is the timestamp of a record that has none.
const noTime = -1

func noRow() timeRow { return timeRow{last: -1, base: -1, prev: -1, max: noTime, segmentMax: noTime} }

// exists is false for noRow.
func (r *timeRow) exists() bool { return r.last >= 0 }

// total is the bytes up to and with the row's batch.
func (r *timeRow) total() int64 { return r.bytes + r.size }

func (r *timeRow) append(dst []byte) []byte {
	dst = append(dst, timeVersion)
	dst = binary.AppendVarint(dst, r.max)
	dst = binary.AppendUvarint(dst, uint64(r.max)-uint64(r.segmentMax))
	dst = binary.AppendVarint(dst, r.appended)
	dst = binary.AppendUvarint(dst, uint64(r.gap))
	dst = binary.AppendUvarint(dst, uint64(r.bytes))
	dst = binary.AppendUvarint(dst, uint64(r.size))
	dst = binary.AppendUvarint(dst, uint64(r.last-r.base))
	step := uint64(0)
	if r.prev >= 0 {
		step = uint64(r.last - r.prev)
	}
	return binary.AppendUvarint(dst, step)
}

// decodeTime reads the row whose key carries last.
func decodeTime(last int64, v []byte) (timeRow, error) {
	d := rowDecoder{v: v}
	if d.byte() != timeVersion {
		return timeRow{}, errRow
	}
	r := timeRow{last: last, prev: -1}
	r.max = d.varint()
	r.segmentMax = int64(uint64(r.max) - d.uvarint())
	r.appended = d.varint()
	r.gap = d.length()
	r.bytes = d.length()
	r.size = d.length()
	r.base = last - d.length()
	if step := d.length(); step > 0 {
		r.prev = last - step
		d.bad = d.bad || r.prev < 0
	}
	if d.bad || len(d.v) != 0 || r.base < 0 || r.segmentMax > r.max || r.bytes > math.MaxInt64-r.size {
		return timeRow{}, errRow
	}
	return r, nil
}

// rowDecoder takes numbers off a value; bad stays set once it ran over.
type rowDecoder struct {
	v   []byte
	bad bool
}

func (d *rowDecoder) byte() byte {
	if len(d.v) == 0 {
		d.bad = true
		return 0
	}
	b := d.v[0]
	d.v = d.v[1:]
	return b
}

func (d *rowDecoder) uvarint() uint64 {
	x, n := binary.Uvarint(d.v)
	if n <= 0 {
		d.bad, d.v = true, nil
		return 0
	}
	d.v = d.v[n:]
	return x
}

func (d *rowDecoder) varint() int64 {
	x, n := binary.Varint(d.v)
	if n <= 0 {
		d.bad, d.v = true, nil
		return 0
	}
	d.v = d.v[n:]
	return x
}

// length is a uvarint that is not negative as an int64.
func (d *rowDecoder) length() int64 {
	x := d.uvarint()
	if x > math.MaxInt64 {
		d.bad = true
		return 0
	}
	return int64(x)
}
