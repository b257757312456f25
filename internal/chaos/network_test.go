//go:build linux

package chaos

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noNamespaces is why links cannot be cut here; nil: they can.
var noNamespaces error

func TestMain(m *testing.M) {
	noNamespaces = Isolate()
	os.Exit(m.Run())
}

// needNamespaces skips a test that cuts links where that is impossible. It fails in continuous integration, and where
// SKIDWAY_CHAOS has the word require, as make chaos has it: then all of it is to run.
func needNamespaces(t *testing.T) {
	t.Helper()
	if noNamespaces == nil {
		return
	}
	if asked("require") || os.Getenv("CI") == "true" {
		t.Fatalf("the test cuts links: %v\nrun it as root, or allow user namespaces", noNamespaces)
	}
	t.Skipf("the test cuts links, which needs root or user namespaces: %v", noNamespaces)
}

// networks counts those of this run.
var networks atomic.Int32

func newTestNetwork(t *testing.T) *Network {
	n := NewNetwork(noNamespaces == nil, int(networks.Add(1)))
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func addHosts(t *testing.T, n *Network, count int) (hosts []*Host) {
	for range count {
		h, err := n.AddHost()
		require.NoError(t, err)
		hosts = append(hosts, h)
	}
	return hosts
}

// What a cut drops: new connections and established ones, in one direction, between these two hosts alone, without a
// word to either. What was under way arrives when it is mended.
func TestCut(t *testing.T) {
	needNamespaces(t)
	n := newTestNetwork(t)
	h := addHosts(t, n, 3)
	address, seen := echo(t, h[1])
	dial := func(from *Host) func() (net.Conn, error) {
		return func() (net.Conn, error) { return from.Dial(address, patience) }
	}
	cut := func(from *Host) {
		t.Helper()
		conn, err := from.Dial(address, 200*time.Millisecond)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout(), "%v %v", err, conn)
	}
	k, other := dialEcho(t, dial(h[0])), dialEcho(t, dial(h[2]))
	k.say("before")
	k.hears("before")
	require.Equal(t, "before", <-seen)

	require.NoError(t, n.Cut(Cut{h[1], h[0]}))
	cut(h[0])
	k.say("one way")
	require.Equal(t, "one way", <-seen, "it arrives, and the answer does not")
	k.hearsNothing()
	require.NoError(t, n.Mend(Cut{h[1], h[0]}))
	k.hears("one way")

	require.NoError(t, n.Cut(Both(h[0], h[1])...))
	require.NoError(t, n.Cut(Cut{h[0], h[1]}), "once more")
	cut(h[0])
	k.say("held")
	k.hearsNothing()
	require.Empty(t, seen)
	other.say("third")
	other.hears("third")
	require.Equal(t, "third", <-seen)
	require.NoError(t, n.Heal())
	k.hears("held")
}

// A process of a host has that host's network, and ends with the process that started it.
func TestProcessOfHost(t *testing.T) {
	needNamespaces(t)
	h := addHosts(t, newTestNetwork(t), 1)[0]
	out, in, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("ip", "-brief", "addr", "show", "eth0")
	cmd.Stdout = in
	require.NoError(t, h.Start(cmd))
	require.NoError(t, cmd.Wait())
	require.NoError(t, in.Close())
	text, err := io.ReadAll(out)
	require.NoError(t, err)
	require.Contains(t, string(text), h.IP+"/30")

	cmd = exec.Command("sleep", "600")
	require.NoError(t, h.Start(cmd))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	require.NoError(t, err)
	require.Contains(t, string(status), fmt.Sprintf("PPid:\t%d\n", os.Getpid()))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
}
