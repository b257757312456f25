package client_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
)

// BenchmarkConsumeGroup reads what is there record by record, with partitions that are assigned and in a group, where
// each record is marked besides.
func BenchmarkConsumeGroup(b *testing.B) {
	for _, size := range []int{1024, 100} {
		c := connect(b, startServer(b, nil).address(), client.Options{})
		create(b, c, "bench", 12)
		ctx := b.Context()
		p := newProducer(b, c, client.ProducerOptions{Partitioner: client.RoundRobin, Linger: time.Second})
		const n = 200_000
		for range n {
			p.SendAsync(ctx, client.Record{Topic: "bench", Value: make([]byte, size)}, nil)
		}
		require.NoError(b, p.Flush(ctx))
		b.Run(fmt.Sprintf("size=%d/assigned", size), func(b *testing.B) {
			r := newConsumer(b, c, client.ConsumerOptions{})
			for b.Loop() {
				require.NoError(b, r.Assign(ctx, "bench", client.At(0)))
				total := 0
				for _, err := range r.Records(ctx) {
					require.NoError(b, err)
					if total++; total == n {
						break
					}
				}
			}
			require.NoError(b, r.Close(ctx))
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
		b.Run(fmt.Sprintf("size=%d/group", size), func(b *testing.B) {
			g, err := client.JoinGroup(ctx, c, "bench", []string{"bench"}, client.GroupOptions{})
			require.NoError(b, err)
			for range g.Records(ctx) { // until it has its partitions
				break
			}
			for b.Loop() {
				for _, s := range g.State() {
					require.NoError(b, g.Seek(ctx, s.Topic, s.Partition, client.At(0)))
				}
				total := 0
				for r, err := range g.Records(ctx) {
					require.NoError(b, err)
					g.Mark(r)
					if total++; total == n {
						break
					}
				}
			}
			require.NoError(b, g.Close(ctx))
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
