package broker

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// BenchmarkProduce is the store's canonical load seen from a client: incompressible batches of 16 KiB over 1,000
// partitions, acks=all, fsync on every commit, a few connections with five requests in flight each.
func BenchmarkProduce(b *testing.B) {
	for _, c := range []struct {
		name              string
		conns, partitions int // partitions a request
	}{
		{"conns=1/parts=1", 1, 1}, {"conns=16/parts=1", 16, 1}, {"conns=4/parts=16", 4, 16},
	} {
		b.Run(c.name, func(b *testing.B) { benchProduce(b, c.conns, c.partitions) })
	}
}

func benchProduce(b *testing.B, conns, perRequest int) {
	n := startNode(b)
	const partitions, inFlight = 1000, 5
	id := n.create("bench", partitions)
	value := make([]byte, 16<<10-128)
	_, _ = rand.Read(value)
	raw := batchOf(b, record.None, func(r *record.Builder) {
		r.Append(record.Record{Timestamp: n.clock.now(), Value: value})
	})
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var next atomic.Int64
	done := make(chan error, conns)
	b.ResetTimer()
	for range conns {
		conn := n.dial()
		go func() { done <- pump(conn, id, pumping{raw, &next, int64(b.N), perRequest, inFlight, partitions}) }()
	}
	for range conns {
		require.NoError(b, <-done)
	}
	b.StopTimer()
}

// pumping says what a connection sends.
type pumping struct {
	raw                              []byte
	next                             *atomic.Int64
	total                            int64
	perRequest, inFlight, partitions int
}

func pump(conn *wire.Conn, id uint64, p pumping) error {
	var calls []*wire.Call
	settle := func() error {
		resp, err := calls[0].Wait(context.Background())
		if err != nil {
			return err
		}
		calls = calls[1:]
		for _, r := range resp.(*wire.ProduceResponse).Topics[0].Partitions {
			if r.Error != nil {
				return r.Error
			}
		}
		return nil
	}
	for {
		first := p.next.Add(int64(p.perRequest)) - int64(p.perRequest)
		if first >= p.total {
			break
		}
		parts := make([]wire.ProducePartition, min(int64(p.perRequest), p.total-first))
		for i := range parts {
			parts[i] = wire.ProducePartition{Index: int32((first + int64(i)) % int64(p.partitions)), Batch: p.raw}
		}
		call, err := conn.Start(&wire.ProduceRequest{
			Acks: wire.AcksAll, Topics: []wire.ProduceTopic{{ID: id, Partitions: parts}},
		})
		if err != nil {
			return err
		}
		if calls = append(calls, call); len(calls) == p.inFlight {
			if err := settle(); err != nil {
				return err
			}
		}
	}
	for len(calls) > 0 {
		if err := settle(); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkFetch reads 1 MiB at a time from the recent batches, as a consumer that keeps up does.
func BenchmarkFetch(b *testing.B) {
	n := startNode(b)
	id := n.create("bench", 1)
	value := make([]byte, 16<<10-128)
	for range 128 {
		n.append(id, 0, string(value))
	}
	req := fetchFrom(id, 0, 0)
	req.MaxBytes = 1 << 20
	b.SetBytes(int64(len(onlyResult(do[*wire.FetchResponse](n, req)).Batches)))
	b.ReportAllocs()
	for b.Loop() {
		r := do[*wire.FetchResponse](n, req)
		if len(onlyResult(r).Batches) == 0 {
			b.Fatal("nothing read")
		}
	}
}

// BenchmarkStart is the time until clients can connect, on a store with no topic and with 1,000 topics of 10 partitions
// that hold a record each.
func BenchmarkStart(b *testing.B) {
	for _, topics := range []int{0, 1000} {
		b.Run(fmt.Sprintf("topics=%d", topics), func(b *testing.B) {
			dir := b.TempDir()
			inDir := func(c *Config) { c.DataDir, c.knobs.warm = dir, -1 }
			n := startNode(b, inDir)
			req, create := &wire.ProduceRequest{Acks: wire.AcksAll}, &wire.CreateTopicsRequest{}
			for i := range topics {
				create.Topics = append(create.Topics, wire.NewTopic{Name: fmt.Sprintf("t%d", i), Partitions: 10})
			}
			for _, t := range do[*wire.CreateTopicsResponse](n, create).Topics {
				topic := wire.ProduceTopic{ID: t.ID}
				for p := range int32(10) {
					topic.Partitions = append(topic.Partitions, wire.ProducePartition{Index: p, Batch: batch(b, "x")})
				}
				req.Topics = append(req.Topics, topic)
			}
			do[*wire.ProduceResponse](n, req)
			n.stopNode()
			for b.Loop() {
				again, err := Start(b.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0"})
				require.NoError(b, err)
				b.StopTimer()
				require.NoError(b, again.Shutdown(b.Context()))
				b.StartTimer()
			}
		})
	}
}
