package broker

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// findPython is a Python that has the msgpack package.
func findPython(t *testing.T) string {
	t.Helper()
	python := os.Getenv("SKIDWAY_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import msgpack").Run(); err != nil {
		require.Empty(t, os.Getenv("CI"), "%s has no msgpack package", python)
		t.Skipf("%s has no msgpack package; make test installs one", python)
	}
	return python
}

// TestPythonClient runs the example client as it stands against a broker. SKIDWAY_PYTHON names a Python that has the
// msgpack package; default: python3.
func TestPythonClient(t *testing.T) {
	python := findPython(t)
	n := startNode(t)
	run := func(topic string) (string, error) {
		out, err := exec.CommandContext(t.Context(), python, "../examples/python/skidway_client.py",
			n.Addr().String(), topic).CombinedOutput()
		return string(out), err
	}
	for range 2 {
		out, err := run("greetings")
		require.NoError(t, err, out)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		require.Len(t, lines, 3)
		require.Contains(t, lines[0], "b'a' b'one'")
		require.Contains(t, lines[2], "None b'three'")
	}
	out, err := run("no/good")
	require.Error(t, err)
	require.Contains(t, out, `SkidwayError: invalid topic name "no/good"`)
}

// TestPythonGroup has the example join a group: what one has committed the next goes on from, and two share the topic.
func TestPythonGroup(t *testing.T) {
	python := findPython(t)
	n := startNode(t, func(c *Config) { c.Groups.SessionTimeout = 3 * time.Second })
	id := n.create("orders", 4)
	write := func(values ...string) {
		for i, v := range values {
			n.append(id, int32(i%4), v)
		}
	}
	member := func(more ...string) *exec.Cmd {
		args := append([]string{"../examples/python/skidway_group.py", n.Addr().String(), "billing", "orders"}, more...)
		cmd := exec.CommandContext(t.Context(), python, args...)
		cmd.Stderr = os.Stderr
		return cmd
	}
	write("a", "b", "c", "d", "e")
	out, err := member("5").Output()
	require.NoError(t, err)
	require.Len(t, strings.Fields(string(out)), 3*5)
	write("f", "g")
	out, err = member("2").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "b'f'")
	require.Contains(t, string(out), "b'g'")
	require.Equal(t, 2, strings.Count(string(out), "\n"), "it goes on where the first one was")

	values := make(chan string, 100)
	var running []*exec.Cmd
	for range 2 {
		cmd := member()
		pipe, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		running = append(running, cmd)
		go func() {
			for lines := bufio.NewScanner(pipe); lines.Scan(); {
				values <- strings.Fields(lines.Text())[2]
			}
		}()
	}
	require.Eventually(t, func() bool {
		d := n.describe("billing")
		if d.State != "stable" || len(d.Members) != 2 {
			return false
		}
		return len(d.Members[0].Partitions) == 2 && len(d.Members[1].Partitions) == 2
	}, 30*time.Second, 20*time.Millisecond)
	write("h", "i", "j", "k")
	seen := map[string]bool{}
	for len(seen) < 4 {
		select {
		case v := <-values:
			require.False(t, seen[v], "%s came twice", v)
			seen[v] = true
		case <-time.After(30 * time.Second):
			require.Fail(t, "records did not come", "%v", seen)
		}
	}
	for _, cmd := range running {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait())
	}
	require.Equal(t, "empty", n.describe("billing").State, "they have left")
}
