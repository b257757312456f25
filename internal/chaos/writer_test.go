//go:build linux

package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// beside is the scene of another topic, which nobody but its own writers writes to.
func (c *scene) beside(topic string) *scene {
	other := *c
	other.topic = topic
	return &other
}

// written is what became of one record of a writer.
type written struct {
	value string
	begun time.Time
	err   error // nil: it is acknowledged
}

// definite tells whether the record will never appear.
func (w *written) definite() bool {
	e := wire.AsError(w.err)
	return e != nil && (e.Code == wire.CodeNotLeader || e.Code == wire.CodeNotEnoughReplicas)
}

// writer is a client that knows one broker, and writes to it whether or not it leads: one record after the other to
// partition 0, for all in sync. Each is written once.
type writer struct {
	c      *scene
	to     *Broker
	id     uint64
	name   string
	stopIt context.CancelFunc
	over   sync.WaitGroup

	mu   sync.Mutex
	list []written
}

// startWriter has a writer begin. Names of writers are the beginnings of what they write.
func (c *scene) startWriter(to *Broker, name string) *writer {
	c.t.Helper()
	ctx, stop := context.WithCancel(c.ctx)
	w := &writer{c: c, to: to, id: c.topicID(to, c.topic), name: name, stopIt: stop}
	w.over.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			one := written{value: fmt.Sprintf("%s %d", name, i), begun: time.Now()}
			one.err = w.write(ctx, one.value)
			w.mu.Lock()
			w.list = append(w.list, one)
			w.mu.Unlock()
			time.Sleep(5 * time.Millisecond)
		}
	})
	c.t.Cleanup(w.stop)
	return w
}

// write writes one record, and gives what the broker says; an error that is not the broker's says nothing.
func (w *writer) write(ctx context.Context, value string) error {
	builder := record.NewBuilder(record.None)
	builder.Append(record.Record{Timestamp: time.Now().UnixMilli(), Value: []byte(value)})
	batch, err := builder.Seal(nil)
	if err != nil {
		return err
	}
	r, err := ask[*wire.ProduceResponse](ctx, w.to, &wire.ProduceRequest{
		Acks: wire.AcksAll, TimeoutMs: 300,
		Topics: []wire.ProduceTopic{{ID: w.id, Partitions: []wire.ProducePartition{{Batch: batch}}}},
	})
	if err != nil {
		return err
	}
	if e := r.Topics[0].Partitions[0].Error; e != nil {
		return e
	}
	return nil
}

// stop ends the writer. More than once is fine.
func (w *writer) stop() {
	w.stopIt()
	w.over.Wait()
}

// sent are the records so far.
func (w *writer) sent() []written {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]written(nil), w.list...)
}

// awaitRefused waits until the broker says that it does not lead.
func (w *writer) awaitRefused() {
	w.c.t.Helper()
	w.c.await("the broker refuses what it cannot commit", func(context.Context) error {
		list := w.sent()
		if n := len(list); n == 0 || wire.AsError(list[n-1].err) == nil ||
			wire.AsError(list[n-1].err).Code != wire.CodeNotLeader {
			return fmt.Errorf("it does not, after %d records", n)
		}
		return nil
	})
}

// send writes records as a client does that was told of these brokers, and waits until they are acknowledged.
func (c *scene) send(name string, n int, to ...*Broker) (values []string) {
	c.t.Helper()
	var servers []string
	for _, b := range to {
		servers = append(servers, b.Advertised())
	}
	p, err := client.NewProducer(c.connect(servers...), client.ProducerOptions{})
	require.NoError(c.t, err)
	for i := range n {
		values = append(values, fmt.Sprintf("%s %d", name, i))
		_, err := p.Send(c.ctx, client.Record{Topic: c.topic, Value: []byte(values[i])})
		require.NoError(c.t, err)
	}
	require.NoError(c.t, p.Close(c.ctx))
	return values
}
