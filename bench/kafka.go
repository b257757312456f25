package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// kafkaDriver measures a broker that speaks Kafka's protocol through franz-go.
type kafkaDriver struct {
	addresses []string
	control   *kgo.Client

	mu      sync.Mutex // guards brokers
	brokers []int32
}

// Kafka connects to a broker of Apache Kafka at one of the addresses.
func Kafka(ctx context.Context, addresses []string) (Driver, error) {
	d := &kafkaDriver{addresses: addresses}
	c, err := d.connect()
	if err != nil {
		return nil, err
	}
	if err := c.Ping(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("cannot reach Kafka at %v: %w", addresses, err)
	}
	d.control = c
	return d, nil
}

func (d *kafkaDriver) connect(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts, kgo.SeedBrokers(d.addresses...), kgo.ClientID("skidway-bench"),
		kgo.DisableClientMetrics())...)
}

func (d *kafkaDriver) Name() string { return "kafka" }

func (d *kafkaDriver) About(ctx context.Context) (About, error) {
	versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, d.control)
	if err != nil {
		return About{}, err
	}
	meta, err := d.metadata(ctx, "")
	if err != nil {
		return About{}, err
	}
	return About{Address: d.addresses[0], Version: "Kafka " + kversion.FromApiVersionsResponse(versions).VersionGuess(),
		Brokers: len(meta.Brokers)}, nil
}

// metadata asks for one topic, or for none.
func (d *kafkaDriver) metadata(ctx context.Context, topic string) (*kmsg.MetadataResponse, error) {
	q := kmsg.NewPtrMetadataRequest()
	q.Topics = []kmsg.MetadataRequestTopic{}
	if topic != "" {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &topic
		q.Topics = append(q.Topics, t)
	}
	return q.RequestWith(ctx, d.control)
}

func (d *kafkaDriver) CreateTopic(ctx context.Context, n NewTopic) error {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = n.Name, int32(n.Partitions), int16(n.Replicas)
	if n.Replicas == 0 {
		t.ReplicationFactor = -1
	}
	for name, value := range n.Settings {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, &value
		t.Configs = append(t.Configs, c)
	}
	q := kmsg.NewPtrCreateTopicsRequest()
	q.Topics, q.TimeoutMillis = append(q.Topics, t), 60_000
	r, err := q.RequestWith(ctx, d.control)
	if err != nil {
		return err
	}
	for i := range r.Topics {
		if err := kerr.ErrorForCode(r.Topics[i].ErrorCode); err != nil {
			return fmt.Errorf("topic %q: %w", n.Name, err)
		}
	}
	return d.awaitLeaders(ctx, n.Name, n.Partitions)
}

// awaitLeaders waits until every partition can be written to: Kafka creates them after its answer.
func (d *kafkaDriver) awaitLeaders(ctx context.Context, topic string, partitions int) error {
	for {
		meta, err := d.metadata(ctx, topic)
		if err != nil {
			return err
		}
		led := 0
		for i := range meta.Topics {
			for _, p := range meta.Topics[i].Partitions {
				if p.ErrorCode == 0 && p.Leader >= 0 {
					led++
				}
			}
		}
		if led == partitions {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("topic %q: %d of %d partitions have a leader: %w", topic, led, partitions, ctx.Err())
		}
	}
}

func (d *kafkaDriver) DeleteTopic(ctx context.Context, topic string) error {
	t := kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = &topic
	q := kmsg.NewPtrDeleteTopicsRequest()
	q.Topics, q.TopicNames, q.TimeoutMillis = append(q.Topics, t), []string{topic}, 60_000
	r, err := q.RequestWith(ctx, d.control)
	if err != nil {
		return err
	}
	for i := range r.Topics {
		if err := kerr.ErrorForCode(r.Topics[i].ErrorCode); err != nil {
			return fmt.Errorf("topic %q: %w", topic, err)
		}
	}
	return nil
}

func (d *kafkaDriver) Extent(ctx context.Context, topic string) (partitions int, records int64, err error) {
	meta, err := d.metadata(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	for i := range meta.Topics {
		if err := kerr.ErrorForCode(meta.Topics[i].ErrorCode); err != nil {
			return 0, 0, fmt.Errorf("topic %q: %w", topic, err)
		}
		partitions += len(meta.Topics[i].Partitions)
	}
	const atStart, atEnd = -2, -1
	start, err := d.offsets(ctx, topic, partitions, atStart)
	if err != nil {
		return 0, 0, err
	}
	end, err := d.offsets(ctx, topic, partitions, atEnd)
	return partitions, end - start, err
}

// offsets is the sum of one kind of offset over the partitions of a topic.
func (d *kafkaDriver) offsets(ctx context.Context, topic string, partitions int, at int64) (sum int64, err error) {
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for i := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = int32(i), at
		t.Partitions = append(t.Partitions, p)
	}
	q := kmsg.NewPtrListOffsetsRequest()
	q.ReplicaID, q.Topics = -1, append(q.Topics, t)
	for _, shard := range d.control.RequestSharded(ctx, q) {
		if shard.Err != nil {
			return 0, shard.Err
		}
		r, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if !ok {
			return 0, errors.New("a list of offsets was answered with something else")
		}
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return 0, fmt.Errorf("%s[%d]: %w", topic, p.Partition, err)
				}
				sum += p.Offset
			}
		}
	}
	return sum, nil
}

func (d *kafkaDriver) Close() { d.control.Close() }
