package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// example is one command of the README and what it prints, both streams together; "..." stands for anything within a
// line. The section says what it runs against.
type example struct{ section, command, output string }

// clusterSection is the one whose examples run against three brokers.
const clusterSection = "Administering a cluster"

// readmeExamples are the commands of the README's console blocks, in order.
func readmeExamples(t *testing.T) (list []example) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	section, console := "", false
	for line := range strings.Lines(string(text)) {
		command, starts := strings.CutPrefix(line, "$ ")
		heading, heads := strings.CutPrefix(line, "## ")
		switch {
		case strings.HasPrefix(line, "```"):
			console = line == "```console\n"
		case console && starts:
			list = append(list, example{section: section, command: strings.TrimSpace(command)})
		case console:
			list[len(list)-1].output += line
		case heads:
			section = strings.TrimSpace(heading)
		}
	}
	return list
}

// TestREADME runs every console example of the README to the letter, in order, against one broker, those about clusters
// against three, and compares what it prints.
func TestREADME(t *testing.T) {
	skipWithout(t)
	bin, work := filepath.Join(t.TempDir(), "skidway"), t.TempDir()
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "SKIDWAY_") })
	env = append(env, "PATH="+filepath.Dir(bin)+":"+os.Getenv("PATH"), "HOME="+work, "XDG_DATA_HOME="+work)
	examples := readmeExamples(t)
	require.Equal(t, "skidway serve --dev", examples[0].command)
	alone := serveForREADME(t, bin, env)
	cluster, err := startCluster(bin, filepath.Join(t.TempDir(), "cluster"), env, []string{"-", "-", "-"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.close()) })
	for _, e := range examples[1:] {
		address := alone
		if e.section == clusterSection {
			address = cluster.addresses()
		}
		cmd := exec.Command("bash", "-c", e.command)
		cmd.Dir, cmd.Env = work, append(env, "SKIDWAY_SERVER="+address)
		out, _ := cmd.CombinedOutput()
		want := strings.ReplaceAll(regexp.QuoteMeta(e.output), `\.\.\.`, `[^\n]*`)
		assert.Regexp(t, "^"+want+"$", string(out), "$ %s", e.command)
	}
}

// serveForREADME runs the README's broker on free ports and returns the client address.
func serveForREADME(t *testing.T, bin string, env []string) string {
	ready := filepath.Join(t.TempDir(), "ready")
	cmd := exec.Command(bin, "serve", "--dev", "--kafka.listen", "127.0.0.1:0", "--listen", "127.0.0.1:0",
		"--http", "127.0.0.1:0", "--ready-file", ready)
	cmd.Env = env
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait())
	})
	var r struct{ Listen string }
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(text, &r) == nil
	}, time.Minute, 5*time.Millisecond, "the broker does not get ready")
	return r.Listen
}
