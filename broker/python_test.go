package broker

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPythonClient runs the example client as it stands against a broker. SKIDWAY_PYTHON names a Python that has the
// msgpack package; default: python3.
func TestPythonClient(t *testing.T) {
	python := os.Getenv("SKIDWAY_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import msgpack").Run(); err != nil {
		require.Empty(t, os.Getenv("CI"), "%s has no msgpack package", python)
		t.Skipf("%s has no msgpack package; make test installs one", python)
	}
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
