package client_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// nullBroker answers a produce as a broker does that writes nothing, so that a benchmark shows what the client costs.
// It is not for tests of behaviour.
type nullBroker struct {
	address    string
	partitions int32
}

func (n *nullBroker) Handle(_ context.Context, _ *wire.Peer, q wire.Request) wire.Pending {
	switch q := q.(type) {
	case *wire.MetadataRequest:
		m := &wire.MetadataResponse{ClusterID: "bench", Brokers: []wire.Broker{{ID: 1, Address: n.address}}}
		for _, name := range q.Topics {
			t := wire.TopicMetadata{Name: name, ID: 1}
			for i := range n.partitions {
				t.Partitions = append(t.Partitions, wire.PartitionMetadata{Index: i, Leader: 1})
			}
			m.Topics = append(m.Topics, t)
		}
		return wire.Ready(m, nil)
	case *wire.InitProducerIDRequest:
		return wire.Ready(&wire.InitProducerIDResponse{ProducerID: 1}, nil)
	case *wire.ProduceRequest:
		r := &wire.ProduceResponse{}
		for _, t := range q.Topics {
			out := wire.ProduceTopicResult{ID: t.ID, Partitions: make([]wire.ProduceResult, len(t.Partitions))}
			for i, p := range t.Partitions {
				out.Partitions[i] = wire.ProduceResult{Index: p.Index, AppendTimeMs: -1}
			}
			r.Topics = append(r.Topics, out)
		}
		return wire.Ready(r, nil)
	}
	return wire.Ready(nil, wire.Errorf(wire.CodeUnsupported, "not in this benchmark"))
}

// startNull starts a server with a nullBroker and returns its address.
func startNull(b *testing.B, partitions int32) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	s, err := wire.NewServer(wire.ServerOptions{
		Handler: &nullBroker{l.Addr().String(), partitions}, Hello: wire.HelloResponse{ClusterID: "bench",
			BrokerID: 1, MaxBatchBytes: 1 << 20},
	})
	require.NoError(b, err)
	ended := make(chan error)
	go func() { ended <- s.Serve(l) }()
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(b, s.Shutdown(ctx))
		<-ended
	})
	return l.Addr().String()
}

// BenchmarkProduce sends records of a size to a number of partitions: b.N records an iteration each.
func BenchmarkProduce(b *testing.B) {
	for _, target := range []string{"null", "broker"} {
		for _, shape := range []struct{ size, partitions, batch int }{
			{1024, 1000, 16 << 10}, {1024, 12, 128 << 10}, {100, 12, 128 << 10},
		} {
			b.Run(fmt.Sprintf("%s/size=%d/partitions=%d", target, shape.size, shape.partitions), func(b *testing.B) {
				address := ""
				if target == "null" {
					address = startNull(b, int32(shape.partitions))
				} else {
					address = startServer(b, nil).address()
				}
				c := connect(b, address, client.Options{})
				if target == "broker" {
					create(b, c, "bench", int32(shape.partitions))
				}
				benchmarkProduce(b, c, shape.size, shape.batch)
			})
		}
	}
}

func benchmarkProduce(b *testing.B, c *client.Client, size, batch int) {
	p := newProducer(b, c, client.ProducerOptions{Partitioner: client.RoundRobin, BatchBytes: batch,
		Linger: 5 * time.Millisecond})
	value := make([]byte, size)
	_, _ = rand.Read(value)
	ctx := b.Context()
	failed := make(chan error, 1)
	promise := func(_ client.Record, err error) {
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		p.SendAsync(ctx, client.Record{Topic: "bench", Value: value}, promise)
	}
	require.NoError(b, p.Flush(ctx))
	require.Empty(b, failed)
}

// BenchmarkConsume reads what is there.
func BenchmarkConsume(b *testing.B) {
	for _, size := range []int{1024, 100} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			c := connect(b, startServer(b, nil).address(), client.Options{})
			create(b, c, "bench", 12)
			ctx := b.Context()
			p := newProducer(b, c, client.ProducerOptions{Partitioner: client.RoundRobin, Linger: time.Second})
			const n = 100_000
			for range n {
				p.SendAsync(ctx, client.Record{Topic: "bench", Value: make([]byte, size)}, nil)
			}
			require.NoError(b, p.Flush(ctx))
			r := newConsumer(b, c, client.ConsumerOptions{})
			b.SetBytes(int64(size) * n)
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, r.Assign(ctx, "bench", client.AtStart()))
				for total := 0; total < n; {
					records, err := r.Poll(ctx)
					require.NoError(b, err)
					total += len(records)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
