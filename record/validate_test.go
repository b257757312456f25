package record

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// rec encodes a record of a hand-written body; parts are what follows the attributes.
func rec(attributes byte, parts ...any) []byte {
	p := []byte{attributes}
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			p = binary.AppendVarint(p, int64(part))
		case string:
			p = append(p, part...)
		}
	}
	return append(binary.AppendVarint(nil, int64(len(p))), p...)
}

// seal makes a batch with a right checksum of any header fields and any body.
func seal(codec Codec, count int, body []byte) Batch {
	b := &Builder{count: count, producerID: -1, producerEpoch: -1, baseSequence: -1}
	return reseal(append(b.appendHeader(nil, codec, len(body)), body...))
}

// badBodies are bodies for two records, each with one fault (I-11).
func badBodies() map[string][]byte {
	good := rec(0, 0, 0, -1, -1, 0)
	with := func(second []byte) []byte { return append(append([]byte{}, good...), second...) }
	return map[string][]byte{
		"no records":                     {},
		"too few":                        good,
		"too many":                       append(with(rec(0, 0, 1, -1, -1, 0)), rec(0, 0, 2, -1, -1, 0)...),
		"bytes left over":                append(with(rec(0, 0, 1, -1, -1, 0)), 0),
		"length beyond the end":          with([]byte{20, 0}),
		"length negative":                with([]byte{1}),
		"length zero":                    with([]byte{0}),
		"length of 6 bytes":              with([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}),
		"length of 33 bits":              with([]byte{0x80, 0x80, 0x80, 0x80, 0x10}),
		"length is cut":                  with([]byte{0x80}),
		"attributes":                     with(rec(1, 0, 1, -1, -1, 0)),
		"offset delta repeats":           with(rec(0, 0, 0, -1, -1, 0)),
		"offset delta leaves a gap":      with(rec(0, 0, 2, -1, -1, 0)),
		"offset delta negative":          with(rec(0, 0, -1, -1, -1, 0)),
		"key length -2":                  with(rec(0, 0, 1, -2, -1, 0)),
		"key beyond the record":          with(rec(0, 0, 1, 5, "1234")),
		"key of 2 GiB":                   with(rec(0, 0, 1, math.MaxInt32, "k")),
		"value length -2":                with(rec(0, 0, 1, -1, -2, 0)),
		"value beyond the record":        with(rec(0, 0, 1, -1, 3, "ab")),
		"no header count":                with(rec(0, 0, 1, -1, -1)),
		"header count negative":          with(rec(0, 0, 1, -1, -1, -1)),
		"header count of 2^31-1 (I-9)":   with(rec(0, 0, 1, -1, -1, math.MaxInt32, 0, 0)),
		"header key nil":                 with(rec(0, 0, 1, -1, -1, 1, -1, -1)),
		"header key beyond":              with(rec(0, 0, 1, -1, -1, 1, 9, "abc")),
		"header value length -2":         with(rec(0, 0, 1, -1, -1, 1, 0, -2)),
		"header value beyond":            with(rec(0, 0, 1, -1, -1, 1, 0, 7, "abc")),
		"header missing":                 with(rec(0, 0, 1, -1, -1, 2, 0, 0)),
		"bytes after the headers":        with(rec(0, 0, 1, -1, -1, 0, "x")),
		"timestamp delta of 11 bytes":    with(rec(0, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 1, -1, -1, 0)),
		"timestamp delta of 65 bits":     with(rec(0, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 1, -1, -1, 0)),
		"timestamp is not the header's":  with(rec(0, 1, 1, -1, -1, 0)),
		"record is cut after attributes": with(rec(0)),
		"record is cut after timestamp":  with(rec(0, 0)),
		"record is cut after offset":     with(rec(0, 0, 1)),
	}
}

// TestValidateBodies puts each bad body into every codec: a stream is judged as memory is, whatever the window.
func TestValidateBodies(t *testing.T) {
	good := append(rec(0, 0, 0, -1, -1, 0), rec(0, 0, 1, -1, -1, 0)...)
	for _, codec := range codecs {
		require.NoError(t, sealed(t, codec, good).Validate(Limits{}), codec)
		for name, body := range badBodies() {
			b := sealed(t, codec, body)
			err := b.Validate(Limits{})
			require.ErrorIs(t, err, ErrMalformed, "%v: %s", codec, name)
		}
	}
	for name, body := range badBodies() {
		require.Equal(t, verdict(walkMemory(2, body)), verdict(walkWindow(2, body, 16)), name)
	}
}

// sealed is a batch that claims two records, its body compressed for sure.
func sealed(t *testing.T, codec Codec, body []byte) Batch {
	if codec != None {
		var err error
		body, err = compress(codec, nil, body)
		require.NoError(t, err)
	}
	return seal(codec, 2, body)
}

