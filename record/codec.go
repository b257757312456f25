package record

import (
	"fmt"
	"strconv"
	"strings"
)

// Codec is how a batch's records are compressed: the three lowest bits of the attributes. The numbers are Kafka's and
// may never change.
type Codec int8

// The codecs of record batch v2 (KIP-110 added zstd).
const (
	None   Codec = 0 // as they are
	Gzip   Codec = 1 // RFC 1952
	Snappy Codec = 2 // one raw block, or blocks in the framing of Java's xerial library
	LZ4    Codec = 3 // LZ4 frame format
	Zstd   Codec = 4 // RFC 8878
)

var codecNames = [...]string{None: "none", Gzip: "gzip", Snappy: "snappy", LZ4: "lz4", Zstd: "zstd"}

// ParseCodec gives the codec of a name: none, gzip, snappy, lz4 or zstd, in lower case.
func ParseCodec(s string) (Codec, error) {
	for c, name := range codecNames {
		if s == name {
			return Codec(c), nil
		}
	}
	return None, fmt.Errorf("%w: codec %q, want one of %s", ErrUnsupported, s, strings.Join(codecNames[:], ", "))
}

// String is the codec's name as ParseCodec takes it.
func (c Codec) String() string {
	if c.known() {
		return codecNames[c]
	}
	return "codec(" + strconv.Itoa(int(c)) + ")"
}

func (c Codec) known() bool { return c >= 0 && int(c) < len(codecNames) }

// TimestampType says whose clock a batch's timestamps are from: bit 3 of the attributes (KIP-32).
type TimestampType int8

const (
	// CreateTime: each record has the time that its producer gave it.
	CreateTime TimestampType = 0
	// LogAppendTime: all records have the time at which the broker appended the batch, which is its max timestamp.
	LogAppendTime TimestampType = 1
)

// String is the type's name as Kafka writes it.
func (t TimestampType) String() string {
	switch t {
	case CreateTime:
		return "CreateTime"
	case LogAppendTime:
		return "LogAppendTime"
	}
	return "TimestampType(" + strconv.Itoa(int(t)) + ")"
}
