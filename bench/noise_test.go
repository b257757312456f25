package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// disturbed is a run of a load with what disturbed it.
func disturbed(mbs, others float64, fsync FsyncTimes) *Result {
	r := sample("full", mbs, 1000)
	r.Broker, r.OthersCPU, r.Fsync = &BrokerView{}, others, &fsync
	return r
}

func TestDisturbances(t *testing.T) {
	quiet := disturbed(100, 0.03, FsyncTimes{600, 900})
	require.Empty(t, quiet.disturbances())
	busy := disturbed(100, 0.3, FsyncTimes{600, 1300})
	busy.StolenCPU = 0.1
	require.Equal(t, []string{"other processes used 30% of the machine's CPU (10% stolen by other machines)",
		"a small fsync took 600us before and 1.30ms after"}, busy.disturbances())
	faster := disturbed(100, 0, FsyncTimes{1300, 600})
	require.Equal(t, []string{"a small fsync took 1.30ms before and 600us after"}, faster.disturbances())
	unknown := sample("full", 100, 1000)
	unknown.OthersCPU = -1
	require.Empty(t, unknown.disturbances())
}

func TestNoiseOfAComparison(t *testing.T) {
	steady := FsyncTimes{600, 700}
	quiet := []*Result{disturbed(100, 0.01, steady), disturbed(104, 0.02, steady)}
	for name, c := range map[string]struct {
		after []*Result
		cell  string
		want  string
	}{
		"quiet": {quiet, "2 runs, others' CPU 2%, fsync 650us", "quiet enough"},
		"others": {[]*Result{disturbed(100, 0.4, steady), disturbed(100, 0.4, steady), disturbed(100, 0.4, steady)},
			"3 runs, others' CPU 40%, fsync 650us", "too noisy to tell small differences: others used 40% of the CPU"},
		"disk": {[]*Result{disturbed(100, 0.01, FsyncTimes{1500, 1600}), disturbed(101, 0.01, FsyncTimes{1500, 1600})},
			"2 runs, others' CPU 1%, fsync 1.55ms", "too noisy to tell small differences: an fsync took 650us and 1.55ms"},
		"spread": {[]*Result{disturbed(60, 0.01, steady), disturbed(140, 0.01, steady)},
			"2 runs, others' CPU 1%, fsync 650us", "too noisy to tell small differences: runs lie ±40% apart"},
		"unknown": {[]*Result{sample("full", 100, 1000)}, "1 run", "-"},
		"none":    {nil, "-", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			row := noiseRow("full", []Column{{"old", quiet}, {"new", c.after}})
			require.Equal(t, []string{"full", "noise", "2 runs, others' CPU 2%, fsync 650us", c.cell, c.want}, row)
		})
	}
	require.Nil(t, noiseRow("full", []Column{{"old", []*Result{sample("full", 1, 1)}}, {"new", nil}}))
	var b strings.Builder
	require.NoError(t, WriteComparison(&b, []Column{{"old", quiet}, {"new", quiet}}, Markdown))
	cell := "2 runs, others' CPU 2%, fsync 650us"
	require.Contains(t, b.String(), "| full | noise | "+cell+" | "+cell+" | quiet enough |")
}

func TestTimeFsyncs(t *testing.T) {
	dir := t.TempDir()
	us, err := timeFsyncs(dir)
	require.NoError(t, err)
	require.Positive(t, us)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "the file is gone")
	_, err = timeFsyncs(filepath.Join(dir, "nothing"))
	require.ErrorContains(t, err, "bench: the disk: ")
}
