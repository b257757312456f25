package broker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// onKafka gives a broker a listener for Kafka's clients.
func onKafka(c *Config) { c.Kafka.Listen = "127.0.0.1:0" }

// creating has a broker create topics on first use.
func creating(c *Config) { c.AutoCreate = AutoCreateOn }

// kafkaClient is franz-go's client of the node, closed at the end of the test.
func kafkaClient(t testing.TB, n *node, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(n.KafkaAddr().String())}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// within bounds what a test waits for.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// kafkaSend produces records and waits for them.
func kafkaSend(t testing.TB, c *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	require.NoError(t, c.ProduceSync(within(t), records...).FirstErr())
}

// kafkaPoll reads n records.
func kafkaPoll(t testing.TB, c *kgo.Client, n int) (records []*kgo.Record) {
	t.Helper()
	for ctx := within(t); len(records) < n; {
		fetches := c.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		records = append(records, fetches.Records()...)
	}
	require.Len(t, records, n)
	return records
}

// A Kafka client with nothing but defaults, which makes it idempotent, produces to a topic that it makes by that, and
// reads it back.
func TestKafkaProduceAndConsume(t *testing.T) {
	n := startNode(t, onKafka, creating)
	c := kafkaClient(t, n, kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics("demo"))
	var sent []*kgo.Record
	for i := range 1000 {
		sent = append(sent, &kgo.Record{
			Topic: "demo", Key: fmt.Appendf(nil, "k%d", i%7), Value: fmt.Appendf(nil, "value %d", i),
			Headers: []kgo.RecordHeader{{Key: "n", Value: []byte{byte(i)}}, {Key: "empty"}},
		})
	}
	kafkaSend(t, c, sent...)
	for i, r := range kafkaPoll(t, c, len(sent)) {
		require.Equal(t, int64(i), r.Offset)
		require.Equal(t, string(sent[i].Key), string(r.Key))
		require.Equal(t, string(sent[i].Value), string(r.Value))
		require.Equal(t, sent[i].Timestamp.UnixMilli(), r.Timestamp.UnixMilli())
		require.Len(t, r.Headers, 2)
		require.Equal(t, sent[i].Headers[0], r.Headers[0])
	}
}

// A version of ApiVersions that nobody knows yet is answered, and so are all that are known.
func TestKafkaVersions(t *testing.T) {
	n := startNode(t, onKafka)
	c := kafkaClient(t, n)
	for v := range int16(5) {
		req := kmsg.NewPtrApiVersionsRequest()
		req.SetVersion(v)
		req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1"
		resp, err := req.RequestWith(within(t), c)
		require.NoError(t, err)
		require.Zero(t, resp.ErrorCode)
		require.NotEmpty(t, resp.ApiKeys)
	}
}
