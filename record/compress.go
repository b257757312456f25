package record

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// encodeWindow is how far back the zstd encoder looks, and so the memory that a decoder needs: about a batch.
const encodeWindow = 1 << 20

// The pools keep encoders, whose tables are costly to make. They hold no state from one use to the next.
var (
	gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	lz4Writers  sync.Pool
	zstdWriters sync.Pool
)

// compress appends src, compressed at the codec's default level, to dst.
func compress(codec Codec, dst, src []byte) ([]byte, error) {
	switch codec {
	case Gzip:
		w := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(w)
		return compressStream(w, dst, src)
	case Snappy:
		return compressSnappy(dst, src), nil
	case LZ4:
		w, err := newLZ4Writer()
		if err != nil {
			return nil, err
		}
		defer lz4Writers.Put(w)
		return compressStream(w, dst, src)
	case Zstd:
		w, err := newZstdWriter()
		if err != nil {
			return nil, err
		}
		defer zstdWriters.Put(w)
		return w.EncodeAll(src, dst), nil
	}
	panic("record: compress with " + codec.String())
}

// streamWriter is what gzip's and lz4's writers have in common.
type streamWriter interface {
	io.WriteCloser
	Reset(io.Writer)
}

// sliceWriter appends what is written to a slice.
type sliceWriter struct{ b []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

func compressStream(w streamWriter, dst, src []byte) ([]byte, error) {
	out := sliceWriter{b: dst}
	w.Reset(&out)
	defer w.Reset(nil) // lets go of out
	if _, err := w.Write(src); err != nil {
		return nil, fmt.Errorf("record: compressing: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("record: compressing: %w", err)
	}
	return out.b, nil
}

// newLZ4Writer makes frames that Java's consumer reads too: independent blocks, and small ones, since a reader takes
// memory for a whole block. The batch has a checksum, so the frame needs none.
func newLZ4Writer() (*lz4.Writer, error) {
	if w, ok := lz4Writers.Get().(*lz4.Writer); ok {
		return w, nil
	}
	w := lz4.NewWriter(nil)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
		return nil, fmt.Errorf("record: lz4 options: %w", err)
	}
	return w, nil
}

// newZstdWriter has concurrency 1, which keeps the encoder from starting goroutines.
func newZstdWriter() (*zstd.Encoder, error) {
	if w, ok := zstdWriters.Get().(*zstd.Encoder); ok {
		return w, nil
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(encodeWindow),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("record: zstd options: %w", err)
	}
	return w, nil
}

// compressSnappy writes one raw block, the form that every client reads.
func compressSnappy(dst, src []byte) []byte {
	if need := snappy.MaxEncodedLen(len(src)); cap(dst)-len(dst) < need {
		dst = append(make([]byte, 0, len(dst)+need), dst...)
	}
	block := snappy.Encode(dst[len(dst):cap(dst)], src)
	return dst[:len(dst)+len(block)]
}
