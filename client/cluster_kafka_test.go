package client_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
)

// kafkaClient is franz-go's client, closed with the test.
func kafkaClient(t testing.TB, addresses []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addresses...)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// pollValues reads records of a Kafka client until there are n, and returns their values.
func pollValues(t testing.TB, ctx context.Context, c *kgo.Client, n int) (values []string) {
	t.Helper()
	for len(values) < n {
		fetches := c.PollFetches(ctx)
		require.NoError(t, ctx.Err())
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

// Kafka's clients and native ones share topics, records, headers, timestamps and offsets, in both directions.
func TestKafkaAndNativeClients(t *testing.T) {
	s := startServer(t, func(c *broker.Config) { c.Kafka.Listen = "127.0.0.1:0" })
	ctx := testContext(t)
	native := connect(t, s.address(), client.Options{})
	k := kafkaClient(t, []string{s.broker.KafkaAddr().String()}, kgo.ConsumeTopics("demo"))
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "demo", 1, 1
	create.Topics = append(create.Topics, topic)
	_, err := create.RequestWith(ctx, k)
	require.NoError(t, err)

	sent := &kgo.Record{
		Topic: "demo", Key: []byte("k"), Value: []byte("from kafka"),
		Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}},
	}
	require.NoError(t, k.ProduceSync(ctx, sent).FirstErr())
	p := newProducer(t, native, client.ProducerOptions{})
	back, err := p.Send(ctx, client.Record{
		Topic: "demo", Value: []byte("from native"), Headers: []client.Header{{Key: "h", Value: []byte("2")}, {Key: "n"}},
	})
	require.NoError(t, err)
	require.Equal(t, int64(1), back.Offset)

	read := readAll(t, native, "demo")[0]
	require.Equal(t, []string{"from kafka", "from native"}, values(read))
	require.Equal(t, "k", string(read[0].Key))
	require.Equal(t, []client.Header{{Key: "h", Value: []byte("1")}}, read[0].Headers)
	require.Equal(t, sent.Timestamp.UnixMilli(), read[0].Timestamp.UnixMilli())

	var got []*kgo.Record
	for len(got) < 2 {
		fetches := k.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		got = append(got, fetches.Records()...)
	}
	require.Equal(t, "from native", string(got[1].Value))
	require.Nil(t, got[1].Key)
	require.Equal(t, int64(1), got[1].Offset)
	require.Equal(t, back.Timestamp.UnixMilli(), got[1].Timestamp.UnixMilli())
	require.Equal(t, []kgo.RecordHeader{{Key: "h", Value: []byte("2")}, {Key: "n"}}, got[1].Headers)
}

// Only brokers that Kafka's clients can reach are named to them; what the others lead is told to be out of reach.
func TestKafkaInPartOfACluster(t *testing.T) {
	c := startCluster(t, 2)
	s := &server{t: t, config: clusterConfig(3, t.TempDir(), "127.0.0.1:0", c.zk)}
	s.config.Kafka.Listen = "127.0.0.1:0"
	s.start()
	c.list = append(c.list, s)
	t.Cleanup(s.stop)
	awaitBrokers(t, c.addresses())
	createReplicated(t, c.connect(client.Options{}), "demo", 6, 1)
	awaitInSync(t, connect(t, s.address(), client.Options{}), "demo", 1) // as this broker sees it
	k := kafkaClient(t, []string{s.broker.KafkaAddr().String()})
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr("demo")
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(testContext(t), k)
	require.NoError(t, err)
	require.Len(t, resp.Brokers, 1)
	require.Equal(t, []int32{3, 3}, []int32{resp.Brokers[0].NodeID, resp.ControllerID})
	reachable := 0
	for _, p := range resp.Topics[0].Partitions {
		if p.Replicas[0] == 3 {
			reachable++
			require.Zero(t, p.ErrorCode)
			continue
		}
		require.Equal(t, []int32{-1, 72}, []int32{p.Leader, int32(p.ErrorCode)})
		require.Equal(t, p.Replicas, p.OfflineReplicas)
	}
	require.Equal(t, 2, reachable)
}

// A Kafka client goes on, producing and consuming, when the process of a leader is killed; what was acknowledged is
// there once and in order.
func TestKafkaClusterLeaderKilled(t *testing.T) {
	brokers := startProcesses(t, 3)
	var addresses []string
	for _, b := range brokers {
		addresses = append(addresses, b.kafka)
	}
	cl := connectAll(t, brokers)
	createReplicated(t, cl, "demo", 1, 3)
	ctx := testContext(t)
	k := kafkaClient(t, addresses, kgo.ConsumeTopics("demo"))
	const each = 500
	sent := 0
	send := func() {
		for range each {
			record := &kgo.Record{Topic: "demo", Value: fmt.Append(nil, sent)}
			k.Produce(ctx, record, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("record %s: %v", record.Value, err)
				}
			})
			sent++
		}
	}
	send()
	require.NoError(t, k.Flush(ctx))
	read := pollValues(t, ctx, k, each)
	for range 2 {
		leader := partitions(t, cl, "demo")[0].Leader
		send() // some of it is under way
		brokers[leader-1].kill()
		send()
		require.NoError(t, k.Flush(ctx))
		read = append(read, pollValues(t, ctx, k, 2*each)...)
		brokers[leader-1].start()
		awaitInSync(t, cl, "demo", 3)
	}
	require.Equal(t, numbered(sent), read)
	require.Equal(t, numbered(sent), values(readAll(t, cl, "demo")[0]))
}
