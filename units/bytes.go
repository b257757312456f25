package units

import (
	"fmt"
	"strconv"
	"strings"
)

const sizeForms = `a whole or decimal number and a unit, such as "500GiB", "64KiB", "1MB", "123"; ` +
	`units B, KiB, MiB, GiB, TiB, PiB, EiB (of 1024) and kB, MB, GB, TB, PB, EB (of 1000)`

var sizeUnits = []struct {
	name string
	size uint64
}{
	{"", 1}, {"B", 1},
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"PiB", 1 << 50}, {"EiB", 1 << 60},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"PB", 1e15}, {"EB", 1e18},
}

// binaryUnits are those that FormatBytes writes, by powers of 1024.
var binaryUnits = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// ParseBytes reads a size of zero or more in bytes: "500GiB", "64 KiB", "1MB" (10^6), "1.5GiB", "123". A size without a
// unit is in bytes. Units are read in any case, since they differ in more than that; "K" or "G" alone, which mean two
// things, are refused. Space around the text and before the unit is ignored. A decimal is rounded down to whole bytes.
// What passes 2^63-1 bytes is refused. Errors are a *SyntaxError.
func ParseBytes(s string) (int64, error) {
	refuse := func(reason string) (int64, error) {
		return 0, &SyntaxError{Kind: "size", Text: s, Reason: reason, Accepted: sizeForms}
	}
	n, rest, reason := cutNumber(strings.TrimSpace(s))
	if reason != "" {
		return refuse(reason)
	}
	name := strings.TrimSpace(rest)
	for _, u := range sizeUnits {
		if !strings.EqualFold(u.name, name) {
			continue
		}
		if n.fraction != 0 && u.size == 1 {
			return refuse("there is no part of a byte")
		}
		v, _, ok := n.times(u.size)
		if !ok {
			return refuse("it is more than 2^63-1 bytes")
		}
		return v, nil
	}
	return refuse(unknownUnit(name))
}

// FormatBytes writes n for people, in the largest unit of 1024 that it reaches: "64 KiB" if it is a whole number of
// them, else rounded to one decimal, "1.1 GiB". ParseBytes reads it back, exactly in the first case. A negative one,
// which ParseBytes refuses, begins with a minus.
func FormatBytes(n int64) string {
	sign, left := "", uint64(n)
	if n < 0 {
		sign, left = "-", -left // also right for the smallest one
	}
	unit := 0
	for unit+1 < len(binaryUnits) && left>>(10*(unit+1)) > 0 {
		unit++
	}
	shift := 10 * unit
	whole, part := left>>shift, left&(1<<shift-1)
	if part == 0 {
		return sign + strconv.FormatUint(whole, 10) + " " + binaryUnits[unit]
	}
	tenths := (part>>(shift-10)*10 + 512) >> 10 // of the part, rounded; ten bits of it are enough
	if tenths == 10 {
		whole, tenths = whole+1, 0
	}
	if whole == 1024 && unit+1 < len(binaryUnits) {
		whole, unit = 1, unit+1
	}
	return fmt.Sprintf("%s%d.%d %s", sign, whole, tenths, binaryUnits[unit])
}
