package position

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func clock() Clock {
	return Clock{Now: time.Date(2026, 11, 22, 20, 0, 0, 0, time.FixedZone("test", 3600))}
}

func ms(text string) Position {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return Position{Kind: Time, N: t.UnixMilli()}
}

func TestParseRange(t *testing.T) {
	none := Position{}
	for text, want := range map[string]Range{
		"start":                       {Position{Kind: Start}, none},
		"end":                         {Position{Kind: End}, none},
		"0":                           {Position{Kind: Offset}, none},
		"47":                          {Position{Kind: Offset, N: 47}, none},
		"9223372036854775807":         {Position{Kind: Offset, N: 1<<63 - 1}, none},
		"+3":                          {Position{Kind: AfterStart, N: 3}, none},
		"-3":                          {Position{Kind: BeforeEnd, N: 3}, none},
		"10:20":                       {Position{Kind: Offset, N: 10}, Position{Kind: Offset, N: 20}},
		"10:":                         {Position{Kind: Offset, N: 10}, none},
		":20":                         {Position{Kind: Start}, Position{Kind: Offset, N: 20}},
		"start:end":                   {Position{Kind: Start}, Position{Kind: End}},
		"-10:end":                     {Position{Kind: BeforeEnd, N: 10}, Position{Kind: End}},
		"@now":                        {ms("2026-11-22T19:00:00Z"), none},
		"@-1h":                        {ms("2026-11-22T18:00:00Z"), none},
		"@-7d":                        {ms("2026-11-15T19:00:00Z"), none},
		"@2026-11-22":                 {ms("2026-11-21T23:00:00Z"), none},
		"@2026-11-22T10:20":           {ms("2026-11-22T09:20:00Z"), none},
		"@2026-11-22 10:20":           {ms("2026-11-22T09:20:00Z"), none},
		"@2026-11-22T10:20:30":        {ms("2026-11-22T09:20:30Z"), none},
		"@2026-11-22T10:20:30.5Z":     {ms("2026-11-22T10:20:30.5Z"), none},
		"@2026-11-22T10:20:30+02:00":  {ms("2026-11-22T08:20:30Z"), none},
		"@1700000000":                 {ms("2023-11-14T22:13:20Z"), none},
		"@1700000000123":              {ms("2023-11-14T22:13:20.123Z"), none},
		"@2026-11-22:@now":            {ms("2026-11-21T23:00:00Z"), ms("2026-11-22T19:00:00Z")},
		"@2026-11-22T10:20:@now":      {ms("2026-11-22T09:20:00Z"), ms("2026-11-22T19:00:00Z")},
		"@2026-11-22T10:20:30:end":    {ms("2026-11-22T09:20:30Z"), Position{Kind: End}},
		"@-2h:@-1h":                   {ms("2026-11-22T17:00:00Z"), ms("2026-11-22T18:00:00Z")},
		"@2026-11-22T01:02:@10:20:30": {},
	} {
		got, err := clock().ParseRange(text)
		if want == (Range{}) {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestParseRangeRefuses(t *testing.T) {
	for _, text := range []string{
		"", ":", "::", "begin", "-", "+", "--3", "++3", "+-3", "1.5", "0x10", "1_000", "9223372036854775808", "@", "@-",
		"@tomorrow", "@170000", "@2026-13-01", "@1969-01-01", "@-100000d", "10:20:30", " 47", "@+1h",
	} {
		_, err := clock().ParseRange(text)
		require.Error(t, err, "%q", text)
	}
}

func TestParseWords(t *testing.T) {
	for text, want := range map[string]Position{
		"start":             {Kind: Start},
		"47":                {Kind: Offset, N: 47},
		"-3":                {Kind: BeforeEnd, N: 3},
		"-1h":               ms("2026-11-22T18:00:00Z"),
		"@-1h":              ms("2026-11-22T18:00:00Z"),
		"1h ago":            ms("2026-11-22T18:00:00Z"),
		"now":               ms("2026-11-22T19:00:00Z"),
		"2026-11-22":        ms("2026-11-21T23:00:00Z"),
		"2026-11-22T00:00Z": ms("2026-11-22T00:00:00Z"),
	} {
		got, err := clock().ParseWords(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	_, err := clock().ParseWords("yesterday")
	require.ErrorContains(t, err, "yesterday")
}

func TestResolve(t *testing.T) {
	b := Bounds{Start: 10, End: 20}
	for _, c := range []struct {
		p     Position
		found int64
		want  int64
	}{
		{Position{Kind: Start}, -1, 10},
		{Position{Kind: End}, -1, 20},
		{Position{Kind: Offset, N: 5}, -1, 5},
		{Position{Kind: Offset, N: 25}, -1, 25},
		{Position{Kind: AfterStart, N: 3}, -1, 13},
		{Position{Kind: AfterStart, N: 1<<63 - 1}, -1, 20},
		{Position{Kind: BeforeEnd, N: 3}, -1, 17},
		{Position{Kind: BeforeEnd, N: 1<<63 - 1}, -1, 10},
		{Position{Kind: Time, N: 1}, 14, 14},
		{Position{Kind: Time, N: 1}, -1, 20},
	} {
		require.Equal(t, c.want, c.p.Resolve(b, c.found), c.p.String())
	}
}

func TestString(t *testing.T) {
	for want, p := range map[string]Position{
		"start": {Kind: Start}, "end": {Kind: End}, "offset 47": {Kind: Offset, N: 47}, "nowhere": {},
		"3 after start": {Kind: AfterStart, N: 3}, "3 before end": {Kind: BeforeEnd, N: 3},
		"2026-11-22T19:00:00.000Z": ms("2026-11-22T19:00:00Z"),
	} {
		require.Equal(t, want, p.String())
	}
}

// FuzzParseRange holds that no text panics, and that what is accepted is well formed and resolves into sane offsets.
func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"start", "10:20", "@-1h", "@2026-11-22:@now", "-3", "@1700000000123:end", "::", "@",
		"+1:-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := clock().ParseRange(text)
		if err != nil {
			return
		}
		for _, p := range []Position{r.From, r.Until} {
			if p.N < 0 || p.Kind < None || p.Kind > Time {
				t.Fatalf("%q: %+v", text, p)
			}
			if off := p.Resolve(Bounds{Start: 3, End: 9}, -1); p.Kind != Offset && (off < 3 || off > 9) {
				t.Fatalf("%q: %+v resolves to %d", text, p, off)
			}
		}
		if r.From.Kind == None {
			t.Fatalf("%q: no beginning", text)
		}
	})
}
