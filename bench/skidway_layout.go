package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skidway/skidway/wire"
)

// Layout asks a broker by itself, and not through the client, which would look for another one while that is silent.
func (d *skidwayDriver) Layout(ctx context.Context, topic string, except int32) (Layout, error) {
	ctx, cancel := context.WithTimeout(ctx, layoutTime)
	defer cancel()
	address, err := d.other(ctx, except)
	if err != nil {
		return Layout{}, err
	}
	conn, err := wire.Dial(ctx, address, wire.DialOptions{ClientName: "skidway-bench"})
	if err != nil {
		return Layout{}, err
	}
	defer func() { _ = conn.Close() }() // nothing is under way
	answer, err := conn.Do(ctx, &wire.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return Layout{}, err
	}
	meta, ok := answer.(*wire.MetadataResponse)
	if !ok || len(meta.Topics) != 1 {
		return Layout{}, errors.New("a question about one topic was answered with something else")
	}
	if e := meta.Topics[0].Error; e != nil {
		return Layout{}, fmt.Errorf("topic %q: %w", topic, e)
	}
	l := Layout{Leaders: make([]int32, len(meta.Topics[0].Partitions))}
	for i, p := range meta.Topics[0].Partitions {
		l.Leaders[i] = p.Leader
	}
	if answer, err = conn.Do(ctx, &wire.DescribeClusterRequest{}); err != nil {
		return Layout{}, err
	}
	cluster, ok := answer.(*wire.DescribeClusterResponse)
	if !ok {
		return Layout{}, errors.New("a question about the cluster was answered with something else")
	}
	l.Controller, l.InSync = cluster.Controller, cluster.UnderReplicated == 0 && !slices.Contains(l.Leaders, -1)
	for _, b := range cluster.Brokers {
		if b.Present {
			l.Brokers = append(l.Brokers, b.ID)
		}
	}
	return l, nil
}

// other is the address of a broker that is not except: the first time all are asked for.
func (d *skidwayDriver) other(ctx context.Context, except int32) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.brokers) == 0 {
		cluster, err := d.admin().DescribeCluster(ctx)
		if err != nil {
			return "", err
		}
		d.brokers = cluster.Brokers
	}
	for _, b := range d.brokers {
		if b.ID != except && b.Address != "" {
			return b.Address, nil
		}
	}
	return "", fmt.Errorf("no broker but %d is known", except)
}

// leaderPause is how often the leaders of a new topic are looked for.
const leaderPause = 20 * time.Millisecond

// awaitLeaders waits until every partition can be written to: the controller of a cluster makes them after the answer.
func (d *skidwayDriver) awaitLeaders(ctx context.Context, n NewTopic) error {
	for {
		l, err := d.Layout(ctx, n.Name, -1)
		led := len(l.Leaders) - l.Leads(-1)
		if err == nil && led == n.Partitions {
			return nil
		}
		select {
		case <-time.After(leaderPause):
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("topic %q: %d of %d partitions have a leader: %w", n.Name, led, n.Partitions,
				ctx.Err()))
		}
	}
}
