package kafka

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// What one request may hold. A request of more is no request: the connection is closed.
const (
	maxElements = 200_000 // of all its arrays together
	maxTags     = 64      // of one struct
)

// layout is the order of the fields of a request in all its versions.
type layout []field

// field is one field of a layout.
type field struct {
	// kind is b, h, i, l for integers of 1, 2, 4, 8 bytes, u for a uuid, s for a string, n for one that may be null, B
	// for bytes that may be null, [ for an array of structs and ( for one of plain values, which may both be null,
	// { for a struct that may be null.
	kind     byte
	min, max int16 // versions that have the field
	elements layout
}

// parseLayout reads a layout as the table of kinds has it: fields apart by spaces, each followed by the versions that
// have it, if not all do: @3+ from 3 on, @3-6 from 3 to 6. It panics on anything else.
func parseLayout(text string) layout {
	words := strings.Fields(text)
	l, rest := parseFields(words, "")
	if len(rest) > 0 {
		panic("kafka: layout " + strconv.Quote(text) + " closes what it has not opened")
	}
	return l
}

func parseFields(words []string, end string) (l layout, rest []string) {
	for len(words) > 0 {
		word, versions, _ := strings.Cut(words[0], "@")
		words = words[1:]
		f := field{kind: word[0], max: math.MaxInt16}
		closing := ""
		switch word {
		case "b", "h", "i", "l", "u", "s", "n", "B":
		case "[":
			closing = "]"
		case "(":
			closing = ")"
		case "{":
			closing = "}"
		case end:
			return l, append([]string{"@" + versions}, words...)
		default:
			panic("kafka: " + strconv.Quote(word) + " is no field of a layout")
		}
		if closing != "" {
			if f.elements, words = parseFields(words, closing); len(words) == 0 {
				panic("kafka: a layout does not close an array")
			}
			versions, words = words[0][1:], words[1:]
		}
		f.setVersions(versions)
		l = append(l, f)
	}
	return l, nil
}

func (f *field) setVersions(text string) {
	if text == "" {
		return
	}
	first, last, bounded := strings.Cut(strings.TrimSuffix(text, "+"), "-")
	f.min = mustVersion(first)
	if bounded {
		f.max = mustVersion(last)
	}
}

func mustVersion(text string) int16 {
	n, err := strconv.ParseInt(text, 10, 16)
	if err != nil {
		panic("kafka: " + strconv.Quote(text) + " is no version in a layout")
	}
	return int16(n)
}

// scanner holds the bytes of a request against its layout.
type scanner struct {
	src      []byte
	version  int16
	flexible bool // lengths are varints, and structs end with tags (KIP-482)
	elements int
	fault    error

	whole   []byte // src as it was at first
	without []byte // what of whole was read, without its tags; nil: it has none so far
	copied  int    // how much of whole is in without
}

// check returns the body of a request without its tags, or what keeps it from being one of that layout and version.
//
// No tag of the versions served tells a broker anything that it needs. kmsg knows some all the same, and believes the
// counts within them, which no layout bounds: so it gets none. A body that has tags, which clients do not send, is
// copied for that.
func (l layout) check(body []byte, version int16, flexible bool) ([]byte, error) {
	s := scanner{src: body, whole: body, version: version, flexible: flexible}
	s.fields(l)
	s.tags()
	if s.fault != nil {
		return nil, s.fault
	}
	body = body[:len(body)-len(s.src)]
	if s.without == nil {
		return body, nil
	}
	return append(s.without, body[s.copied:]...), nil
}

func (s *scanner) fail(format string, args ...any) {
	if s.fault == nil {
		s.fault = fmt.Errorf(format, args...)
	}
	s.src = nil
}

func (s *scanner) fields(l layout) {
	for i := range l {
		f := &l[i]
		if s.version < f.min || s.version > f.max {
			continue
		}
		switch f.kind {
		case 'b':
			s.take(1)
		case 'h':
			s.take(2)
		case 'i':
			s.take(4)
		case 'l':
			s.take(8)
		case 'u':
			s.take(16)
		case 's':
			s.bytes(s.length(2), false)
		case 'n':
			s.bytes(s.length(2), true)
		case 'B':
			s.bytes(s.length(4), true)
		case '{':
			s.optional(f)
		default:
			s.array(f)
		}
		if s.fault != nil {
			return
		}
	}
}

// take skips n bytes and returns them; nil after a fault.
func (s *scanner) take(n int) []byte {
	if n > len(s.src) {
		s.fail("the request ends %d bytes early", n-len(s.src))
		return nil
	}
	b := s.src[:n]
	s.src = s.src[n:]
	return b
}

// length reads a length: of width bytes, or, in a flexible version, a varint that is one larger. -1: null.
func (s *scanner) length(width int) int {
	if s.flexible {
		return int(s.uvarint()) - 1
	}
	switch b := s.take(width); len(b) {
	case 2:
		return int(int16(binary.BigEndian.Uint16(b)))
	case 4:
		return int(int32(binary.BigEndian.Uint32(b)))
	}
	return 0
}

func (s *scanner) bytes(n int, nullable bool) {
	switch {
	case n >= 0:
		s.take(n)
	case n < -1 || !nullable:
		s.fail("a length of %d", n)
	}
}

func (s *scanner) array(f *field) {
	n := s.length(4)
	if n < -1 {
		s.fail("an array of %d elements", n)
		return
	}
	if s.elements += max(n, 0); s.elements > maxElements {
		s.fail("the request has more than %d elements", maxElements)
		return
	}
	for range n {
		if s.fields(f.elements); f.kind == '[' {
			s.tags()
		}
		if s.fault != nil {
			return
		}
	}
}

// optional reads a struct behind a byte that says whether it is there.
func (s *scanner) optional(f *field) {
	switch b := s.take(1); {
	case s.fault != nil || int8(b[0]) == -1:
	case b[0] == 1:
		s.fields(f.elements)
		s.tags()
	default:
		s.fail("a struct is there or not: 1 or -1, not %d", int8(b[0]))
	}
}

// tags skips the tags at the end of a struct.
func (s *scanner) tags() {
	if !s.flexible || s.fault != nil {
		return
	}
	at := len(s.whole) - len(s.src)
	n := s.uvarint()
	if n > maxTags {
		s.fail("a struct has %d tags, at most %d are taken", n, maxTags)
		return
	}
	for range n {
		s.uvarint()
		s.take(int(s.uvarint()))
	}
	if n > 0 && s.fault == nil {
		s.without = append(append(s.without, s.whole[s.copied:at]...), 0)
		s.copied = len(s.whole) - len(s.src)
	}
}

// uvarint reads a varint of at most 32 bits.
func (s *scanner) uvarint() uint32 {
	n, size := binary.Uvarint(s.src[:min(len(s.src), binary.MaxVarintLen32)])
	if size <= 0 || n > math.MaxUint32 {
		s.fail("the request ends inside a number, or has one of more than 32 bits")
		return 0
	}
	s.src = s.src[size:]
	return uint32(n)
}
