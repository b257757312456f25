package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// idempotentInFlight is the number of requests in flight that franz-go fixes for an idempotent producer.
const idempotentInFlight = 5

func (d *kafkaDriver) NewProducer(ctx context.Context, topic string, l *Load) (Producer, error) {
	acks := map[string]kgo.Acks{"all": kgo.AllISRAcks(), "leader": kgo.LeaderAck(), "none": kgo.NoAck()}[l.Acks]
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[l.Compression]
	opts := []kgo.Opt{
		kgo.RequiredAcks(acks), kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerLinger(time.Duration(l.Linger)), kgo.ProducerBatchMaxBytes(int32(l.Batch)),
		kgo.RecordDeliveryTimeout(deliveryTimeout),
		kgo.MaxBufferedRecords(l.Slots() + 1), kgo.MaxBufferedBytes(int(bufferRoom(l))),
	}
	switch {
	case l.Idempotence == Off:
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(l.InFlight))
	case l.InFlight != idempotentInFlight:
		return nil, fmt.Errorf("bench: franz-go has %d requests in flight when it is idempotent, not %d",
			idempotentInFlight, l.InFlight)
	}
	c, err := d.connect(opts...)
	if err != nil {
		return nil, err
	}
	if err := c.Ping(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return &kafkaProducer{client: c, topic: topic}, nil
}

type kafkaProducer struct {
	client *kgo.Client
	topic  string
}

func (p *kafkaProducer) Sender(done func(error)) Sender {
	return &kafkaSender{p: p, promise: func(_ *kgo.Record, err error) { done(err) }}
}

func (p *kafkaProducer) Flush(ctx context.Context) error { return p.client.Flush(ctx) }

func (p *kafkaProducer) Close(context.Context) error {
	p.client.Close()
	return nil
}

type kafkaSender struct {
	p       *kafkaProducer
	record  kgo.Record
	promise func(*kgo.Record, error)
}

func (s *kafkaSender) Send(ctx context.Context, key, value []byte) {
	s.record = kgo.Record{Topic: s.p.topic, Key: key, Value: value}
	s.p.client.Produce(ctx, &s.record, s.promise)
}

func (d *kafkaDriver) NewConsumer(ctx context.Context, topic string, partitions []int32, l *Load) (Consumer, error) {
	places := make(map[int32]kgo.Offset, len(partitions))
	for _, p := range partitions {
		places[p] = kgo.NewOffset().AtStart()
	}
	c, err := d.connect(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: places}), kgo.FetchMinBytes(int32(l.FetchMin)),
		kgo.FetchMaxBytes(int32(l.FetchMax)), kgo.FetchMaxPartitionBytes(int32(min(l.FetchMax, 1<<20))),
		kgo.FetchMaxWait(time.Duration(l.FetchWait)),
	)
	if err != nil {
		return nil, err
	}
	if err := c.Ping(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return &kafkaConsumer{client: c}, nil
}

type kafkaConsumer struct{ client *kgo.Client }

func (c *kafkaConsumer) Poll(ctx context.Context, f func(int32, []byte)) error {
	fetches := c.client.PollRecords(ctx, 1000)
	fetches.EachRecord(func(r *kgo.Record) { f(r.Partition, r.Value) })
	return fetches.Err()
}

func (c *kafkaConsumer) Close() { c.client.Close() }
