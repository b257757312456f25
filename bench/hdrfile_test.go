package bench

import (
	"errors"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"
)

func TestIntervalLogIsReadByTheLibrary(t *testing.T) {
	var out strings.Builder
	start := time.Unix(1_700_000_000, 0)
	l := NewIntervalLog(&out, start)
	for i := range 3 {
		h := newHistogram()
		require.NoError(t, h.RecordValue(int64(1000*(i+1))))
		from := start.Add(time.Duration(i) * time.Second)
		l.Add(Interval{Series: []string{SeriesProduce, SeriesE2E}[i%2], From: from, To: from.Add(time.Second), Latency: h})
	}
	require.NoError(t, l.Err())
	r := hdr.NewHistogramLogReader(strings.NewReader(out.String()))
	var tags []string
	for i := range 3 {
		h, err := r.NextIntervalHistogram()
		require.NoError(t, err)
		require.NotNil(t, h)
		tags = append(tags, h.Tag())
		require.EqualValues(t, 1, h.TotalCount())
		require.InEpsilon(t, 1000*(i+1), h.Max(), 0.001)
		require.EqualValues(t, start.Add(time.Duration(i+1)*time.Second).UnixMilli(), h.EndTimeMs())
	}
	require.Equal(t, []string{"produce", "e2e", "produce"}, tags)

	full := NewIntervalLog(brokenWriter{}, start)
	require.ErrorContains(t, full.Err(), "disk full")
}

var errDiskFull = errors.New("disk full")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errDiskFull }

func TestWritePercentilesAndKafkaLine(t *testing.T) {
	r := shown(t, "skidway")
	var out strings.Builder
	require.NoError(t, r.Latencies()[SeriesProduce].WritePercentiles(&out))
	require.Contains(t, out.String(), "Value\tPercentile\tTotalCount\t1/(1-Percentile)")
	require.Regexp(t, `(?m)^ +19\.999 +1\.000000`, out.String(), "in ms")
	require.Len(t, r.Latencies(), 2)
	require.Equal(t, "3000 records sent, 1000.000000 records/sec (1.00 MB/sec), 10.05 ms avg latency, "+
		"20.00 ms max latency, 10 ms 50th, 19 ms 95th, 20 ms 99th, 20 ms 99.9th.", r.KafkaLine())
	r.Produce = nil
	require.Empty(t, r.KafkaLine())
	require.ErrorContains(t, (&Latency{HDR: "nonsense"}).WritePercentiles(&out), "decode a histogram")
}
