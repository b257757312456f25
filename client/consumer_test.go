package client_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// filled makes topic "demo" with one partition that holds "0" to "n-1", one batch each ten.
func filled(t testing.TB, n int, o client.Options) (*server, *client.Client, *client.Producer) {
	t.Helper()
	s := startServer(t, nil)
	c := connect(t, s.address(), o)
	create(t, c, "demo", 1)
	p := newProducer(t, c, client.ProducerOptions{Partitioner: client.Manual, Linger: time.Hour})
	produce(t, p, 0, n)
	return s, c, p
}

// produce sends "from" to "to-1" to partition 0 of "demo".
func produce(t testing.TB, p *client.Producer, from, to int) {
	t.Helper()
	ctx := testContext(t)
	for i := from; i < to; i++ {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(fmt.Sprint(i)),
			Timestamp: time.UnixMilli(int64(1_000_000 + i))},
			func(_ client.Record, err error) { require.NoError(t, err) })
		if i%10 == 9 {
			require.NoError(t, p.Flush(ctx))
		}
	}
	require.NoError(t, p.Flush(ctx))
}

func TestStartPlaces(t *testing.T) {
	_, c, p := filled(t, 100, client.Options{})
	ctx := testContext(t)
	for _, tc := range []struct {
		start client.Start
		first string // the first record read; after the start, "100" is sent
	}{
		{client.AtStart(), "0"},
		{client.Start{}, "0"},
		{client.AtStart().Plus(3), "3"},
		{client.AtStart().Plus(-3), "0"},
		{client.At(47), "47"},
		{client.At(47).Plus(-4), "43"},
		{client.AtEnd().Plus(-3), "97"},
		{client.AtEnd().Plus(-1000), "0"},
		{client.AtTime(time.UnixMilli(1_000_055)), "55"},
		{client.AtTime(time.UnixMilli(1_000_055)).Plus(2), "57"},
		{client.AtTime(time.Unix(0, 0)), "0"},
	} {
		r := newConsumer(t, c, client.ConsumerOptions{})
		require.NoError(t, r.Assign(ctx, "demo", tc.start, 0), tc.start)
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		require.Equal(t, tc.first, string(records[0].Value), tc.start.String())
		require.NoError(t, r.Close(ctx))
	}
	n := 100
	for _, start := range []client.Start{client.AtEnd(), client.AtEnd().Plus(5),
		client.AtTime(time.UnixMilli(1_900_000_000_000))} {
		r := newConsumer(t, c, client.ConsumerOptions{})
		require.NoError(t, r.Assign(ctx, "demo", start, 0))
		produce(t, p, n, n+1)
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{fmt.Sprint(n)}, values(records), start.String())
		require.NoError(t, r.Close(ctx))
		n++
	}
	require.Equal(t, "time 1970-01-01T00:00:01Z-3", client.AtTime(time.UnixMilli(1000)).Plus(-3).String())
}

func TestPollBoundsRecords(t *testing.T) {
	_, c, _ := filled(t, 95, client.Options{})
	ctx := testContext(t)
	r := newConsumer(t, c, client.ConsumerOptions{MaxPollRecords: 7, PartitionMaxBytes: 1, MaxBytes: 100, MinBytes: 1})
	require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
	var got []string
	for len(got) < 95 {
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(records), 7)
		got = append(got, values(records)...)
		at, err := r.Position("demo", 0)
		require.NoError(t, err)
		require.Equal(t, records[len(records)-1].Offset+1, at)
	}
	require.Equal(t, numbered(95), got)
	state := r.State()
	require.Len(t, state, 1)
	require.Equal(t, int64(95), state[0].End)
	require.Equal(t, int64(0), state[0].Start)
}

// A break in the loop loses nothing, and a Seek in it takes effect at once.
func TestRecordsBreakAndSeek(t *testing.T) {
	_, c, _ := filled(t, 100, client.Options{})
	ctx := testContext(t)
	r := newConsumer(t, c, client.ConsumerOptions{})
	require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
	next := int64(0)
	for range 9 {
		for rec, err := range r.Records(ctx) {
			require.NoError(t, err)
			require.Equal(t, next, rec.Offset)
			next++
			at, err := r.Position("demo", 0)
			require.NoError(t, err)
			require.Equal(t, next, at)
			if next%11 == 0 {
				break
			}
		}
	}
	require.NoError(t, r.Seek(ctx, "demo", 0, client.At(10)))
	var got []int64
	for rec, err := range r.Records(ctx) {
		require.NoError(t, err)
		got = append(got, rec.Offset)
		if rec.Offset == 12 {
			require.NoError(t, r.Seek(ctx, "demo", 0, client.AtEnd().Plus(-2)))
		}
		if rec.Offset == 99 {
			break
		}
	}
	require.Equal(t, []int64{10, 11, 12, 98, 99}, got)
	require.ErrorIs(t, r.Seek(ctx, "demo", 1, client.AtStart()), client.ErrNotAssigned)
}

