//go:build linux

package chaos

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// building keeps two tests from building at the same time.
var building sync.Mutex

// buildBroker builds the program below bin/, where the next run finds it. The tag faultfs makes SIGKILL a power loss.
func buildBroker(t *testing.T, tags string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	path, err := filepath.Abs("../../bin/chaos/skidway" + tags)
	require.NoError(t, err)
	cmd := exec.Command("go", "build", "-tags", tags, "-o", path, "github.com/skidway/skidway/cmd/skidway")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}
