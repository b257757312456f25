package wire

import (
	"context"
	"net"
)

// Handler carries requests out. The server calls it; the broker implements it.
//
// # Who owns the bytes
//
// Byte slices inside a ProduceRequest or ThinProduceRequest alias a frame buffer
// that belongs to the server and is reused. A handler may read and write them (a
// broker stamps offsets in place) from Handle until Wait returns; with a
// Response that refers to them until that response was written. A handler that
// must keep them longer, because a write whose outcome is unknown may still read
// them, says so with Holder; everything else copies what it keeps. All other
// requests own their memory.
type Handler interface {
	// Handle starts a request. It is called on the connection's reader goroutine,
	// one call at a time in order of arrival, and so must only start work: what
	// takes time is done by others and awaited in Pending.Wait. req is a pointer
	// to one of this package's structs and never a HelloRequest, which the server
	// answers itself. ctx ends when the connection is gone or the server gives up
	// draining. The result must not be nil.
	Handle(ctx context.Context, peer *Peer, req Request) Pending
}

// Pending is a request under way.
type Pending interface {
	// Wait returns the answer. It is called exactly once, by the connection's
	// writer goroutine, in the order of the requests, also when the connection is
	// already lost: then with a ctx that has ended. An error that is not an
	// *Error reaches the client as AsError makes it.
	Wait(ctx context.Context) (Response, error)
}

// Holder is what a Pending may implement in addition.
type Holder interface {
	// Held is asked once after Wait returned. True: something still refers to the
	// request's bytes; the server then leaves them to the garbage collector
	// instead of reusing them.
	Held() bool
}

// Poller is what a Pending may implement in addition: answers that are there
// already are written together.
type Poller interface {
	// Ready tells whether Wait would return at once. It is called by the
	// connection's writer goroutine, before Wait, any number of times.
	Ready() bool
}

// Peer is a client's connection as a Handler sees it. It does not change after
// the hello and is safe for concurrent use.
type Peer struct {
	// ID tells connections of one server apart; it is never reused.
	ID uint64
	// Remote is the address that the client dialled from.
	Remote net.Addr
	// ClientName and ClientVersion are what the client said of itself in its
	// hello: up to 255 bytes each, not to be trusted, quoted when logged.
	ClientName, ClientVersion string
}

// Ready is a Pending that is done already: with the response, or with err when
// that is not nil.
func Ready(r Response, err error) Pending { return readyPending{r, err} }

type readyPending struct {
	response Response
	err      error
}

func (p readyPending) Wait(context.Context) (Response, error) { return p.response, p.err }

func (p readyPending) Ready() bool { return true }