func TestPauseAndResume(t *testing.T) {
	_, c, p := filled(t, 50, client.Options{})
	create(t, c, "other", 1)
	ctx := testContext(t)
	r := newConsumer(t, c, client.ConsumerOptions{MaxPollRecords: 10, MaxWait: 20 * time.Millisecond})
	require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
	require.NoError(t, r.Assign(ctx, "other", client.AtStart()))
	records, err := r.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, numbered(10), values(records))
	r.Pause("demo")
	q := newProducer(t, c, client.ProducerOptions{})
	_, err = q.Send(ctx, client.Record{Topic: "other", Value: []byte("x")})
	require.NoError(t, err)
	records, err = r.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, values(records)) // and none of demo, though 40 are there
	require.True(t, r.State()[0].Paused)
	r.Resume("demo", 0)
	got := numbered(10)
	for len(got) < 50 {
		records, err = r.Poll(ctx)
		require.NoError(t, err)
		got = append(got, values(records)...)
	}
	require.Equal(t, numbered(50), got)
	r.Unassign("demo")
	produce(t, p, 50, 60)
	_, err = q.Send(ctx, client.Record{Topic: "other", Value: []byte("y")})
	require.NoError(t, err)
	records, err = r.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"y"}, values(records))
	_, err = r.Position("demo", 0)
	require.ErrorIs(t, err, client.ErrNotAssigned)
}

// H18: what happens to a position outside the log, by policy. A skip is told.
func TestH18OutOfRange(t *testing.T) {
	skips := atomic.Int64{}
	hooks := client.Hooks{OnSkip: func(topic string, partition int32, from, to int64) { skips.Add(1) }}
	_, c, _ := filled(t, 100, client.Options{Hooks: hooks})
	ctx := testContext(t)
	deleted, err := client.NewAdmin(c).DeleteRecords(ctx, "demo", map[int32]int64{0: 40})
	require.NoError(t, err)
	require.Nil(t, deleted[0].Error)
	for _, tc := range []struct {
		policy client.OutOfRange
		at     int64
		first  int64 // -1: the end
	}{
		{client.OutOfRangeStart, 10, 40}, {client.OutOfRangeStart, 500, 40},
		{client.OutOfRangeNearest, 10, 40}, {client.OutOfRangeNearest, 500, -1},
		{client.OutOfRangeEnd, 10, -1}, {client.OutOfRangeEnd, 500, -1},
	} {
		before := skips.Load()
		r := newConsumer(t, c, client.ConsumerOptions{OutOfRange: tc.policy, MaxWait: 10 * time.Millisecond})
		require.NoError(t, r.Assign(ctx, "demo", client.At(tc.at), 0))
		if tc.first >= 0 {
			records, err := r.Poll(ctx)
			require.NoError(t, err)
			require.Equal(t, tc.first, records[0].Offset)
		} else {
			waiting, cancel := context.WithCancel(ctx)
			go func() {
				for skips.Load() == before && waiting.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			_, err := r.Poll(waiting)
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, int64(100), r.State()[0].Position)
		}
		require.Equal(t, before+1, skips.Load())
		require.NoError(t, r.Close(ctx))
	}
	r := newConsumer(t, c, client.ConsumerOptions{})
	for _, at := range []int64{10, 39, 101} {
		require.NoError(t, r.Assign(ctx, "demo", client.At(at), 0))
		_, err := r.Poll(ctx)
		var e *client.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, client.ErrOffsetOutOfRange)
		require.Equal(t, []int64{40, 100}, []int64{e.Start, e.End})
		require.Equal(t, "demo", e.Topic)
		require.True(t, r.State()[0].Stopped)
		require.NoError(t, r.Seek(ctx, "demo", 0, client.At(99)))
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"99"}, values(records))
	}
}

