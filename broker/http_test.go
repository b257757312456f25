package broker

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/skidway/skidway/internal/faultfs"
	"github.com/skidway/skidway/wire"
)

func withHTTP(c *Config) { c.HTTPListen = "127.0.0.1:0" }

// get asks the admin address for a page and returns it.
func (n *node) get(path string, status int) string {
	n.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + n.HTTPAddr().String() + path)
	require.NoError(n.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(n.t, err)
	require.Equal(n.t, status, resp.StatusCode, string(body))
	return string(body)
}

// The names that dashboards and alerts rely on are there after some traffic, and Prometheus' linter finds no fault.
func TestMetricsPage(t *testing.T) {
	n := startNode(t, withHTTP, onKafka, func(c *Config) { c.Version = Version{Number: "9.9.9", Commit: "abc"} })
	id := n.create("orders", 3)
	n.append(id, 0, "a", "b")
	n.read(id, 0, 0)
	_, err := try[*wire.ThinFetchResponse](n, &wire.ThinFetchRequest{Topic: "nothing"})
	require.ErrorIs(t, err, wire.CodeUnknownTopic)
	kafkaSend(t, kafkaClient(t, n), &kgo.Record{Topic: "orders", Value: []byte("c")})
	lines := []string{
		`skidway_kafka_requests_total{api="Produce"} 1`, `skidway_kafka_request_duration_seconds_count{api="Metadata"} `,
		`skidway_connections{listener="kafka"} `,
		`skidway_requests_total{api="produce",result="ok"} 1`,
		`skidway_requests_total{api="thin_fetch",result="unknown_topic"} 1`,
		`skidway_request_duration_seconds_count{api="fetch"} 1`,
		`skidway_bytes_in_total `, `skidway_bytes_out_total `,
		`skidway_records_in_total 3`, `skidway_records_out_total 2`,
		`skidway_connections{listener="client"} 1`,
		`skidway_partitions{role="leader"} 3`,
		`skidway_log_size_bytes{topic="orders"} `,
		`skidway_fsync_duration_seconds_bucket`, `skidway_storage_write_stalls_total 0`,
		`skidway_storage_compactions_total `, `skidway_disk_free_bytes `,
		`skidway_build_info{commit="abc",go="go`, `version="9.9.9"} 1`,
		`skidway_retention_clock_paused 0`, `skidway_answer_memory_bytes 0`, `skidway_ready 1`,
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { // a request is counted after its answer is written
		page := n.get("/metrics", 200)
		for _, line := range lines {
			assert.Contains(c, page, line)
		}
	}, 10*time.Second, 10*time.Millisecond)
	problems, err := testutil.GatherAndLint(n.met.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// The sums never go back: records of deleted topics stay counted.
func TestMetricsSurviveDeletion(t *testing.T) {
	n := startNode(t, withHTTP)
	id := n.create("orders", 1)
	n.append(id, 0, "a", "b")
	do[*wire.DeleteTopicsResponse](n, &wire.DeleteTopicsRequest{Names: []string{"orders"}})
	page := n.get("/metrics", 200)
	require.Contains(t, page, "skidway_records_in_total 2")
	require.NotContains(t, page, `topic="orders"`)
}

// How far a group is behind, in records and in seconds, and what became of its commits.
func TestMetricsOfGroups(t *testing.T) {
	n := startNode(t, withHTTP)
	id := n.create("orders", 2)
	n.append(id, 0, "a", "b", "c")
	c := n.consumer("g", "m")
	c.mustJoin("orders")
	settleGroup(t, c)
	require.Nil(t, n.commit("g", c, id, 0, 1))
	requireCode(t, wire.CodeMemberFenced, n.commit("g", &consumer{id: "m", epoch: 99}, id, 0, 2))
	page := n.get("/metrics", 200)
	for _, line := range []string{
		`skidway_group_lag_records{group="g",topic="orders"} 2`, `skidway_groups{state="stable"} 1`,
		"skidway_group_members 1",
		`skidway_group_rebalances_total{reason="member joined"} 1`, `skidway_group_commits_total{result="ok"} 1`,
		`skidway_group_commits_total{result="member_fenced"} 1`, "skidway_group_commit_duration_seconds_count 1",
	} {
		require.Contains(t, page, line)
	}
	require.Contains(t, page, `skidway_group_lag_seconds{group="g",topic="orders"} `)
	require.Nil(t, n.commit("g", c, id, 0, 3))
	require.Contains(t, n.get("/metrics", 200), `skidway_group_lag_records{group="g",topic="orders"} 0`)
	problems, err := testutil.GatherAndLint(n.met.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// I-20: the number of series does not grow with the number of topics.
func TestMetricsTopicSeriesAreBoundedI20(t *testing.T) {
	n := startNode(t)
	req := &wire.CreateTopicsRequest{}
	for i := range maxTopicSeries + 20 {
		req.Topics = append(req.Topics, wire.NewTopic{Name: fmt.Sprintf("t%d", i)})
	}
	for _, r := range do[*wire.CreateTopicsResponse](n, req).Topics {
		require.Nil(t, r.Error)
	}
	do[*wire.ListTopicsResponse](n, &wire.ListTopicsRequest{}) // opens all logs
	count, err := testutil.GatherAndCount(n.met.registry, "skidway_log_size_bytes")
	require.NoError(t, err)
	require.Equal(t, maxTopicSeries+1, count)
}

func TestHealthPages(t *testing.T) {
	n := startNode(t, withHTTP)
	require.Equal(t, "ok\n", n.get("/livez", 200))
	require.Equal(t, "ready\n", n.get("/readyz", 200))
	require.JSONEq(t, `{"status":"ready","checks":[
		{"name":"storage","ok":true},{"name":"data","ok":true},{"name":"clock","ok":true}]}`, n.get("/readyz?verbose", 200))
	n.get("/nothing", 404)
	resp, err := http.Post("http://"+n.HTTPAddr().String()+"/readyz", "text/plain", nil)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	http.DefaultClient.CloseIdleConnections()

	n.health.phase.Store(int32(phaseStopping))
	require.Contains(t, n.get("/readyz", 503), "stopping")
}

// While the store is being opened, which a recovery can make long, health is served and says so.
func TestHealthWhileStarting(t *testing.T) {
	slow := onFaultFS(t, faultfs.Options{StallEvery: 1, Stall: 100 * time.Millisecond})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	started := make(chan *node)
	go func() { started <- startNode(t, slow, func(c *Config) { c.HTTPListen = addr }) }()
	page := ""
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + addr + "/readyz?verbose")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		page = string(body)
		return err == nil && resp.StatusCode == http.StatusServiceUnavailable
	}, 10*time.Second, time.Millisecond)
	http.DefaultClient.CloseIdleConnections()
	require.JSONEq(t, `{"status":"starting","reason":"opening the store","checks":[]}`, page)
	n := <-started
	require.Equal(t, "ready\n", n.get("/readyz", 200))
}

// I-24: profiles are offered where that is asked for, and never to other machines.
func TestProfilesI24(t *testing.T) {
	asked := startNode(t, withHTTP, func(c *Config) { c.Profiles = ProfilesOn })
	require.Contains(t, asked.get("/debug/pprof/", 200), "goroutine")
	asked.get("/debug/pprof/cmdline", 200)
	asked.get("/debug/pprof/heap", 200)

	plain := startNode(t, withHTTP)
	plain.get("/livez", 200)
	plain.get("/debug/pprof/", 404)
	plain.get("/debug/pprof/heap", 404)

	open := Config{DataDir: "/data", HTTPListen: "0.0.0.0:0", Insecure: InsecureAllowed, Profiles: ProfilesOn}
	require.ErrorContains(t, open.Validate(), `Profiles: profiles show what is in memory, and "0.0.0.0:0" can be reached`)
	open.Profiles = ProfilesOff
	require.NoError(t, open.Validate())
	off := Config{DataDir: "/data", HTTPListen: "off", Profiles: ProfilesOn}
	require.ErrorContains(t, off.Validate(), "Profiles: profiles are served at the admin address, which is off")
}
