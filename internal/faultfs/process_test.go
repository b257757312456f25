package faultfs_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
)

var buildOnce sync.Once

// buildBroker builds the binary with the volatile file system, once for all tests.
func buildBroker(t *testing.T) string {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("skidway-faultfs-%d", os.Getpid()))
	path := filepath.Join(dir, "skidway")
	buildOnce.Do(func() {
		cmd := exec.Command("go", "build", "-tags", "faultfs", "-o", path, "github.com/skidway/skidway/cmd/skidway")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	})
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(filepath.Join(os.TempDir(), fmt.Sprintf("skidway-faultfs-%d", os.Getpid())))
	os.Exit(code)
}

// broker is a real broker process on a volatile file system.
type broker struct {
	t       *testing.T
	binary  string
	dir     string
	address string
	args    []string
	cmd     *exec.Cmd
	output  *bytes.Buffer
}

func newBroker(t *testing.T, args ...string) *broker {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer free.Close()
	b := &broker{t: t, binary: buildBroker(t), dir: filepath.Join(t.TempDir(), "data"),
		address: free.Addr().String(), args: args}
	t.Cleanup(func() {
		if b.cmd != nil {
			b.powerLoss()
		}
	})
	return b
}

// start runs the broker with the faults that are asked for and waits until it answers.
func (b *broker) start(faults string) {
	b.launch(faults)
	b.connect().Close(context.Background())
}

func (b *broker) launch(faults string) {
	args := append([]string{"serve", "--data-dir", b.dir, "--listen", b.address, "--http", "off"}, b.args...)
	b.cmd = exec.Command(b.binary, args...)
	b.cmd.Env = append(os.Environ(), "SKIDWAY_FAULTFS="+faults)
	b.output = &bytes.Buffer{}
	b.cmd.Stdout, b.cmd.Stderr = b.output, b.output
	require.NoError(b.t, b.cmd.Start())
}

// connect waits for the broker, which may be starting.
func (b *broker) connect() *client.Client {
	var c *client.Client
	require.Eventually(b.t, func() (ok bool) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var err error
		c, err = client.Connect(ctx, []string{b.address}, client.Options{})
		return err == nil
	}, time.Minute, 5*time.Millisecond, "the broker does not answer")
	return c
}

// powerLoss kills the process: what it had not synced is gone.
func (b *broker) powerLoss() {
	_ = b.cmd.Process.Signal(syscall.SIGKILL)
	_ = b.cmd.Wait()
	b.cmd = nil
}
