package zk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// hosts gives the library the servers in turn, by name: they are looked up at each connect, and a certificate is
// checked against the name. (The library's own gives addresses.)
type hosts struct {
	mu      sync.Mutex
	servers []string
	next    int
	// tried counts the servers given out since the last success.
	tried int
}

// Init takes the servers and puts them in an order of chance, so that brokers spread over them.
func (h *hosts) Init(servers []string) error {
	h.servers = slices.Clone(servers)
	rand.Shuffle(len(h.servers), func(i, j int) { h.servers[i], h.servers[j] = h.servers[j], h.servers[i] })
	return nil
}

// Len returns the number of servers.
func (h *hosts) Len() int { return len(h.servers) }

// Next returns the server to try; allTried says that all failed before, so that the library fails what waits to be
// sent and pauses for a second.
func (h *hosts) Next() (server string, allTried bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.servers[h.next]
	h.next = (h.next + 1) % len(h.servers)
	allTried = h.tried > 0 && h.tried%len(h.servers) == 0
	h.tried++
	return server, allTried
}

// Connected says that the last one given out answered.
func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tried = 0
}

// trace remembers why each server could not be used, for messages. Safe for concurrent use.
type trace struct {
	log *slog.Logger

	mu      sync.Mutex
	reasons map[string]string // by server; "": it answered
}

func newTrace(log *slog.Logger) *trace { return &trace{log: log, reasons: make(map[string]string)} }

// note takes the outcome of one attempt, or the end of a connection, and logs it if it is another than the last one.
func (t *trace) note(server string, err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	t.mu.Lock()
	before, known := t.reasons[server]
	t.reasons[server] = reason
	t.mu.Unlock()
	switch {
	case reason != "" && reason != before:
		t.log.Warn("cannot use ZooKeeper server", "server", server, "reason", reason)
	case reason == "" && (before != "" || !known):
		t.log.Info("connected to ZooKeeper", "server", server)
	}
}

// String lists the servers that cannot be used, and why.
func (t *trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for server, reason := range t.reasons {
		if reason != "" {
			parts = append(parts, server+": "+reason)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// unavailable returns why nothing can be asked: the wait for a server has ended with err.
func (t *trace) unavailable(err error) error {
	return fmt.Errorf("%w (%s)", err, cmpString(t.String(), "no server has failed"))
}

func cmpString(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// plain returns err without what a message about a server says anyway.
func plain(err error) error {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Timeout():
		return errors.New("it does not answer in time")
	case errors.As(err, &op):
		return op.Err
	}
	return err
}

// connect opens a connection to a server, with TLS if it is wanted; seen is the last transaction that the session
// knows of.
func (c Config) connect(ctx context.Context, server string, tr *trace, seen int64) (*guard, error) {
	now := time.Now()
	greetBy := now.Add(c.greetLimit())
	ctx, cancel := context.WithDeadline(ctx, greetBy)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, plain(err)
	}
	if c.TLS != nil {
		settings := c.TLS.Clone()
		if settings.ServerName == "" {
			settings.ServerName, _, _ = net.SplitHostPort(server)
		}
		encrypted := tls.Client(conn, settings)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		conn = encrypted
	}
	if err := conn.SetDeadline(greetBy); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &guard{
		Conn: conn, server: server, trace: tr, greetBy: greetBy, opened: now, seen: seen, seenBefore: seen,
	}, nil
}

// libraryLog takes what the library logs: its own view of what trace says, for debugging.
type libraryLog struct{ log *slog.Logger }

// Printf logs a message.
func (l libraryLog) Printf(format string, args ...any) {
	l.log.Debug("ZooKeeper client", "message", fmt.Sprintf(format, args...))
}
