package broker

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		runChild(dir)
		return
	}
	// A run of the model test takes half a second; the command line may ask for more.
	_ = flag.Set("rapid.checks", "10")
	_ = flag.Set("rapid.steps", "25")
	goleak.VerifyTestMain(m)
}

// node is a real broker on loopback with one connection to it.
type node struct {
	*Broker
	t    testing.TB
	conn *wire.Conn
}

// startNode starts a broker on a fresh directory, unless change says otherwise; it is stopped at the end of the test.
func startNode(t testing.TB, change ...func(*Config)) *node {
	t.Helper()
	cfg := Config{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0",
		OnFatal: func(err error) { panic(fmt.Sprintf("fatal: %v", err)) },
	}
	for _, f := range change {
		f(&cfg)
	}
	b, err := Start(t.Context(), cfg)
	require.NoError(t, err)
	n := &node{Broker: b, t: t}
	t.Cleanup(n.stopNode)
	n.conn = n.dial()
	return n
}

func (n *node) stopNode() {
	if n.conn != nil {
		n.conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(n.t, n.Shutdown(ctx))
}

// dial opens another connection; it is closed at the end of the test.
func (n *node) dial() *wire.Conn {
	n.t.Helper()
	c, err := wire.Dial(n.t.Context(), n.Addr().String(), wire.DialOptions{ClientName: "test"})
	require.NoError(n.t, err)
	n.t.Cleanup(func() { c.Close() })
	return c
}

// try sends a request on the node's connection.
func try[Resp wire.Response](n *node, req wire.Request) (Resp, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := n.conn.Do(ctx, req)
	if err != nil {
		var none Resp
		return none, err
	}
	return r.(Resp), nil
}

// do is try for a request that must be answered with a body.
func do[Resp wire.Response](n *node, req wire.Request) Resp {
	n.t.Helper()
	r, err := try[Resp](n, req)
	require.NoError(n.t, err)
	return r
}

// create makes a topic and returns its id. Settings are name, value, name, value.
func (n *node) create(name string, partitions int32, settings ...string) uint64 {
	n.t.Helper()
	topic := wire.NewTopic{Name: name, Partitions: partitions}
	for i := 0; i+1 < len(settings); i += 2 {
		topic.Settings = append(topic.Settings, wire.Setting{Name: settings[i], Value: settings[i+1]})
	}
	r := do[*wire.CreateTopicsResponse](n, &wire.CreateTopicsRequest{Topics: []wire.NewTopic{topic}})
	require.Len(n.t, r.Topics, 1)
	require.Nil(n.t, r.Topics[0].Error)
	return r.Topics[0].ID
}

// batch makes a batch of records with the values given, now.
func batch(t testing.TB, values ...string) []byte {
	return batchOf(t, record.None, func(b *record.Builder) {
		for _, v := range values {
			b.Append(record.Record{Timestamp: time.Now().UnixMilli(), Value: []byte(v)})
		}
	})
}

func batchOf(t testing.TB, codec record.Codec, fill func(*record.Builder)) []byte {
	t.Helper()
	builder := record.NewBuilder(codec)
	fill(builder)
	b, err := builder.Seal(nil)
	require.NoError(t, err)
	return b
}

// produceOne is a produce of one batch to one partition.
func produceOne(id uint64, partition int32, b []byte) *wire.ProduceRequest {
	return &wire.ProduceRequest{Acks: wire.AcksAll, TimeoutMs: 10_000, Topics: []wire.ProduceTopic{
		{ID: id, Partitions: []wire.ProducePartition{{Index: partition, Batch: b}}},
	}}
}

// produce appends a batch and returns what became of it.
func (n *node) produce(id uint64, partition int32, b []byte) wire.ProduceResult {
	n.t.Helper()
	r := do[*wire.ProduceResponse](n, produceOne(id, partition, b))
	require.Len(n.t, r.Topics, 1)
	require.Len(n.t, r.Topics[0].Partitions, 1)
	return r.Topics[0].Partitions[0]
}

// append is produce that must succeed; it returns the base offset.
func (n *node) append(id uint64, partition int32, values ...string) int64 {
	n.t.Helper()
	r := n.produce(id, partition, batch(n.t, values...))
	require.Nil(n.t, r.Error)
	return r.BaseOffset
}

// fetchFrom is a fetch of one partition that does not wait.
func fetchFrom(id uint64, partition int32, offset int64) *wire.FetchRequest {
	return &wire.FetchRequest{MinBytes: 1, MaxBytes: 8 << 20, Topics: []wire.FetchTopic{{
		ID: id, Partitions: []wire.FetchPartition{{Index: partition, Offset: offset, MaxBytes: 8 << 20, LeaderEpoch: -1}},
	}}}
}

// fetch reads one partition; an empty answer is the zero FetchResult.
func (n *node) fetch(id uint64, partition int32, offset int64) wire.FetchResult {
	n.t.Helper()
	return onlyResult(do[*wire.FetchResponse](n, fetchFrom(id, partition, offset)))
}

func onlyResult(r *wire.FetchResponse) wire.FetchResult {
	if len(r.Topics) == 0 {
		return wire.FetchResult{}
	}
	return r.Topics[0].Partitions[0]
}

// values unpacks batches, leaving out records below offset.
func values(t testing.TB, batches []byte, offset int64) []string {
	t.Helper()
	var out []string
	for len(batches) > 0 {
		b, rest, err := record.Split(batches)
		require.NoError(t, err)
		require.NoError(t, b.VerifyCRC())
		for r, err := range b.Records(record.Limits{}) {
			require.NoError(t, err)
			if r.Offset >= offset {
				out = append(out, string(r.Value))
			}
		}
		batches = rest
	}
	return out
}

// read is fetch that must succeed, unpacked.
func (n *node) read(id uint64, partition int32, offset int64) []string {
	n.t.Helper()
	r := n.fetch(id, partition, offset)
	require.Nil(n.t, r.Error)
	return values(n.t, r.Batches, offset)
}

// requireCode checks the code of a refusal.
func requireCode(t testing.TB, code wire.Code, err *wire.Error) {
	t.Helper()
	require.NotNil(t, err)
	require.Equal(t, code, err.Code, err.Message)
}
