package broker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

func TestFetchOutOfRangeNamesTheBounds(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 2)
	n.append(id, 0, "a", "b", "c")
	n.append(id, 1, "other")
	r := do[*wire.FetchResponse](n, &wire.FetchRequest{MinBytes: 1, MaxBytes: 1 << 20, MaxWaitMs: 20_000,
		Topics: []wire.FetchTopic{
			{ID: id, Partitions: []wire.FetchPartition{
				{Index: 0, Offset: 9, MaxBytes: 1 << 20}, {Index: 1, MaxBytes: 1 << 20},
				{Index: 5}, {Index: 1},
			}},
			{ID: id + 1, Partitions: []wire.FetchPartition{{Index: 0}}},
		}})
	parts := r.Topics[0].Partitions
	requireCode(t, wire.CodeOffsetOutOfRange, parts[0].Error)
	require.Contains(t, parts[0].Error.Message, `offset 9 of topic "orders" partition 0 is outside its log, 0..3`)
	require.EqualValues(t, 0, parts[0].Start)
	require.EqualValues(t, 3, parts[0].End)
	require.Equal(t, []string{"other"}, values(t, parts[1].Batches, 0), "the others go on")
	requireCode(t, wire.CodeUnknownPartition, parts[2].Error)
	requireCode(t, wire.CodeInvalidArgument, parts[3].Error)
	requireCode(t, wire.CodeUnknownTopicID, r.Topics[1].Partitions[0].Error)
}

// Limits are kept, and a batch larger than all of them still gets through (KIP-74).
func TestFetchLimits(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 3)
	for p := range int32(3) {
		for range 10 {
			n.append(id, p, strings.Repeat("x", 1000))
		}
	}
	fetch := func(total, each int32) (sizes []int, sum int) {
		req := &wire.FetchRequest{MinBytes: 1, MaxBytes: total, Topics: []wire.FetchTopic{{ID: id}}}
		for p := range int32(3) {
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, wire.FetchPartition{Index: p, MaxBytes: each})
		}
		last := int32(-1)
		for _, p := range do[*wire.FetchResponse](n, req).Topics[0].Partitions {
			require.Nil(t, p.Error)
			require.Greater(t, p.Index, last, "in the order asked for")
			last = p.Index
			sizes, sum = append(sizes, len(p.Batches)), sum+len(p.Batches)
		}
		return sizes, sum
	}
	one := len(batch(t, strings.Repeat("x", 1000)))

	sizes, sum := fetch(1<<20, 1<<20)
	require.Len(t, sizes, 3)
	require.Equal(t, 30*one, sum)
	sizes, _ = fetch(1<<20, int32(3*one+10))
	require.Equal(t, []int{3 * one, 3 * one, 3 * one}, sizes)
	_, sum = fetch(int32(5*one), int32(2*one))
	require.LessOrEqual(t, sum, 5*one)
	require.GreaterOrEqual(t, sum, 4*one)
	sizes, sum = fetch(1, 1)
	require.Len(t, sizes, 1)
	require.Equal(t, one, sum, "one whole batch")
	n.answersGivenBack()
}

// answersGivenBack waits until the memory of all answers is given back, which is after they were written.
func (n *node) answersGivenBack() {
	n.t.Helper()
	require.Eventually(n.t, func() bool { return n.answers.inUse() == 0 }, 10*time.Second, time.Millisecond)
}

// No partition starves where max_bytes has room for one only.
func TestFetchIsFair(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 4)
	req := &wire.FetchRequest{MinBytes: 1, MaxBytes: 1, Topics: []wire.FetchTopic{{ID: id}}}
	for p := range int32(4) {
		n.append(id, p, "x")
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, wire.FetchPartition{Index: p, MaxBytes: 1})
	}
	served := map[int32]int{}
	for range 200 { // a partition is missed by all of them once in 10^24 runs
		served[onlyResult(do[*wire.FetchResponse](n, req)).Index]++
	}
	require.Len(t, served, 4)
}

