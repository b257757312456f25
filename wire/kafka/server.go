package kafka

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// Options configures a server for Kafka's clients. Zero fields take the default named.
type Options struct {
	// Node carries the requests out. Required.
	Node Node
	// Server holds the bounds of connections, memory and time. Its Handler, Dialect, Hello and Events.Answered are not
	// looked at.
	Server wire.ServerOptions
	// Answered, when set, is told of each request that was answered, or could not be any more, from many goroutines at
	// once. It must be quick.
	Answered func(Answered)
}

// Answered tells of a request that is done.
type Answered struct {
	// Key is the number of the kind of request.
	Key int16
	// Took is from the arrival of the whole request to the end of writing the answer.
	Took time.Duration
	// BytesIn and BytesOut are the sizes of request and answer; BytesOut is 0 when there was none or it could not be
	// written.
	BytesIn, BytesOut int
}

// Keys lists the kinds of request that are served, by ascending number. The caller owns the slice.
func Keys() []int16 {
	var keys []int16
	for _, k := range kindTable() {
		keys = append(keys, k.key)
	}
	return keys
}

// KeyName is the name of a kind of request, such as "Produce".
func KeyName(key int16) string { return kmsg.NameForKey(key) }

// NewServer makes a server for Kafka's clients; the error names every option that is wrong.
func NewServer(o Options) (*wire.Server, error) {
	if o.Node == nil {
		return nil, errors.New("kafka: Node is missing")
	}
	if o.Answered == nil {
		o.Answered = func(Answered) {}
	}
	o.Server.Dialect = &dialect{node: o.Node, kinds: kindTable(), answered: o.Answered}
	return wire.NewServer(o.Server)
}

// dialect is Kafka's protocol. Safe for concurrent use.
type dialect struct {
	node     Node
	kinds    []kind
	answered func(Answered)
	sessions sessions
}

// Open begins a connection.
func (d *dialect) Open(peer *wire.Peer) wire.Speaker { return &conn{dialect: d, peer: peer} }
