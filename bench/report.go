package bench

import (
	_ "embed" // the template
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/skidway/skidway/units"
)

//go:embed report.html.tmpl
var reportTemplate string

// WriteReport writes one HTML file with the charts, figures and settings of results. It needs no network and no
// script.
func WriteReport(w io.Writer, results []*Result) error {
	page, err := template.New("report").Parse(reportTemplate)
	if err != nil {
		return fmt.Errorf("bench: the report's template: %w", err)
	}
	view := reportView{}
	var curves []line
	for i, r := range results {
		s, err := newSection(i+1, r)
		if err != nil {
			return err
		}
		view.Sections = append(view.Sections, s)
		if l := r.mainLatency(); l != nil && l.HDR != "" {
			h, err := l.Histogram()
			if err != nil {
				return err
			}
			curves = append(curves, line{name: fmt.Sprintf("%d. %s, %s", i+1, r.Title(), r.Driver), points: curve(h)})
		}
	}
	if len(curves) > 0 {
		view.Curves = newPercentileChart(curves)
	}
	if err := page.Execute(w, view); err != nil {
		return fmt.Errorf("bench: write the report: %w", err)
	}
	return nil
}

// mainLatency is what a run is about: end to end if it was measured, else producing.
func (r *Result) mainLatency() *Latency {
	for _, f := range []*Flow{r.Consume, r.Produce} {
		if f != nil && f.Latency != nil {
			return f.Latency
		}
	}
	return nil
}

// curve is a distribution as points of 1/(1-p), on a logarithmic scale, and ms.
func curve(h *hdr.Histogram) (points []point) {
	for _, b := range h.CumulativeDistribution() {
		if b.Quantile >= 100 {
			break
		}
		points = append(points, point{math.Log10(100 / (100 - b.Quantile)), float64(b.ValueAt) / 1000})
	}
	return points
}

// reportView is what the template shows.
type reportView struct {
	Curves   chart
	Sections []section
}

// section is one result.
type section struct {
	Number                int
	Title, Target, Load   string
	Client, Host, Started string
	Screen, JSON, Note    string
	Charts                []chart
}

func newSection(n int, r *Result) (section, error) {
	var screen strings.Builder
	if err := r.WriteScreen(&screen); err != nil {
		return section{}, err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return section{}, fmt.Errorf("bench: write a result: %w", err)
	}
	s := section{
		Number: n, Title: r.Title(), Note: r.Load.Note, Load: r.Load.String(), Client: r.Client,
		Screen:  strings.TrimSpace(screen.String()),
		Target:  fmt.Sprintf("%s %s at %s, fsync=%s", r.Driver, r.Target.Version, r.Target.Address, orNone(r.Target.Fsync)),
		Host:    fmt.Sprintf("%d cores, %s, %s", r.Host.CPUs, units.FormatBytes(r.Host.Memory), r.Host.System),
		Started: r.Started.Format("2006-01-02 15:04:05 UTC"), JSON: string(text),
	}
	pick := func(name string, of func(*Tick) float64) line {
		l := line{name: name}
		for i := range r.Timeline {
			l.points = append(l.points, point{r.Timeline[i].At, of(&r.Timeline[i])})
		}
		return l
	}
	rates := []line{pick("produced", func(t *Tick) float64 { return t.Produced }),
		pick("consumed", func(t *Tick) float64 { return t.Consumed })}
	if r.Load.CatchUp > 0 {
		rates = append(rates, pick("caught up", func(t *Tick) float64 { return t.CaughtUp }))
	}
	s.Charts = filled(
		newChart("records a second", r, rates...),
		newChart("latency, ms", r, pick("p50", func(t *Tick) float64 { return known(float64(t.P50) / 1000) }),
			pick("p99", func(t *Tick) float64 { return known(float64(t.P99) / 1000) }),
			pick("p99.9", func(t *Tick) float64 { return known(float64(t.P999) / 1000) }),
			pick("max", func(t *Tick) float64 { return known(float64(t.Max) / 1000) })),
		newChart("backlog, records", r, pick("backlog", func(t *Tick) float64 { return float64(t.Backlog) })))
	if r.Broker != nil {
		s.Charts = append(s.Charts, filled(
			newChart("broker's CPU, cores", r, pick("CPU", func(t *Tick) float64 { return t.CPU })),
			newChart("broker's memory, MiB", r, pick("resident", func(t *Tick) float64 { return float64(t.RSS) / (1 << 20) })),
			newChart("broker's disk, MB/s", r, pick("written", func(t *Tick) float64 { return t.Written / 1e6 })),
			newChart("broker's fsyncs a second", r, pick("fsyncs", func(t *Tick) float64 { return t.Fsyncs })),
			newChart("broker's fsync p99, ms, upper bound", r,
				pick("p99", func(t *Tick) float64 { return known(t.FsyncP99 * 1e3) })),
			newChart("stalls and compactions", r, pick("write stalls", func(t *Tick) float64 { return float64(t.Stalls) }),
				pick("compactions", func(t *Tick) float64 { return float64(t.Compactions) })),
			newChart("bytes written to disk a byte produced", r,
				pick("ratio", func(t *Tick) float64 { return known(min(t.amplification(r.Load.Size), 10)) })),
			newChart("disk space, MiB", r, pick("taken", func(t *Tick) float64 { return float64(t.Stored) / (1 << 20) })),
			newChart("broker's open files", r, pick("files", func(t *Tick) float64 { return float64(t.Files) })))...)
	}
	return s, nil
}

// known is a figure, or a gap where there was nothing to measure.
func known(v float64) float64 {
	if v == 0 {
		return math.NaN()
	}
	return v
}

// filled leaves out charts of what was not measured: all is 0.
func filled(charts ...chart) (out []chart) {
	for _, c := range charts {
		if c.Filled {
			out = append(out, c)
		}
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "as configured"
	}
	return s
}
