package history

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Value is what a record holds: no two of a load are equal. Key is of the process that sent it, Seq counts what that
// process sent. Key 0 is of bytes that no load wrote: Seq is their checksum then.
type Value struct{ Key, Seq uint64 }

// ValueBytes is the least that a value takes in a record: key, seq and their CRC32C.
const ValueBytes = 20

// Encode gives the value as it stands in a record, in size bytes, at least ValueBytes of them; what lies behind those
// is zero.
func (v Value) Encode(size int) []byte {
	b := make([]byte, 0, max(size, ValueBytes))
	b = binary.BigEndian.AppendUint64(b, v.Key)
	b = binary.BigEndian.AppendUint64(b, v.Seq)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b[:cap(b)]
}

// DecodeValue reads the value of a record. Bytes that no load wrote give a value of key 0.
func DecodeValue(b []byte) Value {
	if len(b) >= ValueBytes {
		sum := crc32.Checksum(b[:ValueBytes-4], crc32.MakeTable(crc32.Castagnoli))
		v := Value{Key: binary.BigEndian.Uint64(b), Seq: binary.BigEndian.Uint64(b[8:])}
		if v.Key != 0 && sum == binary.BigEndian.Uint32(b[ValueBytes-4:]) && !nonzero(b[ValueBytes:]) {
			return v
		}
	}
	return Value{Seq: uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))}
}

func nonzero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return true
		}
	}
	return false
}

// String returns key and seq: "1f-7".
func (v Value) String() string {
	return strconv.FormatUint(v.Key, 16) + "-" + strconv.FormatUint(v.Seq, 10)
}

// MarshalText writes what String returns.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Value) UnmarshalText(text []byte) error {
	key, seq, _ := strings.Cut(string(text), "-")
	var err error
	if v.Key, err = strconv.ParseUint(key, 16, 64); err == nil {
		v.Seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("history: %q is no value, such as 1f-7: %w", text, err)
	}
	return nil
}
