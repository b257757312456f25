package bounded_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/skidway/skidway/internal/bounded"
)

type decoder = bounded.Decoder

func encode(t testing.TB, values ...any) []byte {
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	for _, v := range values {
		require.NoError(t, enc.Encode(v))
	}
	return buf.Bytes()
}

func nested(depth int) any {
	v := any("x")
	for range depth {
		v = []any{v}
	}
	return v
}

func TestReads(t *testing.T) {
	raw := map[string]any{"later": []any{1, 2.5, nil, []byte("b")}}
	data := encode(t, []int{1, 2}, map[string]int{"a": -7}, uint64(math.MaxUint64), "text", int64(math.MinInt64), raw,
		[]byte{9, 8}, []byte{})
	d := bounded.NewDecoder(data)
	d.ArrayOf(2)
	require.EqualValues(t, 1, d.Int(0, 1))
	require.EqualValues(t, 2, d.Uint())
	require.Equal(t, 1, d.Map(1))
	require.Equal(t, "a", d.Text(1))
	require.EqualValues(t, -7, d.Int(-7, 0))
	require.EqualValues(t, uint64(math.MaxUint64), d.Uint())
	require.Equal(t, "text", d.Text(4))
	require.EqualValues(t, math.MinInt64, d.Int(math.MinInt64, math.MaxInt64))
	require.Equal(t, encode(t, raw), d.Raw())
	require.Equal(t, []byte{9, 8}, d.Bytes(2))
	require.Empty(t, d.Bytes(0))
	require.NoError(t, d.End())
}

// Each fault names its place, what is read after it is zero, and a later fault does not take its place.
func TestFaults(t *testing.T) {
	array := func(d *decoder) { d.Array(math.MaxInt32) }
	pairs := func(d *decoder) { d.Map(math.MaxInt32) }
	text := func(d *decoder) { d.Text(math.MaxInt32) }
	number := func(d *decoder) { d.Int(math.MinInt64, math.MaxInt64) }
	raw := func(d *decoder) { d.Raw() }
	for name, tc := range map[string]struct {
		data []byte
		read func(*decoder)
		want string
	}{
		"nothing":                {nil, func(d *decoder) { d.Uint() }, "at byte 0: EOF"},
		"nil for a text":         {encode(t, nil), func(d *decoder) { d.Text(9) }, "no text"},
		"bytes for a text":       {encode(t, []byte("x")), func(d *decoder) { d.Text(9) }, "no text"},
		"nil for an array":       {encode(t, nil), func(d *decoder) { d.Array(9) }, "no array"},
		"an array for a map":     {encode(t, []int{1}), func(d *decoder) { d.Map(9) }, "no map"},
		"a fraction":             {encode(t, 1.5), func(d *decoder) { d.Int(0, 9) }, "no number"},
		"a negative number":      {encode(t, -1), func(d *decoder) { d.Uint() }, "no unsigned number"},
		"beyond an int64":        {encode(t, uint64(1<<63)), number, "out of range"},
		"below low":              {encode(t, 1), func(d *decoder) { d.Int(2, 3) }, "1 is not in 2..3"},
		"above high":             {encode(t, 4), func(d *decoder) { d.Int(2, 3) }, "4 is not in 2..3"},
		"a text too long":        {encode(t, "abc"), func(d *decoder) { d.Text(2) }, "at most 2"},
		"a text cut short":       {encode(t, "abc")[:3], func(d *decoder) { d.Text(9) }, "with 2 bytes left"},
		"4 Gi elements":          {[]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, array, "elements"},
		"4 Gi pairs":             {[]byte{0xdf, 0xff, 0xff, 0xff, 0xff}, pairs, "elements"},
		"4 Gi bytes of text":     {[]byte{0xdb, 0xff, 0xff, 0xff, 0xff}, text, "elements"},
		"too many elements":      {encode(t, []int{1, 2}), func(d *decoder) { d.Array(1) }, "at most 1"},
		"another count":          {encode(t, []int{1, 2}), func(d *decoder) { d.ArrayOf(3) }, "2 elements, want 3"},
		"a text for bytes":       {encode(t, "x"), func(d *decoder) { d.Bytes(9) }, "no bytes"},
		"bytes cut short":        {encode(t, []byte("abc"))[:4], func(d *decoder) { d.Bytes(9) }, "with 2 bytes left"},
		"too many bytes":         {encode(t, []byte("abc")), func(d *decoder) { d.Bytes(2) }, "at most 2"},
		"4 Gi bytes":             {[]byte{0xc6, 0xff, 0xff, 0xff, 0xff}, func(d *decoder) { d.Bytes(9) }, "elements"},
		"raw bytes cut short":    {encode(t, []byte("abc"))[:3], raw, "unexpected EOF"},
		"raw nested too deep":    {encode(t, nested(16)), raw, "nested too deep"},
		"raw, 4 Gi of pairs":     {[]byte{0xdf, 0xff, 0xff, 0xff, 0xff, 0xc0}, raw, "unexpected EOF"},
		"bytes left over":        {encode(t, 1, 2), func(d *decoder) { d.Uint() }, "at byte 1: 1 bytes left over"},
		"the caller's complaint": {encode(t, 1), func(d *decoder) { d.Uint(); d.Fail(bytes.ErrTooLarge) }, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			d := bounded.NewDecoder(tc.data)
			tc.read(d)
			first := d.End()
			require.ErrorContains(t, first, tc.want)
			d.Fail(bytes.ErrTooLarge)
			require.Equal(t, first, d.Err())
			require.Zero(t, d.Array(9))
			require.Zero(t, d.Map(9))
			require.Zero(t, d.Int(5, 9))
			require.Zero(t, d.Uint())
			require.Zero(t, d.Text(9))
			require.Nil(t, d.Bytes(9))
			require.Nil(t, d.Raw())
		})
	}
	d := bounded.NewDecoder(encode(t, nested(15)))
	require.NotEmpty(t, d.Raw())
	require.NoError(t, d.End(), "15 deep is taken")
}

func TestReset(t *testing.T) {
	d := bounded.NewDecoder(nil)
	require.Zero(t, d.Uint())
	require.Error(t, d.Err())
	d.Reset(encode(t, 7))
	require.EqualValues(t, 7, d.Uint())
	require.NoError(t, d.End())
}

// FuzzRaw: values moved past come back as they are, each but once; no input makes the decoder panic.
func FuzzRaw(f *testing.F) {
	f.Add(encode(f, 1, "x", []any{nil, 2.5}, map[string]any{"a": []byte("b")}))
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0xc9, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		d := bounded.NewDecoder(data)
		var whole []byte
		for len(whole) < len(data) {
			raw := d.Raw()
			if d.Err() != nil {
				require.Nil(t, raw)
				return
			}
			require.NotEmpty(t, raw)
			whole = append(whole, raw...)
		}
		require.NoError(t, d.End())
		require.True(t, bytes.Equal(data, whole))
	})
}
