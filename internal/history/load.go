package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/skidway/skidway/client"
)

// LoadOptions say what a Load does.
type LoadOptions struct {
	Servers []string // the brokers' addresses
	// Topic must exist and be empty; nothing else is to write to it, or to delete of it.
	Topic     string
	Producers int // 2
	Readers   int // 2; negative: none
	Rate      int // records a second, of all producers together; 500
	// ValueBytes is the size of a record's value, ValueBytes at least; 100.
	ValueBytes int
	// DeliveryTimeout is how long a record may take until its outcome is unknown, and its producer goes on as another
	// process; 10 s.
	DeliveryTimeout time.Duration
	// OnAck is called after a record is acknowledged and the history has it; nil: nothing is. It is called on the
	// producers' goroutines, by several at once, and must be quick.
	OnAck func(partition int32, offset int64)
}

func (o LoadOptions) withDefaults() LoadOptions {
	defaultTo(&o.Producers, 2)
	defaultTo(&o.Readers, 2)
	defaultTo(&o.Rate, 500)
	defaultTo(&o.ValueBytes, 100)
	if o.DeliveryTimeout == 0 {
		o.DeliveryTimeout = 10 * time.Second
	}
	return o
}

func defaultTo(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

func (o *LoadOptions) validate() error {
	switch {
	case len(o.Servers) == 0:
		return errors.New("history: LoadOptions.Servers: no address")
	case o.Topic == "":
		return errors.New("history: LoadOptions.Topic: empty")
	case o.Producers < 0 || o.Rate < 0 || o.DeliveryTimeout < 0:
		return errors.New("history: LoadOptions: Producers, Rate and DeliveryTimeout must not be negative")
	case o.ValueBytes < ValueBytes:
		return fmt.Errorf("history: LoadOptions.ValueBytes: %d, must be at least %d", o.ValueBytes, ValueBytes)
	}
	return nil
}

// Load is producers and readers at work on a topic, and the history of what they see. Producers are idempotent and
// wait for all replicas; what a producer sends is in the history before it is sent. Readers begin at the start, go
// back at times, and ask at times where the log ends. None of them gives up: what cannot be reached is tried again.
type Load struct {
	opts       LoadOptions
	history    *History
	partitions int32
	run        uint64 // in the upper half of all keys
	limit      *rate.Limiter
	acked      atomic.Int64

	producing context.Context // ends when nothing more is to be sent
	stopSends context.CancelFunc
	reading   context.Context
	stopReads context.CancelFunc
	producers sync.WaitGroup
	readers   sync.WaitGroup
	// closing is the context of Stop, in which producers wait for what is under way.
	closing chan context.Context
}

// StartLoad looks the topic up and starts the load. ctx is for that alone: the load goes on until Stop.
func StartLoad(ctx context.Context, o LoadOptions) (*Load, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	l := &Load{opts: o, history: New(), run: uint64(rand.Uint32()|1) << 32,
		limit: rate.NewLimiter(rate.Limit(o.Rate), 1+o.Rate/50), closing: make(chan context.Context, o.Producers)}
	c, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	described, err := client.NewAdmin(c).DescribeTopics(ctx, o.Topic)
	if err == nil && described[0].Error != nil {
		err = described[0].Error
	}
	if err = errors.Join(err, c.Close(ctx)); err != nil {
		return nil, fmt.Errorf("history: topic %q: %w", o.Topic, err)
	}
	l.partitions = int32(len(described[0].Partitions))
	l.producing, l.stopSends = context.WithCancel(context.Background())
	l.reading, l.stopReads = context.WithCancel(context.Background())
	for range o.Producers {
		l.producers.Go(l.produce)
	}
	for range o.Readers {
		l.readers.Go(l.consume)
	}
	return l, nil
}

// Acked is how many records were acknowledged.
func (l *Load) Acked() int64 { return l.acked.Load() }

// Note puts a fault into the history, for those who read it.
func (l *Load) Note(fault string) {
	l.history.Add(Event{Process: None, Kind: Info, Op: Crash, Partition: None, Error: fault})
}

// Stop ends the producers, who wait until the outcome of what is under way is known or ctx ends, then the readers, and
// reads each partition to its end with a client of its own. The history is returned in any case; the error says why
// it does not tell of the end. To be called once.
func (l *Load) Stop(ctx context.Context) (*History, error) {
	for range l.opts.Producers {
		l.closing <- ctx
	}
	l.stopSends()
	l.producers.Wait()
	err := l.readToEnd(ctx)
	l.stopReads()
	l.readers.Wait()
	return l.history, err
}

// pause is what comes between two tries.
const pause = 50 * time.Millisecond

// connect tries until a broker answers.
func (l *Load) connect(ctx context.Context) (*client.Client, error) {
	for {
		c, err := client.Connect(ctx, l.opts.Servers, client.Options{ClientName: "history", DialTimeout: time.Second,
			RequestTimeout: 5 * time.Second})
		if err == nil {
			return c, nil
		}
		if !sleep(ctx, pause) {
			return nil, fmt.Errorf("history: %w", err)
		}
	}
}

// sleep waits, and tells whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ended is a context for closing what nothing is awaited of.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
