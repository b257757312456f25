package record

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

// TestMain: no codec may leave a goroutine behind, though decoders and encoders are kept in pools.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// drawRecords draws records of all shapes; timestamps from -1 on.
func drawRecords(t *rapid.T) []Record {
	field := rapid.Custom(func(t *rapid.T) []byte {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return make([]byte, rapid.IntRange(0, 20_000).Draw(t, "zeros"))
		}
		return append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes")...)
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Record {
		r := Record{Key: field.Draw(t, "key"), Value: field.Draw(t, "value")}
		r.Timestamp = rapid.OneOf(rapid.Int64Range(goldenTime-1000, goldenTime+1000),
			rapid.Int64Range(-1, math.MaxInt64-1)).Draw(t, "timestamp")
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			h := Header{Key: rapid.String().Draw(t, "header"), Value: field.Draw(t, "header value")}
			r.Headers = append(r.Headers, h)
		}
		return r
	}), 1, 60).Draw(t, "records")
}

// TestRoundTrip: what is built is valid and reads as what was put in, in every codec; a Builder is used many times.
func TestRoundTrip(t *testing.T) {
	builders := map[Codec]*Builder{}
	for _, codec := range codecs {
		builders[codec] = NewBuilder(codec)
	}
	rapid.Check(t, func(t *rapid.T) {
		codec := rapid.SampledFrom(codecs).Draw(t, "codec")
		records := drawRecords(t)
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 10).Draw(t, "prefix")
		b := builders[codec]
		b.Reset()
		low, high := int64(math.MaxInt64), int64(math.MinInt64)
		for _, r := range records {
			size, more := b.Size(), b.RecordSize(r)
			b.Append(r)
			require.Equal(t, size+more, b.Size())
			low, high = min(low, r.Timestamp), max(high, r.Timestamp)
		}
		require.Equal(t, len(records), b.Count())
		b.SetProducer(1, 2, 3)
		batch, err := b.Seal(prefix)
		require.NoError(t, err)
		require.LessOrEqual(t, len(batch), b.Size())
		first, rest, err := Split(batch)
		require.NoError(t, err)
		require.Empty(t, rest)
		base := rapid.Int64Range(0, 1<<40).Draw(t, "base")
		first.Stamp(base, 9)
		limits := Limits{NotAfter: high}
		if low > 0 {
			limits.NotBefore = low
		}
		require.NoError(t, first.Validate(limits))
		require.Equal(t, records[0].Timestamp, first.BaseTimestamp())
		require.Equal(t, high, first.MaxTimestamp())
		requireRecords(t, records, first, base)
	})
}

func TestBuilderReuse(t *testing.T) {
	b := NewBuilder(None)
	b.Append(Record{Timestamp: 5, Value: []byte("first")})
	b.SetProducer(1, 2, 3)
	first, err := b.Seal(nil)
	require.NoError(t, err)
	kept := append(Batch{}, first...)

	b.SetProducer(1, 3, 0) // a retry under another epoch
	again, err := b.Seal(nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, again.ProducerEpoch())
	require.Equal(t, first.body(), again.body())

	b.Reset()
	require.Zero(t, b.Count())
	require.Equal(t, HeaderSize, b.Size())
	b.Append(Record{Timestamp: 3, Value: []byte("other")})
	second, err := b.Seal(nil)
	require.NoError(t, err)
	require.NoError(t, second.Validate(Limits{}))
	require.EqualValues(t, -1, second.ProducerID())
	require.EqualValues(t, -1, second.ProducerEpoch())
	require.EqualValues(t, -1, second.LastSequence())
	require.EqualValues(t, 3, second.MaxTimestamp())
	require.Equal(t, kept, first, "a sealed batch stays as it is")
}

