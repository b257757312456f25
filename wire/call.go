package wire

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Outcome tells what is known of a request that got no answer.
type Outcome int8

const (
	// NotSent: the broker cannot have carried it out.
	NotSent Outcome = iota
	// Unknown: the broker may have carried it out, or still do so.
	Unknown
)

// String is "not sent" or "outcome unknown".
func (o Outcome) String() string {
	if o == NotSent {
		return "not sent"
	}
	return "outcome unknown"
}

// Targets for errors.Is on a *ConnError.
var (
	// ErrNotSent matches a ConnError of a request that the broker cannot have
	// carried out: it may be repeated elsewhere.
	ErrNotSent = errors.New("wire: request was not sent")
	// ErrOutcomeUnknown matches a ConnError of a request that the broker may have
	// carried out.
	ErrOutcomeUnknown = errors.New("wire: outcome of request is unknown")
)

// ConnError is the error of a request that got no answer.
type ConnError struct {
	// Addr is the broker's address as it was dialled.
	Addr string
	// Outcome tells whether the request may have been carried out.
	Outcome Outcome
	// Err is why there is no answer: what broke the connection, or the end of the
	// caller's context.
	Err error
}

// Error names the address, the reason, and whether the request was sent.
func (e *ConnError) Error() string {
	return fmt.Sprintf("%s: %v (%v)", e.Addr, e.Err, e.Outcome)
}

// Unwrap gives the reason.
func (e *ConnError) Unwrap() error { return e.Err }

// Is matches ErrNotSent and ErrOutcomeUnknown.
func (e *ConnError) Is(target error) bool {
	return target == ErrNotSent && e.Outcome == NotSent || target == ErrOutcomeUnknown && e.Outcome == Unknown
}

// Call is a request under way. Its methods are safe for concurrent use.
type Call struct {
	conn        *Conn
	kind        *apiKind
	correlation uint32
	size        int // of the frame
	done        chan struct{}

	// Under conn.mu until done is closed:
	frame *encoder // nil once written, or given up
	// taken: the writer has it or had it, and the broker may know of it. writing:
	// the writer has it now, and is the one to end it if the connection breaks.
	taken, writing bool
	finished       bool // done is closed
	resp           Response
	err            error
}

// Done is closed when the answer has come or the connection broke.
func (c *Call) Done() <-chan struct{} { return c.done }

// Result is the answer; to be called after Done. The error is an *Error when the
// broker refused and a *ConnError when the connection broke.
func (c *Call) Result() (Response, error) {
	select {
	case <-c.done:
		return c.resp, c.err
	default:
		panic("wire: Call.Result before Call.Done")
	}
}

// Wait waits for the answer. When ctx ends first the error is a *ConnError of
// ctx's error, and the call is given up: not sent, if that can still be, else
// its answer is dropped when it comes.
func (c *Call) Wait(ctx context.Context) (Response, error) {
	select {
	case <-c.done:
		return c.resp, c.err
	case <-ctx.Done():
		return c.abandon(context.Cause(ctx))
	}
}

// abandon gives the call up because of why.
func (c *Call) abandon(why error) (Response, error) {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	select {
	case <-c.done:
		return c.resp, c.err
	default:
	}
	if c.taken {
		return nil, &ConnError{Addr: c.conn.addr, Outcome: Unknown, Err: why}
	}
	for i, w := range c.conn.waiting {
		if w == c {
			c.conn.waiting = append(c.conn.waiting[:i:i], c.conn.waiting[i+1:]...)
			break
		}
	}
	c.fail(why)
	return nil, c.err
}

// fail ends the call without an answer; under conn.mu.
func (c *Call) fail(why error) {
	outcome := NotSent
	if c.taken {
		outcome = Unknown
	}
	c.finish(nil, &ConnError{Addr: c.conn.addr, Outcome: outcome, Err: why})
}

// finish ends the call, once; under conn.mu.
func (c *Call) finish(resp Response, err error) {
	if c.finished {
		return
	}
	c.finished, c.resp, c.err = true, resp, err
	close(c.done)
}

// trustedBytes is what a client allocates on the word of a broker.
const trustedBytes = 4 << 20

// readFrame reads a frame into memory of its own, which grows as bytes arrive.
func readFrame(r *bufio.Reader, limit int64) ([]byte, error) {
	head, err := r.Peek(frameHeader)
	if err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head))
	if n < minResponseBytes || n > limit {
		return nil, fmt.Errorf("wire: response frame length %d, %d to %d are accepted", n, minResponseBytes, limit)
	}
	_, _ = r.Discard(frameHeader)
	frame := make([]byte, min(n, trustedBytes))
	have := 0
	for {
		if _, err := io.ReadFull(r, frame[have:]); err != nil {
			return nil, err
		}
		if have = len(frame); int64(have) == n {
			return frame, nil
		}
		larger := make([]byte, min(n, int64(2*have)))
		copy(larger, frame)
		frame = larger
	}
}
