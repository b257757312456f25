package wire

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// nothing answers produce and fetch without doing anything.
type nothing struct{ batch []byte }

func (n *nothing) Handle(_ context.Context, _ *Peer, req Request) Pending {
	switch r := req.(type) {
	case *ProduceRequest:
		return Ready(&ProduceResponse{Topics: []ProduceTopicResult{{ID: r.Topics[0].ID,
			Partitions: make([]ProduceResult, len(r.Topics[0].Partitions))}}}, nil)
	case *FetchRequest:
		out := make([]FetchResult, len(r.Topics[0].Partitions))
		for i := range out {
			out[i].Batches = n.batch
		}
		return Ready(&FetchResponse{Topics: []FetchTopicResult{{ID: r.Topics[0].ID, Partitions: out}}}, nil)
	}
	return Ready(nil, CodeUnsupported)
}

// pipelined sends b.N requests with 16 under way.
func pipelined(b *testing.B, c *Conn, req Request) {
	var calls [16]*Call
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if call := calls[i%16]; call != nil {
			<-call.Done()
			if _, err := call.Result(); err != nil {
				b.Fatal(err)
			}
		}
		call, err := c.Start(req)
		if err != nil {
			b.Fatal(err)
		}
		calls[i%16] = call
	}
	for _, call := range calls {
		if call != nil {
			<-call.Done()
		}
	}
}

func BenchmarkProduce(b *testing.B) {
	for _, size := range []int{100, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := startServer(b, ServerOptions{Handler: &nothing{}}).dial(b)
			b.SetBytes(int64(size))
			pipelined(b, c, produceOne(1, make([]byte, size)))
		})
	}
}

func BenchmarkFetch1000Partitions(b *testing.B) {
	req := &FetchRequest{Topics: []FetchTopic{{ID: 1, Partitions: make([]FetchPartition, 1000)}}}
	c := startServer(b, ServerOptions{Handler: &nothing{make([]byte, 4<<10)}}).dial(b)
	resp, err := c.Do(b.Context(), req)
	require.NoError(b, err)
	require.Len(b, resp.(*FetchResponse).Topics[0].Partitions, 1000)
	b.SetBytes(4 << 20)
	pipelined(b, c, req)
}
