package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// quorumTopic is where KRaft keeps its metadata: who leads it is the controller. (The controller that an answer about
// metadata names is any broker, which passes requests on.)
const quorumTopic = "__cluster_metadata"

// layoutTime bounds the wait for one broker's view of the cluster, with either driver.
const layoutTime = 5 * time.Second

func (d *kafkaDriver) Layout(ctx context.Context, topic string, except int32) (Layout, error) {
	ctx, cancel := context.WithTimeout(ctx, layoutTime)
	defer cancel()
	broker, err := d.other(ctx, except)
	if err != nil {
		return Layout{}, err
	}
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	ask := kmsg.NewPtrMetadataRequest()
	ask.Topics = []kmsg.MetadataRequestTopic{t}
	answer, err := broker.Request(ctx, ask)
	if err != nil {
		return Layout{}, err
	}
	meta, ok := answer.(*kmsg.MetadataResponse)
	if !ok || len(meta.Topics) != 1 {
		return Layout{}, errors.New("a question about one topic was answered with something else")
	}
	if err := kerr.ErrorForCode(meta.Topics[0].ErrorCode); err != nil {
		return Layout{}, fmt.Errorf("topic %q: %w", topic, err)
	}
	l := Layout{Controller: -1, InSync: true, Leaders: make([]int32, len(meta.Topics[0].Partitions))}
	for _, b := range meta.Brokers {
		l.Brokers = append(l.Brokers, b.NodeID)
	}
	for _, p := range meta.Topics[0].Partitions {
		if int(p.Partition) >= len(l.Leaders) {
			return Layout{}, fmt.Errorf("topic %q: the list of partitions has gaps", topic)
		}
		l.Leaders[p.Partition] = p.Leader
		l.InSync = l.InSync && p.Leader >= 0 && len(p.ISR) == len(p.Replicas)
	}
	l.Controller, err = quorumLeader(ctx, broker)
	return l, err
}

// other is a broker that is not except: the first time all are asked for.
func (d *kafkaDriver) other(ctx context.Context, except int32) (*kgo.Broker, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.brokers) == 0 {
		meta, err := d.metadata(ctx, "")
		if err != nil {
			return nil, err
		}
		for _, b := range meta.Brokers {
			d.brokers = append(d.brokers, b.NodeID)
		}
	}
	for _, id := range d.brokers {
		if id != except {
			return d.control.Broker(int(id)), nil
		}
	}
	return nil, fmt.Errorf("no broker but %d is known", except)
}

// quorumLeader asks who leads the controllers; -1: nobody now.
func quorumLeader(ctx context.Context, broker *kgo.Broker) (int32, error) {
	p := kmsg.NewDescribeQuorumRequestTopicPartition()
	t := kmsg.NewDescribeQuorumRequestTopic()
	t.Topic, t.Partitions = quorumTopic, append(t.Partitions, p)
	ask := kmsg.NewPtrDescribeQuorumRequest()
	ask.Topics = append(ask.Topics, t)
	answer, err := broker.Request(ctx, ask)
	if err != nil {
		return -1, err
	}
	r, ok := answer.(*kmsg.DescribeQuorumResponse)
	if !ok || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 || r.ErrorCode != 0 {
		return -1, nil
	}
	return r.Topics[0].Partitions[0].LeaderID, nil
}
