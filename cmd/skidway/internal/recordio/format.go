package recordio

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skidway/skidway/client"
)

// Words are the values of --format that are no template.
func Words() []string { return []string{"text", "wide", "json", "tsv"} }

// IsTemplate tells whether a --format is a template and not a word.
func IsTemplate(format string) bool { return strings.ContainsAny(format, `%\`) }

// Format writes records. It is safe for concurrent use.
type Format struct {
	word  string
	parts []part
	zone  *time.Location
}

// ParseFormat reads the --format of consume: a word or a template. Times are written in the given zone, except in json.
func ParseFormat(text string, zone *time.Location) (*Format, error) {
	if slices.Contains(Words(), text) {
		return &Format{word: text, zone: zone}, nil
	}
	if !IsTemplate(text) {
		return nil, fmt.Errorf("%q is no format; there are %s, and templates such as '%%k=%%v\\n'",
			text, strings.Join(Words(), ", "))
	}
	parts, err := parse(text, "tpokvdh")
	if err != nil {
		return nil, err
	}
	return &Format{parts: parts, zone: zone}, nil
}

// Append writes one record, with the line end that the format has, to dst.
func (f *Format) Append(dst []byte, r *client.Record) []byte {
	switch f.word {
	case "text":
		return append(append(dst, r.Value...), '\n')
	case "json":
		return appendJSON(dst, r)
	case "tsv":
		return appendTSV(dst, r)
	case "wide":
		return f.appendWide(dst, r)
	}
	for _, p := range f.parts {
		dst = f.appendPart(dst, p, r)
	}
	return dst
}

func (f *Format) appendPart(dst []byte, p part, r *client.Record) []byte {
	switch p.verb {
	case 't':
		return append(dst, r.Topic...)
	case 'p':
		return strconv.AppendInt(dst, int64(r.Partition), 10)
	case 'o':
		return strconv.AppendInt(dst, r.Offset, 10)
	case 'k':
		return p.encoding.append(dst, r.Key)
	case 'v':
		return p.encoding.append(dst, r.Value)
	case 'd':
		if p.layout == "" {
			return strconv.AppendInt(dst, r.Timestamp.UnixMilli(), 10)
		}
		return r.Timestamp.In(f.zone).AppendFormat(dst, p.layout)
	case 'h':
		return appendHeaders(dst, p.sub, r.Headers)
	default:
		return append(dst, p.literal...)
	}
}

// appendHeaders writes name=value pairs with commas between, or each header by the template in the braces.
func appendHeaders(dst []byte, sub []part, headers []client.Header) []byte {
	for i, h := range headers {
		if sub == nil {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, h.Key...), '='), h.Value...)
			continue
		}
		for _, p := range sub {
			switch p.verb {
			case 'k':
				dst = p.encoding.append(dst, []byte(h.Key))
			case 'v':
				dst = p.encoding.append(dst, h.Value)
			default:
				dst = append(dst, p.literal...)
			}
		}
	}
	return dst
}

// timeLayout is RFC 3339 with milliseconds, as exact as records keep time.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// appendWide writes one line for people: time, place, key, value, headers. Bytes that are not printable are escaped,
// so that one record is one line whatever it holds.
func (f *Format) appendWide(dst []byte, r *client.Record) []byte {
	dst = r.Timestamp.In(f.zone).AppendFormat(dst, timeLayout)
	dst = fmt.Appendf(dst, "  %s[%d] %d  ", r.Topic, r.Partition, r.Offset)
	dst = appendPrintable(dst, r.Key)
	dst = append(dst, "  "...)
	dst = appendPrintable(dst, r.Value)
	for i, h := range r.Headers {
		if i == 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, ' ')
		dst = append(appendPrintable(dst, []byte(h.Key)), '=')
		dst = appendPrintable(dst, h.Value)
	}
	return append(dst, '\n')
}

// appendPrintable writes b as it is when it is plain text, else quoted with escapes; nothing at all is a dash.
func appendPrintable(dst, b []byte) []byte {
	if b == nil {
		return append(dst, '-')
	}
	quoted := strconv.AppendQuote(nil, string(b))
	if len(b) == 0 || len(quoted) != len(b)+2 || string(b) == "-" {
		return append(dst, quoted...)
	}
	return append(dst, b...)
}

// appendTSV writes topic, partition, offset, timestamp, key, value and headers with tabs between. Tab, line end and
// backslash are escaped as \t \n \r \\, and nothing at all is \N, as databases read and write it.
func appendTSV(dst []byte, r *client.Record) []byte {
	dst = fmt.Appendf(dst, "%s\t%d\t%d\t", r.Topic, r.Partition, r.Offset)
	dst = append(r.Timestamp.UTC().AppendFormat(dst, timeLayout), '\t')
	dst = append(appendEscaped(dst, r.Key), '\t')
	dst = append(appendEscaped(dst, r.Value), '\t')
	for i, h := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendEscaped(dst, []byte(h.Key)), '=')
		dst = appendEscaped(dst, h.Value)
	}
	return append(dst, '\n')
}

func appendEscaped(dst, b []byte) []byte {
	if b == nil {
		return append(dst, `\N`...)
	}
	for _, c := range b {
		switch c {
		case '\t':
			dst = append(dst, `\t`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\\':
			dst = append(dst, `\\`...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
