// Package units reads and writes the amounts that people put into settings and see in tables: durations ("7d", "1h30m")
// and sizes ("500GiB"). Each text has one meaning, and what cannot be represented is an error, never a wrapped number.
//
// It is not a parser of settings: words like "forever" or "none" belong to whoever owns the setting. It may import the
// standard library only.
package units

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// maxFraction is the number of digits after the point that are read.
const maxFraction = 9

// SyntaxError says which text is no amount, why, and what is accepted instead.
type SyntaxError struct {
	Kind     string // "duration" or "size"
	Text     string // as it was given
	Reason   string
	Accepted string // what may be written
}

// Error is one sentence for the person who wrote the text.
func (e *SyntaxError) Error() string {
	text := e.Text
	if len(text) > 40 {
		text = text[:40] + "..."
	}
	return fmt.Sprintf("invalid %s %q: %s; accepted: %s", e.Kind, text, e.Reason, e.Accepted)
}

// number is a decimal: whole + fraction/scale, fraction < scale <= 10^maxFraction.
type number struct {
	whole, fraction, scale uint64
}

// cutNumber reads the decimal that s begins with. reason says what is wrong, "" if nothing is.
func cutNumber(s string) (n number, rest, reason string) {
	digits := s[:digitsOf(s)]
	rest = s[len(digits):]
	if digits == "" {
		switch {
		case strings.HasPrefix(s, "-"):
			return n, s, "it must not be negative"
		case s == "":
			return n, s, "there is no number"
		}
		return n, s, fmt.Sprintf("%q begins with no number", clip(s))
	}
	for _, c := range []byte(digits) {
		if n.whole > (math.MaxInt64-uint64(c-'0'))/10 {
			return n, s, "the number is too large"
		}
		n.whole = n.whole*10 + uint64(c-'0')
	}
	n.scale = 1
	if !strings.HasPrefix(rest, ".") {
		return n, rest, ""
	}
	digits = rest[1:][:digitsOf(rest[1:])]
	rest = rest[1+len(digits):]
	if digits == "" || len(digits) > maxFraction {
		return n, s, fmt.Sprintf("the point must be followed by 1 to %d digits", maxFraction)
	}
	for _, c := range []byte(digits) {
		n.fraction = n.fraction*10 + uint64(c-'0')
		n.scale *= 10
	}
	return n, rest, ""
}

// times is n*unit, rounded down to a whole number; exact says whether nothing was cut off, ok whether it fits.
func (n number) times(unit uint64) (v int64, exact, ok bool) {
	hi, lo := bits.Mul64(n.fraction, unit)
	part, cut := bits.Div64(hi, lo, n.scale) // fraction < scale, so the quotient is less than unit
	hi, whole := bits.Mul64(n.whole, unit)
	sum, carry := bits.Add64(whole, part, 0)
	if hi != 0 || carry != 0 || sum > math.MaxInt64 {
		return 0, false, false
	}
	return int64(sum), cut == 0, true
}

func digitsOf(s string) int {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// clip shortens what an error quotes.
func clip(s string) string {
	if len(s) > 16 {
		return s[:16] + "..."
	}
	return s
}
