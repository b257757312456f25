package client

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/wire"
)

// turns is a producer of two partitions whose batches linger for long, and a sender that takes a turn only when told.
type turns struct {
	c      *Client
	p      *Producer
	parts  []*partition
	sender *sender
}

func startTurns(t *testing.T) *turns {
	ctx := t.Context()
	b, err := broker.Start(ctx, broker.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Shutdown(context.Background())) })
	c, err := Connect(ctx, []string{b.Addr().String()}, Options{})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what a failed test has left is not waited for
		_ = c.Close(ctx)
	})
	_, err = NewAdmin(c).CreateTopics(ctx, []wire.NewTopic{{Name: "demo", Partitions: 2}}, Apply)
	require.NoError(t, err)
	p, err := NewProducer(c, ProducerOptions{Linger: time.Hour, Partitioner: Manual, Idempotence: IdempotenceOff,
		BatchBytes: 1 << 10})
	require.NoError(t, err)
	w := &turns{c: c, p: p}
	demo, fault := p.topic("demo")
	require.Nil(t, fault)
	p.want(demo)
	require.Eventually(t, func() bool {
		parts := demo.parts.Load()
		if parts == nil {
			return false
		}
		w.parts = *parts
		w.parts[1].mu.Lock()
		defer w.parts[1].mu.Unlock()
		if s := w.parts[1].sender; s != nil {
			w.sender = newSender(p, s.broker)
		}
		return w.sender != nil
	}, time.Minute, time.Millisecond)
	t.Cleanup(func() {
		if w.sender.link != nil {
			w.sender.link.close(nil)
		}
	})
	return w
}

// put appends a record to a partition.
func (w *turns) put(t *testing.T, index int32, value []byte) chan error {
	outcome := make(chan error, 1)
	w.p.SendAsync(t.Context(), Record{Topic: "demo", Partition: index, Value: value},
		func(_ Record, err error) { outcome <- err })
	return outcome
}

// turn sends what the sender would, and takes the answers.
func (w *turns) turn(t *testing.T, requests int) {
	w.sender.fill()
	require.Len(t, w.sender.calls, requests)
	for len(w.sender.calls) > 0 {
		<-w.sender.calls[0].call.Done()
		w.sender.collect()
	}
}

// A sender that stopped in the middle of its turn, because enough was under way, has partitions left over. When nothing
// is to be sent of those any more, those listed since have their turn all the same: their wake-up is spent.
func TestSenderLooksBeyondTheLeftOvers(t *testing.T) {
	w := startTurns(t)
	outcome := w.put(t, 1, []byte("x"))
	w.sender.due = []listing{{w.parts[0], w.parts[0].term}}
	w.parts[1].lead(w.sender)
	<-w.sender.wake
	w.turn(t, 1)
	require.NoError(t, <-outcome)
}

// A leadership that goes away and comes back before the sender has its turn leaves a partition on its list twice. A
// request still takes one batch of it: a broker refuses one that names a partition twice.
func TestSenderTakesAPartitionOnce(t *testing.T) {
	w := startTurns(t)
	w.parts[1].lead(w.sender)
	first, second := w.put(t, 1, make([]byte, 900)), w.put(t, 1, make([]byte, 900))
	w.parts[1].lead(nil)
	w.parts[1].lead(w.sender)
	require.Len(t, w.sender.listed, 2)
	w.turn(t, 2)
	require.NoError(t, <-first)
	require.NoError(t, <-second)
}