func TestSealAppends(t *testing.T) {
	b := NewBuilder(LZ4)
	b.Append(Record{Value: make([]byte, 1000)})
	buf := make([]byte, 3, 4096)
	batch, err := b.Seal(buf)
	require.NoError(t, err)
	require.Equal(t, LZ4, batch.Codec())
	require.Same(t, &buf[:4][3], &batch[0], "sealed in place, there being room")
	require.NoError(t, batch.Validate(Limits{}))
}

func TestSealLeavesIncompressible(t *testing.T) {
	for _, codec := range codecs {
		b := build(t, codec, []Record{{Value: []byte("x")}})
		require.Equal(t, None, b.Codec())
	}
}

func TestBuilderRefuses(t *testing.T) {
	b := NewBuilder(None)
	_, err := b.Seal(nil)
	require.ErrorIs(t, err, ErrMalformed)
	b.Append(Record{Timestamp: -2})
	b.Append(Record{Timestamp: math.MaxInt64})
	b.Append(Record{Timestamp: 1})
	require.Equal(t, 1, b.Count())
	_, err = b.Seal(nil)
	require.ErrorIs(t, err, ErrTimestamp)
	b.Reset()
	b.Append(Record{Timestamp: -1})
	batch, err := b.Seal(nil)
	require.NoError(t, err)
	require.NoError(t, batch.Validate(Limits{}))
	require.Panics(t, func() { NewBuilder(Codec(5)) })

	b.Reset()
	huge := Record{Headers: make([]Header, 2048)} // 2 GiB, of one MiB
	for i, value := 0, make([]byte, 1<<20); i < len(huge.Headers); i++ {
		huge.Headers[i].Value = value
	}
	b.Append(huge)
	require.Zero(t, b.Count())
	_, err = b.Seal(nil)
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestAppendAllocatesNothing(t *testing.T) {
	for _, codec := range codecs {
		b, r := NewBuilder(codec), goldenSets()["headers"][0]
		var dst []byte
		fill := func() {
			b.Reset()
			for range 100 {
				b.Append(r)
			}
		}
		seal := func() {
			batch, err := b.Seal(dst[:0])
			require.NoError(t, err)
			dst = batch
		}
		fill()
		seal()
		require.Zero(t, testing.AllocsPerRun(100, fill))
		// With the race detector, pools forget some of what they are given: an encoder is made anew now and then.
		require.Less(t, testing.AllocsPerRun(100, func() { fill(); seal() }), 50.0, codec)
	}
}

// Records stops where its reader stops.
func TestRecordsStops(t *testing.T) {
	b := build(t, Zstd, goldenSets()["many"])
	n := 0
	for _, err := range b.Records(Limits{}) {
		require.NoError(t, err)
		if n++; n == 7 {
			break
		}
	}
	require.Equal(t, 7, n)
}

// Compaction leaves gaps in the offsets: Records reads them, though no producer may send them.
func TestRecordsWithGaps(t *testing.T) {
	b := seal(None, 2, append(rec(0, 0, 3, -1, -1, 0), rec(0, 0, 9, -1, -1, 0)...))
	b[atLastDelta+3] = 12
	b.Stamp(100, 1)
	require.ErrorIs(t, reseal(b).Validate(Limits{}), ErrMalformed)
	records := readAll(t, b)
	require.EqualValues(t, 103, records[0].Offset)
	require.EqualValues(t, 109, records[1].Offset)
	b[atLastDelta+3] = 8
	require.ErrorIs(t, firstError(reseal(b), Limits{}), ErrMalformed)
}

// Records gives an error for every body that Validate refuses, never a record too many.
func TestRecordsOfBadBodies(t *testing.T) {
	for _, codec := range codecs {
		for name, body := range badBodies() {
			if name == "timestamp is not the header's" || name == "offset delta leaves a gap" {
				continue // seen by Validate alone
			}
			require.ErrorIs(t, firstError(sealed(t, codec, body), Limits{}), ErrMalformed, "%v: %s", codec, name)
		}
	}
	require.ErrorIs(t, firstError(make(Batch, 60), Limits{}), ErrTruncated)
}
