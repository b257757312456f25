package zk_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between the client and a server, and does to their connections what a network does.
type proxy struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]bool
	refuses bool                // new connections are closed at once
	gates   [2]chan struct{}    // while not nil nothing passes towards the server, towards the client
	limit   int                 // bytes that pass towards the client on a new connection; 0: all
	up      func(client []byte) // is told what passes towards the server
	down    func(server []byte) // and towards the client
}

// The directions in which a proxy lets bytes pass.
const (
	toServer = iota
	toClient
)

func newProxy(t testing.TB, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{target: target, listener: l, conns: make(map[net.Conn]bool)}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) close() {
	p.pass()
	_ = p.listener.Close()
	p.cut()
	p.running.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refuses, limit := p.refuses, p.limit
		p.mu.Unlock()
		if refuses {
			_ = client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.running.Go(func() { p.copy(server, client, toServer, 0) })
		p.running.Go(func() { p.copy(client, server, toClient, limit) })
	}
}

// copy moves bytes until either end is gone.
func (p *proxy) copy(to, from net.Conn, way, limit int) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	if limit > 0 {
		n, _ := io.ReadFull(from, b[:limit])
		_, _ = to.Write(b[:n])
		_, _ = io.Copy(io.Discard, from)
		return
	}
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		gate, tell := p.gates[way], p.up
		if way == toClient {
			tell = p.down
		}
		p.mu.Unlock()
		if tell != nil {
			tell(b[:n])
		}
		if gate != nil {
			<-gate
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// hold lets nothing pass in the directions from now on, without a sign to either end.
func (p *proxy) hold(ways ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, way := range ways {
		p.gates[way] = make(chan struct{})
	}
}

// pass lets all pass again.
func (p *proxy) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for way, gate := range p.gates {
		if gate != nil {
			close(gate)
			p.gates[way] = nil
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}

// refuse closes new connections at once, or no more.
func (p *proxy) refuse(refuses bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = refuses
}

// stall lets n bytes pass towards the client on each new connection.
func (p *proxy) stall(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = n
}

// tell sets who is told what passes.
func (p *proxy) tell(up, down func([]byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up, p.down = up, down
}
