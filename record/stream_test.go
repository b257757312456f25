package record

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"
)

func newWalk(count int) *walk {
	return &walk{batch: seal(None, count, nil), count: count, min: math.MaxInt64, max: math.MinInt64}
}

func walkMemory(count int, body []byte) error {
	w := newWalk(count)
	if err := w.memory(body); err != nil {
		return err
	}
	return w.finish()
}

// walkWindow walks body through a window of a few bytes, which all but the smallest records do not fit into.
func walkWindow(count int, body []byte, size int) error {
	w := newWalk(count)
	src := iotest.OneByteReader(bytes.NewReader(body))
	win := window{buf: make([]byte, size), src: src, left: math.MaxInt}
	if err := w.stream(&win); err != nil {
		return err
	}
	return w.finish()
}

// verdict is the class of an error.
func verdict(err error) error {
	for _, class := range []error{ErrTruncated, ErrMalformed, ErrChecksum, ErrTooLarge, ErrUnsupported, ErrTimestamp} {
		if errors.Is(err, class) {
			return class
		}
	}
	return err
}

// TestValidateLargeRecords: records larger than the window, and ones that lie across its end.
func TestValidateLargeRecords(t *testing.T) {
	var records []Record
	for _, n := range []int{1, windowBytes - 20, windowBytes, 3 * windowBytes, 10, windowBytes / 2, windowBytes / 2} {
		records = append(records, Record{Key: []byte("k"), Value: bytes.Repeat([]byte("v"), n),
			Headers: []Header{{Key: "h", Value: bytes.Repeat([]byte("h"), n)}, {Key: "n"}}})
	}
	for _, codec := range codecs {
		b := build(t, codec, records)
		require.NoError(t, b.Validate(Limits{}), codec)
		requireRecords(t, records, b, 0)
	}
}

// I-12: a batch of a few KiB that decompresses to 32 MiB is refused, in memory that does not grow with it.
func TestCompressionBomb(t *testing.T) {
	body := rec(0, 0, 0, -1, 32<<20, string(make([]byte, 32<<20)), 0)
	for _, codec := range codecs[1:] {
		bomb, err := compress(codec, nil, body)
		require.NoError(t, err)
		b := seal(codec, 1, bomb)
		require.NoError(t, b.Validate(Limits{MaxUncompressedBytes: len(body)}))
		for _, limit := range []int{len(body) - 1, 1 << 20} {
			l := Limits{MaxUncompressedBytes: limit}
			require.ErrorIs(t, b.Validate(l), ErrTooLarge, codec)
			require.ErrorIs(t, firstError(b, l), ErrTooLarge, codec)
		}
		if codec == Snappy {
			continue // a raw block is decoded as one: the limit bounds it, not the window
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, b.Validate(Limits{MaxUncompressedBytes: len(body)}))
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(12<<20), codec)
	}
}

func firstError(b Batch, l Limits) error {
	for _, err := range b.Records(l) {
		if err != nil {
			return err
		}
	}
	return nil
}

// I-12: lengths that a few bytes claim are not believed.
func TestLyingLengths(t *testing.T) {
	const xerialStart = xerialMagic + "\x00\x00\x00\x01\x00\x00\x00\x01"
	var wide bytes.Buffer
	w, err := zstd.NewWriter(&wide, zstd.WithWindowSize(2*maxZstdWindow))
	require.NoError(t, err)
	_, err = w.Write(rec(0, 0, 0, -1, 30<<20, string(make([]byte, 30<<20)), 0))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for name, test := range map[string]struct {
		codec Codec
		body  string
		want  error
	}{
		"zstd window of 16 MiB":      {Zstd, wide.String(), ErrTooLarge},
		"snappy block of 4 GiB":      {Snappy, "\xff\xff\xff\xff\x0f\x00", ErrMalformed},
		"snappy, length of 6 bytes":  {Snappy, "\xff\xff\xff\xff\xff\x0f", ErrMalformed},
		"xerial block beyond":        {Snappy, xerialStart + "\xff\xff\xff\xff\x01", ErrMalformed},
		"xerial, bytes left":         {Snappy, xerialStart + "\x00", ErrMalformed},
		"snappy empty":               {Snappy, "", ErrMalformed},
		"gzip empty":                 {Gzip, "", ErrMalformed},
		"lz4 empty":                  {LZ4, "", ErrMalformed},
		"zstd empty":                 {Zstd, "", ErrMalformed},
		"lz4 legacy frame":           {LZ4, "\x02\x21\x4c\x18\x00\x00\x00\x00", ErrMalformed},
		"lz4 block beyond the frame": {LZ4, "\x04\x22\x4d\x18\x60\x40\x82\xff\xff\xff\x7f", ErrMalformed},
	} {
		b := seal(test.codec, 1, []byte(test.body))
		require.ErrorIs(t, b.Validate(Limits{}), test.want, name)
		require.ErrorIs(t, firstError(b, Limits{}), test.want, name)
	}
}

