package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/record"
)

func TestSendAndPoll(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 3)
	ctx := testContext(t)
	p := newProducer(t, c, client.ProducerOptions{Partitioner: client.Manual})
	headers := []client.Header{{Key: "h", Value: []byte("v")}, {Key: "nil", Value: nil}}
	for i := range 10 {
		r := client.Record{Topic: "demo", Partition: int32(i % 3), Value: []byte(fmt.Sprint(i)), Headers: headers}
		got, err := p.Send(ctx, r)
		require.NoError(t, err)
		require.Equal(t, int64(i/3), got.Offset)
		require.Equal(t, int32(i%3), got.Partition)
		require.WithinDuration(t, time.Now(), got.Timestamp, time.Minute)
	}
	read := readAll(t, c, "demo")
	require.Equal(t, []string{"0", "3", "6", "9"}, values(read[0]))
	require.Equal(t, []string{"1", "4", "7"}, values(read[1]))
	require.Equal(t, []string{"2", "5", "8"}, values(read[2]))
	require.Equal(t, headers, read[2][0].Headers)
	require.Nil(t, read[0][0].Key)
}

// Promises come in the order of the records of their partition, whatever batches and requests they went in.
func TestPromisesInOrder(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 4)
	ctx := testContext(t)
	p := newProducer(t, c, client.ProducerOptions{Partitioner: client.RoundRobin, BatchBytes: 500,
		MaxRequestBytes: 2000})
	const n = 4000
	next := map[int32]int64{}
	told := 0
	for i := range n {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(fmt.Sprint(i))}, func(r client.Record, err error) {
			require.NoError(t, err)
			require.Equal(t, next[r.Partition], r.Offset)
			next[r.Partition]++
			told++
		})
	}
	require.NoError(t, p.Flush(ctx))
	require.Equal(t, n, told)
	for i, records := range readAll(t, c, "demo") {
		require.Len(t, records, n/4)
		for j, r := range records {
			require.Equal(t, fmt.Sprint(j*4+int(i)), string(r.Value))
		}
	}
}

func TestCompression(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	ctx := testContext(t)
	for _, codec := range []record.Codec{record.None, record.Gzip, record.Snappy, record.LZ4, record.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			topic := "codec-" + codec.String()
			create(t, c, topic, 2)
			p := newProducer(t, c, client.ProducerOptions{Compression: codec, Linger: time.Hour, BatchBytes: 20000})
			want := map[int32][]string{}
			for i := range 3000 {
				r := client.Record{Topic: topic, Key: []byte{byte(i)},
					Value: []byte(strings.Repeat(fmt.Sprint(i, " "), 10))}
				p.SendAsync(ctx, r, func(r client.Record, err error) {
					require.NoError(t, err)
					want[r.Partition] = append(want[r.Partition], string(r.Value))
				})
			}
			require.NoError(t, p.Flush(ctx))
			for i, records := range readAll(t, c, topic) {
				require.Equal(t, want[i], values(records))
			}
			require.Len(t, want, 2)
		})
	}
}

// E101: every address and its reason.
func TestConnectNamesEveryAddress(t *testing.T) {
	one, two := deadAddress(t), deadAddress(t)
	_, err := client.Connect(testContext(t), []string{one, two}, client.Options{})
	require.ErrorIs(t, err, client.ErrUnreachable)
	require.ErrorContains(t, err,
		"cannot reach any broker: "+one+": connection refused; "+two+": connection refused [E101]")
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.True(t, e.Retriable())
	require.Equal(t, client.OutcomeFailed, e.Outcome)
}

func TestConnectTakesTheFirstThatAnswers(t *testing.T) {
	s := startServer(t, nil)
	c, err := client.Connect(testContext(t), []string{deadAddress(t), s.address()}, client.Options{})
	require.NoError(t, err)
	require.Equal(t, s.address(), c.Address())
	require.NoError(t, c.Close(testContext(t)))
	require.NoError(t, c.Close(testContext(t)))
	_, err = client.NewProducer(c, client.ProducerOptions{})
	require.ErrorIs(t, err, client.ErrClosed)
	_, err = client.NewConsumer(c, client.ConsumerOptions{})
	require.ErrorIs(t, err, client.ErrClosed)
	_, err = client.NewAdmin(c).ListTopics(testContext(t))
	require.ErrorIs(t, err, client.ErrClosed)
}

