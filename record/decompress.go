package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxZstdWindow is the largest window of a zstd frame that is decoded: what RFC 8878 asks every decoder to support.
// Encoders use larger ones only at the levels from 20 on.
const maxZstdWindow = 8 << 20

// The pools keep decoders, whose tables and windows are costly to make. They hold no state from one use to the next.
var (
	gzipReaders   = sync.Pool{}
	lz4Readers    = sync.Pool{New: func() any { return &lz4Reader{Reader: lz4.NewReader(nil)} }}
	zstdReaders   = sync.Pool{}
	snappyReaders = sync.Pool{New: func() any { return new(snappyReader) }}
)

// decoder streams what a body decompresses to. release gives it back to its pool; it must not be used after that.
type decoder interface {
	io.Reader
	release()
}

// newDecoder begins to decompress src. Where the format says beforehand that the output will pass max, it refuses;
// otherwise the caller counts.
func newDecoder(codec Codec, src []byte, max int) (decoder, error) {
	switch codec {
	case Gzip:
		return newGzipReader(src)
	case Snappy:
		return newSnappyReader(src, max), nil
	case LZ4:
		if err := checkLZ4Frame(src); err != nil {
			return nil, err
		}
		r := lz4Readers.Get().(*lz4Reader)
		r.src.Reset(src)
		r.Reset(&r.src)
		return r, nil
	case Zstd:
		return newZstdReader(src)
	}
	return nil, fmt.Errorf("%w: %v", ErrUnsupported, codec)
}

// decompress gives all of what src decompresses to, at most max bytes (else ErrTooLarge), in memory of its own.
func decompress(codec Codec, src []byte, max int) ([]byte, error) {
	d, err := newDecoder(codec, src, max)
	if err != nil {
		return nil, decodeError(codec, err)
	}
	defer d.release()
	out := make([]byte, 0, min(max+1, 4*len(src)+bytes.MinRead))
	for {
		n, err := d.Read(out[len(out):cap(out)])
		if out = out[:len(out)+n]; len(out) > max {
			return nil, fmt.Errorf("%w: %v body decompresses to more than %d bytes", ErrTooLarge, codec, max)
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, decodeError(codec, err)
		}
		if len(out) == cap(out) {
			bigger := make([]byte, len(out), min(max+1, 2*cap(out)))
			copy(bigger, out)
			out = bigger
		}
	}
}

// decodeError puts a codec library's error into one of this package's classes.
func decodeError(codec Codec, err error) error {
	if errors.Is(err, ErrMalformed) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrUnsupported) {
		return err
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return fmt.Errorf("%w: zstd window above %d bytes", ErrTooLarge, maxZstdWindow)
	}
	return fmt.Errorf("%w: %v body: %v", ErrMalformed, codec, err)
}

type gzipReader struct {
	gzip.Reader
	src bytes.Reader
}

func newGzipReader(src []byte) (*gzipReader, error) {
	r, _ := gzipReaders.Get().(*gzipReader)
	if r == nil {
		r = new(gzipReader)
	}
	r.src.Reset(src)
	if err := r.Reset(&r.src); err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

func (r *gzipReader) release() {
	r.src.Reset(nil)
	r.Header = gzip.Header{} // may hold as much as the sender liked
	gzipReaders.Put(r)
}

type lz4Reader struct {
	*lz4.Reader
	src bytes.Reader
}

func (r *lz4Reader) release() {
	r.src.Reset(nil)
	r.Reset(nil)
	lz4Readers.Put(r)
}

type zstdReader struct {
	*zstd.Decoder
	src bytes.Reader
}

func newZstdReader(src []byte) (*zstdReader, error) {
	r, _ := zstdReaders.Get().(*zstdReader)
	if r == nil {
		// Concurrency 1 keeps the decoder from starting goroutines.
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecodeBuffersBelow(0))
		if err != nil {
			return nil, err
		}
		r = &zstdReader{Decoder: d}
	}
	r.src.Reset(src)
	if err := r.Reset(&r.src); err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

func (r *zstdReader) release() {
	r.src.Reset(nil)
	if r.Reset(nil) == nil { // lets go of the source
		zstdReaders.Put(r)
	}
}
