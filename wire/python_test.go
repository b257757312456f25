package wire

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The example client of docs and README runs as it stands. SKIDWAY_PYTHON names a
// Python that has the msgpack package; default: python3.
func TestPythonClient(t *testing.T) {
	python := os.Getenv("SKIDWAY_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import msgpack").Run(); err != nil {
		t.Skipf("%s has no msgpack package", python)
	}
	s := startServer(t, ServerOptions{})
	run := func(topic string) (string, error) {
		out, err := exec.CommandContext(t.Context(), python, "../examples/python/skidway_client.py",
			s.addr, topic).CombinedOutput()
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
	require.Contains(t, out, `SkidwayError: the topic name "no/good" is not allowed [E115]`)
}
