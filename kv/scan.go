package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// Pebble reads its manifest (the list of the store's files) and the last file
// of the write-ahead log up to the first chunk that does not check, and takes
// that for the torn end of the last write. Damage in the middle of the
// manifest so makes it forget, and then delete, the tables that were listed
// after it. In the log it tells damage from a torn end by the synced offset
// that chunks carry, but counts too little into that offset where commits are
// larger than a block, and takes one flipped bit of a log number for the
// log's end (v2.1.7). So both are looked through before Pebble is let at them.
// Their format, in blocks of 32 KiB that no chunk crosses:
//
//	 0        4          6      7               11                  19
//	+--------+----------+------+---------------+-------------------+---------+
//	| CRC 4  | length 2 | kind | log number 4  | synced offset 8   | payload |
//	+--------+----------+------+---------------+-------------------+---------+
//	                             kinds 5 to 12   kinds 9 to 12
//
// Integers are little endian. The CRC is CRC-32C, masked, of the kind and all
// behind it. In each group of four kinds the first is a whole record, then
// come the first, middle and last chunk of one. Log numbers tell the chunks of
// a log from those of the one whose file it reuses.
const (
	chunkBlock   = 32 << 10
	chunkHeader  = 7
	chunkCRCMask = 0xa282ead8
)

// tornManifest and tornLog are how many records may begin after a broken
// chunk that a cut of power explains. The manifest is synced after each
// record. Of the log, under FsyncBatch, those commits are not synced that wait
// in the pipeline, one on either side of it, and one to spare.
const (
	tornManifest = 0
	tornLog      = commitPipeline + 3
)

var (
	errBrokenManifest = errors.New("a record in the middle of the list of files does not match its checksum")
	errBrokenLog      = errors.New("a record in the middle of the write-ahead log does not match its checksum")
)

// chunkScan finds the records of one file that begin after a broken chunk.
type chunkScan struct {
	log    uint32 // the log's number
	isLog  bool
	broken bool
	// after is how many records begin after the first broken chunk.
	after int
}

// checkManifest looks for damage in the middle of the current manifest. That
// it is missing is left for Pebble to say.
func checkManifest(fsys FS, dir string) error {
	desc, err := pebble.Peek(dir, fsys)
	if err != nil || !desc.Exists {
		return nil
	}
	return checkChunks(fsys, desc.ManifestFilename, &chunkScan{}, tornManifest)
}

// checkLog looks for damage in the middle of the write-ahead log, and refuses
// a store without any file of it: Pebble always leaves one, and would take its
// absence for an empty one.
func checkLog(o Options, m marker) error {
	dir := o.Dir
	if o.WALDir != "" {
		dir = o.WALDir
	}
	names, err := o.FS.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("kv: write-ahead log: %w", err)
	}
	found := false
	for _, name := range names {
		base, ok := strings.CutSuffix(name, walSuffix)
		number, err := strconv.ParseUint(base, 10, 64)
		if !ok || err != nil {
			continue
		}
		found = true
		if m.fsync != FsyncBatch.String() {
			continue
		}
		scan := &chunkScan{isLog: true, log: uint32(number)}
		if err := checkChunks(o.FS, o.FS.PathJoin(dir, name), scan, tornLog); err != nil {
			return err
		}
	}
	if !found {
		return &CorruptError{File: dir, Err: errors.New("the write-ahead log is missing: no *.log file")}
	}
	return nil
}

func checkChunks(fsys FS, path string, scan *chunkScan, torn int) error {
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kv: %s: %w", path, err)
	}
	err = errors.Join(scan.read(f), f.Close())
	if err != nil {
		return fmt.Errorf("kv: %s: %w", path, err)
	}
	if scan.after <= torn {
		return nil
	}
	if scan.isLog {
		return &CorruptError{File: path, Err: errBrokenLog}
	}
	return &CorruptError{File: path, Err: errBrokenManifest}
}

// read goes through a file.
func (c *chunkScan) read(r io.Reader) error {
	buf := make([]byte, chunkBlock)
	for {
		n, err := io.ReadFull(r, buf)
		c.block(buf[:n])
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// block goes through one block. Where a chunk does not check, the next one
// may begin at any byte. The zeros that fill a block up are no chunk.
func (c *chunkScan) block(b []byte) {
	for len(b) >= chunkHeader {
		begins, size, ok := c.chunk(b)
		if !ok {
			c.broken = c.broken || len(b) > 18 || !allZero(b)
			b = b[1:]
			continue
		}
		if c.broken && begins {
			c.after++
		}
		b = b[size:]
	}
}

// chunk takes the chunk at the start of b, and says whether a record begins
// with it.
func (c *chunkScan) chunk(b []byte) (begins bool, size int, ok bool) {
	kind := b[6]
	header := chunkHeader
	switch {
	case !c.isLog && kind >= 1 && kind <= 4:
	case c.isLog && kind >= 5 && kind <= 8:
		header += 4
	case c.isLog && kind >= 9 && kind <= 12:
		header += 4 + 8
	default:
		return false, 0, false
	}
	size = header + int(binary.LittleEndian.Uint16(b[4:]))
	if size > len(b) || c.isLog && binary.LittleEndian.Uint32(b[7:]) != c.log {
		return false, 0, false
	}
	crc := crc32.Checksum(b[6:size], crc32.MakeTable(crc32.Castagnoli))
	masked := (crc>>15 | crc<<17) + chunkCRCMask
	position := (kind - 1) % 4
	return position <= 1, size, masked == binary.LittleEndian.Uint32(b)
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
