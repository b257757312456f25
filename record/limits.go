package record

// DefaultMaxUncompressedBytes is what a zero Limits.MaxUncompressedBytes stands for: 64 MiB.
const DefaultMaxUncompressedBytes = 64 << 20

// Limits bound what Validate accepts and what Records decompresses. The zero value checks the layout alone and
// bounds decompression by DefaultMaxUncompressedBytes: there is no way to ask for none.
type Limits struct {
	// MaxBatchBytes bounds the encoded batch, header included. 0: not checked.
	MaxBatchBytes int
	// MaxRecords bounds the number of records. 0: not checked.
	MaxRecords int
	// MaxUncompressedBytes bounds what a compressed body may decompress to. Validate needs far less memory than that,
	// see there. 0: DefaultMaxUncompressedBytes.
	MaxUncompressedBytes int
	// NotBefore and NotAfter bound, both inclusive, every record's timestamp in ms (ErrTimestamp). 0: not checked.
	// They are not checked if the batch is LogAppendTime. Records does not look at them.
	NotBefore, NotAfter int64
}

func (l Limits) maxUncompressed() int {
	if l.MaxUncompressedBytes <= 0 {
		return DefaultMaxUncompressedBytes
	}
	return l.MaxUncompressedBytes
}
