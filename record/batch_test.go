package record

import (
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	b := build(t, None, goldenSets()["headers"])
	two := append(append([]byte{}, b...), b...)
	first, rest, err := Split(two)
	require.NoError(t, err)
	require.Equal(t, b, first)
	second, rest, err := Split(rest)
	require.NoError(t, err)
	require.Equal(t, b, second)
	require.Empty(t, rest)

	_ = append(first, 0xEE) // must not reach into the next batch
	require.Equal(t, []byte(b), two[len(b):])

	for n := range b {
		_, rest, err := Split(b[:n])
		require.ErrorIs(t, err, ErrTruncated, "%d bytes", n)
		require.Len(t, rest, n)
		require.ErrorIs(t, b[:n].Validate(Limits{}), ErrTruncated)
	}
}

func TestSplitRefuses(t *testing.T) {
	for _, length := range []int32{0, -1, math.MinInt32, 48} {
		b := build(t, None, goldenSets()["one"])
		b[atLength], b[atLength+1], b[atLength+2], b[atLength+3] =
			byte(length>>24), byte(length>>16), byte(length>>8), byte(length)
		_, _, err := Split(b)
		require.ErrorIs(t, err, ErrMalformed, "length %d", length)
		require.Error(t, b.Validate(Limits{}))
	}
	for _, magic := range []byte{0, 1, 3, 255} {
		b := build(t, None, goldenSets()["one"])
		b[atMagic] = magic
		_, _, err := Split(b)
		require.ErrorIs(t, err, ErrMalformed, "magic %d", magic)
		require.ErrorIs(t, b.Validate(Limits{}), ErrMalformed)
		_, _, err = Split(b[:atMagic+1])
		require.ErrorIs(t, err, ErrMalformed, "magic %d, cut short", magic)
	}
	b := build(t, None, goldenSets()["one"])
	require.ErrorIs(t, append(b, 0).Validate(Limits{}), ErrMalformed)
}

func TestStamp(t *testing.T) {
	b := build(t, Zstd, goldenSets()["many"])
	require.EqualValues(t, 0, b.BaseOffset())
	require.EqualValues(t, -1, b.LeaderEpoch())
	b.Stamp(math.MaxInt64-299, 42)
	require.NoError(t, b.Validate(Limits{}))
	require.EqualValues(t, math.MaxInt64-299, b.BaseOffset())
	require.EqualValues(t, math.MaxInt64, b.LastOffset())
	require.EqualValues(t, 42, b.LeaderEpoch())
	require.EqualValues(t, 11, b.ProducerID())
	require.EqualValues(t, 2, b.ProducerEpoch())
	require.EqualValues(t, 33, b.BaseSequence())
	require.EqualValues(t, 33+299, b.LastSequence())
	require.False(t, b.Transactional())
	require.False(t, b.Control())
}

func TestLastSequenceWraps(t *testing.T) {
	b := NewBuilder(None)
	for range 5 {
		b.Append(Record{})
	}
	for first, last := range map[int32]int32{-1: -1, 0: 4, math.MaxInt32 - 4: math.MaxInt32,
		math.MaxInt32 - 3: 0, math.MaxInt32: 3} {
		b.SetProducer(1, 1, first)
		batch, err := b.Seal(nil)
		require.NoError(t, err)
		require.Equal(t, last, batch.LastSequence())
	}
}

// C17: a batch that was damaged before the append time was stamped is still damaged after it.
func TestStampAppendTime(t *testing.T) {
	for name, b := range goldens(t) {
		for _, ms := range []int64{0, 1, goldenTime, math.MaxInt64} {
			b.StampAppendTime(ms)
			require.NoError(t, b.VerifyCRC(), name)
			require.NoError(t, b.Validate(Limits{NotBefore: math.MaxInt64}), name)
			require.Equal(t, LogAppendTime, b.TimestampType())
			require.Equal(t, ms, b.MaxTimestamp())
		}
		b[len(b)-1] ^= 4
		b.StampAppendTime(goldenTime)
		require.ErrorIs(t, b.VerifyCRC(), ErrChecksum, name)
	}
}

func TestCRCDelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.Byte(), 1, 3000).Draw(t, "message")
		n := rapid.IntRange(0, len(a)).Draw(t, "unchanged")
		delta := rapid.SliceOfN(rapid.Byte(), len(a)-n, len(a)-n).Draw(t, "delta")
		changed := append([]byte{}, a...)
		for i := range delta {
			changed[i] ^= delta[i]
		}
		want := crc32.Checksum(changed, castagnoli)
		if got := crc32.Checksum(a, castagnoli) ^ crcDelta(delta, n); got != want {
			t.Fatalf("got %08x, want %08x", got, want)
		}
	})
}

// C17: every flipped bit from the checksum on is found; before it lie the fields that a broker stamps, and the length
// and the magic, which Split and Validate refuse.
func TestBitFlips(t *testing.T) {
	for _, codec := range codecs {
		b := build(t, codec, goldenSets()["headers"])
		for bit := atCRC * 8; bit < len(b)*8; bit++ {
			b[bit/8] ^= 1 << (bit % 8)
			require.ErrorIs(t, b.VerifyCRC(), ErrChecksum, "%v, bit %d", codec, bit)
			require.ErrorIs(t, b.Validate(Limits{}), ErrChecksum, "%v, bit %d", codec, bit)
			b[bit/8] ^= 1 << (bit % 8)
		}
		for _, at := range []int{atLength, atLength + 1, atLength + 2, atLength + 3, atMagic} {
			for bit := range 8 {
				b[at] ^= 1 << bit
				require.Error(t, b.Validate(Limits{}), "%v, byte %d bit %d", codec, at, bit)
				b[at] ^= 1 << bit
			}
		}
		require.NoError(t, b.Validate(Limits{}))
	}
	big := build(t, None, []Record{{Value: make([]byte, 1<<20)}})
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		bit := atCRC*8 + rng.IntN((len(big)-atCRC)*8)
		big[bit/8] ^= 1 << (bit % 8)
		require.ErrorIs(t, big.VerifyCRC(), ErrChecksum)
		big[bit/8] ^= 1 << (bit % 8)
	}
}

func TestNames(t *testing.T) {
	for _, c := range codecs {
		got, err := ParseCodec(c.String())
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
	for _, s := range []string{"", "GZIP", "brotli", "codec(5)"} {
		_, err := ParseCodec(s)
		require.ErrorIs(t, err, ErrUnsupported)
	}
	require.Equal(t, "codec(5)", Codec(5).String())
	require.Equal(t, "codec(-1)", Codec(-1).String())
	require.Equal(t, "CreateTime LogAppendTime TimestampType(2)",
		fmt.Sprint(CreateTime, LogAppendTime, TimestampType(2)))
}
