package metadata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// formatVersion is written to each node under keyFormat. A version that only adds
// fields keeps it, since older brokers carry unknown fields along (G30). It is
// raised when an older broker would misread the node, which then refuses it.
const (
	formatVersion = 1
	keyFormat     = "v"
)

// maxDepth bounds how deep a value of an unknown field may be nested.
const maxDepth = 16

// document is the data of one node: a msgpack map from field names to values, kept
// encoded until a field is taken. What nobody takes is unknown, and kept. The first
// fault found is remembered and returned by rest.
type document struct {
	fields map[string][]byte // encoded value by field name
	err    error

	// One reader and decoder for all fields; each take points them at its own bytes.
	r   bytes.Reader
	dec *msgpack.Decoder
}

func newDocument(unknown map[string][]byte) *document {
	d := &document{fields: make(map[string][]byte, len(unknown)+8)}
	for k, v := range unknown {
		d.fields[k] = v
	}
	d.putUint(keyFormat, formatVersion)
	return d
}

// decodeDocument checks the outer shape and the format; the error wraps ErrCorrupt or
// ErrNewerFormat. The result shares no memory with data.
func decodeDocument(data []byte) (*document, error) {
	corrupt := func(err error) (*document, error) { return nil, fmt.Errorf("%w: %w", ErrCorrupt, err) }
	data = bytes.Clone(data)
	d := &document{}
	r := &d.r
	r.Reset(data)
	d.dec = msgpack.NewDecoder(r)
	n, err := d.mapLen()
	if err != nil {
		return corrupt(err)
	}
	d.fields = make(map[string][]byte, min(n, 64))
	for range n {
		key, err := d.text()
		if err != nil {
			return corrupt(fmt.Errorf("field name: %w", err))
		}
		if _, twice := d.fields[key]; twice {
			return corrupt(fmt.Errorf("field %q twice", clip(key)))
		}
		start := len(data) - r.Len()
		if err := d.skip(maxDepth); err != nil {
			return corrupt(fmt.Errorf("field %q: %w", clip(key), err))
		}
		end := len(data) - r.Len()
		d.fields[key] = data[start:end:end]
	}
	if r.Len() > 0 {
		return corrupt(fmt.Errorf("%d bytes left over", r.Len()))
	}
	format := d.takeUint(keyFormat)
	if d.err != nil {
		return nil, d.err
	}
	if format > formatVersion {
		return nil, fmt.Errorf("%w: format %d, this version reads up to %d", ErrNewerFormat, format, formatVersion)
	}
	return d, nil
}

// encode returns the map with its keys sorted.
func (d *document) encode() []byte {
	keys := make([]string, 0, len(d.fields))
	for k := range d.fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	must(enc.EncodeMapLen(len(keys)))
	for _, k := range keys {
		must(enc.EncodeString(k))
		buf.Write(d.fields[k])
	}
	return buf.Bytes()
}

func (d *document) put(key string, write func(*msgpack.Encoder) error) {
	var buf bytes.Buffer
	must(write(msgpack.NewEncoder(&buf)))
	d.fields[key] = buf.Bytes()
}

func (d *document) putUint(key string, v uint64) {
	d.put(key, func(e *msgpack.Encoder) error { return e.EncodeUint(v) })
}

func (d *document) putInt(key string, v int64) {
	d.put(key, func(e *msgpack.Encoder) error { return e.EncodeInt(v) })
}

func (d *document) putString(key, v string) {
	d.put(key, func(e *msgpack.Encoder) error { return e.EncodeString(v) })
}

func (d *document) putStrings(key string, m map[string]string) {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	d.put(key, func(e *msgpack.Encoder) error {
		err := e.EncodeMapLen(len(names))
		for _, k := range names {
			err = errors.Join(err, e.EncodeString(k), e.EncodeString(m[k]))
		}
		return err
	})
}

// fail remembers the first fault.
func (d *document) fail(key string, err error) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: field %q: %w", ErrCorrupt, key, err)
	}
}

// take removes the field and reads its value; the whole value must be consumed.
func (d *document) take(key string, read func(*msgpack.Decoder) error) {
	raw, ok := d.fields[key]
	if !ok {
		d.fail(key, errors.New("is missing"))
		return
	}
	delete(d.fields, key)
	d.r.Reset(raw)
	d.dec.ResetReader(&d.r)
	err := read(d.dec)
	if err == nil && d.r.Len() > 0 {
		err = errors.New("has another type")
	}
	if err != nil {
		d.fail(key, err)
	}
}

