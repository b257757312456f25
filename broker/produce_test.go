package broker

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/internal/faultfs"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

func TestProduceAndFetch(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 3)
	require.EqualValues(t, 0, n.append(id, 1, "a", "b"))
	require.EqualValues(t, 2, n.append(id, 1, "c"))
	require.Equal(t, []string{"a", "b", "c"}, n.read(id, 1, 0))
	require.Equal(t, []string{"b", "c"}, n.read(id, 1, 1))
	require.Empty(t, n.read(id, 1, 3))
	require.Empty(t, n.read(id, 0, 0))
}

func TestProduceAcks(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	for i, acks := range []int8{wire.AcksAll, wire.AcksLeader} {
		req := produceOne(id, 0, batch(t, "x"))
		req.Acks = acks
		r := do[*wire.ProduceResponse](n, req).Topics[0].Partitions[0]
		require.Nil(t, r.Error)
		require.EqualValues(t, i, r.BaseOffset)
		require.EqualValues(t, 0, r.LogStart)
		require.EqualValues(t, -1, r.AppendTimeMs, "the topic keeps the producer's timestamps")
	}
	req := produceOne(id, 0, batch(t, "queued"))
	req.Acks = wire.AcksNone
	r := do[*wire.ProduceResponse](n, req).Topics[0].Partitions[0]
	require.Nil(t, r.Error)
	require.EqualValues(t, -1, r.BaseOffset)
	n.append(id, 0, "behind") // durable in order: so is what was queued before
	require.Equal(t, []string{"x", "x", "queued", "behind"}, n.read(id, 0, 0))
	require.Eventually(t, func() bool { return n.queued.inUse() == 0 }, 5*time.Second, time.Millisecond)
}

func TestProduceAppendTime(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1, "timestamps", "append")
	before := time.Now().UnixMilli()
	r := n.produce(id, 0, batchOf(t, record.None, func(b *record.Builder) {
		b.Append(record.Record{Timestamp: 1, Value: []byte("long ago")})
	}))
	require.Nil(t, r.Error)
	require.GreaterOrEqual(t, r.AppendTimeMs, before)
	b, _, err := record.Split(n.fetch(id, 0, 0).Batches)
	require.NoError(t, err)
	require.NoError(t, b.VerifyCRC())
	require.Equal(t, record.LogAppendTime, b.TimestampType())
	require.Equal(t, r.AppendTimeMs, b.MaxTimestamp())
}

// Every partition of a request is told its own error, and the others go on.
func TestProduceErrorsArePerPartition(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 2)
	good := batch(t, "x")
	bad := append([]byte(nil), good...)
	bad[len(bad)-1] ^= 1
	r := do[*wire.ProduceResponse](n, &wire.ProduceRequest{Acks: wire.AcksAll, Topics: []wire.ProduceTopic{
		{ID: id, Partitions: []wire.ProducePartition{
			{Index: 0, Batch: bad}, {Index: 7, Batch: good}, {Index: 1, Batch: good}, {Index: 1, Batch: good},
		}},
		{ID: id + 100, Partitions: []wire.ProducePartition{{Index: 0, Batch: good}}},
		{ID: id, Partitions: []wire.ProducePartition{{Index: 1, Batch: good}}},
	}})
	first := r.Topics[0].Partitions
	requireCode(t, wire.CodeCorruptBatch, first[0].Error)
	requireCode(t, wire.CodeUnknownPartition, first[1].Error)
	require.Contains(t, first[1].Error.Message, `topic "orders" has no partition 7; it has 2`)
	require.Nil(t, first[2].Error)
	requireCode(t, wire.CodeInvalidArgument, first[3].Error)
	requireCode(t, wire.CodeUnknownTopicID, r.Topics[1].Partitions[0].Error)
	requireCode(t, wire.CodeInvalidArgument, r.Topics[2].Partitions[0].Error)
	require.Equal(t, []string{"x"}, n.read(id, 1, 0))
	require.Empty(t, n.read(id, 0, 0))
}

// A partition that is named twice is found also among many.
func TestProduceFindsRepeatsAmongMany(t *testing.T) {
	n := startNode(t)
	id := n.create("wide", 100)
	var parts []wire.ProducePartition
	for i := range int32(100) {
		parts = append(parts, wire.ProducePartition{Index: i, Batch: batch(t, "x")})
	}
	parts = append(parts, wire.ProducePartition{Index: 42, Batch: batch(t, "again")})
	r := do[*wire.ProduceResponse](n, &wire.ProduceRequest{Acks: wire.AcksAll,
		Topics: []wire.ProduceTopic{{ID: id, Partitions: parts}}})
	for i, p := range r.Topics[0].Partitions {
		if i == 100 {
			requireCode(t, wire.CodeInvalidArgument, p.Error)
		} else {
			require.Nil(t, p.Error)
		}
	}
	require.Equal(t, []string{"x"}, n.read(id, 42, 0))
}

