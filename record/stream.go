package record

import (
	"fmt"
	"io"
	"sync"
)

// windowBytes is how much of a decompressed body Validate holds at a time. It does not bound records, see walk.large.
const windowBytes = 64 << 10

var windows = sync.Pool{New: func() any { return new([windowBytes]byte) }}

// compressed walks records that are decompressed on the way.
func (w *walk) compressed(codec Codec, body []byte) error {
	limit := w.limits.maxUncompressed()
	d, err := newDecoder(codec, body, limit)
	if err != nil {
		return decodeError(codec, err)
	}
	defer d.release()
	buf := windows.Get().(*[windowBytes]byte)
	defer windows.Put(buf)
	win := window{buf: buf[:], src: d, codec: codec, left: limit}
	return w.stream(&win)
}

// stream walks the records of a window to the source's end.
func (w *walk) stream(win *window) error {
	for {
		if err := win.fill(maxVarint32); err != nil {
			return err
		}
		if win.len() == 0 {
			return nil
		}
		n, at := varint(win.bytes(), 0, maxVarint32)
		if at < 0 || n < 0 {
			return w.malformed("length out of bounds")
		}
		win.start += at
		if n > int64(len(win.buf)) {
			if err := w.large(win, int(n)); err != nil {
				return err
			}
			continue
		}
		if err := win.fill(int(n)); err != nil {
			return err
		}
		if n > int64(win.len()) {
			return w.malformed("length out of bounds")
		}
		if fault := w.record.parse(win.bytes()[:n]); fault != "" {
			return w.malformed(fault)
		}
		win.start += int(n)
		if err := w.add(w.record.timestampDelta, w.record.offsetDelta); err != nil {
			return err
		}
	}
}

// large checks a record of n bytes that does not fit into the window: what parse does, field by field.
func (w *walk) large(win *window, n int) error {
	c := cursor{win: win, left: n}
	attributes := c.byte()
	timestampDelta := c.varint(maxVarint64)
	offsetDelta := int32(c.varint(maxVarint32))
	c.field(-1)
	c.field(-1)
	headers := c.varint(maxVarint32)
	if headers < 0 || headers > int64(c.left)/minHeader {
		c.bad = true
	}
	for i := int64(0); i < headers && !c.bad; i++ {
		c.field(0)
		c.field(-1)
	}
	if c.err != nil {
		return c.err
	}
	if c.bad || c.left != 0 || attributes != 0 {
		return w.malformed("fields out of bounds")
	}
	return w.add(timestampDelta, offsetDelta)
}

// cursor reads the fields of one record off a window. After a fault, bad is set and all that it reads is zero.
type cursor struct {
	win  *window
	left int // bytes of the record that have not been read
	bad  bool
	err  error // why the window has no more; bad is set too
}

// need brings n bytes into the window, fewer at the record's or the source's end.
func (c *cursor) need(n int) []byte {
	if c.bad {
		return nil
	}
	if err := c.win.fill(min(n, c.left)); err != nil {
		c.bad, c.err = true, err
		return nil
	}
	return c.win.bytes()[:min(n, c.left, c.win.len())]
}

func (c *cursor) took(n int) {
	c.win.start += n
	c.left -= n
}

func (c *cursor) byte() byte {
	p := c.need(1)
	if len(p) == 0 {
		c.bad = true
		return 0
	}
	v := p[0]
	c.took(1)
	return v
}

func (c *cursor) varint(maxLen int) int64 {
	v, n := varint(c.need(maxLen), 0, maxLen)
	if n < 0 {
		c.bad = true
		return 0
	}
	c.took(n)
	return v
}

// field skips a length, which is at least least, and as many bytes.
func (c *cursor) field(least int64) {
	n := c.varint(maxVarint32)
	if n < least || n > int64(c.left) {
		c.bad = true
		return
	}
	for n > 0 && !c.bad {
		p := c.need(int(min(n, int64(len(c.win.buf)))))
		if len(p) == 0 {
			c.bad = true
		}
		c.took(len(p))
		n -= int64(len(p))
	}
}

// window is the part of a decompressed body that is in memory.
type window struct {
	buf        []byte
	start, end int // what is unread: buf[start:end]
	src        io.Reader
	codec      Codec
	left       int  // bytes that src may still give
	eof        bool // src has given all
}

func (w *window) len() int      { return w.end - w.start }
func (w *window) bytes() []byte { return w.buf[w.start:w.end] }

// fill reads until n bytes (at most the window's size) are unread, or the source ends: then there are fewer.
func (w *window) fill(n int) error {
	if w.end-w.start >= n || w.eof {
		return nil
	}
	copy(w.buf, w.buf[w.start:w.end])
	w.start, w.end = 0, w.end-w.start
	for w.end < n {
		got, err := w.src.Read(w.buf[w.end:])
		w.end += got
		if w.left -= got; w.left < 0 {
			return fmt.Errorf("%w: %v body decompresses to too many bytes", ErrTooLarge, w.codec)
		}
		if err == io.EOF {
			w.eof = true
			return nil
		}
		if err != nil {
			return decodeError(w.codec, err)
		}
	}
	return nil
}
