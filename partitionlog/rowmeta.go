package partitionlog

import (
	"encoding/binary"
	"errors"
)

// The 'm' row: one for each log that was ever written to.
//
//	at  size  field
//	 0     1  version, 2
//	 1     1  flags: 1 the log cannot be trusted (void), 2 it is a replica's
//	 2     8  log start: the first offset that may be read
//	10     8  bytes of all batches that lie whole below the log start, since
//	          the log was made
//	18     8  lower bound of the append time of the record at the log start, ms
//	26     4  promised leader epoch, 0xffffffff: none
//	30     8  data start: the base of the first batch that is kept, and the end
//	          of the log where there is none; at most the log start
//	38     8  high watermark: a hint, meant only where the log is a replica's
//
// Big-endian. Version 1 ends behind the third number: its data start is the log
// start. A later version may append fields; a reader takes the first bytes that it
// knows of any.
const (
	metaVersion = 2
	metaSize1   = 26
	metaSize    = 46

	flagVoid    = 1
	flagReplica = 2
)

// errRow says that a row's value is not one that this package writes.
var errRow = errors.New("partitionlog: malformed row")

type metaRow struct {
	start, startBytes, oldest int64

	promised  int32
	dataStart int64
	hw        int64
	void      bool
	replica   bool
}

func (m metaRow) append(dst []byte) []byte {
	var flags byte
	if m.void {
		flags |= flagVoid
	}
	if m.replica {
		flags |= flagReplica
	}
	dst = append(dst, metaVersion, flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.start))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.startBytes))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.oldest))
	dst = binary.BigEndian.AppendUint32(dst, uint32(m.promised))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.dataStart))
	return binary.BigEndian.AppendUint64(dst, uint64(m.hw))
}

func decodeMeta(v []byte) (metaRow, error) {
	if len(v) < metaSize1 || v[0] < 1 || v[0] > 1 && len(v) < metaSize {
		return metaRow{}, errRow
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint64(v[at:])) }
	m := metaRow{start: number(2), startBytes: number(10), oldest: number(18), promised: NoEpoch}
	m.dataStart = m.start
	if v[0] > 1 {
		m.promised = int32(binary.BigEndian.Uint32(v[26:]))
		m.dataStart, m.hw = number(30), number(38)
		m.void, m.replica = v[1]&flagVoid != 0, v[1]&flagReplica != 0
	}
	bad := m.start < 0 || m.startBytes < 0 || m.promised < NoEpoch || m.dataStart < 0 || m.hw < 0
	if bad || m.dataStart > m.start {
		return metaRow{}, errRow
	}
	return m, nil
}