// Records that are deleted while the position is before them are out of range, not silently passed.
func TestRecordsDeletedUnderConsumer(t *testing.T) {
	_, c, p := filled(t, 10, client.Options{})
	ctx := testContext(t)
	r := newConsumer(t, c, client.ConsumerOptions{MaxWait: 10 * time.Millisecond})
	require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
	records, err := r.Poll(ctx)
	require.NoError(t, err)
	require.Len(t, records, 10)
	r.Pause("demo")
	produce(t, p, 10, 50)
	_, err = client.NewAdmin(c).DeleteRecords(ctx, "demo", map[int32]int64{0: 30})
	require.NoError(t, err)
	r.Resume("demo")
	for err == nil && len(records) < 50 {
		var more []client.Record
		more, err = r.Poll(ctx)
		records = append(records, more...)
	}
	if err != nil { // else they were fetched before they were deleted
		require.ErrorIs(t, err, client.ErrOffsetOutOfRange)
	}
	require.Equal(t, numbered(len(records)), values(records))
}

func TestFollowsAddedPartitions(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{MetadataMaxAge: 20 * time.Millisecond})
	create(t, c, "demo", 1)
	ctx := testContext(t)
	follows := newConsumer(t, c, client.ConsumerOptions{})
	ignores := newConsumer(t, c, client.ConsumerOptions{AddedPartitions: client.IgnoreAdded})
	require.NoError(t, follows.Assign(ctx, "demo", client.AtEnd()))
	require.NoError(t, ignores.Assign(ctx, "demo", client.AtEnd()))
	p := newProducer(t, c, client.ProducerOptions{Partitioner: client.Manual})
	_, err := p.Send(ctx, client.Record{Topic: "demo", Partition: 2})
	require.ErrorIs(t, err, client.ErrUnknownPartition)
	added, err := client.NewAdmin(c).AddPartitions(ctx, []wire.PartitionCount{{Name: "demo", Total: 3}}, client.Apply)
	require.NoError(t, err)
	require.Nil(t, added[0].Error)
	for err = client.ErrUnknownPartition; err != nil; { // until the producer has heard of it
		_, err = p.Send(ctx, client.Record{Topic: "demo", Partition: 2, Value: []byte("added")})
	}
	records, err := follows.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"added"}, values(records))
	_, err = p.Send(ctx, client.Record{Topic: "demo", Partition: 0, Value: []byte("old")})
	require.NoError(t, err)
	records, err = ignores.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"old"}, values(records))
}

// G20: a topic that is deleted and created again. The consumer says so, or starts anew, by policy; the producer goes
// on in the new one.
func TestG20TopicCreatedAgain(t *testing.T) {
	_, c, p := filled(t, 10, client.Options{})
	ctx := testContext(t)
	fails := newConsumer(t, c, client.ConsumerOptions{MaxWait: 10 * time.Millisecond})
	starts := newConsumer(t, c, client.ConsumerOptions{MaxWait: 10 * time.Millisecond,
		OutOfRange: client.OutOfRangeStart})
	for _, r := range []*client.Consumer{fails, starts} {
		require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		require.Len(t, records, 10)
	}
	gone, err := client.NewAdmin(c).DeleteTopics(ctx, []string{"demo"}, client.Apply)
	require.NoError(t, err)
	require.Nil(t, gone[0].Error)
	create(t, c, "demo", 1)
	produce(t, p, 100, 110)
	_, err = fails.Poll(ctx)
	require.ErrorIs(t, err, client.ErrUnknownTopic)
	records, err := starts.Poll(ctx)
	for err != nil { // it may have been asked for while there was none
		require.ErrorIs(t, err, client.ErrUnknownTopic)
		require.NoError(t, starts.Assign(ctx, "demo", client.AtStart()))
		records, err = starts.Poll(ctx)
	}
	require.Equal(t, "100", string(records[0].Value))
	require.Equal(t, int64(0), records[0].Offset)
}

func TestTopicDeleted(t *testing.T) {
	_, c, p := filled(t, 10, client.Options{})
	ctx := testContext(t)
	r := newConsumer(t, c, client.ConsumerOptions{MaxWait: 10 * time.Millisecond})
	require.NoError(t, r.Assign(ctx, "demo", client.AtEnd()))
	_, err := client.NewAdmin(c).DeleteTopics(ctx, []string{"demo"}, client.Apply)
	require.NoError(t, err)
	_, err = r.Poll(ctx)
	require.ErrorIs(t, err, client.ErrUnknownTopic)
	p.SendAsync(ctx, client.Record{Topic: "demo"}, func(_ client.Record, e error) { err = e })
	require.NoError(t, p.Flush(ctx))
	require.ErrorIs(t, err, client.ErrUnknownTopic)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, client.OutcomeFailed, e.Outcome)
}

