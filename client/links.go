package client

import (
	"context"
	"sync"
)

// links are connections to brokers, one to each, made when first needed and again when they break. Safe for
// concurrent use.
type links struct {
	c *Client

	mu sync.Mutex // guards all below, and the lines; nothing is called under it
	to map[int32]*line
}

// line is the connection to one broker.
type line struct {
	dialling chan struct{} // holds a token: who has it may replace link
	link     *link         // nil: to be dialled
}

func newLinks(c *Client) *links { return &links{c: c, to: map[int32]*line{}} }

// get returns an open connection to a broker that listens at address.
func (s *links) get(ctx context.Context, broker int32, address string) (*link, *Error) {
	s.mu.Lock()
	n := s.to[broker]
	if n == nil {
		n = &line{dialling: make(chan struct{}, 1)}
		s.to[broker] = n
	}
	s.mu.Unlock()
	select {
	case n.dialling <- struct{}{}:
		defer func() { <-n.dialling }()
	case <-ctx.Done():
		return nil, timedOut(ctx, nowhere(address), "connecting", OutcomeFailed)
	}
	s.mu.Lock()
	l := n.link
	s.mu.Unlock()
	if l != nil && !l.broken() && l.address == address {
		return l, nil
	}
	if s.c.ctx.Err() != nil {
		return nil, errClosed("client")
	}
	fresh, err := s.c.dialAt(ctx, broker, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	n.link = fresh
	s.mu.Unlock()
	if l != nil {
		l.close(nil)
	}
	return fresh, nil
}

// close closes the connections that there are.
func (s *links) close() {
	s.mu.Lock()
	var open []*link
	for _, n := range s.to {
		if n.link != nil {
			open = append(open, n.link)
		}
		n.link = nil
	}
	s.mu.Unlock()
	for _, l := range open {
		l.close(nil)
	}
}
