package client_test

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// action is what a proxy does with a request.
type action int

const (
	pass      action = iota
	cutBefore        // the connection ends instead of the request's being passed on
	// the connection ends once the broker has answered: the request was carried out, and nobody hears of it
	dropAnswer
	swallow // it is passed on and carried out, but neither its answer nor any later one comes
	refuse  // it is not passed on; the answer is OVERLOADED
	spoil   // a bit of its last byte, which is one of a batch, is flipped
)

// proxy stands between a client and a broker, sees each request, and does with it what the test says.
type proxy struct {
	t        testing.TB
	listener net.Listener
	done     sync.WaitGroup

	mu     sync.Mutex
	target string
	decide func(api client.API, n int) action // n counts the requests of that kind from 1 on
	counts map[client.API]int
	conns  map[net.Conn]bool
	closed bool
}

func startProxy(t testing.TB) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{t: t, listener: l, counts: map[client.API]int{}, conns: map[net.Conn]bool{}}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.cutAll()
		p.done.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// to sets where the proxy leads.
func (p *proxy) to(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// rule sets what is done from now on, and counts from the start again.
func (p *proxy) rule(decide func(api client.API, n int) action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
	clear(p.counts)
}

// cutAll ends all connections.
func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		b, err := net.Dial("tcp", target)
		if err != nil {
			_ = c.Close()
			continue
		}
		p.mu.Lock()
		p.conns[c], p.conns[b] = true, true
		if p.closed {
			_, _ = c.Close(), b.Close()
		}
		p.mu.Unlock()
		p.done.Go(func() { p.serve(c, b) })
	}
}

// expected is an answer to come, or to be made.
type expected struct {
	action      action
	correlation []byte // as the request has it
}

func (p *proxy) serve(c, b net.Conn) {
	answers := make(chan expected, 1024)
	var both sync.WaitGroup
	both.Go(func() { p.requests(c, b, answers) })
	both.Go(func() { p.answers(c, b, answers) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	delete(p.conns, b)
}

// requests passes requests on.
func (p *proxy) requests(c, b net.Conn, answers chan<- expected) {
	defer close(answers)
	for {
		frame, err := readFrame(c)
		if err != nil {
			_, _ = c.Close(), b.Close()
			return
		}
		do := p.action(client.API(frame[5])) // [api, version, correlation, body]; small numbers are one byte
		if do == cutBefore {
			_, _ = c.Close(), b.Close()
			return
		}
		answers <- expected{do, correlation(frame)}
		if do == refuse {
			continue
		}
		if do == spoil {
			frame[len(frame)-1] ^= 1
		}
		if _, err := b.Write(frame); err != nil {
			_, _ = c.Close(), b.Close()
			return
		}
	}
}

func (p *proxy) action(api client.API) action {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[api]++
	if p.decide == nil {
		return pass
	}
	return p.decide(api, p.counts[api])
}

// answers passes answers back.
func (p *proxy) answers(c, b net.Conn, answers <-chan expected) {
	mute := false
	for e := range answers {
		if e.action == refuse {
			if !mute {
				_, _ = c.Write(refusal(e.correlation))
			}
			continue
		}
		frame, err := readFrame(b)
		if e.action == swallow {
			mute = true
		}
		if err != nil || e.action == dropAnswer {
			_, _ = c.Close(), b.Close()
			continue
		}
		if !mute {
			_, _ = c.Write(frame)
		}
	}
}

// readFrame reads a frame with its length.
func readFrame(c net.Conn) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(head))
	copy(frame, head)
	_, err := io.ReadFull(c, frame[4:])
	return frame, err
}

// correlation returns the correlation of a request as it is encoded.
func correlation(frame []byte) []byte {
	size := map[byte]int{0xcc: 2, 0xcd: 3, 0xce: 5}[frame[7]]
	return frame[7 : 7+max(size, 1)]
}

// refusal makes the answer OVERLOADED: [correlation, [code, message], nil].
func refusal(correlation []byte) []byte {
	body := append([]byte{0x93}, correlation...)
	body = append(body, 0x92, 0xcc, byte(wire.CodeOverloaded), 0xa4, 'b', 'u', 's', 'y', 0xc0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// nth returns a rule that does something with the n-th request of a kind, and passes all others.
func nth(api client.API, n int, do action) func(client.API, int) action {
	return func(got client.API, i int) action {
		if got == api && i == n {
			return do
		}
		return pass
	}
}

// throughProxy starts a broker behind a proxy, and a client that knows the proxy only.
func throughProxy(t testing.TB, o client.Options) (*proxy, *server, *client.Client) {
	t.Helper()
	p := startProxy(t)
	s := startServer(t, advertising(p.address()))
	p.to(s.address())
	return p, s, connect(t, p.address(), o)
}
