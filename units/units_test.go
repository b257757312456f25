package units

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0":                     0,
		"0s":                    0,
		"7d":                    7 * 24 * time.Hour,
		"36h":                   36 * time.Hour,
		"1h30m":                 90 * time.Minute,
		"250ms":                 250 * time.Millisecond,
		"2w":                    14 * 24 * time.Hour,
		"1w1d1h1m1s1ms1us1ns":   8*24*time.Hour + time.Hour + time.Minute + time.Second + 1001001,
		"3µs":                   3 * time.Microsecond,
		"1.5h":                  90 * time.Minute,
		"0.000000001s":          1,
		" 90d\t\n":              90 * 24 * time.Hour,
		"007m":                  7 * time.Minute,
		"9223372036854775807ns": math.MaxInt64,
		"106751d":               106751 * 24 * time.Hour,
	} {
		got, err := ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestParseDurationRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"":                             "there is no number",
		"   ":                          "there is no number",
		"7":                            "unit is missing",
		"d":                            "begins with no number",
		"forever":                      "begins with no number",
		"7 d":                          `unknown unit " d"`,
		"1h 30m":                       "unknown unit",
		"7D":                           `unknown unit "D"`,
		"7days":                        `unknown unit "days"`,
		"1y":                           `unknown unit "y"`,
		"-7d":                          "negative",
		"1h-30m":                       "negative",
		"+7d":                          "begins with no number",
		"30m1h":                        "must come before",
		"1h1h":                         "must come before",
		"1us1µs":                       "must come before",
		"1.h":                          "the point",
		".5h":                          "begins with no number",
		"1.1234567890s":                "the point",
		"0.5ns":                        "whole number of nanoseconds",
		"1h0":                          "unit is missing",
		"106752d":                      "292 years",
		"106751d24h":                   "292 years",
		"9223372036854775808ns":        "too large",
		"99999999999999999999999999ns": "too large",
		"18446744073709551617s":        "too large",
		"9223372036854775807w":         "292 years",
		"１d":                           "begins with no number",
	} {
		got, err := ParseDuration(text)
		requireSyntax(t, err, text, reason)
		require.Zero(t, got)
	}
}

func requireSyntax(t *testing.T, err error, text, reason string) {
	t.Helper()
	var syntax *SyntaxError
	require.True(t, errors.As(err, &syntax), "%q: %v", text, err)
	require.Equal(t, text, syntax.Text)
	require.Contains(t, syntax.Reason, reason, text)
	require.Contains(t, err.Error(), "accepted: ")
	require.Less(t, len(err.Error()), 600)
}

