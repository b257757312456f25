package recordio

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/client"
)

func sample() *client.Record {
	return &client.Record{
		Topic: "demo", Partition: 2, Offset: 7, Timestamp: time.UnixMilli(1795377667113), // 2026-11-22T20:01:07.113Z
		Key: []byte("k1"), Value: []byte("one"),
		Headers: []client.Header{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("2")}},
	}
}

func format(t *testing.T, text string, r *client.Record) string {
	t.Helper()
	f, err := ParseFormat(text, time.UTC)
	require.NoError(t, err, text)
	return string(f.Append(nil, r))
}

func TestFormat(t *testing.T) {
	for text, want := range map[string]string{
		`%d{go[15:04:05.000]} %p/%o %k=%v\n`: "20:01:07.113 2/7 k1=one\n",
		`%t %d %h%%\t`:                       "demo 1795377667113 a=1,b=2%\t",
		`%h{%k: %v;}`:                        "a: 1;b: 2;",
		`%k{hex} %v{base64}\x00\\`:           "6b31 b25l\x00\\",
		`%d{go[2006}]}`:                      "2026}",
		"text":                               "one\n",
		"wide":                               "2026-11-22T20:01:07.113Z  demo[2] 7  k1  one  a=1 b=2\n",
		"tsv":                                "demo\t2\t7\t2026-11-22T20:01:07.113Z\tk1\tone\ta=1,b=2\n",
		"json": `{"topic":"demo","partition":2,"offset":7,"timestamp":"2026-11-22T20:01:07.113Z","key":"k1","value":"one",` +
			`"headers":[{"key":"a","value":"1"},{"key":"b","value":"2"}]}` + "\n",
	} {
		require.Equal(t, want, format(t, text, sample()), text)
	}
}

func TestFormatTheJSONLineOfTheManual(t *testing.T) {
	r := &client.Record{Topic: "demo", Timestamp: time.UnixMilli(1795377667113), Value: []byte("hello")}
	require.Equal(t, `{"topic":"demo","partition":0,"offset":0,"timestamp":"2026-11-22T20:01:07.113Z","key":null,`+
		`"value":"hello","headers":[]}`+"\n", format(t, "json", r))
}

func TestFormatBytesThatAreNoText(t *testing.T) {
	r := &client.Record{Topic: "t", Timestamp: time.UnixMilli(0), Key: []byte{0xff}, Value: []byte("a\tb\n<\\>\x1b[2J")}
	require.Equal(t, `{"topic":"t","partition":0,"offset":0,"timestamp":"1970-01-01T00:00:00.000Z","key":"/w==",`+
		`"key_encoding":"base64","value":"a\tb\n<\\>\u001b[2J","headers":[]}`+"\n", format(t, "json", r))
	require.Equal(t, "t\t0\t0\t1970-01-01T00:00:00.000Z\t\xff\ta\\tb\\n<\\\\>\x1b[2J\t\n", format(t, "tsv", r))
	require.Equal(t, `1970-01-01T00:00:00.000Z  t[0] 0  "\xff"  "a\tb\n<\\>\x1b[2J"`+"\n", format(t, "wide", r))
	r.Key, r.Value = nil, []byte{}
	require.Equal(t, `1970-01-01T00:00:00.000Z  t[0] 0  -  ""`+"\n", format(t, "wide", r))
	require.Equal(t, "t\t0\t0\t1970-01-01T00:00:00.000Z\t\\N\t\t\n", format(t, "tsv", r))
}

func TestParseFormatRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"yaml": "text, wide, json, tsv", "": "is no format", `%`: "cannot end in %", `%x`: "%x is no field",
		`%v\`: `cannot end in \`, `\q`: `\q means nothing`, `\x4`: "two hexadecimal", `%v{rot13}`: "%v{base64}",
		`%d{go[]}`: "as a pattern", `%d{15:04}`: "as a pattern", `%h{%o}`: "%o is no field", `%p{x}`: "no braces",
		`%d{go[x]`: "never closed",
	} {
		_, err := ParseFormat(text, time.UTC)
		require.ErrorContains(t, err, says, text)
	}
}

func readAll(t *testing.T, format, input string) ([]Input, []error) {
	t.Helper()
	s, err := NewSource(strings.NewReader(input), format, time.UTC)
	require.NoError(t, err, format)
	var ins []Input
	var errs []error
	for {
		in, err := s.Next()
		var ie *InputError
		switch {
		case errors.Is(err, io.EOF):
			return ins, errs
		case errors.As(err, &ie):
			errs = append(errs, err)
		case err != nil:
			require.NoError(t, err)
		default:
			ins = append(ins, in)
		}
	}
}

func TestSource(t *testing.T) {
	v := func(values ...string) (ins []Input) {
		for _, s := range values {
			ins = append(ins, Input{Value: []byte(s), Partition: -1})
		}
		return ins
	}
	for _, c := range []struct {
		name, format, input string
		want                []Input
	}{
		{"lines", "text", "hello\nworld\n", v("hello", "world")},
		{"the last line needs no end", "text", "a\nb", v("a", "b")},
		{"empty lines are records", "text", "\n\na\n", v("", "", "a")},
		{"carriage returns are kept", "text", "a\r\n", v("a\r")},
		{"nothing", "text", "", nil},
		{"key and value", `%k:%v\n`, "k1:one\nk2:t:w:o\n", []Input{
			{Key: []byte("k1"), Value: []byte("one"), Partition: -1}, {Key: []byte("k2"), Value: []byte("t:w:o"),
				Partition: -1}}},
		{"partition, time, hex", `[%p] %d %v{hex};`, "[3] 1700000000123 6869;", []Input{
			{Value: []byte("hi"), Partition: 3, Timestamp: time.UnixMilli(1700000000123)}}},
		{"a layout", `%d{go[2006-01-02]} %v\n`, "2026-11-22 x\n", []Input{
			{Value: []byte("x"), Partition: -1, Timestamp: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}}},
		{"a long end", `%v--\n`, "a-b\n--\nc--\n", v("a-b\n", "c")},
		{"no end: the whole", `%v`, "a\nb\n", v("a\nb\n")},
		{"no end, nothing there: one empty record", `%v`, "", v("")},
	} {
		ins, errs := readAll(t, c.format, c.input)
		require.Empty(t, errs, c.name)
		require.Empty(t, cmp.Diff(c.want, ins, cmpopts.EquateApproxTime(0)), c.name)
		for _, in := range ins {
			require.NotNil(t, in.Value, c.name)
		}
	}
}

func TestSourceNamesTheRecordThatDoesNotFitAndGoesOn(t *testing.T) {
	ins, errs := readAll(t, `%k:%v\n`, "a:1\nbad\nb:2\n")
	require.Len(t, ins, 2)
	require.Len(t, errs, 1)
	require.EqualError(t, errs[0], `record 2 of the input: "bad" has no ":" after its key`)
	_, errs = readAll(t, `%p %v{hex}\n`, "x 00\n1 zz\n-1 00\n")
	require.Len(t, errs, 3)
	require.ErrorContains(t, errs[0], `partition "x"`)
	require.ErrorContains(t, errs[1], `value "zz"`)
}

func TestNewSourceRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"tsv": "text, json", "%p\n": "neither", "%k%v": "between %k and %v", "%v %v": "twice", "%o": "%o is no field",
		"%v%": "cannot end",
	} {
		_, err := NewSource(strings.NewReader(""), text, time.UTC)
		require.ErrorContains(t, err, says, text)
	}
}

func TestSourceBoundsARecord(t *testing.T) {
	for _, f := range []string{"text", "%v"} {
		s, err := NewSource(zeros{}, f, time.UTC)
		require.NoError(t, err)
		require.Equal(t, MaxRecordBytes, s.most)
		s.most = 2 << 20
		_, err = s.Next()
		require.ErrorContains(t, err, "larger than 2 MiB")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestSourceJSON(t *testing.T) {
	ins, errs := readAll(t, "json", `{"value":"v"}

{"key":"/w==","key_encoding":"base64","value":null,"partition":4,"timestamp":"2026-11-22T20:01:07.113Z"}
{"topic":"x","offset":9,"value":"","timestamp":1700000000123,"headers":[{"key":"h","value":null}]}`)
	require.Empty(t, errs)
	require.Empty(t, cmp.Diff([]Input{
		{Value: []byte("v"), Partition: -1},
		{Key: []byte{0xff}, Partition: 4, Timestamp: time.UnixMilli(1795377667113)},
		{Value: []byte{}, Partition: -1, Timestamp: time.UnixMilli(1700000000123), Headers: []client.Header{{Key: "h"}}},
	}, ins, cmpopts.EquateApproxTime(0)))
}

func TestSourceJSONRefuses(t *testing.T) {
	for text, says := range map[string]string{
		`{"key":"k"}`: `no "value"`, `hello`: "not a json object", `{"value":1}`: `value`,
		`{"valeu":"x","value":""}`:     `did you mean "value"`,
		`{"value":"x","partition":-1}`: "partition", `{"value":"@","value_encoding":"base64"}`: "illegal base64",
		`{"value":"x","value_encoding":"hex"}`: `there is "base64"`, `{"value":"x"} {"value":"y"}`: "more than one",
		`{"value":"x","timestamp":"noon"}`: "noon", `{"value":"x","timestamp":1.5}`: "1.5", `[]`: "array",
		`{"value":"x","headers":[{"key":"h","value":"?","value_encoding":"base64"}]}`: `header "h"`,
	} {
		_, errs := readAll(t, "json", text)
		require.Len(t, errs, 1, text)
		require.ErrorContains(t, errs[0], says, text)
	}
}

// What json writes, json reads: any bytes, and nothing told from empty.
func TestJSONComesBackAsItWas(t *testing.T) {
	blob := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte()), rapid.Map(rapid.String(),
		func(s string) []byte { return []byte(s) }))
	rapid.Check(t, func(t *rapid.T) {
		r := &client.Record{
			Topic: "demo", Partition: rapid.Int32Min(0).Draw(t, "partition"), Key: blob.Draw(t, "key"), Value: blob.Draw(t,
				"value"),
			Timestamp: time.UnixMilli(rapid.Int64Range(0, 253402300799999).Draw(t, "ms")),
		}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			r.Headers = append(r.Headers, client.Header{Key: rapid.String().Draw(t, "name"), Value: blob.Draw(t, "text")})
		}
		f, err := ParseFormat("json", time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		text := f.Append(nil, r)
		s, err := NewSource(bytes.NewReader(text), "json", time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.Next()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := Input{Key: r.Key, Value: r.Value, Partition: r.Partition, Timestamp: r.Timestamp, Headers: r.Headers}
		if d := cmp.Diff(want, in, cmpopts.EquateApproxTime(0)); d != "" {
			t.Fatalf("%s: %s", text, d)
		}
	})
}

func TestFilter(t *testing.T) {
	keep := func(patterns ...string) bool {
		f, err := ParseFilter(patterns)
		require.NoError(t, err)
		return f.Keep(sample())
	}
	require.True(t, keep())
	require.True(t, keep("k:^k1$"))
	require.False(t, keep("k:^k$"))
	require.True(t, keep("v:n", "h:^b=2$"))
	require.False(t, keep("v:n", "h:^c="))
	none, err := ParseFilter([]string{"k:"})
	require.NoError(t, err)
	require.False(t, none.Keep(&client.Record{Value: []byte("x")}), "no key is not an empty key")
	for _, p := range []string{"x", "z:x", "k:["} {
		_, err := ParseFilter([]string{p})
		require.ErrorContains(t, err, p)
	}
}

// FuzzTemplate holds that no template panics, writing or reading.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`%d{go[15:04:05.000]} %p/%o %k=%v\n`, `%h{%k=%v}`, `%k:%v\n`, `%v{hex}`, `\x`, `%d{`,
		`[%p]%v;`} {
		f.Add(s, "k:v\n[1]x;")
	}
	f.Fuzz(func(t *testing.T, text, input string) {
		if format, err := ParseFormat(text, time.UTC); err == nil {
			format.Append(nil, sample())
		}
		s, err := NewSource(strings.NewReader(input), text, time.UTC)
		if err != nil {
			return
		}
		for range len(input) + 2 {
			in, err := s.Next()
			var ie *InputError
			if errors.As(err, &ie) {
				continue
			}
			if err != nil {
				return
			}
			if in.Partition < -1 {
				t.Fatalf("partition %d", in.Partition)
			}
		}
		t.Fatalf("%q over %q never ends", text, input)
	})
}
