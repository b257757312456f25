package bench

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = `# HELP skidway_fsync_duration_seconds x
# TYPE skidway_fsync_duration_seconds histogram
skidway_fsync_duration_seconds_bucket{le="0.001"} 10
skidway_fsync_duration_seconds_bucket{le="0.01"} %A
skidway_fsync_duration_seconds_bucket{le="0.1"} %B
skidway_fsync_duration_seconds_bucket{le="+Inf"} %B
skidway_fsync_duration_seconds_sum 1.5
skidway_fsync_duration_seconds_count %B
skidway_requests_total{api="produce",result="ok"} 7
skidway_requests_total{api="fetch",result="with space"} 5
skidway_storage_write_stalls_total %A
not a metric
`

func TestParseMetrics(t *testing.T) {
	var before, after reading
	require.NoError(t, before.parse(strings.NewReader(strings.NewReplacer("%A", "20", "%B", "20").Replace(page))))
	require.NoError(t, after.parse(strings.NewReader(strings.NewReplacer("%A", "117", "%B", "120").Replace(page))))
	require.Equal(t, 12.0, before.metrics["skidway_requests_total"], "the sum over labels")
	v := after.since(&before)
	require.EqualValues(t, 100, v.Fsyncs)
	require.EqualValues(t, 97, v.Stalls)
	require.Equal(t, 0.1, v.FsyncP99, "97 of 100 within 10 ms are not 99%%")
	require.Zero(t, before.since(&before).Fsyncs)
	require.Zero(t, before.since(&before).FsyncP99, "of nothing nothing is known")
}

func TestProcess(t *testing.T) {
	require.Equal(t, 12.34, processSeconds("42 (a) b ( c) S 1 2 3 4 5 6 7 8 9 10 1000 234 7 8"))
	require.Zero(t, processSeconds("garbage"))
	require.EqualValues(t, 17, field("A: 3 kB\nVmRSS:\t  17 kB\n", "VmRSS:"))
	require.Zero(t, field("A: 3 kB\n", "VmRSS:"))
	got, err := Probe{PIDs: []int{os.Getpid()}}.read(t.Context())
	require.NoError(t, err)
	require.Positive(t, got.rss)
	require.Positive(t, got.files)
	_, err = Probe{PIDs: []int{1 << 30}, Metrics: []string{"http://127.0.0.1:1/metrics"}}.read(t.Context())
	require.ErrorContains(t, err, "the broker's process")
	require.ErrorContains(t, err, "the broker's metrics")
}

func TestOthersShare(t *testing.T) {
	host := [2]hostTimes{{busy: 10, idle: 10}, {busy: 16, idle: 12, stolen: 2}}
	share, stolen := others(host, 5)
	require.InDelta(t, 0.3, share, 1e-9, "8 s busy or stolen of 10, of which 5 ours")
	require.InDelta(t, 0.2, stolen, 1e-9)
	share, _ = others(host, 9)
	require.Zero(t, share)
	share, _ = others([2]hostTimes{}, 1)
	require.Equal(t, -1.0, share)
}