func TestErrorIsShort(t *testing.T) {
	_, err := ParseBytes(strings.Repeat("x", 1<<20))
	require.Less(t, len(err.Error()), 600)
	_, err = ParseDuration("1" + strings.Repeat("x", 1<<20))
	require.Less(t, len(err.Error()), 600)
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                             "0s",
		7 * 24 * time.Hour:            "7d",
		36 * time.Hour:                "1d12h",
		14 * 24 * time.Hour:           "14d",
		90 * time.Minute:              "1h30m",
		1500 * time.Millisecond:       "1s500ms",
		1:                             "1ns",
		-time.Hour - time.Millisecond: "-1h1ms",
		math.MaxInt64:                 "106751d23h47m16s854ms775us807ns",
		math.MinInt64:                 "-106751d23h47m16s854ms775us808ns",
	} {
		require.Equal(t, want, FormatDuration(d))
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"0":                     0,
		"123":                   123,
		"123B":                  123,
		"500GiB":                500 << 30,
		"64KiB":                 64 << 10,
		"64 KiB":                64 << 10,
		" 64\tkib ":             64 << 10,
		"1MB":                   1000000,
		"1kB":                   1000,
		"1KB":                   1000,
		"1mib":                  1 << 20,
		"2TiB":                  2 << 40,
		"2TB":                   2e12,
		"7EiB":                  7 << 60,
		"9EB":                   9e18,
		"1.5GiB":                3 << 29,
		"1.1 GiB":               1181116006,
		"0.1KiB":                102,
		"5.0B":                  5,
		"9223372036854775807":   math.MaxInt64,
		"9223372036854775807 B": math.MaxInt64,
	} {
		got, err := ParseBytes(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestParseBytesRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"":                       "there is no number",
		"\n":                     "there is no number",
		"GiB":                    "begins with no number",
		"none":                   "begins with no number",
		"80%":                    `unknown unit "%"`,
		"1K":                     `unknown unit "K"`,
		"1G":                     `unknown unit "G"`,
		"1GiBs":                  "unknown unit",
		"1Mbit":                  "unknown unit",
		"1GiB5MiB":               "unknown unit",
		"1 2":                    "unknown unit",
		"-1GiB":                  "negative",
		"-1":                     "negative",
		"+1":                     "begins with no number",
		"0x10":                   "unknown unit",
		"1e3":                    "unknown unit",
		"1,000":                  "unknown unit",
		"1.GiB":                  "the point",
		"0.5B":                   "part of a byte",
		"1.5":                    "part of a byte",
		"8EiB":                   "2^63-1",
		"10EB":                   "2^63-1",
		"9223372036854775808":    "too large",
		"18446744073709551617":   "too large",
		"9223372036854775807KiB": "2^63-1",
	} {
		got, err := ParseBytes(text)
		requireSyntax(t, err, text, reason)
		require.Zero(t, got)
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0:             "0 B",
		1:             "1 B",
		1023:          "1023 B",
		1024:          "1 KiB",
		1025:          "1.0 KiB",
		1536:          "1.5 KiB",
		64 << 10:      "64 KiB",
		1<<20 - 1:     "1.0 MiB",
		1181116006:    "1.1 GiB",
		1 << 30:       "1 GiB",
		-1:            "-1 B",
		-1536:         "-1.5 KiB",
		math.MaxInt64: "8.0 EiB",
		math.MinInt64: "-8 EiB",
	} {
		require.Equal(t, want, FormatBytes(n))
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"7d", "1h30m", "1.5h", "250ms", "0", "-1s", "9223372036854775807ns", "1us", "3µs", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			requireSyntax(t, err, s, "")
			return
		}
		if d < 0 {
			t.Fatalf("ParseDuration(%q) = %d", s, d)
		}
		back, err := ParseDuration(FormatDuration(d))
		if err != nil || back != d {
			t.Fatalf("%q = %d is written %q, which reads %d, %v", s, d, FormatDuration(d), back, err)
		}
		if want, err := time.ParseDuration(strings.TrimSpace(s)); err == nil && want != d {
			t.Fatalf("%q = %v, the standard library says %v", s, d, want)
		}
	})
}

func FuzzParseBytes(f *testing.F) {
	for _, s := range []string{"500GiB", "64 KiB", "1MB", "123", "1.5GiB", "8EiB", "-1", "0.999999999PB", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseBytes(s)
		if err != nil {
			requireSyntax(t, err, s, "")
			return
		}
		requireReadsBack(t, n)
	})
}

func FuzzFormatBytes(f *testing.F) {
	for _, n := range []int64{0, 1, 1023, 1024, 1 << 40, 1<<50 - 1, math.MaxInt64, 3 << 61} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) { requireReadsBack(t, max(n, 0)) })
}

// requireReadsBack checks that what FormatBytes writes is read as n, if it is written exactly, else as nearly n.
func requireReadsBack(t *testing.T, n int64) {
	t.Helper()
	if n < 0 {
		t.Fatalf("negative size %d", n)
	}
	text := FormatBytes(n)
	back, err := ParseBytes(text)
	if err != nil {
		if n > 7<<60 && text == "8.0 EiB" {
			return // rounds up to what no int64 holds
		}
		t.Fatalf("%d is written %q: %v", n, text, err)
	}
	if off := math.Abs(float64(back) - float64(n)); !strings.Contains(text, ".") && back != n || off > 0.051*float64(n) {
		t.Fatalf("%d is written %q, which reads %d", n, text, back)
	}
}
