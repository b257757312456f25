package peer

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// dialer keeps one link of a class with a peer: it dials, serves, and dials again.
type dialer struct {
	t       *Transport
	peer    int32
	class   Class
	address string
	ctx     context.Context
	cancel  context.CancelFunc
	pause   backoff.ExponentialBackOff
	// last is the incarnation that a link was up with at lastAddr, nil once it counted as
	// refused. lastAddr is what the address resolved to.
	last     *Incarnation
	lastAddr string
	ups      int
	logged   string // the failure that was logged last
}

func newDialer(t *Transport, peer int32, class Class, address string) *dialer {
	d := &dialer{t: t, peer: peer, class: class, address: address, pause: backoff.ExponentialBackOff{
		InitialInterval: firstPause, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: t.opts.MaxBackoff,
	}}
	d.pause.Reset()
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// run dials until the dialer is cancelled.
func (d *dialer) run() {
	for d.ctx.Err() == nil {
		registered, changed := d.t.registration()
		if registered {
			began := time.Now()
			if d.attempt() && time.Since(began) > d.t.opts.MaxBackoff {
				d.pause.Reset()
				continue // at once: a refusal now says that the process is gone
			}
		}
		d.wait(registered, changed)
	}
}

// wait passes the pause between two attempts, or the time until there is a registration. A new
// one ends it.
func (d *dialer) wait(registered bool, changed <-chan struct{}) {
	var over <-chan time.Time
	if registered {
		timer := time.NewTimer(d.pause.NextBackOff())
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-d.ctx.Done():
	case <-over:
	case <-changed:
		d.pause.Reset()
	}
}

// attempt makes a link and serves it to its end. It tells whether there was one.
func (d *dialer) attempt() bool {
	s, err := d.dial()
	if err != nil {
		if d.ctx.Err() == nil {
			d.failed(err)
		}
		return false
	}
	if d.ups++; d.ups > 1 {
		d.t.stats.reconnects.Add(1)
	}
	d.logged = ""
	peer := s.peer
	d.last, d.lastAddr = &peer, s.conn.RemoteAddr().String()
	s.run()
	return true
}

// failed tells of an attempt that gave no link: the log once for each new reason, the host if it
// shows that the process is gone.
func (d *dialer) failed(err error) {
	d.t.stats.dialFailures.Add(1)
	if text := withoutPort(err); text != d.logged {
		d.logged = text
		d.t.opts.Logger.Warn("no link with a broker; trying again",
			"broker", d.peer, "address", d.address, "error", err)
	}
	if d.last != nil && d.class == Live && refusedAt(err, d.lastAddr) {
		d.t.refused(*d.last)
		d.last = nil
	}
}

// withoutPort is the error's text without what each attempt has of its own.
func withoutPort(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Source != nil {
		return strings.ReplaceAll(err.Error(), op.Source.String(), "")
	}
	return err.Error()
}

// refusedAt tells whether the address itself, and not another one of the same name, refused.
func refusedAt(err error, address string) bool {
	var op *net.OpError
	return errors.Is(err, syscall.ECONNREFUSED) && errors.As(err, &op) && op.Addr != nil && op.Addr.String() == address
}

// dial makes a connection and a session on it. When the dialler is cancelled, so is what it makes.
func (d *dialer) dial() (*session, error) {
	nd := net.Dialer{Timeout: d.t.opts.HandshakeTimeout}
	c, err := nd.DialContext(d.ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(d.ctx, func() { _ = c.Close() })
	defer stop()
	s, err := d.handshake(c)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return s, nil
}

// handshake is the dialler's part of it, up to a session that is up.
func (d *dialer) handshake(raw net.Conn) (*session, error) {
	c := d.t.prepare(raw)
	o, renewals := d.t.options()
	r := bufio.NewReaderSize(c, readAhead)
	first, err := readFrame(r, 1, maxHandshake)
	if err == nil {
		_, err = decodeChallenge(first)
	}
	if err != nil {
		return nil, fmt.Errorf("the address is not one for brokers (the peer address), or too busy: %w", err)
	}
	h := hello{
		cluster: o.Cluster, from: o.Self, to: d.peer, class: d.class, window: int64(o.WindowBytes),
	}
	_, _ = rand.Read(h.nonce[:]) // never fails
	k := keys{o.Secret}
	second := h.encode(k, first)
	if _, err := c.Write(second); err != nil {
		return nil, err
	}
	third, err := readFrame(r, 1, maxHandshake)
	if err != nil {
		return nil, fmt.Errorf("no answer to the hello: %w", err)
	}
	if third[lengthBytes] == typeRefusal {
		return nil, decodeRefusal(third)
	}
	w, err := decodeWelcome(third, d.peer)
	if err != nil {
		return nil, err
	}
	if !k.proves("welcome", third, first, second) {
		return nil, &refusal{reason: reasonSecret}
	}
	dialler, listener, err := k.sealers(first, second, third)
	if err != nil {
		return nil, err
	}
	return d.t.open(secured{
		conn: c, reader: r, seal: dialler, open: listener, peer: w.self, side: Follower, class: d.class,
		window: min(int64(o.WindowBytes), w.window), renewals: renewals, dialler: d,
	})
}
