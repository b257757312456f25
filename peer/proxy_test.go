package peer

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy is a TCP proxy that records, stalls, changes and cuts what passes.
type proxy struct {
	net.Listener
	to string

	mu      sync.Mutex
	free    *sync.Cond // of mu: not stalled any more
	stalled bool
	conns   []net.Conn
	up      []*bytes.Buffer // what diallers sent, by connection
	// change is asked about each part of what the dialler of a connection sends; nil: nothing.
	change func(conn int, part []byte) []byte
}

func newProxy(t *testing.T, to net.Addr) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l, to: to.String()}
	p.free = sync.NewCond(&p.mu)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(c, &running) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.stall(false)
		p.cut()
		running.Wait()
	})
	return p
}

func (p *proxy) serve(c net.Conn, running *sync.WaitGroup) {
	defer c.Close()
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer s.Close()
	p.mu.Lock()
	n, record := len(p.up), &bytes.Buffer{}
	p.up = append(p.up, record)
	p.conns = append(p.conns, c, s)
	p.mu.Unlock()
	running.Go(func() { p.pass(c, s, func(b []byte) []byte { return b }) })
	p.pass(s, c, func(b []byte) []byte {
		record.Write(b)
		if p.change != nil {
			return p.change(n, b)
		}
		return b
	})
}

// pass copies from one to the other; when it ends, so does the other way, at once or when the stall is over.
func (p *proxy) pass(to, from net.Conn, change func([]byte) []byte) {
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		for p.stalled {
			p.free.Wait()
		}
		out := append([]byte(nil), change(buf[:n])...)
		p.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(out); err != nil {
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				_ = to.Close()
			} else if t, ok := to.(*net.TCPConn); ok {
				_ = t.CloseWrite()
			}
			return
		}
	}
}

// stall holds everything back, without an end being told.
func (p *proxy) stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = on
	p.free.Broadcast()
}

// cut resets all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	p.conns = nil
}

func (p *proxy) recorded(conn int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if conn >= len(p.up) {
		return nil
	}
	return bytes.Clone(p.up[conn].Bytes())
}
