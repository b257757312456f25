package bench

import "context"

// Driver is a kind of broker, and the client that it is measured through. Its methods are safe for concurrent use.
type Driver interface {
	// Name is "skidway" or "kafka".
	Name() string
	// About asks the broker what it is.
	About(ctx context.Context) (About, error)
	// CreateTopic creates a topic, and returns when all partitions can be written to.
	CreateTopic(ctx context.Context, t NewTopic) error
	// DeleteTopic deletes a topic.
	DeleteTopic(ctx context.Context, topic string) error
	// Extent is the number of partitions of a topic, and of records in it.
	Extent(ctx context.Context, topic string) (partitions int, records int64, err error)
	// Layout tells where a topic is. A broker other than except answers, which may not be there; -1: any.
	Layout(ctx context.Context, topic string, except int32) (Layout, error)
	// NewProducer opens a client with a connection of its own.
	NewProducer(ctx context.Context, topic string, l *Load) (Producer, error)
	// NewConsumer opens a client with a connection of its own that reads partitions from their start.
	NewConsumer(ctx context.Context, topic string, partitions []int32, l *Load) (Consumer, error)
	// Close ends the connection that the driver itself uses.
	Close()
}

// NewTopic is a topic that is to be created.
type NewTopic struct {
	Name       string
	Partitions int
	Replicas   int               // of each partition; 0: what the brokers take where nobody says
	Settings   map[string]string // in the broker's own words
}

// Layout is where a topic is in a cluster.
type Layout struct {
	Controller int32   // the broker that controls the cluster; -1: none
	Brokers    []int32 // those that are there
	Leaders    []int32 // by partition; -1: none
	InSync     bool    // every replica is in sync
}

// Leads counts the partitions that a broker leads.
func (l *Layout) Leads(broker int32) (n int) {
	for _, id := range l.Leaders {
		if id == broker {
			n++
		}
	}
	return n
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
