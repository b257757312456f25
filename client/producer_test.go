package client_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// With a buffer that is full, Send waits for room, and no longer than its context.
func TestBufferIsFull(t *testing.T) {
	x, _, c := throughProxy(t, client.Options{})
	create(t, c, "demo", 1)
	p := newProducer(t, c, client.ProducerOptions{BatchBytes: 1, MaxBufferedBytes: 10_000})
	warm(t, p)
	blocked := make(chan struct{})
	x.rule(func(api client.API, n int) action {
		if api == wire.APIProduce && n == 1 {
			close(blocked)
			return swallow
		}
		return pass
	})
	l := newLedger()
	value := strings.Repeat("x", 900)
	ctx := testContext(t)
	accepted := 0
	for full := false; !full; {
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		p.SendAsync(short, client.Record{Topic: "demo", Value: []byte(value + fmt.Sprint(accepted))},
			func(r client.Record, err error) {
				if err != nil {
					require.ErrorIs(t, err, client.ErrTimedOut)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, client.OutcomeFailed, err.(*client.Error).Outcome)
					require.ErrorContains(t, err, "buffer")
					full = true
					return
				}
				l.promise(r, err)
			})
		cancel()
		if !full {
			accepted++
		}
	}
	<-blocked
	require.InDelta(t, 9, accepted, 1)
	x.rule(nil)
	x.cutAll()
	_, err := p.Send(ctx, client.Record{Topic: "demo", Value: []byte(value)}) // waits, and gets its turn
	require.NoError(t, err)
	require.NoError(t, p.Flush(ctx))
	require.Len(t, l.acked, accepted)
	require.Len(t, readAll(t, c, "demo")[0], accepted+2)
	_, err = p.Send(ctx, client.Record{Topic: "demo", Value: make([]byte, 10_000)})
	require.ErrorIs(t, err, client.ErrRecordTooLarge)
}

// A full buffer cuts the linger short: nobody waits for records that cannot come.
func TestFullBufferEndsLinger(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 10)
	p := newProducer(t, c, client.ProducerOptions{Linger: time.Hour, MaxBufferedBytes: 10_000,
		Partitioner: client.RoundRobin})
	ctx := testContext(t)
	for range 200 {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: make([]byte, 500)},
			func(_ client.Record, err error) { require.NoError(t, err) })
	}
	require.NoError(t, p.Flush(ctx))
}

// Linger gathers records, and its end sends them.
func TestLinger(t *testing.T) {
	s := startServer(t, nil)
	batches := atomic.Int64{}
	c := connect(t, s.address(), client.Options{Hooks: client.Hooks{
		OnProduceBatch: func(string, int32, int, int) { batches.Add(1) },
	}})
	create(t, c, "demo", 1)
	p := newProducer(t, c, client.ProducerOptions{Linger: 300 * time.Millisecond})
	var all sync.WaitGroup
	begun := time.Now()
	for range 100 {
		all.Add(1)
		p.SendAsync(testContext(t), client.Record{Topic: "demo"}, func(_ client.Record, err error) {
			require.NoError(t, err)
			all.Done()
		})
	}
	all.Wait()
	require.GreaterOrEqual(t, time.Since(begun), 300*time.Millisecond)
	require.NoError(t, p.Close(testContext(t)))
	require.EqualValues(t, 1, batches.Load())
}

// Close flushes what it took and refuses the rest; nobody's promise is forgotten.
func TestCloseFlushes(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 3)
	ctx := testContext(t)
	p := newProducer(t, c, client.ProducerOptions{Linger: time.Hour, Partitioner: client.RoundRobin})
	var acked, refused atomic.Int64
	var senders sync.WaitGroup
	started := make(chan struct{}, 4)
	for range 4 {
		senders.Go(func() {
			for i := range 20_000 {
				p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte("x")}, func(_ client.Record, err error) {
					if err == nil {
						acked.Add(1)
						return
					}
					require.ErrorIs(t, err, client.ErrClosed)
					require.Equal(t, client.OutcomeFailed, err.(*client.Error).Outcome)
					refused.Add(1)
				})
				if i == 1000 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-started
	}
	require.NoError(t, p.Close(ctx))
	senders.Wait()
	require.NoError(t, p.Close(ctx))
	require.EqualValues(t, 80_000, acked.Load()+refused.Load())
	n := 0
	for _, records := range readAll(t, c, "demo") {
		n += len(records)
	}
	require.EqualValues(t, acked.Load(), n)
	_, err := p.Send(ctx, client.Record{Topic: "demo"})
	require.ErrorIs(t, err, client.ErrClosed)
	_, err = p.Send(ctx, client.Record{Topic: "another"})
	require.ErrorIs(t, err, client.ErrClosed)
	require.ErrorIs(t, p.Flush(ctx), client.ErrClosed)
}