// A fetch that waits is answered when a record comes, with it, and not before.
func TestLongPoll(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 50)
	req := &wire.FetchRequest{MinBytes: 1, MaxBytes: 1 << 20, MaxWaitMs: 25_000, Topics: []wire.FetchTopic{{ID: id}}}
	for p := range int32(50) {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, wire.FetchPartition{Index: p, MaxBytes: 1 << 20})
	}
	call, err := n.dial().Start(req)
	require.NoError(t, err)
	select {
	case <-call.Done():
		t.Fatal("answered with nothing to read")
	case <-time.After(30 * time.Millisecond):
	}
	n.append(id, 33, "here")
	resp, err := call.Wait(t.Context())
	require.NoError(t, err)
	got := onlyResult(resp.(*wire.FetchResponse))
	require.EqualValues(t, 33, got.Index)
	require.Equal(t, []string{"here"}, values(t, got.Batches, 0))
}

func TestLongPollMinBytes(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	n.append(id, 0, "first")
	req := fetchFrom(id, 0, 0)
	req.MinBytes, req.MaxWaitMs = 400, 25_000
	call, err := n.dial().Start(req)
	require.NoError(t, err)
	want := []string{"first"}
	for size := len(n.fetch(id, 0, 0).Batches); size < 400; size = len(n.fetch(id, 0, 0).Batches) {
		select {
		case <-call.Done():
			t.Fatalf("answered with %d bytes", size)
		case <-time.After(5 * time.Millisecond):
		}
		n.append(id, 0, "more")
		want = append(want, "more")
	}
	resp, err := call.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, values(t, onlyResult(resp.(*wire.FetchResponse)).Batches, 0))
}

// After max_wait_ms what there is is answered, however little; the broker's own bound holds for any request.
func TestLongPollEnds(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.FetchWait = 60 * time.Millisecond })
	id := n.create("orders", 1)
	req := fetchFrom(id, 0, 0)
	req.MaxWaitMs = 1 << 30
	start := time.Now()
	require.Empty(t, do[*wire.FetchResponse](n, req).Topics)
	require.GreaterOrEqual(t, time.Since(start), 60*time.Millisecond)

	n.append(id, 0, "little")
	req.MinBytes, req.MaxWaitMs = 1<<20, 20
	r := onlyResult(do[*wire.FetchResponse](n, req))
	require.Equal(t, []string{"little"}, values(t, r.Batches, 0))
}

// What ends a wait early: the deletion of the topic, the broker's shutdown. Records that are deleted under the offset
// are told at its end.
func TestLongPollIsWoken(t *testing.T) {
	n := startNode(t)
	wait := func(id uint64, offset int64, ms int32) *wire.Call {
		req := fetchFrom(id, 0, offset)
		req.MaxWaitMs, req.MinBytes = ms, 1<<20
		call, err := n.dial().Start(req)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return n.watchers() > 0 }, 5*time.Second, time.Millisecond)
		return call
	}
	id := n.create("deleted", 1)
	call := wait(id, 0, 25_000)
	do[*wire.DeleteTopicsResponse](n, &wire.DeleteTopicsRequest{Names: []string{"deleted"}})
	resp, err := call.Wait(t.Context())
	require.NoError(t, err)
	requireCode(t, wire.CodeUnknownTopicID, onlyResult(resp.(*wire.FetchResponse)).Error)

	id = n.create("cut", 1)
	n.append(id, 0, "a", "b")
	call = wait(id, 1, 3000)
	do[*wire.DeleteRecordsResponse](n, deleteBefore(id, 0, wire.AtEnd))
	resp, err = call.Wait(t.Context())
	require.NoError(t, err)
	requireCode(t, wire.CodeOffsetOutOfRange, onlyResult(resp.(*wire.FetchResponse)).Error)

	id = n.create("stopped", 1)
	call = wait(id, 0, 25_000)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, n.Shutdown(ctx))
	resp, err = call.Wait(t.Context())
	require.NoError(t, err, "what was started is answered")
	require.Empty(t, resp.(*wire.FetchResponse).Topics)
}

// watchers is the number of fetches that wait.
func (b *Broker) watchers() int64 { return b.polling.Load() }