// Whatever follows a compressed stream, and a stream that is cut, is refused; damage that the codec's own checksum
// finds is too.
func TestCompressedLeftOver(t *testing.T) {
	body := rec(0, 0, 0, -1, 10000, string(bytes.Repeat([]byte("0123456789"), 1000)), 0)
	for _, codec := range codecs[1:] {
		packed, err := compress(codec, nil, body)
		require.NoError(t, err)
		require.NoError(t, seal(codec, 1, packed).Validate(Limits{}))
		for _, tail := range []string{"\x00", "garbage", "\x00\x00\x00\x00"} {
			b := seal(codec, 1, append(packed[:len(packed):len(packed)], tail...))
			require.Error(t, b.Validate(Limits{}), "%v and %q", codec, tail)
			require.Error(t, firstError(b, Limits{}), "%v and %q", codec, tail)
		}
		for n := range packed {
			require.Error(t, seal(codec, 1, packed[:n]).Validate(Limits{}), "%v, %d bytes", codec, n)
		}
	}
}

// Forms that other producers write and our Builder does not.
func TestForeignForms(t *testing.T) {
	records := goldenSets()["many"]
	plain := build(t, None, records)
	forms := map[string][]byte{
		"xerial":                xerial.Encode(nil, plain.body()),
		"xerial, packed better": xerial.EncodeBetter(nil, plain.body()),
	}
	require.Equal(t, xerialMagic, string(forms["xerial"][:8]))
	check := func(name string, codec Codec, body []byte) {
		b := append(append(Batch{}, plain[:HeaderSize]...), body...)
		b[atLength], b[atLength+1] = 0, 0
		b[atLength+2], b[atLength+3] = byte((len(b)-12)>>8), byte(len(b)-12)
		b[atAttributes+1] = byte(codec)
		require.NoError(t, reseal(b).Validate(Limits{}), name)
		requireRecords(t, records, b, 0)
		require.Equal(t, kgoReads(t, b), readAll(t, b), name)
	}
	for name, body := range forms {
		check(name, Snappy, body)
	}
	for _, size := range []lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb} {
		var buf bytes.Buffer
		w := lz4.NewWriter(&buf)
		require.NoError(t, w.Apply(lz4.BlockSizeOption(size), lz4.BlockChecksumOption(true), lz4.ChecksumOption(true),
			lz4.SizeOption(uint64(len(plain.body())))))
		_, err := w.Write(plain.body())
		require.NoError(t, err)
		require.NoError(t, w.Close())
		check(fmt.Sprint("lz4 ", size), LZ4, buf.Bytes())
	}
	var members bytes.Buffer
	for _, part := range [][]byte{plain.body()[:100], plain.body()[100:]} {
		w := gzip.NewWriter(&members)
		_, err := w.Write(part)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	b := seal(Gzip, 300, members.Bytes())
	copy(b[atBaseTimestamp:atProducerID], plain[atBaseTimestamp:atProducerID])
	require.NoError(t, reseal(b).Validate(Limits{}))
	requireRecords(t, records, b, 0)
}
