package recordio

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// encoding is how a key or value is written in a template.
type encoding int8

const (
	raw encoding = iota
	hexDigits
	base64Text
)

// part is one piece of a template: literal bytes, or a verb with what stands in its braces.
type part struct {
	verb     byte   // 0: a literal
	literal  []byte // only with verb 0
	encoding encoding
	layout   string // of %d{go[...]}; empty: milliseconds since 1970
	sub      []part // of %h{...}
}

// parse reads a template whose verbs are the given letters.
func parse(text, verbs string) ([]part, error) {
	var parts []part
	var literal []byte
	flush := func() {
		if len(literal) > 0 {
			parts = append(parts, part{literal: literal})
			literal = nil
		}
	}
	for i := 0; i < len(text); {
		switch {
		case text[i] == '\\':
			b, n, err := unescape(text[i:])
			if err != nil {
				return nil, err
			}
			literal = append(literal, b...)
			i += n
		case strings.HasPrefix(text[i:], "%%"):
			literal = append(literal, '%')
			i += 2
		case text[i] == '%':
			p, n, err := parseVerb(text[i:], verbs)
			if err != nil {
				return nil, err
			}
			flush()
			parts = append(parts, p)
			i += n
		default:
			literal = append(literal, text[i])
			i++
		}
	}
	flush()
	return parts, nil
}

// unescape reads one \ sequence at the front of text.
func unescape(text string) (b []byte, n int, err error) {
	if len(text) < 2 {
		return nil, 0, fmt.Errorf(`a template cannot end in \`)
	}
	switch text[1] {
	case 'n':
		return []byte{'\n'}, 2, nil
	case 't':
		return []byte{'\t'}, 2, nil
	case 'r':
		return []byte{'\r'}, 2, nil
	case '0':
		return []byte{0}, 2, nil
	case '\\':
		return []byte{'\\'}, 2, nil
	case 'x':
		if len(text) >= 4 {
			if v, err := strconv.ParseUint(text[2:4], 16, 8); err == nil {
				return []byte{byte(v)}, 4, nil
			}
		}
		return nil, 0, fmt.Errorf(`\x wants two hexadecimal digits`)
	}
	r, _ := utf8.DecodeRuneInString(text[1:])
	return nil, 0, fmt.Errorf(`\%c means nothing in a template; there are \n \t \r \0 \\ \xFF`, r)
}

// parseVerb reads one % verb, with its braces, at the front of text.
func parseVerb(text, verbs string) (p part, n int, err error) {
	if len(text) < 2 {
		return p, 0, fmt.Errorf("a template cannot end in %%; write %%%% for a percent sign")
	}
	if !strings.Contains(verbs, text[1:2]) {
		r, _ := utf8.DecodeRuneInString(text[1:])
		return p, 0, fmt.Errorf("%%%c is no field of a record here; there are %s", r, listVerbs(verbs))
	}
	p.verb, n = text[1], 2
	if len(text) == 2 || text[2] != '{' {
		return p, n, nil
	}
	inner, ok := braces(text[2:])
	if !ok {
		return p, 0, fmt.Errorf("the { after %%%c is never closed", p.verb)
	}
	return p, n + len(inner) + 2, p.modify(inner)
}

func listVerbs(verbs string) string {
	var b strings.Builder
	for i := range len(verbs) {
		fmt.Fprintf(&b, "%%%c ", verbs[i])
	}
	return b.String() + "%%"
}

// braces returns what stands between the { at the front of text and the } that closes it. A } within [ ] does not
// count, as in %d{go[15:04}]}.
func braces(text string) (string, bool) {
	depth, square := 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '[':
			square++
		case c == ']' && square > 0:
			square--
		case square > 0:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return text[1:i], true
			}
		}
	}
	return "", false
}

// modify applies what stands in a verb's braces.
func (p *part) modify(inner string) (err error) {
	switch p.verb {
	case 'k', 'v':
		switch inner {
		case "hex":
			p.encoding = hexDigits
		case "base64":
			p.encoding = base64Text
		default:
			return fmt.Errorf("%%%c{%s}: there are %%%c{hex} and %%%c{base64}", p.verb, inner, p.verb, p.verb)
		}
	case 'd':
		layout, ok := strings.CutPrefix(inner, "go[")
		layout, closed := strings.CutSuffix(layout, "]")
		if !ok || !closed || layout == "" {
			return fmt.Errorf("%%d{%s}: write %%d{go[2006-01-02 15:04:05.000]}, with the time that Go uses as a pattern", inner)
		}
		p.layout = layout
	case 'h':
		if p.sub, err = parse(inner, "kv"); err != nil {
			return fmt.Errorf("in %%h{...}: %w", err)
		}
	default:
		return fmt.Errorf("%%%c takes no braces", p.verb)
	}
	return nil
}

func (e encoding) append(dst, b []byte) []byte {
	switch e {
	case hexDigits:
		return hex.AppendEncode(dst, b)
	case base64Text:
		return base64.StdEncoding.AppendEncode(dst, b)
	default:
		return append(dst, b...)
	}
}

func (e encoding) decode(b []byte) ([]byte, error) {
	switch e {
	case hexDigits:
		return hex.AppendDecode(make([]byte, 0, len(b)/2), b)
	case base64Text:
		return base64.StdEncoding.AppendDecode(make([]byte, 0, len(b)), b)
	default:
		return append(make([]byte, 0, len(b)), b...), nil
	}
}
