package client

import (
	"context"
	"time"

	"github.com/skidway/skidway/wire"
)

// A broker that is paused, or cut off, keeps its connections open and says nothing. When its session with the metadata
// store is over, others do what it did: whoever waits for it looks for them long before RequestTimeout.
const (
	// late is how much later than it may be an answer is when it is asked who leads by now, and how often from then
	// on. Brokers that are well answer sooner, save under load, and then the question is a cheap one.
	late = 500 * time.Millisecond
	// silence is how long a broker may take for an answer that each broker has at hand, before another one is asked.
	silence = 2 * time.Second
)

// watch does something, and calls overdue when that takes longer than after, and from then on again and again. The
// context of overdue ends when it is done; both are when watch returns.
func watch(ctx context.Context, after time.Duration, overdue func(context.Context), do func()) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	t := time.AfterFunc(after, func() {
		defer close(ended)
		for again := true; again; again = sleep(ctx, late) {
			overdue(ctx)
		}
	})
	do()
	cancel()
	if !t.Stop() {
		<-ended
	}
}

// consult is query, for what any broker can say: one that is silent is left for another one.
func consult[T wire.Response](ctx context.Context, c *Client, q wire.Request) (T, error) {
	patience := silence
	return insist(ctx, c, q.API(), (*Error).Retriable, func(ctx context.Context) (T, *Error) {
		r, err := c.consultOnce(ctx, q, patience)
		patience *= 2 // all of them may be slow
		return answerOf[T](r, err, q, c.Address())
	})
}

// consultOnce carries a request out. When the broker is silent for longer than patience, and another one can be
// reached, the request is given up, and the next goes there.
func (c *Client) consultOnce(ctx context.Context, q wire.Request, patience time.Duration) (wire.Response, *Error) {
	l, failed := c.controlLink(ctx)
	if failed != nil {
		return nil, failed.(*Error)
	}
	var r wire.Response
	var err *Error
	asking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	watch(ctx, patience, func(ctx context.Context) {
		if c.leave(ctx, l) {
			giveUp()
		}
	}, func() { r, err = l.do(asking, q) })
	return r, err
}

// leave puts a connection to another broker in the place of a control that is silent. False: there is none.
func (c *Client) leave(ctx context.Context, silent *link) bool {
	select {
	case c.dialling <- struct{}{}:
		defer func() { <-c.dialling }()
	case <-ctx.Done():
		return false
	}
	if c.openControl() != silent {
		return true
	}
	advertised, _ := c.meta.address(silent.hello().BrokerID)
	l, err := c.dialAny(ctx, silent.address, advertised)
	if err != nil {
		return false
	}
	c.opts.Logger.Warn("broker is silent, another one is asked", "address", silent.address, "other", l.address)
	c.setControl(l)
	silent.retire(newError(wire.CodeTimedOut, nowhere(silent.address), "the broker is silent"))
	return true
}

// askOthers asks the other brokers, one after the other, for what the control knows only from the time when it was in
// touch with the cluster. The first that is in touch is asked from then on. nil: there is none, or it takes too long.
func (c *Client) askOthers(ctx context.Context, q *wire.MetadataRequest) *wire.MetadataResponse {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	select {
	case c.dialling <- struct{}{}:
		defer func() { <-c.dialling }()
	case <-ctx.Done():
		return nil
	}
	stale := c.openControl()
	if stale == nil {
		return nil
	}
	var skip []string
	for l := stale; ; {
		advertised, _ := c.meta.address(l.hello().BrokerID)
		skip = append(skip, l.address, advertised)
		other, err := c.dialAny(ctx, skip...)
		if err != nil {
			return nil
		}
		l = other
		r, failed := l.do(ctx, q)
		if answer, ok := r.(*wire.MetadataResponse); ok && failed == nil && !answer.Stale {
			c.opts.Logger.Warn("broker is out of touch with the cluster, another one is asked", "address", stale.address,
				"other", l.address)
			c.setControl(l)
			stale.retire(newError(wire.CodeTimedOut, nowhere(stale.address), "the broker is out of touch with the cluster"))
			return answer
		}
		l.close(nil)
	}
}
