package bench

import (
	"errors"
	"fmt"
	"io"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// The kinds of latency that a run is about, as they are named in files.
const (
	SeriesProduce = "produce"
	SeriesE2E     = "e2e"
)

// Interval is one kind of latency over a part of a run, in us.
type Interval struct {
	Series   string
	From, To time.Time
	Latency  *hdr.Histogram
}

// IntervalLog writes intervals in the format of HdrHistogram's logs (.hlog), with a tag for each series, which its
// plotters and analysers read. Not safe for concurrent use.
type IntervalLog struct {
	log *hdr.HistogramLogWriter
	err error
}

// NewIntervalLog begins a log of a run that starts then. The maxima in it are in s, the histograms in us.
func NewIntervalLog(w io.Writer, start time.Time) *IntervalLog {
	l := &IntervalLog{log: hdr.NewHistogramLogWriter(w)}
	ms := start.UnixMilli() / 1000 * 1000 // the log writes whole seconds
	l.log.SetBaseTime(ms)
	l.err = errors.Join(l.log.OutputComment("[skidway bench: histograms in us, Interval_Max in s]"),
		l.log.OutputLogFormatVersion(), l.log.OutputBaseTime(ms), l.log.OutputStartTime(ms), l.log.OutputLegend())
	return l
}

// Add writes an interval; it fits Options.Intervals.
func (l *IntervalLog) Add(i Interval) {
	if l.err != nil {
		return
	}
	i.Latency.SetTag(i.Series)
	i.Latency.SetStartTimeMs(i.From.UnixMilli())
	i.Latency.SetEndTimeMs(i.To.UnixMilli())
	l.err = l.log.OutputIntervalHistogram(i.Latency)
}

// Err is the first error of writing.
func (l *IntervalLog) Err() error {
	if l.err != nil {
		return fmt.Errorf("bench: write a log of intervals: %w", l.err)
	}
	return nil
}

// WritePercentiles writes a distribution, in ms, as HdrHistogram prints it (.hgrm).
func (l *Latency) WritePercentiles(w io.Writer) error {
	h, err := l.Histogram()
	if err != nil {
		return err
	}
	const steps, usInMs = 5, 1000
	if _, err := h.PercentilesPrint(w, steps, usInMs); err != nil {
		return fmt.Errorf("bench: write percentiles: %w", err)
	}
	return nil
}

// Latencies are the distributions that a run is about, by series.
func (r *Result) Latencies() map[string]*Latency {
	all := map[string]*Latency{}
	if r.Produce != nil && r.Produce.Latency != nil {
		all[SeriesProduce] = r.Produce.Latency
	}
	if r.Consume != nil && r.Consume.Latency != nil {
		all[SeriesE2E] = r.Consume.Latency
	}
	return all
}

// KafkaLine is the result as the last line of kafka-producer-perf-test; empty if nothing was produced.
func (r *Result) KafkaLine() string {
	if r.Produce == nil || r.Produce.Latency == nil {
		return ""
	}
	l := r.Produce.Latency
	ms := func(us int64) int64 { return (us + 500) / 1000 }
	return fmt.Sprintf("%d records sent, %f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms max latency, "+
		"%d ms 50th, %d ms 95th, %d ms 99th, %d ms 99.9th.", r.Produce.Records, r.Produce.PerSecond,
		r.Produce.BytesPerSecond/(1<<20), l.Mean/1000, float64(l.Max)/1000, ms(l.P50), ms(l.P95), ms(l.P99), ms(l.P999))
}