// I-6: answers share one budget; who finds it empty waits, and is answered with nothing when its time is over.
func TestFetchMemoryI6(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 2)
	n.append(id, 0, "a")
	n.append(id, 1, "b")
	require.True(t, n.answers.try(n.answers.total))
	waiting := fetchFrom(id, 0, 0)
	waiting.MaxWaitMs = 20_000
	call, err := n.dial().Start(waiting)
	require.NoError(t, err)
	select {
	case <-call.Done():
		t.Fatal("answered without memory")
	case <-time.After(20 * time.Millisecond):
	}
	n.answers.release(n.answers.total)
	resp, err := call.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, values(t, onlyResult(resp.(*wire.FetchResponse)).Batches, 0))
	n.answersGivenBack()
	require.True(t, n.answers.try(n.answers.total))
	req := fetchFrom(id, 0, 0)
	req.MaxWaitMs = 20_000
	req.Topics[0].Partitions[0].MaxBytes = 100
	n.answers.release(150) // room for one partition
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, wire.FetchPartition{Index: 1, MaxBytes: 100})
	require.Len(t, do[*wire.FetchResponse](n, req).Topics[0].Partitions, 1, "less, and at once")
	n.answers.release(n.answers.total - 150)
	n.answersGivenBack()
}

// Huge limits of a client are cut to the broker's.
func TestFetchBytesAreCapped(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.FetchBytes = 1 << 20 })
	id := n.create("orders", 1)
	big := strings.Repeat("x", 400<<10)
	for range 5 {
		n.append(id, 0, big)
	}
	req := fetchFrom(id, 0, 0)
	req.MaxBytes, req.Topics[0].Partitions[0].MaxBytes = 1<<31-1, 1<<31-1
	r := onlyResult(do[*wire.FetchResponse](n, req))
	require.LessOrEqual(t, len(r.Batches), 1<<20)
	require.Len(t, values(t, r.Batches, 0), 2)
}

func TestListOffsets(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 2)
	base := time.Now().Add(-time.Hour).UnixMilli()
	for i := range int64(10) {
		r := n.produce(id, 0, batchOf(t, record.None, func(b *record.Builder) {
			b.Append(record.Record{Timestamp: base + 1000*i, Value: []byte("x")})
		}))
		require.Nil(t, r.Error)
	}
	ask := func(p int32, at int64) wire.ListOffsetsResult {
		return do[*wire.ListOffsetsResponse](n, &wire.ListOffsetsRequest{Topics: []wire.ListOffsetsTopic{
			{ID: id, Partitions: []wire.ListOffsetsPartition{{Index: p, At: at}}},
		}}).Topics[0].Partitions[0]
	}
	require.EqualValues(t, 10, ask(0, wire.AtEnd).Offset)
	require.EqualValues(t, 0, ask(0, wire.AtStart).Offset)
	found := ask(0, base+3500)
	require.EqualValues(t, 4, found.Offset)
	require.EqualValues(t, base+4000, found.TimestampMs)
	require.EqualValues(t, 0, ask(0, 0).Offset)
	require.EqualValues(t, -1, ask(0, base+1_000_000).Offset)
	require.EqualValues(t, 0, ask(1, wire.AtEnd).Offset)
	require.EqualValues(t, -1, ask(1, 0).Offset)
	requireCode(t, wire.CodeUnknownPartition, ask(9, wire.AtEnd).Error)
}

func deleteBefore(id uint64, partition int32, before int64) *wire.DeleteRecordsRequest {
	return &wire.DeleteRecordsRequest{Topics: []wire.DeleteRecordsTopic{
		{ID: id, Partitions: []wire.DeleteRecordsPartition{{Index: partition, Before: before}}},
	}}
}

func TestDeleteRecords(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	for range 5 {
		n.append(id, 0, "a", "b")
	}
	cut := func(before int64) wire.DeleteRecordsResult {
		return do[*wire.DeleteRecordsResponse](n, deleteBefore(id, 0, before)).Topics[0].Partitions[0]
	}
	require.EqualValues(t, 3, cut(3).Start, "inside a batch")
	require.Equal(t, []string{"b", "a", "b", "a", "b", "a", "b"}, n.read(id, 0, 3))
	requireCode(t, wire.CodeOffsetOutOfRange, n.fetch(id, 0, 2).Error)
	require.EqualValues(t, 3, cut(1).Start, "below the start: nothing changes")
	requireCode(t, wire.CodeOffsetOutOfRange, cut(11).Error)
	require.EqualValues(t, 10, cut(wire.AtEnd).Start)
	require.EqualValues(t, 10, n.append(id, 0, "c"), "offsets go on")
	r := do[*wire.DeleteRecordsResponse](n, deleteBefore(id+7, 0, 1))
	requireCode(t, wire.CodeUnknownTopicID, r.Topics[0].Partitions[0].Error)
}
