package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestClients runs a part of what `make compat` does: what clients must not stop doing.
func TestClients(t *testing.T) {
	shortCases := map[string]string{
		"kcat":     "records read codec-gzip codec-lz4 codec-zstd offsets seek",
		"franz-go": "records write read codec-snappy idempotence offsets seek",
		"java-3.9": "write read admin-topics",
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	broker, err := startSkidway(root, filepath.Join(t.TempDir(), "broker"))
	require.NoError(t, err)
	t.Cleanup(broker.stop)
	for _, c := range clients() {
		names := strings.Fields(shortCases[c.name])
		if len(names) == 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			w, err := c.prepare(root)
			if errors.Is(err, errMissing) && os.Getenv("CI") == "" {
				t.Skipf("%v: scripts/test-deps", err)
			}
			require.NoError(t, err)
			for _, name := range names {
				t.Run(name, func(t *testing.T) { requirePassed(t, broker, &c, w, name) })
			}
		})
	}
}

func requirePassed(t *testing.T, broker *target, c *client, w workshop, name string) {
	for _, k := range c.cases {
		if k.name == name {
			require.Equal(t, outcome{State: passed}, runCase(broker, c, w, k))
			return
		}
	}
	t.Fatalf("there is no case %s", name)
}

// TestCompare holds that what clients left is looked at closely.
func TestCompare(t *testing.T) {
	fine := string(recordLines())
	require.NoError(t, compare([]byte(fine)))
	for from, to := range map[string]string{
		`"value":null`:     `"value":""`,
		`"key":"key-2"`:    `"key":null`,
		`"value":""`:       `"value":null`,
		`header-3`:         `header-4`,
		`{"key":"none"`:    `{"key":"name"`,
		`22:13:21.000Z`:    `22:13:21.001Z`,
		`"value":"again"}`: `"value":null}`,
	} {
		broken := strings.Replace(fine, from, to, 1)
		require.NotEqual(t, fine, broken, from)
		require.Error(t, compare([]byte(broken)), "%s instead of %s", to, from)
	}
	require.Error(t, compare([]byte(fine[strings.IndexByte(fine, '\n')+1:])), "a record is missing")
}

// TestPage holds that the page tells what failed, and why.
func TestPage(t *testing.T) {
	all := make(results)
	at := &target{name: "Skidway", version: "v1"}
	all.add(at, "kcat", "1.7", map[string]outcome{"records": {State: passed}, "codec-lz4": {failed, "went without"}})
	all.add(at, "kcat", "1.7", map[string]outcome{"admin-topics": {notApplicable, "has none"}})
	text := page(all)
	require.Contains(t, text, "| 1.7 | 1 | 1 | 1 | v1 | not run |")
	require.Contains(t, text, "| compression: lz4 | **no** |")
	require.Contains(t, text, "\n## Failed\n\n- kcat, codec-lz4: went without\n")
	require.Contains(t, text, "\n## Not applicable\n\n- kcat, admin-topics: has none\n")
	all.add(at, "kcat", "1.8", map[string]outcome{"records": {State: passed}})
	require.NotContains(t, page(all), "went without", "results of another version")
}
