package bench

import "context"

// Driver is a kind of broker, and the client that it is measured through. Its methods are safe for concurrent use.
type Driver interface {
	// Name is "skidway" or "kafka".
	Name() string
	// About asks the broker what it is.
	About(ctx context.Context) (About, error)
	// CreateTopic creates a topic, with settings in the broker's own words, and returns when all partitions can be
	// written to.
	CreateTopic(ctx context.Context, topic string, partitions int, settings map[string]string) error
	// DeleteTopic deletes a topic.
	DeleteTopic(ctx context.Context, topic string) error
	// Extent is the number of partitions of a topic, and of records in it.
	Extent(ctx context.Context, topic string) (partitions int, records int64, err error)
	// NewProducer opens a client with a connection of its own.
	NewProducer(ctx context.Context, topic string, l *Load) (Producer, error)
	// NewConsumer opens a client with a connection of its own that reads partitions from their start.
	NewConsumer(ctx context.Context, topic string, partitions []int32, l *Load) (Consumer, error)
	// Close ends the connection that the driver itself uses.
	Close()
}

// About is what a broker says of itself.
type About struct {
	Address string `json:"address"`
	Version string `json:"version"`
	Brokers int    `json:"brokers"`
	Fsync   string `json:"fsync,omitempty"` // as the broker names its policy
}

// Producer writes records.
type Producer interface {
	// Sender makes a place for one outstanding record. done is called once for each Send, never at the same time as
	// another done of the Producer; after it the Sender may send again.
	Sender(done func(err error)) Sender
	// Flush returns when done has been called for all that was sent.
	Flush(ctx context.Context) error
	// Close ends the Producer; what is not answered then fails.
	Close(ctx context.Context) error
}

// Sender is a place for one outstanding record.
type Sender interface {
	// Send accepts a record. Its bytes must not change until done is called.
	Send(ctx context.Context, key, value []byte)
}

// Consumer reads records.
type Consumer interface {
	// Poll waits for records and calls f for each. The value is valid only inside f.
	Poll(ctx context.Context, f func(partition int32, value []byte)) error
	// Close ends the Consumer.
	Close()
}
