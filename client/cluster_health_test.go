//go:build !race

package client_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/wire"
)

// page asks a broker's admin address.
func page(t *testing.T, s *server, path string) string {
	t.Helper()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(
		"http://" + s.broker.HTTPAddr().String() + path)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

// awaitPage waits until a broker's page has all lines.
func awaitPage(t *testing.T, s *server, path string, lines ...string) {
	t.Helper()
	var got string
	held := func() bool {
		got = page(t, s, path)
		for _, line := range lines {
			if !strings.Contains(got, line) {
				return false
			}
		}
		return true
	}
	require.Eventually(t, held, patience, 50*time.Millisecond, "%s: %v", path, lines)
}

// Brokers tell how they stand in their cluster: with all well, with a broker away, and with ZooKeeper lost (D1), which
// is named E301. When ZooKeeper is back, all is well, and nothing was lost. Not with the race detector: see the
// Makefile.
func TestD1ClusterHealth(t *testing.T) {
	e, err := zkserver.Start(zkserver.Config{Dir: t.TempDir(), Servers: 1, Tick: 250 * time.Millisecond})
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("the test needs a ZooKeeper: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	c := &brokers{t: t}
	for i := range 2 {
		dir := filepath.Join(t.TempDir(), fmt.Sprint("broker", i))
		s := &server{t: t, config: clusterConfig(int32(i+1), dir, "127.0.0.1:0", e.Addresses()[0])}
		s.config.HTTPListen, s.config.PartitionMetrics = "127.0.0.1:0", true
		c.list = append(c.list, s)
		s.start()
		t.Cleanup(s.stop)
	}
	awaitBrokers(t, c.addresses())
	cl := c.connect(client.Options{})
	createReplicated(t, cl, "demo", 4, 2, wire.Setting{Name: "min_in_sync", Value: "1"})
	send(t, cl, "demo", 0, 40)

	for _, s := range c.list {
		awaitPage(t, s, "/readyz?verbose", `"status":"ready"`, `{"name":"zookeeper","ok":true,"detail":"session 0x`,
			`{"name":"replication","ok":true,"detail":"leads 2 partitions, follows 2"}`)
		awaitPage(t, s, "/metrics", "skidway_partitions{role=\"leader\"} 2\n", "skidway_partitions{role=\"follower\"} 2\n",
			"skidway_under_replicated_partitions 0\n", "skidway_offline_partitions 0\n", "skidway_zookeeper_session_up 1\n",
			"skidway_reassigning_partitions 0\n", "skidway_leader_elections_total 2\n", "skidway_peer_connections 4\n")
		require.NotContains(t, page(t, s, "/metrics"), "skidway_replica_lag_records", "none is behind")
	}
	require.Contains(t, page(t, c.list[0], "/metrics")+page(t, c.list[1], "/metrics"), "skidway_controller 1\n")

	c.list[1].stop()
	send(t, cl, "demo", 40, 80)
	awaitPage(t, c.list[0], "/metrics", "skidway_under_replicated_partitions 4\n",
		"skidway_partitions{role=\"leader\"} 4\n", "skidway_leader_elections_total 4\n",
		`skidway_replica_lag_records{partition="0",topic="demo"}`)
	c.list[1].start()
	awaitInSync(t, cl, "demo", 2)
	awaitPage(t, c.list[1], "/readyz?verbose", `"status":"ready"`)

	require.NoError(t, e.Servers[0].Kill())
	for _, s := range c.list {
		awaitPage(t, s, "/readyz?verbose", `"status":"not ready"`, "E301: no ", "; 1 servers")
		awaitPage(t, s, "/metrics", "skidway_zookeeper_session_up 0\n")
	}
	require.NoError(t, e.Servers[0].Restart())
	for _, s := range c.list {
		awaitPage(t, s, "/readyz?verbose", `"status":"ready"`)
		awaitPage(t, s, "/metrics", "skidway_zookeeper_session_up 1\n")
	}
	awaitInSync(t, cl, "demo", 2)
	send(t, cl, "demo", 80, 120)
	var got []string
	for _, records := range readAll(t, cl, "demo") {
		got = append(got, values(records)...)
	}
	require.ElementsMatch(t, numbered(120), got)
}