func TestValidateTimestampOverflow(t *testing.T) {
	b := seal(None, 1, rec(0, math.MaxInt64, 0, -1, -1, 0))
	binary.BigEndian.PutUint64(b[atBaseTimestamp:], 5)
	require.ErrorIs(t, reseal(b).Validate(Limits{}), ErrMalformed)
	binary.BigEndian.PutUint64(b[atBaseTimestamp:], 0)
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], math.MaxInt64)
	require.NoError(t, reseal(b).Validate(Limits{}))
}

func TestValidateHeader(t *testing.T) {
	be := binary.BigEndian
	for name, test := range map[string]struct {
		change func(b Batch)
		want   error
	}{
		"codec 5":                {func(b Batch) { b[atAttributes+1] = 5 }, ErrUnsupported},
		"codec 7":                {func(b Batch) { b[atAttributes+1] = 7 }, ErrUnsupported},
		"delete horizon":         {func(b Batch) { b[atAttributes+1] |= 0x40 }, ErrUnsupported},
		"attribute bit 7":        {func(b Batch) { b[atAttributes+1] |= 0x80 }, ErrUnsupported},
		"attribute bit 15":       {func(b Batch) { b[atAttributes] = 0x80 }, ErrUnsupported},
		"transactional":          {func(b Batch) { b[atAttributes+1] |= 0x10 }, nil},
		"control":                {func(b Batch) { b[atAttributes+1] |= 0x20 }, nil},
		"count 0":                {func(b Batch) { be.PutUint32(b[atCount:], 0) }, ErrMalformed},
		"count negative":         {func(b Batch) { be.PutUint32(b[atCount:], 1<<31) }, ErrMalformed},
		"count one more":         {func(b Batch) { be.PutUint32(b[atCount:], 3); b[atLastDelta+3] = 2 }, ErrMalformed},
		"count one less":         {func(b Batch) { be.PutUint32(b[atCount:], 1); b[atLastDelta+3] = 0 }, ErrMalformed},
		"last offset delta":      {func(b Batch) { be.PutUint32(b[atLastDelta:], 2) }, ErrMalformed},
		"last delta negative":    {func(b Batch) { be.PutUint32(b[atLastDelta:], 1<<31) }, ErrMalformed},
		"producer id -2":         {func(b Batch) { be.PutUint64(b[atProducerID:], 1<<64-2) }, ErrMalformed},
		"producer without epoch": {func(b Batch) { be.PutUint16(b[atProducerEpoch:], 1<<16-1) }, ErrMalformed},
		"producer without seq":   {func(b Batch) { be.PutUint32(b[atBaseSequence:], 1<<32-1) }, ErrMalformed},
		"no producer but seq":    {func(b Batch) { be.PutUint64(b[atProducerID:], 1<<64-1) }, nil},
		"max timestamp low":      {func(b Batch) { be.PutUint64(b[atMaxTimestamp:], goldenTime-1) }, ErrMalformed},
		"max timestamp high":     {func(b Batch) { be.PutUint64(b[atMaxTimestamp:], goldenTime+1) }, ErrMalformed},
		"base timestamp":         {func(b Batch) { b[atBaseTimestamp] |= 0x80 }, ErrTimestamp},
		"log append time":        {func(b Batch) { b[atAttributes+1] |= 0x08; b[atMaxTimestamp+7]++ }, nil},
		"log append time < 0":    {func(b Batch) { b[atAttributes+1] |= 0x08; b[atMaxTimestamp] |= 0x80 }, ErrTimestamp},
	} {
		b := build(t, None, goldenSets()["headers"])
		test.change(b)
		require.ErrorIs(t, b.Validate(Limits{}), ErrChecksum, name)
		require.ErrorIs(t, reseal(b).Validate(Limits{}), test.want, name)
	}
}

func TestValidateLimits(t *testing.T) {
	for _, codec := range codecs {
		b := build(t, codec, goldenSets()["many"])
		require.NoError(t, b.Validate(Limits{MaxBatchBytes: len(b), MaxRecords: 300,
			NotBefore: goldenTime, NotAfter: goldenTime + 99}))
		for _, test := range []struct {
			limits Limits
			want   error
		}{
			{Limits{MaxBatchBytes: len(b) - 1}, ErrTooLarge},
			{Limits{MaxRecords: 299}, ErrTooLarge},
			{Limits{NotBefore: goldenTime + 1}, ErrTimestamp},
			{Limits{NotAfter: goldenTime + 98}, ErrTimestamp},
		} {
			require.ErrorIs(t, b.Validate(test.limits), test.want, "%v %+v", codec, test.limits)
		}
	}
}

func TestValidateAllocatesNothingPerRecord(t *testing.T) {
	one, many := goldenSets()["one"], goldenSets()["many"]
	b := build(t, None, many)
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = b.Validate(Limits{}) }))
	for _, codec := range codecs[1:] {
		small, large := build(t, codec, one), build(t, codec, many)
		count := func(b Batch) float64 { return testing.AllocsPerRun(100, func() { _ = b.Validate(Limits{}) }) }
		require.Less(t, count(large), count(small)+30, codec) // 299 records more
	}
}
