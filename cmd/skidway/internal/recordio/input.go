package recordio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/skidway/skidway/client"
)

// MaxRecordBytes bounds one record of the input: reading an endless line must not take all memory. No broker takes a
// record of this size.
const MaxRecordBytes = 128 << 20

// Input is one record that was read.
type Input struct {
	Key, Value []byte    // nil: none
	Partition  int32     // -1: not said
	Timestamp  time.Time // zero: now
	Headers    []client.Header
}

// Source reads records from a stream, one at a time. It is not safe for concurrent use.
type Source struct {
	split func([]byte) (Input, error)
	end   []byte // what ends a record; empty: the end of the stream
	blank blankLines
	most  int // MaxRecordBytes
	r     *bufio.Reader
	count int64
}

// blankLines says whether an empty piece of the input is a record.
type blankLines int8

const (
	keepBlank blankLines = iota
	skipBlank            // json: it can be no record
)

// NewSource returns a reader of records from r. Format is "text" (a line is a value), "json" (a line is an object), or
// a template: it is matched against each record from left to right, a field ends where the text that follows it in the
// template begins, and the template's last text ends the record.
func NewSource(r io.Reader, format string, zone *time.Location) (*Source, error) {
	s := &Source{r: bufio.NewReaderSize(r, 256<<10), end: []byte{'\n'}, most: MaxRecordBytes}
	switch {
	case format == "text":
		s.split = func(b []byte) (Input, error) { return Input{Value: bytes.Clone(b), Partition: -1}, nil }
	case format == "json":
		s.split, s.blank = parseJSON, skipBlank
	case IsTemplate(format):
		m, err := newMatcher(format, zone)
		if err != nil {
			return nil, err
		}
		s.split, s.end = m.match, m.end
	default:
		return nil, fmt.Errorf("%q is no format of records to read; there are text, json, and templates such as '%%k:%%v\\n'",
			format)
	}
	return s, nil
}

// InputError is a record of the input that is not what the format says.
type InputError struct {
	Record int64 // the first is 1
	Err    error
}

// Error names the record.
func (e *InputError) Error() string {
	return fmt.Sprintf("record %d of the input: %v", e.Record, e.Err)
}

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// Next returns the next record; io.EOF after the last. An *InputError is about this record alone: the one after it can
// be read. Any other error is the stream's.
func (s *Source) Next() (Input, error) {
	for {
		piece, err := s.piece()
		if err != nil {
			return Input{}, err
		}
		if s.blank == skipBlank && len(bytes.TrimSpace(piece)) == 0 {
			continue
		}
		s.count++
		in, err := s.split(piece)
		if err != nil {
			return Input{}, &InputError{Record: s.count, Err: err}
		}
		return in, nil
	}
}

// piece returns the bytes up to the next end of a record; the last one needs none.
func (s *Source) piece() ([]byte, error) {
	if len(s.end) == 0 {
		return s.rest()
	}
	last := s.end[len(s.end)-1]
	var piece []byte
	for {
		b, err := s.r.ReadSlice(last)
		piece = append(piece, b...)
		switch {
		case len(piece) > s.most:
			return nil, s.tooLong()
		case err == nil && bytes.HasSuffix(piece, s.end):
			return nonNil(piece[:len(piece)-len(s.end)]), nil
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(piece) > 0:
			return piece, nil
		default:
			return nil, err
		}
	}
}

// rest returns the whole stream, once.
func (s *Source) rest() ([]byte, error) {
	if s.count > 0 {
		return nil, io.EOF
	}
	b, err := io.ReadAll(io.LimitReader(s.r, int64(s.most)+1))
	if err == nil && len(b) > s.most {
		err = s.tooLong()
	}
	return nonNil(b), err
}

func (s *Source) tooLong() error {
	return fmt.Errorf("record %d of the input is larger than %d MiB", s.count+1, s.most>>20)
}

// nonNil keeps an empty value from looking like none.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// matcher takes a record apart by a template.
type matcher struct {
	fields []field
	front  []byte // literal before the first field
	end    []byte // literal after the last
	zone   *time.Location
}

type field struct {
	part
	until []byte // the literal after the field; empty for the last
}

func newMatcher(format string, zone *time.Location) (*matcher, error) {
	parts, err := parse(format, "kvpd")
	if err != nil {
		return nil, err
	}
	m := &matcher{zone: zone}
	seen := make(map[byte]bool)
	for _, p := range parts {
		last := len(m.fields) - 1
		switch {
		case p.verb == 0 && last < 0:
			m.front = p.literal
		case p.verb == 0:
			m.fields[last].until = p.literal
		case seen[p.verb]:
			return nil, fmt.Errorf("%%%c stands twice in the template", p.verb)
		case last >= 0 && m.fields[last].until == nil:
			return nil, fmt.Errorf("nothing stands between %%%c and %%%c: where one ends cannot be told",
				m.fields[last].verb, p.verb)
		default:
			seen[p.verb] = true
			m.fields = append(m.fields, field{part: p})
		}
	}
	if !seen['v'] && !seen['k'] {
		return nil, errors.New("the template has neither %k nor %v")
	}
	m.end = m.fields[len(m.fields)-1].until
	m.fields[len(m.fields)-1].until = nil
	return m, nil
}

func (m *matcher) match(b []byte) (in Input, err error) {
	in.Partition = -1
	rest, ok := bytes.CutPrefix(b, m.front)
	if !ok {
		return in, fmt.Errorf("does not begin with %q", m.front)
	}
	for _, f := range m.fields {
		text := rest
		if len(f.until) > 0 {
			if text, rest, ok = bytes.Cut(rest, f.until); !ok {
				return in, fmt.Errorf("%q has no %q after its %s", clip(b), f.until, f.name())
			}
		}
		if err := m.set(&in, f, text); err != nil {
			return in, fmt.Errorf("%s %q: %w", f.name(), clip(text), err)
		}
	}
	return in, nil
}

func (f field) name() string {
	return map[byte]string{'k': "key", 'v': "value", 'p': "partition", 'd': "time"}[f.verb]
}

func (m *matcher) set(in *Input, f field, text []byte) (err error) {
	switch f.verb {
	case 'k':
		in.Key, err = f.encoding.decode(text)
	case 'v':
		in.Value, err = f.encoding.decode(text)
	case 'p':
		var n int64
		n, err = strconv.ParseInt(string(text), 10, 32)
		if err != nil || n < 0 {
			return errors.New("not a partition's number")
		}
		in.Partition = int32(n)
	case 'd':
		in.Timestamp, err = m.parseTime(f.layout, string(text))
	}
	return err
}

func (m *matcher) parseTime(layout, text string) (time.Time, error) {
	if layout != "" {
		return time.ParseInLocation(layout, text, m.zone)
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
		return time.Time{}, errors.New("not milliseconds since 1970")
	}
	return time.UnixMilli(ms), nil
}

// clip shortens what a message quotes.
func clip(b []byte) []byte {
	const most = 40
	if len(b) <= most {
		return b
	}
	return append(b[:most:most], "..."...)
}
