package kv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An open, empty store with the default options holds little memory: neither
// the cache nor the memtables are taken before they are used.
func TestIdleMemory(t *testing.T) {
	if dir := os.Getenv("KV_TEST_IDLE"); dir != "" {
		s := mustOpen(t, Options{Dir: dir})
		text, err := os.ReadFile("/proc/self/status")
		require.NoError(t, err)
		os.Stdout.Write(text)
		closeStore(t, s)
		return
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("no /proc here")
	}
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	child := exec.Command(os.Args[0], "-test.run=^TestIdleMemory$")
	child.Env = append(os.Environ(), "KV_TEST_IDLE="+filepath.Join(t.TempDir(), "store"))
	out, err := child.Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			require.NoError(t, err)
			t.Logf("%d KiB resident", kib)
			require.Less(t, kib, 40<<10)
			return
		}
	}
	t.Fatal("no VmRSS")
}
