package broker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/internal/faultfs"
	"github.com/skidway/skidway/wire"
)

// J1: what was started is answered and durable, what comes later is turned away, and a second call is no harm.
func TestShutdownDrainsJ1(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, func(c *Config) { c.DataDir = dir },
		onFaultFS(t, faultfs.Options{StallEvery: 1, Stall: 10 * time.Millisecond}))
	id := n.create("orders", 1)
	var calls []*wire.Call
	for range 20 {
		call, err := n.conn.Start(produceOne(id, 0, batch(t, "x")))
		require.NoError(t, err)
		calls = append(calls, call)
	}
	resp, err := calls[0].Wait(t.Context())
	require.NoError(t, err)
	require.Nil(t, resp.(*wire.ProduceResponse).Topics[0].Partitions[0].Error)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, n.Shutdown(ctx))
	require.NoError(t, n.Shutdown(ctx), "once more")
	require.NoError(t, n.Wait())
	acked := 0
	for _, call := range calls {
		resp, err := call.Wait(t.Context())
		if err != nil {
			continue // not started: the connection was closed
		}
		if e := resp.(*wire.ProduceResponse).Topics[0].Partitions[0].Error; e != nil {
			requireCode(t, wire.CodeShuttingDown, e)
			continue
		}
		acked++
	}
	_, err = wire.Dial(t.Context(), n.Addr().String(), wire.DialOptions{})
	require.Error(t, err)

	again := startNode(t, func(c *Config) { c.DataDir = dir })
	require.GreaterOrEqual(t, len(again.read(id, 0, 0)), acked)
	require.True(t, again.store.Identity().CleanStart)
}

// While the broker drains, requests that come are refused as retriable.
func TestRequestsWhileDraining(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	n.beginDrain()
	requireCode(t, wire.CodeShuttingDown, n.produce(id, 0, batch(t, "x")).Error)
	_, err := try[*wire.CreateTopicsResponse](n, &wire.CreateTopicsRequest{Topics: []wire.NewTopic{{Name: "a"}}})
	require.ErrorIs(t, err, wire.CodeShuttingDown)
	_, err = try[*wire.InitProducerIDResponse](n, &wire.InitProducerIDRequest{ProducerID: -1, Epoch: -1})
	require.ErrorIs(t, err, wire.CodeShuttingDown)
}

// A drain that takes too long is cut short by its context, or by calling once more, and the store is closed well all
// the same.
func TestShutdownIsForced(t *testing.T) {
	for name, force := range map[string]func(b *Broker, cancel context.CancelFunc){
		"context": func(_ *Broker, cancel context.CancelFunc) { cancel() },
		"again":   func(b *Broker, _ context.CancelFunc) { _ = b.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b, err := Start(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0"})
			require.NoError(t, err)
			n := &node{Broker: b, t: t}
			n.conn = n.dial()
			id := n.create("orders", 1)
			n.append(id, 0, "x")
			b.adminMu.Lock() // an admin request hangs
			call, err := n.conn.Start(&wire.DeleteTopicsRequest{})
			require.NoError(t, err)
			time.Sleep(10 * time.Millisecond)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stopped := make(chan error, 1)
			go func() { stopped <- b.Shutdown(ctx) }()
			select {
			case err := <-stopped:
				t.Fatalf("stopped with a request under way: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
			time.AfterFunc(100*time.Millisecond, b.adminMu.Unlock) // what hangs for ever would hold the process
			force(b, cancel)
			require.ErrorIs(t, <-stopped, context.Canceled)
			_, err = call.Wait(t.Context())
			require.Error(t, err)
			again := startNode(t, func(c *Config) { c.DataDir = dir })
			require.Equal(t, []string{"x"}, again.read(id, 0, 0))
			require.True(t, again.store.Identity().CleanStart)
		})
	}
}
