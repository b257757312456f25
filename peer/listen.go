package peer

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/skidway/skidway/wire"
)

// maxPending is the most connections in their handshake; beyond it the oldest is closed for a
// new one, so that strangers who hold on to theirs keep no broker out for long.
const maxPending = 64

// accept takes connections until Close.
func (t *Transport) accept() {
	var pause time.Duration
	for {
		c, err := t.listener.Accept()
		if err == nil {
			pause = 0
			t.greet(c)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		t.warn("cannot accept a connection of a broker; trying again", "error", err, "in", pause)
		select {
		case <-time.After(pause):
		case <-t.closing:
			return
		}
	}
}

// greet begins the handshake with whoever connected.
func (t *Transport) greet(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = c.Close()
		return
	}
	if t.pending.Len() >= maxPending {
		_ = t.pending.Remove(t.pending.Front()).(net.Conn).Close()
	}
	place := t.pending.PushBack(c)
	t.running.Go(func() {
		s, err := t.welcome(c)
		t.mu.Lock()
		t.pending.Remove(place) // nothing if it was shed
		t.mu.Unlock()
		if err != nil {
			_ = c.Close()
			t.stats.rejected.Add(1)
			t.warn("a connection is rejected: no link with a broker", "remote", c.RemoteAddr(), "error", err)
			return
		}
		s.run()
	})
}

// welcome is the listener's part of a handshake, up to a session that is up.
func (t *Transport) welcome(raw net.Conn) (*session, error) {
	c := t.prepare(raw)
	o, renewals := t.options()
	r := bufio.NewReaderSize(c, readAhead)
	var ch challenge
	_, _ = rand.Read(ch.nonce[:]) // never fails
	first := ch.encode()
	if _, err := c.Write(first); err != nil {
		return nil, err
	}
	second, err := readFrame(r, 1, maxHandshake)
	if err != nil {
		return nil, fmt.Errorf("no hello: %w", err)
	}
	h, err := decodeHello(second)
	k := keys{o.Secret}
	if err == nil {
		err = o.judge(h, k.proves("hello", second, first))
	}
	if err != nil {
		return nil, refuse(c, describe(h, err), err)
	}
	window := min(int64(o.WindowBytes), h.window)
	third := welcome{o.Self, window}.encode(k, first, second)
	dialler, listener, err := k.sealers(first, second, third)
	if err != nil {
		return nil, err
	}
	s, err := t.open(secured{
		conn: c, reader: r, seal: listener, open: dialler, peer: h.from, side: Leader, class: h.class, window: window,
		renewals: renewals,
	})
	if err != nil {
		return nil, refuse(c, describe(h, err), err)
	}
	if _, err := c.Write(third); err != nil {
		t.drop(s, err)
		return nil, err
	}
	return s, nil
}

// describe adds who a dialler claims to be.
func describe(h hello, err error) error {
	if h.cluster == "" {
		return err
	}
	return fmt.Errorf("broker %d of cluster %q (as it says): %w", h.from.Broker, h.cluster, err)
}

// refuse tells the dialler why it gets no link, if that is for it to know, and returns err.
func refuse(c *patient, err, why error) error {
	var r *refusal
	if errors.As(why, &r) {
		_, _ = c.Write(r.encode())
		if t, ok := c.Conn.(*net.TCPConn); ok {
			_ = t.CloseWrite() // it is read before a reset could overtake it
		}
	}
	return err
}

// prepare sets the limits of a connection that is in its handshake.
func (t *Transport) prepare(c net.Conn) *patient {
	if err := wire.Tune(c, t.opts.Silence, t.opts.Silence); err != nil {
		t.opts.Logger.Debug("cannot set socket options", "remote", c.RemoteAddr(), "error", err)
	}
	_ = c.SetDeadline(time.Now().Add(t.opts.HandshakeTimeout))
	return &patient{Conn: c}
}
