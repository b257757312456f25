package broker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

func thinValues(r *wire.ThinFetchResponse) (out []string) {
	for _, rec := range r.Records {
		out = append(out, string(rec.Value))
	}
	return out
}

func TestThinProduceAndFetch(t *testing.T) {
	n := startNode(t)
	n.create("orders", 2)
	before := time.Now().UnixMilli()
	r := do[*wire.ThinProduceResponse](n, &wire.ThinProduceRequest{Topic: "orders", Partition: 1, Acks: wire.AcksAll,
		Records: []wire.ThinRecord{
			{Value: []byte("a"), TimestampMs: before - 1000},
			{Key: []byte("k"), Headers: []wire.ThinHeader{{Key: "h", Value: []byte("v")}, {Key: "n"}}},
			{Key: []byte{}, Value: []byte{}},
		}})
	require.EqualValues(t, 1, r.Partition)
	require.EqualValues(t, 0, r.BaseOffset)
	got := do[*wire.ThinFetchResponse](n, &wire.ThinFetchRequest{Topic: "orders", Partition: 1, Offset: wire.AtStart})
	require.EqualValues(t, 3, got.End)
	require.EqualValues(t, 3, got.Next)
	require.Len(t, got.Records, 3)
	require.Equal(t, wire.FetchedRecord{Offset: 0, TimestampMs: before - 1000, Value: []byte("a")}, got.Records[0])
	require.Nil(t, got.Records[1].Value, "nil is kept apart from empty")
	require.Equal(t, []wire.ThinHeader{{Key: "h", Value: []byte("v")}, {Key: "n"}}, got.Records[1].Headers)
	require.GreaterOrEqual(t, got.Records[1].TimestampMs, before)
	require.Equal(t, []byte{}, got.Records[2].Key)

	queued := do[*wire.ThinProduceResponse](n, &wire.ThinProduceRequest{Topic: "orders", Partition: 1,
		Acks: wire.AcksNone, Records: []wire.ThinRecord{{Value: []byte("q")}}})
	require.EqualValues(t, -1, queued.BaseOffset)
	again := do[*wire.ThinFetchResponse](n, &wire.ThinFetchRequest{
		Topic: "orders", Partition: 1, Offset: 3, MaxWaitMs: 20_000,
	})
	require.Equal(t, []string{"q"}, thinValues(again))
	require.Eventually(t, func() bool { return n.answers.inUse() == 0 && n.queued.inUse() == 0 },
		5*time.Second, time.Millisecond)
}

// A key always goes to the partition where Kafka's clients would send it.
func TestThinProducePartition(t *testing.T) {
	n := startNode(t)
	n.create("orders", 7)
	send := func(key []byte) int32 {
		return do[*wire.ThinProduceResponse](n, &wire.ThinProduceRequest{Topic: "orders", Partition: -1,
			Acks: wire.AcksAll, Records: []wire.ThinRecord{{Key: key, Value: []byte("x")}}}).Partition
	}
	for _, key := range []string{"21", "foobar", "a-little-bit-long-string", ""} {
		want := wire.KeyPartition([]byte(key), 7)
		require.Equal(t, want, send([]byte(key)))
		require.Equal(t, want, send([]byte(key)))
	}
	spread := map[int32]bool{}
	for range 200 {
		spread[send(nil)] = true
	}
	require.Len(t, spread, 7)
}