// Close gives up when its context ends: what is under way is unknown, what is not is failed.
func TestCloseGivesUp(t *testing.T) {
	x, _, c := throughProxy(t, client.Options{})
	create(t, c, "demo", 1)
	o := singles()
	o.MaxInFlight = 1
	p := newProducer(t, c, o)
	warm(t, p)
	x.rule(nth(wire.APIProduce, 1, swallow))
	l := newLedger()
	for i := range 3 {
		p.SendAsync(testContext(t), client.Record{Topic: "demo", Value: []byte(fmt.Sprint(i))}, l.promise)
	}
	ctx, cancel := context.WithTimeout(testContext(t), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.Close(ctx), context.DeadlineExceeded)
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Equal(t, numbered(3), l.order)
	for value, want := range map[string]client.Outcome{"0": client.OutcomeUnknown, "1": client.OutcomeFailed,
		"2": client.OutcomeFailed} {
		require.ErrorIs(t, l.fails[value], client.ErrClosed)
		require.Equal(t, want, l.fails[value].Outcome)
	}
}

// A batch that is too large for its topic is sent in parts; a record that is too large by itself fails, alone.
func TestBatchTooLargeForTopic(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 1, wire.Setting{Name: "max_batch_bytes", Value: "2KiB"})
	ctx := testContext(t)
	p := newProducer(t, c, client.ProducerOptions{Linger: time.Hour, BatchBytes: 20_000})
	l := newLedger()
	for i := range 300 {
		value := fmt.Sprint(i)
		if i == 100 {
			value += strings.Repeat("x", 3000)
		}
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(value + strings.Repeat(" ", 100))}, l.promise)
	}
	require.NoError(t, p.Flush(ctx))
	require.Len(t, l.fails, 1)
	for _, e := range l.fails {
		require.ErrorIs(t, e, client.ErrRecordTooLarge)
		require.Equal(t, client.OutcomeFailed, e.Outcome)
	}
	records := readAll(t, c, "demo")[0]
	require.Len(t, records, 299)
	for i, r := range records {
		if i >= 100 {
			i++
		}
		require.Equal(t, fmt.Sprint(i), strings.TrimSpace(string(r.Value)))
		require.Equal(t, l.acked[string(r.Value)], r.Offset)
	}
}

// Records that come before the broker is known to have the topic wait, in order, and go when it is created.
func TestCreateMissing(t *testing.T) {
	s := startServer(t, func(c *broker.Config) { c.Mode = broker.ModeDev })
	c := connect(t, s.address(), client.Options{})
	p := newProducer(t, c, client.ProducerOptions{Missing: client.CreateMissing})
	l := sendNumbers(t, p, 50)
	require.Empty(t, l.fails)
	require.Equal(t, numbered(50), values(readAll(t, c, "demo")[0]))
}

func TestAcks(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 1)
	ctx := testContext(t)
	for acks, offset := range map[client.Acks]bool{client.AcksAll: true, client.AcksLeader: true,
		client.AcksNone: false} {
		p := newProducer(t, c, client.ProducerOptions{Acks: acks})
		r, err := p.Send(ctx, client.Record{Topic: "demo", Value: []byte(acks.String())})
		require.NoError(t, err)
		require.Equal(t, offset, r.Offset >= 0, acks)
	}
	r := newConsumer(t, c, client.ConsumerOptions{})
	require.NoError(t, r.Assign(ctx, "demo", client.AtStart()))
	for n := 0; n < 3; {
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		n += len(records)
	}
}

// The broker's time is what comes back where the topic wants it.
func TestAppendTimeComesBack(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 1, wire.Setting{Name: "timestamps", Value: "append"})
	p := newProducer(t, c, client.ProducerOptions{})
	r, err := p.Send(testContext(t), client.Record{Topic: "demo", Timestamp: time.UnixMilli(1000)})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), r.Timestamp, time.Minute)
	require.Equal(t, r.Timestamp, readAll(t, c, "demo")[0][0].Timestamp)
	_, err = p.Send(testContext(t), client.Record{Topic: "demo", Timestamp: time.UnixMilli(-2)})
	require.ErrorContains(t, err, "timestamp")
}

// A promise may send: that needs no more room than its own record gave back.
func TestPromiseMaySend(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 1)
	ctx := testContext(t)
	p := newProducer(t, c, client.ProducerOptions{MaxBufferedBytes: 1000})
	done := make(chan struct{})
	n := 0
	var promise func(client.Record, error)
	promise = func(_ client.Record, err error) {
		require.NoError(t, err)
		if n++; n == 100 {
			close(done)
			return
		}
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: make([]byte, 500)}, promise)
	}
	p.SendAsync(ctx, client.Record{Topic: "demo"}, promise)
	<-done
	require.NoError(t, p.Flush(ctx))
}
