package client

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/skidway/skidway/wire"
)

// Consumer reads records of the partitions that are assigned to it. Safe for concurrent use, but two Polls at the
// same time share the records out between them.
type Consumer struct {
	c    *Client
	opts ConsumerOptions
	by   steward

	ctx    context.Context // ends with the Consumer
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	once   sync.Once
	turn   chan struct{} // holds a token: who has it takes records
	news   chan struct{} // holds a token when there may be something to take
	stale  chan struct{} // holds a token when wanted is not empty

	held           atomic.Bool // nothing is taken: there is something to tell the program first
	skips, skipped atomic.Int64

	mu       sync.Mutex // guards all below, and the assignments; no I/O, no decoding and no call of the user's under it
	started  bool       // somebody has polled: fetching ahead has begun
	assigned map[place]*assignment
	follows  map[string]bool // topics of which all partitions are read
	wanted   map[string]bool // topics to be asked for
	fetchers map[lane]*fetcher
	load     map[lane]int  // partitions of each lane
	ready    []*assignment // with something to take, in turn
	buffered int64         // bytes fetched and not yet taken
	asked    int64         // bytes that the fetches under way may bring
}

// place names a partition.
type place struct {
	topic     string
	partition int32
}

// PartitionState is where a Consumer is in one partition.
type PartitionState struct {
	Topic     string
	Partition int32
	Position  int64 // the offset of the next record that Poll returns
	Start     int64 // the first offset of the log, as last heard; -1: not yet
	End       int64 // the offset after the last durable record, as last heard; -1: not yet. End - Position is the lag
	Paused    bool
	Stopped   bool // it rests after an error, until a Seek
}

// steward is who says which partitions a Consumer reads.
type steward int8

const (
	byProgram steward = iota
	byGroup           // then it does not judge by itself that a partition is gone, or another one under its name
)

// NewConsumer makes a Consumer of a Client. It connects when first polled.
func NewConsumer(c *Client, o ConsumerOptions) (*Consumer, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	r := newConsumer(c, o, byProgram)
	if err := c.add(r); err != nil {
		r.cancel()
		return nil, err
	}
	r.tasks.Go(r.keep)
	return r, nil
}

func newConsumer(c *Client, o ConsumerOptions, by steward) *Consumer {
	r := &Consumer{c: c, opts: o, by: by, turn: make(chan struct{}, 1), news: make(chan struct{}, 1),
		stale:    make(chan struct{}, 1),
		assigned: map[place]*assignment{}, follows: map[string]bool{}, wanted: map[string]bool{},
		fetchers: map[lane]*fetcher{}, load: map[lane]int{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close ends the Consumer; a Poll under way returns ErrClosed. It may be called more than once. ctx is not used:
// nothing is awaited.
func (c *Consumer) Close(context.Context) error {
	c.once.Do(func() {
		c.mu.Lock()
		c.cancel()
		c.mu.Unlock()
		c.tasks.Wait()
		c.c.remove(c)
	})
	return nil
}

// Poll returns the next records, at least one and at most MaxPollRecords, in order within each partition; it waits
// for them. An error is of one partition, which rests until a Seek, while others go on; or it is ctx's error or
// ErrClosed. A lost connection is no error: Poll waits, and goes on where it was.
//
// Keys and values share memory with the answer they came in and stay valid; who keeps few of many should copy them.
func (c *Consumer) Poll(ctx context.Context) ([]Record, error) {
	first, err := c.take(ctx, c.opts.MaxPollRecords)
	if err != nil {
		return nil, err
	}
	out := slices.Clip(first.records) // what lies behind belongs to the next Poll
	for len(out) < c.opts.MaxPollRecords {
		more, ok := c.takeNow(c.opts.MaxPollRecords - len(out))
		if !ok {
			break
		}
		out = append(out, more.records...)
	}
	return out, nil
}

// Records returns what Poll returns, one by one, with no end: the loop ends by break, or after the error of ctx or
// ErrClosed. After the error of a partition it goes on with the others. The record at which the loop breaks counts as
// read, those behind it do not.
func (c *Consumer) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			got, err := c.take(ctx, c.opts.MaxPollRecords)
			if err != nil {
				if !yield(Record{}, err) || ctx.Err() != nil || c.ctx.Err() != nil {
					return
				}
				continue
			}
			for i := range got.records {
				if !c.passed(&got, i) {
					break
				}
				if !yield(got.records[i], nil) {
					c.putBack(&got, i+1)
					return
				}
			}
		}
	}
}

// Position returns the offset of the next record of a partition. ErrNotAssigned.
func (c *Consumer) Position(topic string, partition int32) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.assigned[place{topic, partition}]
	if a == nil {
		return 0, notAssigned(topic, partition)
	}
	return a.position, nil
}

// State returns where the Consumer is in each of its partitions, by topic and partition.
func (c *Consumer) State() []PartitionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]PartitionState, 0, len(c.assigned))
	for at, a := range c.assigned {
		out = append(out, PartitionState{Topic: at.topic, Partition: at.partition, Position: a.position,
			Start: a.start, End: a.end,
			Paused: a.paused, Stopped: a.stopped})
	}
	slices.SortFunc(out, func(x, y PartitionState) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return out
}

func notAssigned(topic string, partition int32) *Error {
	return &Error{Code: wire.CodeInvalidArgument, Message: "the partition is not assigned", Topic: topic,
		Partition: partition,
		Err:       ErrNotAssigned}
}
