package kafka

import (
	"context"
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// request is one request on its way to its answer.
type request struct {
	header
	conn *conn
	kind *kind
	// flexible: the response's header ends with tags, too.
	flexible bool
	answer   answer
	// pending is what was started on the reader goroutine, if anything was, and result what came of it.
	pending wire.Pending
	result  wire.Response
}

var _ wire.Reply = (*request)(nil)

// response is the body of an answer.
type response interface {
	// put adds it to the frame.
	put(f *wire.Frame)
}

// message is a response that kmsg encodes.
type message struct{ kmsg.Response }

func (m message) put(f *wire.Frame) { f.Append(m.AppendTo) }

// String names the kind of request.
func (r *request) String() string { return kmsg.NameForKey(r.key) }

// Ready tells whether the answer is there.
func (r *request) Ready() bool {
	p, ok := r.pending.(wire.Poller)
	return ok && p.Ready()
}

// Append waits for the answer and encodes it.
func (r *request) Append(ctx context.Context, f *wire.Frame) error {
	body, err := r.answer(ctx)
	if body == nil || err != nil {
		return err
	}
	f.Append(func(dst []byte) []byte {
		dst = binary.BigEndian.AppendUint32(dst, uint32(r.correlation))
		if r.flexible && r.key != keyAPIVersions {
			dst = append(dst, 0) // no tags
		}
		return dst
	})
	body.put(f)
	return nil
}

// Done gives back what the answer's bytes lie in, and tells whether the request's are still referred to.
func (r *request) Done(sent wire.Sent) (held bool) {
	if releaser, ok := r.result.(wire.Releaser); ok {
		releaser.Release()
	}
	if holder, ok := r.pending.(wire.Holder); ok {
		held = holder.Held()
	}
	r.conn.answered(Answered{Key: r.key, Took: sent.Took, BytesIn: sent.BytesIn, BytesOut: sent.BytesOut})
	return held
}

// begin starts a native request on the reader goroutine; await waits for it.
func (r *request) begin(ctx context.Context, req wire.Request) {
	r.pending = r.conn.node.Handle(ctx, r.conn.peer, req)
}

// await waits for what begin has started.
func await[Resp wire.Response](ctx context.Context, r *request) (resp Resp, refused *wire.Error) {
	result, err := r.pending.Wait(ctx)
	if err != nil {
		return resp, wire.AsError(err)
	}
	r.result = result
	return result.(Resp), nil
}

// ask carries out a native request whose turn to be answered has come.
func ask[Resp wire.Response](ctx context.Context, r *request, req wire.Request) (resp Resp, refused *wire.Error) {
	result, err := r.conn.node.Handle(ctx, r.conn.peer, req).Wait(ctx)
	if err != nil {
		return resp, wire.AsError(err)
	}
	return result.(Resp), nil
}