// recordAt is a batch of one record with the timestamp given.
func recordAt(t testing.TB, ms int64) []byte {
	return batchOf(t, record.None, func(b *record.Builder) { b.Append(record.Record{Timestamp: ms}) })
}

// resealed changes a batch's header and makes its checksum right again.
func resealed(b []byte, change func(h []byte)) []byte {
	c := append([]byte(nil), b...)
	change(c)
	binary.BigEndian.PutUint32(c[17:], crc32.Checksum(c[21:], crc32.MakeTable(crc32.Castagnoli)))
	return c
}

// I-11, F3: what is wrong with a batch is told before anything of it is appended.
func TestHostileBatchesI11(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1, "max_batch_bytes", "64KiB", "timestamp_before_max", "1d", "timestamp_after_max", "1h")
	good := batch(t, "a", "b")
	at := func(ms int64) []byte { return recordAt(t, ms) }
	cases := []struct {
		name  string
		batch []byte
		code  wire.Code
		says  string
	}{
		{"empty", nil, wire.CodeInvalidBatch, "orders"},
		{"cut short", good[:len(good)-1], wire.CodeInvalidBatch, ""},
		{"half a header", good[:20], wire.CodeInvalidBatch, ""},
		{"two batches", append(append([]byte(nil), good...), good...), wire.CodeInvalidBatch, "exactly one"},
		{"old magic", resealed(good, func(h []byte) { h[16] = 1 }), wire.CodeInvalidBatch, ""},
		{"bit flip", func() []byte { b := append([]byte(nil), good...); b[70] ^= 4; return b }(), wire.CodeCorruptBatch, ""},
		{"count too high", resealed(good, func(h []byte) { h[60] = 9 }), wire.CodeInvalidBatch, ""},
		{"count zero", resealed(good, func(h []byte) { h[60] = 0 }), wire.CodeInvalidBatch, ""},
		{"offset gap", resealed(good, func(h []byte) { h[26] = 9 }), wire.CodeInvalidBatch, ""},
		{"transaction", resealed(good, func(h []byte) { h[22] |= 0x10 }), wire.CodeUnsupported, ""},
		{"control", resealed(good, func(h []byte) { h[22] |= 0x20 }), wire.CodeUnsupported, ""},
		{"unknown codec", resealed(good, func(h []byte) { h[22] |= 7 }), wire.CodeUnsupported, ""},
		{"too large", batch(t, strings.Repeat("x", 65<<10)), wire.CodeRecordTooLarge,
			"at most 65536 are taken (max_batch_bytes, set by the topic)"},
		{"far past", at(time.Now().Add(-25 * time.Hour).UnixMilli()), wire.CodeInvalidTimestamp, ""},
		{"far future", at(time.Now().Add(2 * time.Hour).UnixMilli()), wire.CodeInvalidTimestamp, ""},
		{"end of time", resealed(at(1), func(h []byte) {
			binary.BigEndian.PutUint64(h[27:], 1<<63-1)
			binary.BigEndian.PutUint64(h[35:], 1<<63-1)
		}), wire.CodeInvalidTimestamp, ""},
		{"before time", resealed(at(1), func(h []byte) {
			binary.BigEndian.PutUint64(h[27:], 1<<63)
			binary.BigEndian.PutUint64(h[35:], 1<<63)
		}), wire.CodeInvalidTimestamp, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := n.produce(id, 0, c.batch)
			requireCode(t, c.code, r.Error)
			require.Contains(t, r.Error.Message, c.says)
			require.EqualValues(t, -1, r.BaseOffset)
		})
	}
	require.EqualValues(t, 0, n.append(id, 0, "the first one"), "nothing of what was refused has taken an offset")
}

// I-12: a batch that unpacks to a thousand times its size is refused, not unpacked into memory.
func TestCompressionBombI12(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	for _, codec := range []record.Codec{record.Gzip, record.Snappy, record.LZ4, record.Zstd} {
		fits := batchOf(t, codec, func(b *record.Builder) { b.Append(record.Record{Value: make([]byte, 1<<20)}) })
		require.Nil(t, n.produce(id, 0, fits).Error, codec)
		bomb := batchOf(t, codec, func(b *record.Builder) {
			for range 40 {
				b.Append(record.Record{Value: make([]byte, 1<<20)})
			}
		})
		r := n.produce(id, 0, bomb)
		requireCode(t, wire.CodeRecordTooLarge, r.Error)
	}
}

