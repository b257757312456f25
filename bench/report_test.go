package bench

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shown is a result with something of everything.
func shown(t *testing.T, driver string) *Result {
	t.Helper()
	h := newHistogram()
	for us := int64(100); us <= 20_000; us += 7 {
		require.NoError(t, h.RecordValue(us))
	}
	l, err := newLatency(h)
	require.NoError(t, err)
	load, err := Load{Name: `<b>"bold"</b>`, Mode: ModeE2E, Duration: Span(3 * time.Second),
		WarmUp: Span(time.Second)}.Complete()
	require.NoError(t, err)
	r := &Result{
		Format: resultFormat, Load: load, Driver: driver, Target: About{Address: "127.0.0.1:1", Version: "0.1",
			Brokers: 1, Fsync: "batch"},
		Seconds: 3, Opening: 0.5, ClientCPU: 1.5, OthersCPU: 0.5, Warnings: []string{"too noisy"},
		Errors:       []string{"refused"},
		Produce:      &Flow{Records: 3000, Bytes: 3 << 20, PerSecond: 1000, BytesPerSecond: 1 << 20, Latency: &l},
		Consume:      &Flow{Records: 3000, Bytes: 3 << 20, PerSecond: 1000, BytesPerSecond: 1 << 20, Latency: &l},
		SendDelay:    &l,
		Verification: Verification{Sent: 3, Acked: 3, Received: 2, Lost: 1, Checked: true},
		Broker: &BrokerView{CPUSeconds: 3, RSS: 64 << 20, DiskWritten: 9 << 20, Device: 6 << 20, Fsyncs: 30, FsyncP99: 0.0025,
			Items: 60, Commits: 30},
	}
	for i, phase := range []string{PhaseWarmUp, PhaseMeasuring, PhaseMeasuring, PhaseMeasuring, PhaseDraining} {
		r.Timeline = append(r.Timeline, Tick{At: float64(i + 1), Phase: phase, Produced: 1000, Consumed: 900, P99: 20_000,
			Max: 30_000, CaughtUp: 500, Backlog: 3, CPU: 0.5, RSS: 64 << 20, Written: 2 << 20, Files: 20, Stored: 1 << 30,
			Fsyncs: 900, FsyncP99: 0.002, Stalls: 1, Compactions: 2})
	}
	return r
}

func TestWriteReport(t *testing.T) {
	var page strings.Builder
	require.NoError(t, WriteReport(&page, []*Result{shown(t, "skidway"), shown(t, "kafka")}))
	text := page.String()
	require.NotContains(t, text, "<b>", "what results say is text")
	require.NotContains(t, text, "http://")
	require.NotContains(t, text, "https://")
	require.NotContains(t, text, "<script")
	require.NotContains(t, text, "ZgotmplZ", "the template engine refused nothing")
	require.NotContains(t, text, "NaN")
	require.Equal(t, 1+2*12, strings.Count(text, "<svg "), "the percentiles of all, and twelve charts each")
	require.Equal(t, 2+2*(2+4+1+1+1+1+1+1+2+1+1+1), strings.Count(text, "<path "))
	require.Contains(t, text, "skidway 0.1 at 127.0.0.1:1, fsync=batch")
}

// What was not measured has no chart.
func TestWriteReportLeavesOutWhatIsUnknown(t *testing.T) {
	r := shown(t, "kafka")
	for i := range r.Timeline {
		r.Timeline[i].Stored, r.Timeline[i].Backlog = 0, 0
	}
	var page strings.Builder
	require.NoError(t, WriteReport(&page, []*Result{r}))
	require.Equal(t, 1+12-2, strings.Count(page.String(), "<svg "))
	require.NotContains(t, page.String(), "disk space")
}

// What is kept in brief is compared as the whole, and its report has the figures.
func TestBrief(t *testing.T) {
	r := shown(t, "skidway")
	whole, err := json.Marshal(r)
	require.NoError(t, err)
	b := r.Brief()
	var brief, of, same strings.Builder
	require.NoError(t, WriteResults(&brief, b))
	require.NotContains(t, brief.String(), `"hdr"`)
	require.Less(t, brief.Len(), 4000)
	require.NoError(t, WriteComparison(&of, []Column{{"a", []*Result{r}}, {"b", []*Result{r}}}, Plain))
	require.NoError(t, WriteComparison(&same, []Column{{"a", []*Result{b}}, {"b", []*Result{b}}}, Plain))
	require.Equal(t, of.String(), same.String())
	require.NoError(t, WriteReport(&brief, []*Result{b}))
	again, err := json.Marshal(r)
	require.NoError(t, err)
	require.Equal(t, whole, again, "the whole is left as it was")
	require.Nil(t, (&Result{}).Brief().Produce)
}

func TestWriteReportOfNothing(t *testing.T) {
	var page strings.Builder
	require.NoError(t, WriteReport(&page, []*Result{{Format: resultFormat, Seconds: 1}}))
	require.NotContains(t, page.String(), "NaN")
}

// Where nothing was measured a line has a gap: it does not fall to 0.
func TestChartGaps(t *testing.T) {
	gap := line{name: "p99", points: []point{{0, math.NaN()}, {1, 5}, {2, 10}, {3, math.NaN()}, {4, 5}}}
	c, _ := layout("latency", []line{gap}, 4)
	require.Regexp(t, `^M[\d.]+ [\d.]+L[\d.]+ [\d.]+M[\d.]+ [\d.]+$`, c.Lines[0].Path)
	require.True(t, c.Filled)
	none, _ := layout("latency", []line{{points: []point{{0, math.NaN()}}}}, 4)
	require.False(t, none.Filled)
}

func TestNiceStep(t *testing.T) {
	for x, want := range map[float64]float64{0: 1, 0.3: 0.5, 1: 1, 1.1: 2, 2.5: 5, 7: 10, 10: 10, 1234: 2000} {
		require.InEpsilon(t, want, niceStep(x), 1e-9, "%g", x)
	}
}

func TestWriteScreen(t *testing.T) {
	var b strings.Builder
	require.NoError(t, shown(t, "skidway").WriteScreen(&b))
	text := b.String()
	for _, want := range []string{
		"RESULT  3.0s measured, after 0.5s to open the partitions   NOT OK: 3 sent, 3 acked, 0 failed, 2 received; 1 lost,",
		"from intended send\n", "client behind schedule\n", "intended send -> received\n", "closed loop: latency includes",
		"client    cpu 50% of a core\n", "broker    cpu 100%  rss 64 MiB  disk write 2 MiB/s  fsyncs 10/s, p99 <= 2.50ms",
		"changes/commit 2.0", "2.00 bytes written to disk a byte produced  3.00 charged to the broker's process\n",
		"warning: too noisy\n", "error: refused\n",
	} {
		require.Contains(t, text, want)
	}
}

func TestTickLine(t *testing.T) {
	l := Load{Mode: ModeProduce, Size: 1 << 10, Duration: Span(9 * time.Second), WarmUp: Span(time.Second)}
	k := Tick{At: 5, Phase: PhaseMeasuring, Produced: 50_000, Backlog: 112, P99: 3100, Max: 11_000}
	require.Equal(t,
		" 00:05 ████████████░░░░░░░░░░░░  50%  measuring  produced 50.0k/s 48.8 MiB/s"+
			"  backlog 112  p99 3.10ms  max 11.0ms",
		k.Line(&l))
}