func TestThinRefusals(t *testing.T) {
	n := startNode(t)
	n.create("orders", 1, "max_batch_bytes", "1KiB", "timestamp_before_max", "1h")
	one := []wire.ThinRecord{{Value: []byte("x")}}
	thin := func(r wire.ThinRecord) wire.ThinProduceRequest {
		return wire.ThinProduceRequest{Topic: "orders", Records: []wire.ThinRecord{r}}
	}
	for _, c := range []struct {
		req  wire.ThinProduceRequest
		code wire.Code
	}{
		{wire.ThinProduceRequest{Topic: "nothing", Records: one}, wire.CodeUnknownTopic},
		{wire.ThinProduceRequest{Topic: "orders", Partition: 3, Records: one}, wire.CodeUnknownPartition},
		{wire.ThinProduceRequest{Topic: "orders"}, wire.CodeInvalidArgument},
		{thin(wire.ThinRecord{Value: make([]byte, 2000)}), wire.CodeRecordTooLarge},
		{thin(wire.ThinRecord{TimestampMs: 1}), wire.CodeInvalidTimestamp},
		{thin(wire.ThinRecord{TimestampMs: 1<<63 - 1}), wire.CodeInvalidTimestamp},
	} {
		c.req.Acks = wire.AcksAll
		_, err := try[*wire.ThinProduceResponse](n, &c.req)
		require.ErrorIs(t, err, c.code)
	}
	for _, c := range []struct {
		req  wire.ThinFetchRequest
		code wire.Code
	}{
		{wire.ThinFetchRequest{Topic: "nothing"}, wire.CodeUnknownTopic},
		{wire.ThinFetchRequest{Topic: "orders", Partition: 1}, wire.CodeUnknownPartition},
		{wire.ThinFetchRequest{Topic: "orders", Offset: 1}, wire.CodeOffsetOutOfRange},
	} {
		_, err := try[*wire.ThinFetchResponse](n, &c.req)
		require.ErrorIs(t, err, c.code)
	}
	n.answersGivenBack()
}

func TestThinProduceCreatesInDevMode(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Mode = ModeDev })
	send := func(topic string) error {
		_, err := try[*wire.ThinProduceResponse](n, &wire.ThinProduceRequest{Topic: topic, Partition: -1,
			Acks: wire.AcksAll, Records: []wire.ThinRecord{{Value: []byte("x")}}})
		return err
	}
	require.NoError(t, send("new"))
	require.ErrorIs(t, send("a/b"), wire.CodeInvalidTopicName)
}

// Limits count records and their bytes; compressed batches are unpacked, and reading goes on inside a batch.
func TestThinFetchLimits(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	var want []string
	for _, codec := range []record.Codec{record.None, record.Gzip, record.Zstd} {
		require.Nil(t, n.produce(id, 0, batchOf(t, codec, func(b *record.Builder) {
			for range 10 {
				value := fmt.Sprintf("%03d-%s", len(want), strings.Repeat("v", 100))
				b.Append(record.Record{Timestamp: time.Now().UnixMilli(), Value: []byte(value)})
				want = append(want, value)
			}
		})).Error)
	}
	var got []string
	for next := int64(0); next < 30; {
		r := do[*wire.ThinFetchResponse](n, &wire.ThinFetchRequest{Topic: "orders", Offset: next, MaxRecords: 7})
		require.NotEmpty(t, r.Records)
		require.LessOrEqual(t, len(r.Records), 7)
		require.Equal(t, next, r.Records[0].Offset)
		got = append(got, thinValues(r)...)
		next = r.Next
	}
	require.Equal(t, want, got)
	r := do[*wire.ThinFetchResponse](n, &wire.ThinFetchRequest{Topic: "orders", Offset: 4, MaxBytes: 400})
	require.Len(t, r.Records, 2)
	r = do[*wire.ThinFetchResponse](n, &wire.ThinFetchRequest{Topic: "orders", Offset: 14, MaxBytes: 1})
	require.Equal(t, want[14:15], thinValues(r), "one record whatever its size")
	n.answersGivenBack()
}

func TestThinFetchWaits(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	call, err := n.dial().Start(&wire.ThinFetchRequest{Topic: "orders", Offset: wire.AtEnd, MaxWaitMs: 25_000})
	require.NoError(t, err)
	select {
	case <-call.Done():
		t.Fatal("answered with nothing to read")
	case <-time.After(20 * time.Millisecond):
	}
	n.append(id, 0, "here")
	resp, err := call.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"here"}, thinValues(resp.(*wire.ThinFetchResponse)))
	empty := do[*wire.ThinFetchResponse](n, &wire.ThinFetchRequest{Topic: "orders", Offset: 1, MaxWaitMs: 5})
	require.EqualValues(t, 1, empty.Next)
	require.Empty(t, empty.Records)
}
