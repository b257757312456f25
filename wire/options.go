package wire

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// ServerOptions configures a Server. Zero fields take the default named.
type ServerOptions struct {
	// Handler carries the requests out. Required, unless there is a Dialect.
	Handler Handler
	// Dialect is spoken instead of Skidway's own protocol; Handler, Hello and
	// Events.Answered are then of no use. Default: none.
	Dialect Dialect
	// Logger gets what an operator should know; default: nothing is logged. No
	// payload is ever logged.
	Logger *slog.Logger
	// Hello is what the broker says of itself. The server fills in APIs,
	// MaxFrameBytes and a MaxBatchBytes that is 0 or does not fit a frame.
	Hello HelloResponse

	// MaxFrameBytes is the largest request frame taken: 64 KiB to 1 GiB, default
	// 8 MiB.
	MaxFrameBytes int64
	// MaxConnections is the most connections open at once; default: half of what
	// the limit on open files allows, 64 to 100,000, so that files find room.
	MaxConnections int
	// MaxOutstanding is the most requests of a connection that wait for their
	// answer; beyond it the server stops reading from it. 1 to 10,000, default 64.
	MaxOutstanding int
	// MemoryBytes bounds the request bytes of all connections together, from
	// their arrival to their answer; beyond it the server stops reading. An eighth
	// is kept for frames of up to 16 KiB. At least twice MaxFrameBytes, default
	// 256 MiB or that. One frame may go beyond it.
	MemoryBytes int64

	// HelloTimeout bounds the time from accept to hello; default 10 s.
	HelloTimeout time.Duration
	// IdleTimeout closes a connection that has nothing outstanding and sends
	// nothing; default 10 min.
	IdleTimeout time.Duration
	// BodyTimeout is the grace, beside MinBytesPerSecond, that a peer has for a
	// frame that it has begun, and the longest pause within it; default 10 s.
	BodyTimeout time.Duration
	// MinBytesPerSecond is the least rate at which a peer must send a frame it
	// has begun, or take an answer; default 64 KiB/s.
	MinBytesPerSecond int64
	// WriteTimeout is the grace, beside MinBytesPerSecond, that a peer has to
	// take an answer; default 30 s.
	WriteTimeout time.Duration
	// PeerTimeout is how long a peer's machine may be silent, neither confirming
	// data nor answering keepalives, nor opening a closed window, before the
	// connection is given up; default 10 s.
	PeerTimeout time.Duration

	// Events are told what happens; for metrics.
	Events Events
}

// Events are called by a Server as things happen, from many goroutines at once.
// They must be quick. Nil fields are fine.
type Events struct {
	// Opened: a connection was accepted, from remote.
	Opened func(remote net.Addr)
	// Closed: an accepted connection is closed; why is nil when the peer or a
	// Shutdown ended it in good order.
	Closed func(remote net.Addr, why error)
	// Refused: a connection was turned away because there are too many.
	Refused func(remote net.Addr)
	// Answered: a request was answered, or could not be any more.
	Answered func(Answered)
	// Panicked: a handler or decoder panicked over a request of that kind. Its connection is being closed.
	// The stack is logged already.
	Panicked func(request string, value any)
}

// Answered tells of a request that is done.
type Answered struct {
	API API
	// Code is that of the answer; 0: it has a body.
	Code Code
	// Took is from the arrival of the whole frame to the end of writing.
	Took time.Duration
	// BytesIn and BytesOut are the frames' sizes; BytesOut is 0 when the answer
	// could not be written.
	BytesIn, BytesOut int
}

// withDefaults fills in what is zero.
func (o ServerOptions) withDefaults() ServerOptions {
	setDefault(&o.MaxFrameBytes, 8<<20)
	setDefault(&o.MaxConnections, defaultConnections())
	setDefault(&o.MaxOutstanding, 64)
	setDefault(&o.MemoryBytes, max(256<<20, 2*o.MaxFrameBytes))
	setDefault(&o.HelloTimeout, 10*time.Second)
	setDefault(&o.IdleTimeout, 10*time.Minute)
	setDefault(&o.BodyTimeout, 10*time.Second)
	setDefault(&o.MinBytesPerSecond, 64<<10)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.PeerTimeout, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Events = o.Events.withDefaults()
	o.Hello.APIs = APIs()
	o.Hello.MaxFrameBytes = o.MaxFrameBytes
	if room := o.MaxFrameBytes - produceOverhead; o.Hello.MaxBatchBytes <= 0 || o.Hello.MaxBatchBytes > room {
		o.Hello.MaxBatchBytes = room
	}
	return o
}

// produceOverhead is more than a produce request of one batch takes beside it.
const produceOverhead = 1 << 10

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (ev Events) withDefaults() Events {
	if ev.Opened == nil {
		ev.Opened = func(net.Addr) {}
	}
	if ev.Closed == nil {
		ev.Closed = func(net.Addr, error) {}
	}
	if ev.Refused == nil {
		ev.Refused = func(net.Addr) {}
	}
	if ev.Answered == nil {
		ev.Answered = func(Answered) {}
	}
	if ev.Panicked == nil {
		ev.Panicked = func(string, any) {}
	}
	return ev
}

// validate reports every fault at once.
func (o ServerOptions) validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("wire: "+format, args...))
		}
	}
	check(o.Handler != nil || o.Dialect != nil, "Handler is missing")
	check(o.MaxFrameBytes >= 64<<10 && o.MaxFrameBytes <= 1<<30,
		"MaxFrameBytes is %d, 65536 to 1073741824 are accepted", o.MaxFrameBytes)
	check(o.MaxConnections > 0, "MaxConnections is %d, it must be positive", o.MaxConnections)
	check(o.MaxOutstanding > 0 && o.MaxOutstanding <= 10_000,
		"MaxOutstanding is %d, 1 to 10000 are accepted", o.MaxOutstanding)
	check(o.MemoryBytes >= 2*o.MaxFrameBytes,
		"MemoryBytes is %d, at least twice MaxFrameBytes (%d) is needed", o.MemoryBytes, o.MaxFrameBytes)
	check(o.MinBytesPerSecond > 0, "MinBytesPerSecond is %d, it must be positive", o.MinBytesPerSecond)
	for _, t := range []struct {
		name string
		d    time.Duration
	}{
		{"HelloTimeout", o.HelloTimeout}, {"IdleTimeout", o.IdleTimeout}, {"BodyTimeout", o.BodyTimeout},
		{"WriteTimeout", o.WriteTimeout}, {"PeerTimeout", o.PeerTimeout},
	} {
		check(t.d > 0, "%s is %v, it must be positive", t.name, t.d)
	}
	return errors.Join(faults...)
}
