package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFiguresInWords(t *testing.T) {
	for want, f := range map[string]Figure{
		"0": {}, "3": {Value: 3}, "0.235 s": {Value: 0.2346, Unit: "s"}, "12.3 MB/s": {Value: 12.345, Unit: "MB/s"},
		"12345 packets": {Value: 12345, Unit: "packets"}, "123 MiB": {Value: 123.4, Unit: "MiB"},
	} {
		require.Equal(t, want, f.String())
	}
}

// A comparison shows the figures of a load, and the worst of each side where a median would hide it.
func TestCompareFigures(t *testing.T) {
	run := func(seconds, lost float64) *Result {
		return &Result{Load: Load{Name: "failover"}, Figures: []Figure{
			{Name: "no acks at all", Value: seconds, Unit: "s"}, {Name: "lost", Value: lost, Worst: true},
		}}
	}
	before := Column{Name: "kafka", Results: []*Result{run(10, 0), run(12, 0), run(11, 0)}}
	after := Column{Name: "skidway", Results: []*Result{run(1, 0), run(2, 0), run(3, 7)}}
	var b strings.Builder
	require.NoError(t, WriteComparison(&b, []Column{before, after}, Markdown))
	require.Contains(t, b.String(), "| failover | no acks at all | 11 s ±9% | 2 s ±50% | 0.18x (")
	require.Contains(t, b.String(), "| failover | lost, worst | 0 of 3 | 7 of 3 | - |")
}

func TestZooKeeperTraffic(t *testing.T) {
	page := "zk_version\t3.8.0\nzk_packets_received\t10\nzk_packets_sent\t4\nzk_bytes_received_count\t100\n"
	_, ok := parseTraffic(page)
	require.False(t, ok, "one is missing")
	before, ok := parseTraffic(page + "zk_response_bytes\t50\n")
	require.True(t, ok)
	after := zooKeeperTraffic{in: 30, out: 14, bytesIn: 300, bytesOut: 150}
	packets, bytes := after.since(before, 10)
	require.Equal(t, [2]float64{3, 30}, [2]float64{packets, bytes})
	_, ok = parseTraffic("mntr is not executed because it is not in the whitelist.\n")
	require.False(t, ok)
}
