package record

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

var update = flag.Bool("update", false, "have franz-go make the batches under testdata/batches anew")

// The golden batches lie at the repository's root: other packages read them too.
const goldenDir = "../testdata/batches"

var codecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

const goldenTime = 1_700_000_000_000

// goldenSets are the records of the golden batches.
func goldenSets() map[string][]Record {
	many := make([]Record, 300)
	for i := range many {
		many[i] = Record{
			Timestamp: goldenTime + int64(i*7%100), // rises and falls
			Key:       fmt.Appendf(nil, "key-%d", i%10),
			Value:     fmt.Appendf(nil, "value %d of many that compress", i),
		}
	}
	return map[string][]Record{
		"one": {{Timestamp: goldenTime, Key: []byte("k"), Value: []byte("a value that repeats, a value that repeats")}},
		"nil-and-empty": {
			{Timestamp: goldenTime, Key: nil, Value: []byte("no key")},
			{Timestamp: goldenTime + 1, Key: []byte{}, Value: []byte("empty key")},
			{Timestamp: goldenTime + 2, Key: []byte("empty value"), Value: []byte{}},
			{Timestamp: goldenTime - 3, Key: []byte("tombstone, older than the first"), Value: nil},
			{Timestamp: goldenTime, Key: nil, Value: nil},
		},
		"headers": {
			{Timestamp: goldenTime, Key: []byte("k"), Value: []byte("v"), Headers: []Header{
				{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("twice")},
				{Key: "", Value: []byte("empty key")}, {Key: "empty", Value: []byte{}}, {Key: "nil", Value: nil},
			}},
			{Timestamp: goldenTime, Value: []byte("none")},
		},
		"many": many,
	}
}

// goldenMeta is what the JSON beside a golden batch says of it: what franz-go was given.
type goldenMeta struct {
	Codec         string
	Count         int
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32
	BaseTimestamp int64
	MaxTimestamp  int64
	TimestampType string
	Records       string // name of the set of records
}

func kgoCodec(c Codec) kgo.CompressionCodec {
	return map[Codec]kgo.CompressionCodec{None: kgo.NoCompression(), Gzip: kgo.GzipCompression(),
		Snappy: kgo.SnappyCompression(), LZ4: kgo.Lz4Compression(), Zstd: kgo.ZstdCompression()}[c]
}

func TestUpdateGoldens(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	require.NoError(t, os.MkdirAll(goldenDir, 0o755))
	for name, records := range goldenSets() {
		for _, codec := range codecs {
			opt := kgo.ProducerBatchCompression(kgoCodec(codec))
			writeGolden(t, fmt.Sprintf("%s-%v", name, codec), name, produce(t, records, opt))
			b := produce(t, records, opt, kgo.DisableIdempotentWrite())
			writeGolden(t, fmt.Sprintf("%s-%v-plain", name, codec), name, b)
			b.Stamp(1<<33, 5)
			b.StampAppendTime(goldenTime + 5000)
			kgoReads(t, b) // which checks the checksum
			writeGolden(t, fmt.Sprintf("%s-%v-append", name, codec), name, b)
		}
	}
}

func writeGolden(t *testing.T, file, set string, b Batch) {
	meta, err := json.MarshalIndent(goldenMeta{
		Codec: b.Codec().String(), Count: b.Count(), ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(),
		BaseSequence: b.BaseSequence(), BaseTimestamp: b.BaseTimestamp(), MaxTimestamp: b.MaxTimestamp(),
		TimestampType: b.TimestampType().String(), Records: set,
	}, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(goldenDir, file+".bin"), b, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(goldenDir, file+".json"), append(meta, '\n'), 0o644))
}

// goldens gives every golden batch by name.
func goldens(tb testing.TB) map[string]Batch {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.bin"))
	require.NoError(tb, err)
	require.GreaterOrEqual(tb, len(files), 60)
	out := map[string]Batch{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(tb, err)
		out[filepath.Base(f[:len(f)-len(".bin")])] = b
	}
	return out
}

// TestGoldens: what franz-go wrote, we split, validate and read as what it was given.
func TestGoldens(t *testing.T) {
	for name, b := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(goldenDir, name+".json"))
			require.NoError(t, err)
			var meta goldenMeta
			require.NoError(t, json.Unmarshal(text, &meta))
			first, rest, err := Split(append(b[:len(b):len(b)], 1, 2, 3))
			require.NoError(t, err)
			require.Equal(t, []byte{1, 2, 3}, rest)
			require.Equal(t, b, first)
			require.NoError(t, b.Validate(Limits{MaxBatchBytes: len(b), MaxRecords: meta.Count}))
			require.Equal(t, meta, goldenMeta{
				Codec: b.Codec().String(), Count: b.Count(), ProducerID: b.ProducerID(),
				ProducerEpoch: b.ProducerEpoch(), BaseSequence: b.BaseSequence(), BaseTimestamp: b.BaseTimestamp(),
				MaxTimestamp: b.MaxTimestamp(), TimestampType: b.TimestampType().String(), Records: meta.Records,
			})
			records := goldenSets()[meta.Records]
			if b.TimestampType() == LogAppendTime {
				for i := range records {
					records[i].Timestamp = goldenTime + 5000
				}
			}
			requireRecords(t, records, b, b.BaseOffset())
			require.Equal(t, kgoReads(t, b), readAll(t, b))
		})
	}
}

// TestBuilderMakesGoldens: without compression there is one encoding, and ours is franz-go's byte for byte.
func TestBuilderMakesGoldens(t *testing.T) {
	for set, records := range goldenSets() {
		want := goldens(t)[set+"-none"]
		b := NewBuilder(None)
		for _, r := range records {
			b.Append(r)
		}
		b.SetProducer(want.ProducerID(), want.ProducerEpoch(), want.BaseSequence())
		require.Equal(t, b.Size(), len(want))
		got, err := b.Seal(nil)
		require.NoError(t, err)
		require.Equal(t, want, got, set)
	}
}

// TestFranzReadsOurs: what our Builder wrote, franz-go's consumer reads, in every codec, stamped as a broker does.
func TestFranzReadsOurs(t *testing.T) {
	for set, records := range goldenSets() {
		for _, codec := range codecs {
			t.Run(fmt.Sprintf("%s-%v", set, codec), func(t *testing.T) {
				b := build(t, codec, records)
				b.Stamp(1<<40, 7)
				require.NoError(t, b.Validate(Limits{}))
				requireRecords(t, records, b, 1<<40)
				require.Equal(t, readAll(t, b), kgoReads(t, b))
				b.StampAppendTime(goldenTime + 1234)
				got := kgoReads(t, b)
				require.Equal(t, readAll(t, b), got)
				for _, r := range got {
					require.EqualValues(t, goldenTime+1234, r.Timestamp)
				}
			})
		}
	}
}

// TestCapturedLive: what the franz-go of this build sends now is what the goldens hold, but for compressed bytes.
func TestCapturedLive(t *testing.T) {
	records := goldenSets()["headers"]
	got := produce(t, records, kgo.ProducerBatchCompression(kgo.NoCompression()))
	require.Equal(t, goldens(t)["headers-none"], got)
}
