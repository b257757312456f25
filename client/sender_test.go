package client

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/wire"
)

// A sender that stopped in the middle of its turn, because enough was under way, has partitions left over. When nothing
// is to be sent of those any more, those listed since have their turn all the same: their wake-up is spent.
func TestSenderLooksBeyondTheLeftOvers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := broker.Start(ctx, broker.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Shutdown(context.Background())) }()
	c, err := Connect(ctx, []string{b.Addr().String()}, Options{})
	require.NoError(t, err)
	_, err = NewAdmin(c).CreateTopics(ctx, []wire.NewTopic{{Name: "demo", Partitions: 2}}, Apply)
	require.NoError(t, err)
	p, err := NewProducer(c, ProducerOptions{Linger: time.Hour, Partitioner: Manual, Idempotence: IdempotenceOff})
	require.NoError(t, err)
	outcome := make(chan error, 1)
	p.SendAsync(ctx, Record{Topic: "demo", Partition: 1, Value: []byte("x")}, func(_ Record, err error) { outcome <- err })
	demo, fault := p.topic("demo")
	require.Nil(t, fault)
	var empty, ready *partition
	leader := int32(-1)
	require.Eventually(t, func() bool {
		parts := demo.parts.Load()
		if parts == nil {
			return false
		}
		empty, ready = (*parts)[0], (*parts)[1]
		ready.mu.Lock()
		defer ready.mu.Unlock()
		if len(ready.batches) > 0 && ready.sender != nil {
			leader = ready.sender.broker
		}
		return leader >= 0
	}, time.Minute, time.Millisecond)
	s := newSender(p, leader)
	s.due = []*partition{empty}
	ready.lead(s)
	<-s.wake
	s.fill()
	require.Len(t, s.calls, 1)
	<-s.calls[0].call.Done()
	s.collect()
	require.NoError(t, <-outcome)
	s.link.close(nil)
	require.NoError(t, c.Close(ctx))
}
