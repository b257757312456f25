package zkserver_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/internal/zkserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOneServer(t *testing.T) {
	if _, err := zkserver.Find(""); errors.Is(err, zkserver.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	e, err := zkserver.Start(zkserver.Config{Dir: t.TempDir(), Servers: 1, Tick: 100 * time.Millisecond})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	s := e.Servers[0]
	require.Equal(t, "standalone", s.Mode())
	require.ErrorContains(t, s.Restart(), "runs")
	require.NoError(t, s.Kill())
	require.Empty(t, s.Mode())
	require.NoError(t, s.Kill(), "twice")
	require.Error(t, s.Pause())
	require.NoError(t, s.Restart())
	require.Equal(t, []string{s.Address}, e.Addresses())
}

// A server runs where its host says, and starts anew without its data.
func TestHost(t *testing.T) {
	if _, err := zkserver.Find(""); errors.Is(err, zkserver.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	dir, started := t.TempDir(), 0
	host := zkserver.Host{IP: "127.0.0.9", Start: func(cmd *exec.Cmd) error {
		started++
		return cmd.Start()
	}}
	_, err := zkserver.Start(zkserver.Config{Dir: dir, Servers: 3, Hosts: []zkserver.Host{host}})
	require.ErrorContains(t, err, "1 hosts for 3 servers")
	e, err := zkserver.Start(zkserver.Config{Dir: dir, Servers: 1, Hosts: []zkserver.Host{host}})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	s := e.Servers[0]
	require.Regexp(t, `^127\.0\.0\.9:`, s.Address)
	require.NoError(t, s.Kill())
	require.DirExists(t, s.DataDir())
	require.NoError(t, os.RemoveAll(s.DataDir()))
	require.NoError(t, s.Restart())
	require.Equal(t, 2, started)
}

func TestFind(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := zkserver.Find("")
	require.ErrorIs(t, err, zkserver.ErrNotInstalled)
	require.ErrorContains(t, err, "apt-get install")
	_, err = zkserver.Start(zkserver.Config{Dir: t.TempDir(), Servers: 1})
	require.ErrorIs(t, err, zkserver.ErrNotInstalled)
}

// An unpacked release is found where it is said to be, and only there.
func TestFindRelease(t *testing.T) {
	if _, err := zkserver.Find(""); errors.Is(err, zkserver.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err) // without java nothing is looked for
	}
	home := t.TempDir()
	_, err := zkserver.Find(home)
	require.ErrorIs(t, err, zkserver.ErrNotInstalled)
	require.ErrorContains(t, err, home)
	require.NoError(t, os.Mkdir(filepath.Join(home, "lib"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, "lib", "zookeeper-3.9.3.jar"), nil, 0o600))
	want := filepath.Join(home, "lib", "*") + ":" + filepath.Join(home, "conf")
	classpath, err := zkserver.Find(home)
	require.NoError(t, err)
	require.Equal(t, want, classpath)
	t.Setenv("ZOOKEEPER_CLASSPATH", "")
	t.Setenv("ZOOKEEPER_HOME", home)
	classpath, err = zkserver.Find("")
	require.NoError(t, err)
	require.Equal(t, want, classpath)
}

// A server that ends at once is named with the end of its log, and nothing is left running.
func TestServerEnds(t *testing.T) {
	if _, err := zkserver.Find(""); errors.Is(err, zkserver.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	t.Setenv("ZOOKEEPER_CLASSPATH", t.TempDir())
	_, err := zkserver.Start(zkserver.Config{Dir: t.TempDir(), Servers: 1})
	require.ErrorContains(t, err, "server 1 has ended")
	require.ErrorContains(t, err, "QuorumPeerMain")
}