// What is fetched ahead is bounded, and all is read all the same.
func TestPrefetchIsBounded(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 10)
	ctx := testContext(t)
	p := newProducer(t, c, client.ProducerOptions{Partitioner: client.RoundRobin, BatchBytes: 2000})
	for range 2000 {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(strings.Repeat("x", 300))}, nil)
	}
	require.NoError(t, p.Flush(ctx))
	r := newConsumer(t, c, client.ConsumerOptions{MaxBufferedBytes: 5000, PartitionMaxBytes: 3000, MaxBytes: 4000,
		MaxPollRecords: 3})
	require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
	next := map[int32]int64{}
	for total := 0; total < 2000; {
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		for _, rec := range records {
			require.Equal(t, next[rec.Partition], rec.Offset)
			next[rec.Partition]++
		}
		total += len(records)
	}
}

func TestCloseEndsPoll(t *testing.T) {
	_, c, _ := filled(t, 1, client.Options{})
	ctx := testContext(t)
	r := newConsumer(t, c, client.ConsumerOptions{})
	require.NoError(t, r.Assign(ctx, "demo", client.AtEnd()))
	done := make(chan error)
	go func() {
		_, err := r.Poll(ctx)
		done <- err
	}()
	require.NoError(t, r.Close(ctx))
	require.ErrorIs(t, <-done, client.ErrClosed)
	require.ErrorIs(t, r.Assign(ctx, "demo", client.AtEnd()), client.ErrClosed)
	for _, err := range r.Records(ctx) {
		require.ErrorIs(t, err, client.ErrClosed)
	}
	require.NoError(t, r.Close(ctx))
}

// A broker that goes and comes back under produce and consume load: nothing is lost, nothing comes twice.
func TestBrokerRestarts(t *testing.T) {
	s := startServer(t, func(c *broker.Config) { c.Storage.MemTableBytes = 1 << 20 })
	c := connect(t, s.address(), client.Options{RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond})
	create(t, c, "demo", 4)
	ctx := testContext(t)
	r := newConsumer(t, c, client.ConsumerOptions{MaxWait: 50 * time.Millisecond})
	require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
	p := newProducer(t, c, client.ProducerOptions{Partitioner: client.RoundRobin, BatchBytes: 1000,
		MaxBufferedBytes: 100_000})
	const n, restarts = 40_000, 3
	var acked atomic.Int64
	failed := make(chan error, n)
	go func() {
		for i := range n {
			p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(fmt.Sprint(i))},
				func(_ client.Record, err error) {
					if err != nil {
						failed <- err
					}
					acked.Add(1)
				})
		}
	}()
	next := map[int32]int{0: 0, 1: 1, 2: 2, 3: 3}
	for total, at := 0, n/(restarts+1); total < n; {
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		for _, rec := range records {
			require.Equal(t, fmt.Sprint(next[rec.Partition]), string(rec.Value))
			next[rec.Partition] += 4
		}
		if total += len(records); total >= at && total < n {
			at += n / (restarts + 1)
			s.stop()
			s.start()
		}
	}
	require.NoError(t, p.Flush(ctx))
	require.EqualValues(t, n, acked.Load())
	require.Empty(t, failed)
	for _, state := range r.State() {
		require.Equal(t, int64(n/4), state.Position)
	}
	ends, err := client.NewAdmin(c).ListOffsets(ctx, "demo", client.OffsetEnd)
	require.NoError(t, err)
	for _, end := range ends {
		require.Equal(t, int64(n/4), end.Offset) // and no second copy behind what was read
	}
}

// A Seek does not wait for the end of the fetch that is under way.
func TestSeekEndsLongPoll(t *testing.T) {
	x, _, c := throughProxy(t, client.Options{RequestTimeout: patience})
	create(t, c, "demo", 1)
	ctx := testContext(t)
	_, err := newProducer(t, c, client.ProducerOptions{}).Send(ctx, client.Record{Topic: "demo", Value: []byte("x")})
	require.NoError(t, err)
	r := newConsumer(t, c, client.ConsumerOptions{MaxWait: 2 * patience})
	require.NoError(t, r.Assign(ctx, "demo", client.AtEnd()))
	fetching := make(chan struct{})
	x.rule(func(api client.API, n int) action {
		if api == wire.APIFetch && n == 1 {
			close(fetching)
		}
		return pass
	})
	go func() {
		<-fetching
		require.NoError(t, r.Seek(ctx, "demo", 0, client.AtStart()))
	}()
	records, err := r.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, values(records))
}
