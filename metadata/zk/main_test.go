package zk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/metadata/zk"
)

// shared is the one server of the tests that do no harm to theirs. Sessions last from 1 s to 10 s.
var shared struct {
	once   sync.Once
	server *zkserver.Ensemble
	err    error
	dir    string
	number atomic.Int64 // of chroots
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		if err := errors.Join(shared.server.Close(), os.RemoveAll(shared.dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

const tick = 500 * time.Millisecond

// installed skips the test where there is no ZooKeeper, except in CI.
func installed(t testing.TB) {
	if _, err := zkserver.Find(""); errors.Is(err, zkserver.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
}

// server returns the address of the shared server.
func server(t testing.TB) string {
	installed(t)
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "zk"); shared.err == nil {
			shared.server, shared.err = zkserver.Start(zkserver.Config{Dir: shared.dir, Servers: 1, Tick: tick})
		}
	})
	require.NoError(t, shared.err)
	return shared.server.Servers[0].Address
}

// servers starts an ensemble of the test's own.
func servers(t testing.TB, cfg zkserver.Config) *zkserver.Ensemble {
	installed(t)
	cfg.Dir = t.TempDir()
	e, err := zkserver.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// config is for the servers, with a chroot that nobody else has.
func config(servers ...string) zk.Config {
	return zk.Config{
		Servers: servers, Chroot: fmt.Sprint("/test-", shared.number.Add(1)),
		SessionTimeout: 6 * time.Second, Logger: quiet(),
	}
}

// patience is how long what must come may take on a busy machine.
const patience = 60 * time.Second

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open opens the store, which the test closes at its end.
func open(t testing.TB, cfg zk.Config) *zk.Store {
	s, err := zk.Open(patient(t), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// create makes the chroot and opens the store.
func create(t testing.TB, cfg zk.Config) *zk.Store {
	require.NoError(t, zk.CreateChroot(patient(t), cfg))
	return open(t, cfg)
}

// session returns the present session.
func session(t testing.TB, s *zk.Store) *zk.Session {
	session, err := s.Session(patient(t))
	require.NoError(t, err)
	return session.(*zk.Session)
}

// logLines collects what is logged.
type logLines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
