package metadata

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/skidway/skidway/internal/bounded"
)

// formatVersion is written to each node under keyFormat. A version that only adds
// fields keeps it, since older brokers carry unknown fields along (G30). It is
// raised when an older broker would misread the node, which then refuses it.
const (
	formatVersion = 1
	keyFormat     = "v"
)

// document is the data of one node: a msgpack map from field names to values, kept
// encoded until a field is taken. What nobody takes is unknown, and kept. The first
// fault found is remembered and returned by rest.
type document struct {
	fields map[string][]byte // encoded value by field name
	err    error

	dec *bounded.Decoder // one for all fields: each take points it at its own bytes
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
	dec := bounded.NewDecoder(bytes.Clone(data))
	n := dec.Map(math.MaxInt32)
	d := &document{fields: make(map[string][]byte, min(n, 64)), dec: dec}
	for range n {
		key := dec.Text(math.MaxInt32)
		if _, twice := d.fields[key]; twice {
			dec.Fail(fmt.Errorf("field %q twice", clip(key)))
		}
		value := dec.Raw()
		if err := dec.Err(); err != nil {
			return nil, fmt.Errorf("%w: field %q: %w", ErrCorrupt, clip(key), err)
		}
		d.fields[key] = value
	}
	if err := dec.End(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
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
func (d *document) take(key string, read func(*bounded.Decoder)) {
	raw, ok := d.fields[key]
	if !ok {
		d.fail(key, errors.New("is missing"))
		return
	}
	delete(d.fields, key)
	d.dec.Reset(raw)
	read(d.dec)
	if err := d.dec.End(); err != nil {
		d.fail(key, err)
	}
}

func (d *document) takeUint(key string) (v uint64) {
	d.take(key, func(dec *bounded.Decoder) { v = dec.Uint() })
	return v
}

func (d *document) takeInt(key string, low, high int64) (v int64) {
	d.take(key, func(dec *bounded.Decoder) { v = dec.Int(low, high) })
	return v
}

func (d *document) takeString(key string) (v string) {
	d.take(key, func(dec *bounded.Decoder) { v = dec.Text(math.MaxInt32) })
	return v
}

func (d *document) takeStrings(key string) (m map[string]string) {
	d.take(key, func(dec *bounded.Decoder) {
		for range dec.Map(math.MaxInt32) {
			k, v := dec.Text(math.MaxInt32), dec.Text(math.MaxInt32)
			if _, twice := m[k]; twice {
				dec.Fail(fmt.Errorf("%q twice", clip(k)))
			}
			if dec.Err() != nil {
				return
			}
			if m == nil {
				m = make(map[string]string)
			}
			m[k] = v
		}
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

// must panics on an error that only a broken invariant can cause: encoding into memory does not fail.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("metadata: encoding into memory failed: %v", err))
	}
}
