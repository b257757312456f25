package bench

import (
	"fmt"
	"time"

	"github.com/skidway/skidway/units"
)

// Bytes is a number of bytes that reads and writes itself as text: "16KiB".
type Bytes int64

// UnmarshalText accepts what units.ParseBytes does.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := units.ParseBytes(string(text))
	if err != nil {
		return err
	}
	*b = Bytes(n)
	return nil
}

// MarshalText writes the number exactly, in the largest binary unit that divides it.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String is the number exactly, in the largest binary unit that divides it: "16KiB", "100".
func (b Bytes) String() string {
	n, unit := int64(b), ""
	for _, u := range []string{"KiB", "MiB", "GiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return fmt.Sprint(n) + unit
}

// Set is UnmarshalText, for command lines.
func (b *Bytes) Set(text string) error { return b.UnmarshalText([]byte(text)) }

// Type names the kind of value in help texts.
func (b *Bytes) Type() string { return "bytes" }

// Span is a length of time that reads and writes itself as text: "10s".
type Span time.Duration

// UnmarshalText accepts what units.ParseDuration does, and "0".
func (s *Span) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*s = 0
		return nil
	}
	d, err := units.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*s = Span(d)
	return nil
}

// MarshalText writes the time exactly.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is the time exactly: "1m30s".
func (s Span) String() string { return time.Duration(s).String() }

// Set is UnmarshalText, for command lines.
func (s *Span) Set(text string) error { return s.UnmarshalText([]byte(text)) }

// Type names the kind of value in help texts.
func (s *Span) Type() string { return "duration" }
