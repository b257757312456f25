package group

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/skidway/skidway/internal/bounded"
)

// formatVersion is the first element of each node. It is raised when an older broker would misread the node,
// which then refuses it. Fields that are added behind the others leave it as it is.
const formatVersion = 1

// encoder writes one node. Encoding into memory does not fail.
type encoder struct {
	buf bytes.Buffer
	enc *msgpack.Encoder
}

// newEncoder begins a node: an array of that many elements, the first of which is the format.
func newEncoder(elements int) *encoder {
	e := &encoder{}
	e.enc = msgpack.NewEncoder(&e.buf)
	e.array(elements)
	e.int(formatVersion)
	return e
}

func (e *encoder) array(n int)   { must(e.enc.EncodeArrayLen(n)) }
func (e *encoder) mapLen(n int)  { must(e.enc.EncodeMapLen(n)) }
func (e *encoder) int(v int64)   { must(e.enc.EncodeInt(v)) }
func (e *encoder) uint(v uint64) { must(e.enc.EncodeUint(v)) }
func (e *encoder) text(s string) { must(e.enc.EncodeString(s)) }
func (e *encoder) bin(b []byte)  { must(e.enc.EncodeBytesLen(len(b))); e.raw(b) }
func (e *encoder) raw(b []byte)  { e.buf.Write(b) }

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("group: encoding into memory failed: %v", err))
	}
}

// decoder reads one node.
type decoder struct{ *bounded.Decoder }

// newDecoder reads the head of a node: an array of at least that many elements, of a format that can be read. It
// returns how many more elements there are.
func newDecoder(data []byte, elements int) (d decoder, more int) {
	d = decoder{bounded.NewDecoder(data)}
	n := d.Array(math.MaxInt32)
	format := d.Int(0, math.MaxInt64)
	switch {
	case format > formatVersion:
		d.Fail(fmt.Errorf("%w: format %d, this version reads up to %d", ErrNewerFormat, format, formatVersion))
	case format == 0 || n < elements:
		d.Fail(fmt.Errorf("%d fields of format %d", n, format))
	}
	return d, n - elements
}

// tail returns the encoded elements that follow, which a newer version wrote: they are kept as they are. The error
// wraps ErrCorrupt or ErrNewerFormat.
func (d decoder) tail(elements int) ([]byte, error) {
	var rest []byte
	for i := 0; i < elements && d.Err() == nil; i++ {
		rest = append(rest, d.Raw()...)
	}
	switch err := d.End(); {
	case err == nil:
		return rest, nil
	case errors.Is(err, ErrNewerFormat):
		return nil, err
	default:
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
}