func idempotent(t testing.TB, producer int64, epoch int16, seq int32) []byte {
	return batchOf(t, record.None, func(b *record.Builder) {
		b.SetProducer(producer, epoch, seq)
		b.Append(record.Record{Timestamp: time.Now().UnixMilli(), Value: fmt.Appendf(nil, "%d", seq)})
	})
}

// H1, H4: a retry is answered with the offset of the first copy; a gap in the sequence and an older epoch are refused.
func TestIdempotentProducer(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	who := do[*wire.InitProducerIDResponse](n, &wire.InitProducerIDRequest{ProducerID: -1, Epoch: -1})
	for seq := range int32(3) {
		require.EqualValues(t, seq, n.produce(id, 0, idempotent(t, who.ProducerID, 0, seq)).BaseOffset)
	}
	again := n.produce(id, 0, idempotent(t, who.ProducerID, 0, 1))
	require.Nil(t, again.Error)
	require.EqualValues(t, 1, again.BaseOffset)
	requireCode(t, wire.CodeOutOfOrderSequence, n.produce(id, 0, idempotent(t, who.ProducerID, 0, 5)).Error)

	next := do[*wire.InitProducerIDResponse](n, &wire.InitProducerIDRequest{ProducerID: who.ProducerID, Epoch: 0})
	require.Equal(t, who.ProducerID, next.ProducerID)
	require.EqualValues(t, 1, next.Epoch)
	require.Nil(t, n.produce(id, 0, idempotent(t, who.ProducerID, 1, 0)).Error)
	requireCode(t, wire.CodeProducerFenced, n.produce(id, 0, idempotent(t, who.ProducerID, 0, 3)).Error)
	require.Equal(t, []string{"0", "1", "2", "0"}, n.read(id, 0, 0))
}

func TestInitProducerIDRefusals(t *testing.T) {
	n := startNode(t)
	first := do[*wire.InitProducerIDResponse](n, &wire.InitProducerIDRequest{ProducerID: -1, Epoch: -1})
	second := do[*wire.InitProducerIDResponse](n, &wire.InitProducerIDRequest{ProducerID: -1, Epoch: -1})
	require.NotEqual(t, first.ProducerID, second.ProducerID)
	for _, req := range []*wire.InitProducerIDRequest{
		{ProducerID: 1 << 40, Epoch: 0}, {ProducerID: first.ProducerID, Epoch: -1},
	} {
		_, err := try[*wire.InitProducerIDResponse](n, req)
		require.ErrorIs(t, err, wire.CodeInvalidArgument)
	}
	used := do[*wire.InitProducerIDResponse](n,
		&wire.InitProducerIDRequest{ProducerID: first.ProducerID, Epoch: 1<<15 - 2})
	require.Greater(t, used.ProducerID, second.ProducerID, "epochs are used up: a new id")
	require.EqualValues(t, 0, used.Epoch)
}

// onFaultFS runs the broker on a disk with faults.
func onFaultFS(t testing.TB, o faultfs.Options) func(*Config) {
	return func(c *Config) {
		fs, err := faultfs.New(c.DataDir, o)
		require.NoError(t, err)
		c.Storage.FS = fs
		c.Storage.MemTableBytes = 1 << 20
	}
}

// C9, P5: a produce that the disk does not take in time is answered as unknown, its memory stays accounted for until it
// is durable, and the record appears once.
func TestProduceTimeoutIsUnknown(t *testing.T) {
	n := startNode(t, onFaultFS(t, faultfs.Options{StallEvery: 1, Stall: 75 * time.Millisecond}))
	id := n.create("orders", 1)
	req := produceOne(id, 0, batch(t, "late"))
	req.TimeoutMs = 1
	r := do[*wire.ProduceResponse](n, req).Topics[0].Partitions[0]
	requireCode(t, wire.CodeTimedOut, r.Error)
	require.Positive(t, n.queued.inUse())
	require.EqualValues(t, 1, n.append(id, 0, "next"))
	require.Equal(t, []string{"late", "next"}, n.read(id, 0, 0))
	require.Eventually(t, func() bool { return n.queued.inUse() == 0 }, 5*time.Second, time.Millisecond)
}

// J5: what waits for the disk is bounded; the rest is told to come again.
func TestProduceOverloaded(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	require.True(t, n.queued.try(n.queued.total-100))
	requireCode(t, wire.CodeOverloaded, n.produce(id, 0, batch(t, strings.Repeat("x", 200))).Error)
	n.queued.release(n.queued.total - 100)
	n.append(id, 0, "x")
}

func TestProduceAcksOutOfBounds(t *testing.T) {
	n := startNode(t)
	_, err := try[*wire.ProduceResponse](n, &wire.ProduceRequest{Acks: 2})
	require.ErrorIs(t, err, wire.CodeMalformedRequest)
	require.Empty(t, do[*wire.ProduceResponse](n, &wire.ProduceRequest{}).Topics)
}
