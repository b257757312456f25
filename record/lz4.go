package record

import (
	"encoding/binary"
	"fmt"
)

// checkLZ4Frame checks that src is exactly one LZ4 frame of the kind that Kafka's clients write and read:
//
//	4  magic 0x184D2204 (all integers little-endian)
//	1  flags: bits 6-7 version 1, 5 blocks are independent, 4 block checksums, 3 content size, 2 content checksum,
//	   1 reserved, 0 dictionary id
//	1  bits 4-6 block size
//	8  content size, if flagged
//	1  header checksum
//	   blocks: 4 size (highest bit: not compressed), data, 4 checksum if flagged
//	4  end mark 0
//	4  content checksum, if flagged
//
// The library's reader would also take older frames with blocks of 8 MiB, several frames in a row, skipped frames,
// and blocks that depend on those before, which Java's consumer refuses and for which the reader keeps a dictionary
// from one frame to the next. It checks the checksums and the sizes; this only makes sure that it sees nothing else.
func checkLZ4Frame(src []byte) error {
	const (
		magic          = 0x184D2204
		minHeader      = 4 + 2 + 1
		version1       = 0x40
		versionMask    = 0xC0
		independent    = 0x20
		blockChecksum  = 0x10
		contentSize    = 0x08
		contentSum     = 0x04
		reserved       = 0x02
		dictionary     = 0x01
		notCompressed  = 1 << 31
		checksumLength = 4
	)
	if len(src) < minHeader || binary.LittleEndian.Uint32(src) != magic {
		return fmt.Errorf("%w: lz4 body: no frame", ErrMalformed)
	}
	flags := src[4]
	if flags&versionMask != version1 || flags&independent == 0 || flags&(reserved|dictionary) != 0 {
		return fmt.Errorf("%w: lz4 frame with flags %#02x", ErrUnsupported, flags)
	}
	at := minHeader
	if flags&contentSize != 0 {
		at += 8
	}
	for {
		if len(src) < at+4 {
			return fmt.Errorf("%w: lz4 body: frame without end", ErrMalformed)
		}
		size := int(binary.LittleEndian.Uint32(src[at:]) &^ notCompressed)
		end := binary.LittleEndian.Uint32(src[at:]) == 0
		at += 4
		if end {
			break
		}
		if at += size; flags&blockChecksum != 0 {
			at += checksumLength
		}
	}
	if flags&contentSum != 0 {
		at += checksumLength
	}
	if at != len(src) {
		return fmt.Errorf("%w: lz4 body: frame of %d bytes in %d", ErrMalformed, at, len(src))
	}
	return nil
}