func (d *document) takeUint(key string) (v uint64) {
	d.take(key, func(dec *msgpack.Decoder) (err error) {
		c, err := dec.PeekCode()
		if err != nil {
			return err
		}
		if !unsignedCode(c) {
			return fmt.Errorf("is no unsigned number (code %#x)", c)
		}
		v, err = dec.DecodeUint64()
		return err
	})
	return v
}

func (d *document) takeInt(key string, low, high int64) (v int64) {
	d.take(key, func(dec *msgpack.Decoder) error {
		c, err := dec.PeekCode()
		if err != nil {
			return err
		}
		if v, err = decodeInt(dec, c); err != nil {
			return err
		}
		if v < low || v > high {
			return fmt.Errorf("%d is not in %d..%d", v, low, high)
		}
		return nil
	})
	return v
}

func decodeInt(dec *msgpack.Decoder, code byte) (int64, error) {
	if unsignedCode(code) {
		u, err := dec.DecodeUint64()
		if err == nil && u > math.MaxInt64 {
			err = fmt.Errorf("%d is out of range", u)
		}
		return int64(u), err
	}
	if code < msgpcode.NegFixedNumLow && (code < msgpcode.Int8 || code > msgpcode.Int64) {
		return 0, fmt.Errorf("is no number (code %#x)", code)
	}
	return dec.DecodeInt64()
}

func unsignedCode(c byte) bool {
	return c <= msgpcode.PosFixedNumHigh || c >= msgpcode.Uint8 && c <= msgpcode.Uint64
}

func (d *document) takeString(key string) (v string) {
	d.take(key, func(dec *msgpack.Decoder) (err error) {
		v, err = d.text()
		return err
	})
	return v
}

func (d *document) takeStrings(key string) (m map[string]string) {
	d.take(key, func(dec *msgpack.Decoder) error {
		n, err := d.mapLen()
		if err != nil {
			return err
		}
		for range n {
			k, err := d.text()
			if err != nil {
				return err
			}
			if m == nil {
				m = make(map[string]string)
			}
			if _, twice := m[k]; twice {
				return fmt.Errorf("%q twice", clip(k))
			}
			if m[k], err = d.text(); err != nil {
				return err
			}
		}
		return nil
	})
	return m
}

// rest returns the fields that nobody took, or the first fault found.
func (d *document) rest() (map[string][]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	if len(d.fields) == 0 {
		return nil, nil
	}
	return d.fields, nil
}

// text reads a string, and nothing that the library would also take for one.
func (d *document) text() (string, error) {
	c, err := d.dec.PeekCode()
	if err != nil {
		return "", err
	}
	if !msgpcode.IsString(c) {
		return "", fmt.Errorf("is no text (code %#x)", c)
	}
	n, err := d.dec.DecodeBytesLen()
	if err != nil {
		return "", err
	}
	if n > d.r.Len() { // before anything is allocated for it
		return "", io.ErrUnexpectedEOF
	}
	b := make([]byte, n)
	_, err = io.ReadFull(&d.r, b)
	return string(b), err
}

// mapLen reads the head of a map.
func (d *document) mapLen() (int, error) {
	c, err := d.dec.PeekCode()
	if err != nil {
		return 0, err
	}
	if !isMap(c) {
		return 0, fmt.Errorf("is no map (code %#x)", c)
	}
	return d.dec.DecodeMapLen()
}

func isMap(c byte) bool { return msgpcode.IsFixedMap(c) || c == msgpcode.Map16 || c == msgpcode.Map32 }

func isArray(c byte) bool {
	return msgpcode.IsFixedArray(c) || c == msgpcode.Array16 || c == msgpcode.Array32
}

// skip moves past one value of any type, at most depth deep, and allocates nothing for it.
func (d *document) skip(depth int) error {
	if depth == 0 {
		return errors.New("nested too deep")
	}
	c, err := d.dec.PeekCode()
	if err != nil {
		return err
	}
	values, size := 0, 0 // that follow
	switch {
	case isMap(c):
		values, err = d.dec.DecodeMapLen()
		values *= 2
	case isArray(c):
		values, err = d.dec.DecodeArrayLen()
	case msgpcode.IsString(c), msgpcode.IsBin(c):
		size, err = d.dec.DecodeBytesLen()
	case msgpcode.IsExt(c):
		_, size, err = d.dec.DecodeExtHeader()
	default:
		return d.dec.Skip()
	}
	if err == nil && (values > d.r.Len() || size > d.r.Len()) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	for range values {
		if err := d.skip(depth - 1); err != nil {
			return err
		}
	}
	_, err = d.r.Seek(int64(size), io.SeekCurrent)
	return err
}

// must panics on an error that only a broken invariant can cause: encoding into memory does not fail.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("metadata: encoding into memory failed: %v", err))
	}
}
