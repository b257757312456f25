package partitionlog

import (
	"encoding/binary"
	"errors"
)

// The 'm' row: one for each log that was ever written to.
//
//	at  size  field
//	 0     1  version, 1
//	 1     1  flags, zero
//	 2     8  log start: the first offset that may be read
//	10     8  bytes of all batches that lie whole below the log start, since
//	          the log was made
//	18     8  lower bound of the append time of the record at the log start, ms
//
// Big-endian. A later version may append fields; a reader of version 1 takes
// the first 26 bytes of any.
const (
	metaVersion = 1
	metaSize    = 26
)

// errRow says that a row's value is not one that this package writes.
var errRow = errors.New("partitionlog: malformed row")

type metaRow struct {
	start, startBytes, oldest int64
}

func (m metaRow) append(dst []byte) []byte {
	dst = append(dst, metaVersion, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.start))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.startBytes))
	return binary.BigEndian.AppendUint64(dst, uint64(m.oldest))
}

func decodeMeta(v []byte) (metaRow, error) {
	if len(v) < metaSize || v[0] < metaVersion {
		return metaRow{}, errRow
	}
	m := metaRow{
		start:      int64(binary.BigEndian.Uint64(v[2:])),
		startBytes: int64(binary.BigEndian.Uint64(v[10:])),
		oldest:     int64(binary.BigEndian.Uint64(v[18:])),
	}
	if m.start < 0 || m.startBytes < 0 {
		return metaRow{}, errRow
	}
	return m, nil
}
