package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day

	durationForms = `a whole or decimal number and a unit, largest first, such as "7d", "36h", "1h30m", "250ms"; ` +
		`units w, d, h, m, s, ms, us, ns`
)

var durationUnits = []struct {
	name string
	size time.Duration
}{
	{"w", week}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second},
	{"ms", time.Millisecond}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"ns", time.Nanosecond},
}

// ParseDuration reads a duration of zero or more: "7d", "36h", "1h30m", "250ms", "2w", "1.5h", "0". Units go from
// large to small, each at most once; a day is 24 hours. Space around the text is ignored. What is not a whole number of
// nanoseconds or passes the largest time.Duration (292 years) is refused. Errors are a *SyntaxError.
func ParseDuration(s string) (time.Duration, error) {
	refuse := func(reason string) (time.Duration, error) {
		return 0, &SyntaxError{Kind: "duration", Text: s, Reason: reason, Accepted: durationForms}
	}
	rest := strings.TrimSpace(s)
	if rest == "0" {
		return 0, nil
	}
	var total, last time.Duration = 0, math.MaxInt64
	for first := true; first || rest != ""; first = false {
		n, after, reason := cutNumber(rest)
		if reason != "" {
			return refuse(reason)
		}
		name := after[:unitOf(after)]
		rest = after[len(name):]
		size := durationUnit(name)
		if size == 0 {
			return refuse(unknownUnit(name))
		}
		if size >= last {
			return refuse(fmt.Sprintf("unit %q must come before the smaller ones, once", name))
		}
		last = size
		v, exact, ok := n.times(uint64(size))
		if !ok || v > math.MaxInt64-int64(total) {
			return refuse("it is longer than 292 years")
		}
		if !exact {
			return refuse("it is no whole number of nanoseconds")
		}
		total += time.Duration(v)
	}
	return total, nil
}

// FormatDuration writes d as ParseDuration reads it, exactly: "7d", "1d12h", "1m30s", "250ms", "0s". Weeks are written
// as days. A negative one, which ParseDuration refuses, begins with a minus.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	left := uint64(d)
	if d < 0 {
		b.WriteByte('-')
		left = -left // also right for the smallest one
	}
	for _, u := range durationUnits[1:] {
		if n := left / uint64(u.size); n > 0 && u.name != "µs" {
			b.WriteString(strconv.FormatUint(n, 10) + u.name)
			left -= n * uint64(u.size)
		}
	}
	return b.String()
}

// durationUnit is the unit's length, 0 if there is none of that name.
func durationUnit(name string) time.Duration {
	for _, u := range durationUnits {
		if u.name == name {
			return u.size
		}
	}
	return 0
}

// unitOf is the length of the unit's name that s begins with: all up to the next number.
func unitOf(s string) int {
	if i := strings.IndexAny(s, "0123456789.-"); i >= 0 {
		return i
	}
	return len(s)
}

func unknownUnit(name string) string {
	if name == "" {
		return "the unit is missing"
	}
	return fmt.Sprintf("unknown unit %q", clip(name))
}
