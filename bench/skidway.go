package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// deliveryTimeout is how long a record may take before it counts as failed, with either driver.
const deliveryTimeout = 2 * time.Minute

// skidwayDriver measures Skidway through package client.
type skidwayDriver struct {
	addresses []string
	control   *client.Client

	mu      sync.Mutex // guards brokers
	brokers []wire.BrokerState
}

// Skidway connects to a broker of Skidway at one of the addresses.
func Skidway(ctx context.Context, addresses []string) (Driver, error) {
	d := &skidwayDriver{addresses: addresses}
	var err error
	d.control, err = d.connect(ctx)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (d *skidwayDriver) connect(ctx context.Context) (*client.Client, error) {
	return client.Connect(ctx, d.addresses, client.Options{ClientName: "skidway-bench", RequestTimeout: time.Minute})
}

func (d *skidwayDriver) Name() string { return "skidway" }

func (d *skidwayDriver) admin() *client.Admin { return client.NewAdmin(d.control) }

func (d *skidwayDriver) About(ctx context.Context) (About, error) {
	broker, err := d.admin().DescribeBroker(ctx)
	if err != nil {
		return About{}, err
	}
	cluster, err := d.admin().DescribeCluster(ctx)
	if err != nil {
		return About{}, err
	}
	return About{Address: d.control.Address(), Version: broker.Version, Brokers: len(cluster.Brokers),
		Fsync: broker.Fsync}, nil
}

func (d *skidwayDriver) CreateTopic(ctx context.Context, n NewTopic) error {
	t := wire.NewTopic{Name: n.Name, Partitions: int32(n.Partitions), Replicas: int32(n.Replicas)}
	for name, value := range n.Settings {
		t.Settings = append(t.Settings, wire.Setting{Name: name, Value: value})
	}
	results, err := d.admin().CreateTopics(ctx, []wire.NewTopic{t}, client.Apply)
	if err := firstFault(results, err); err != nil {
		return err
	}
	return d.awaitLeaders(ctx, n)
}

func (d *skidwayDriver) DeleteTopic(ctx context.Context, topic string) error {
	results, err := d.admin().DeleteTopics(ctx, []string{topic}, client.Apply)
	return firstFault(results, err)
}

// firstFault is the error of a call, or else of the one topic that it was about.
func firstFault(results []wire.TopicResult, err error) error {
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Error != nil {
			return fmt.Errorf("topic %q: %w", r.Name, r.Error)
		}
	}
	return nil
}

func (d *skidwayDriver) Extent(ctx context.Context, topic string) (partitions int, records int64, err error) {
	topics, err := d.admin().DescribeTopics(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	for i := range topics {
		if e := topics[i].Error; e != nil {
			return 0, 0, fmt.Errorf("topic %q: %w", topic, e)
		}
		partitions += len(topics[i].Partitions)
		for _, p := range topics[i].Partitions {
			records += p.End - p.Start
		}
	}
	return partitions, records, nil
}

func (d *skidwayDriver) NewProducer(ctx context.Context, topic string, l *Load) (Producer, error) {
	codec, err := record.ParseCodec(l.Compression)
	if err != nil {
		return nil, err
	}
	acks := map[string]client.Acks{"all": client.AcksAll, "leader": client.AcksLeader, "none": client.AcksNone}[l.Acks]
	o := client.ProducerOptions{
		Acks: acks, Compression: codec, Partitioner: client.KeyHash, Linger: time.Duration(l.Linger),
		BatchBytes:  int(l.Batch),
		MaxInFlight: l.InFlight, MaxBufferedBytes: bufferRoom(l), DeliveryTimeout: deliveryTimeout,
	}
	if l.Idempotence == Off {
		o.Idempotence = client.IdempotenceOff
	}
	c, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	p, err := client.NewProducer(c, o)
	if err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	return &skidwayProducer{client: c, producer: p, topic: topic}, nil
}

// bufferRoom is more than a producer's outstanding records take: it is the slots that bound them, in the same way for
// each driver.
func bufferRoom(l *Load) int64 { return int64(l.Slots())*(int64(l.Size)+512) + 1<<20 }

type skidwayProducer struct {
	client   *client.Client
	producer *client.Producer
	topic    string
}

func (p *skidwayProducer) Sender(done func(error)) Sender {
	return &skidwaySender{p: p, promise: func(_ client.Record, err error) { done(err) }}
}

func (p *skidwayProducer) Flush(ctx context.Context) error { return p.producer.Flush(ctx) }

func (p *skidwayProducer) Close(ctx context.Context) error { return p.client.Close(ctx) }

type skidwaySender struct {
	p       *skidwayProducer
	promise func(client.Record, error)
}

func (s *skidwaySender) Send(ctx context.Context, key, value []byte) {
	s.p.producer.SendAsync(ctx, client.Record{Topic: s.p.topic, Key: key, Value: value}, s.promise)
}

func (d *skidwayDriver) NewConsumer(ctx context.Context, topic string, partitions []int32, l *Load) (Consumer, error) {
	c, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	r, err := client.NewConsumer(c, client.ConsumerOptions{
		MinBytes: int(l.FetchMin), MaxBytes: int(l.FetchMax), MaxWait: time.Duration(l.FetchWait),
		OutOfRange: client.OutOfRangeStart, // as franz-go does; what retention took before it was read counts as lost
	})
	if err == nil {
		err = r.Assign(ctx, topic, client.AtStart(), partitions...)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	return &skidwayConsumer{client: c, consumer: r}, nil
}

type skidwayConsumer struct {
	client   *client.Client
	consumer *client.Consumer
}

func (c *skidwayConsumer) Poll(ctx context.Context, f func(int32, []byte)) error {
	records, err := c.consumer.Poll(ctx)
	for i := range records {
		f(records[i].Partition, records[i].Value)
	}
	return err
}

func (c *skidwayConsumer) Close() { _ = c.client.Close(context.Background()) } // it only reads: nothing can be lost

func (d *skidwayDriver) Close() { _ = d.control.Close(context.Background()) } // nothing is under way