// E104: a broker that advertises an address where nobody answers as it.
func TestAdvertisedAddressIsDead(t *testing.T) {
	dead := deadAddress(t)
	s := startServer(t, advertising(dead))
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 1)
	p := newProducer(t, c, client.ProducerOptions{DeliveryTimeout: 200 * time.Millisecond})
	_, err := p.Send(testContext(t), client.Record{Topic: "demo"})
	require.ErrorIs(t, err, client.ErrTimedOut)
	require.ErrorIs(t, err, client.ErrUnreachable)
	require.ErrorContains(t, err, "advertises "+dead)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, client.OutcomeFailed, e.Outcome)
	require.ErrorAs(t, errors.Unwrap(e), &e)
	require.Equal(t, client.CodeAdvertised, e.Code)
}

func TestOptionsReportEveryFault(t *testing.T) {
	_, err := client.Connect(t.Context(), nil, client.Options{DialTimeout: -1, RetryMin: time.Second,
		RetryMax: time.Millisecond})
	require.ErrorContains(t, err, "DialTimeout")
	require.ErrorContains(t, err, "RetryMax")
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	_, err = client.NewProducer(c, client.ProducerOptions{MaxInFlight: 6, Linger: -1, Acks: 7})
	require.ErrorContains(t, err, "MaxInFlight: 6")
	require.ErrorContains(t, err, "Linger")
	require.ErrorContains(t, err, "Acks")
	_, err = client.NewConsumer(c, client.ConsumerOptions{MinBytes: 10, MaxBytes: 5, MaxWait: -1})
	require.ErrorContains(t, err, "MinBytes: 10")
	require.ErrorContains(t, err, "MaxWait")
}

func TestHooks(t *testing.T) {
	s := startServer(t, nil)
	var connects, ends, requests, produced, fetched atomic.Int64
	c, err := client.Connect(testContext(t), []string{s.address()}, client.Options{Hooks: client.Hooks{
		OnConnect: func(_ string, _ time.Duration, err error) {
			require.NoError(t, err)
			connects.Add(1)
		},
		OnDisconnect:   func(string, error) { ends.Add(1) },
		OnRequest:      func(client.API, time.Duration, error) { requests.Add(1) },
		OnProduceBatch: func(_ string, _ int32, records, _ int) { produced.Add(int64(records)) },
		OnFetchBatch:   func(_ string, _ int32, records, _ int) { fetched.Add(int64(records)) },
	}})
	require.NoError(t, err)
	create(t, c, "demo", 1)
	p := newProducer(t, c, client.ProducerOptions{})
	_, err = p.Send(testContext(t), client.Record{Topic: "demo", Value: []byte("x")})
	require.NoError(t, err)
	require.Len(t, readAll(t, c, "demo")[0], 1)
	require.NoError(t, c.Close(testContext(t)))
	require.EqualValues(t, 1, produced.Load())
	require.EqualValues(t, 1, fetched.Load())
	require.EqualValues(t, 3, connects.Load()) // metadata, produce, fetch
	require.Equal(t, connects.Load(), ends.Load())
	require.GreaterOrEqual(t, requests.Load(), int64(6))
}

func TestUnknownTopic(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), client.Options{})
	ctx := testContext(t)
	p := newProducer(t, c, client.ProducerOptions{})
	_, err := p.Send(ctx, client.Record{Topic: "oders"})
	require.ErrorIs(t, err, client.ErrUnknownTopic)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, client.OutcomeFailed, e.Outcome)
	require.False(t, e.Retriable())
	r := newConsumer(t, c, client.ConsumerOptions{})
	require.ErrorIs(t, r.Assign(ctx, "oders", client.AtStart()), client.ErrUnknownTopic)
	create(t, c, "oders", 1) // and now it is there
	_, err = p.Send(ctx, client.Record{Topic: "oders"})
	require.NoError(t, err)
	require.ErrorIs(t, r.Assign(ctx, "oders", client.AtStart(), 1), client.ErrUnknownPartition)
	_, err = p.Send(context.Background(), client.Record{})
	require.ErrorContains(t, err, "names no topic")
}
