package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Column is a set of results that are compared with other sets: those of one file.
type Column struct {
	Name    string
	Results []*Result
}

// metric is a figure of a result.
type metric struct {
	name   string
	format func(float64) string
	value  func(*Result) (float64, bool)
	worst  bool // the highest of the runs, instead of the median
}

// figures are the metrics of the figures that the results of a load have, in their order.
func figures(title string, columns []Column) (all []metric) {
	have := map[string]bool{}
	for _, c := range columns {
		for _, r := range c.Results {
			for _, f := range r.Figures {
				if r.Title() != title || have[f.Name] {
					continue
				}
				have[f.Name] = true
				m := metric{name: f.Name, format: func(v float64) string { return Figure{Value: v, Unit: f.Unit}.String() },
					value: func(r *Result) (float64, bool) { return r.figure(f.Name) }}
				all = append(all, m)
				if f.Worst {
					m.name, m.worst = f.Name+", worst", true
					all = append(all, m)
				}
			}
		}
	}
	return all
}

// figure finds a figure by its name.
func (r *Result) figure(name string) (float64, bool) {
	for _, f := range r.Figures {
		if f.Name == name {
			return f.Value, true
		}
	}
	return 0, false
}

// String is the value with three digits, and its unit.
func (f Figure) String() string {
	digits := 0
	for v := max(f.Value, -f.Value); v != 0 && v < 100 && v != math.Trunc(f.Value) && digits < 3; v *= 10 {
		digits++
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, f.Value, f.Unit))
}

// metrics are what is compared, in the order of the table.
func metrics() []metric {
	return []metric{
		{name: "produced", format: formatRate, value: func(r *Result) (float64, bool) { return flowRate(r.Produce) }},
		{name: "consumed", format: formatRate, value: func(r *Result) (float64, bool) { return flowRate(r.Consume) }},
		{name: "produce p50", format: formatMicros, value: quantileOf(produced, p50)},
		{name: "produce p99", format: formatMicros, value: quantileOf(produced, p99)},
		{name: "end to end p50", format: formatMicros, value: quantileOf(consumed, p50)},
		{name: "end to end p99", format: formatMicros, value: quantileOf(consumed, p99)},
		{name: "opening", format: formatSeconds, value: func(r *Result) (float64, bool) { return r.Opening, r.Opening > 0 }},
		{name: "broker CPU s/GB", format: formatTwo, value: perGB},
		{name: "disk bytes/byte", format: formatTwo, value: amplification},
		{name: "charged bytes/byte", format: formatTwo, value: charged},
		{name: "broker RSS", format: formatMiB, value: func(r *Result) (float64, bool) {
			if r.Broker == nil || r.Broker.RSS == 0 {
				return 0, false
			}
			return float64(r.Broker.RSS), true
		}},
	}
}

func flowRate(f *Flow) (float64, bool) {
	if f == nil || f.Bytes == 0 {
		return 0, false
	}
	return f.BytesPerSecond, true
}

func produced(r *Result) *Flow { return r.Produce }
func consumed(r *Result) *Flow { return r.Consume }

// quantileOf is a quantile of a flow's latencies, as a metric.
func quantileOf(flow func(*Result) *Flow, of func(*Latency) int64) func(*Result) (float64, bool) {
	return func(r *Result) (float64, bool) { return quantile(flow(r), of) }
}

func p50(l *Latency) int64 { return l.P50 }
func p99(l *Latency) int64 { return l.P99 }

func quantile(f *Flow, of func(*Latency) int64) (float64, bool) {
	if f == nil || f.Latency == nil {
		return 0, false
	}
	return float64(of(f.Latency)), true
}

// moved is how many bytes of values the broker took and gave within the window.
func (r *Result) moved() (n int64) {
	for _, f := range []*Flow{r.Produce, r.Consume, r.CaughtUp} {
		if f != nil {
			n += f.Bytes
		}
	}
	return n
}

func perGB(r *Result) (float64, bool) {
	if r.Broker == nil || r.Broker.CPUSeconds == 0 || r.moved() == 0 {
		return 0, false
	}
	return r.Broker.CPUSeconds / (float64(r.moved()) / 1e9), true
}

// amplification is what the disk wrote a byte that was produced.
func amplification(r *Result) (float64, bool) {
	return aByteProduced(r, func(v *BrokerView) int64 { return v.Device })
}

// charged is what the broker's process is charged for a byte that was produced, written by then or not: more than was
// written where files are overwritten.
func charged(r *Result) (float64, bool) {
	return aByteProduced(r, func(v *BrokerView) int64 { return v.DiskWritten })
}

func aByteProduced(r *Result, of func(*BrokerView) int64) (float64, bool) {
	if r.Broker == nil || of(r.Broker) == 0 || r.Produce == nil || r.Produce.Bytes == 0 {
		return 0, false
	}
	return float64(of(r.Broker)) / float64(r.Produce.Bytes), true
}

func formatRate(v float64) string    { return fmt.Sprintf("%.1f MB/s", v/1e6) }
func formatSeconds(v float64) string { return fmt.Sprintf("%.1f s", v) }
func formatTwo(v float64) string     { return fmt.Sprintf("%.2f", v) }
func formatMiB(v float64) string     { return fmt.Sprintf("%.0f MiB", v/(1<<20)) }
func formatMicros(v float64) string  { return FormatLatency(int64(v)) }

// FormatLatency writes microseconds with three digits: "940us", "1.21ms", "10.1ms", "2.00s".
func FormatLatency(us int64) string {
	d := time.Duration(us) * time.Microsecond
	value, unit := d.Seconds(), "s"
	switch {
	case us < 1000:
		return fmt.Sprintf("%dus", us)
	case d < time.Second:
		value, unit = value*1000, "ms"
	}
	places := 2
	if value >= 10 {
		places = 1
	}
	if value >= 100 {
		places = 0
	}
	return fmt.Sprintf("%.*f%s", places, value, unit)
}

// Style is the form of a comparison.
type Style int8

// The forms.
const (
	Plain Style = iota
	Markdown
)

// WriteComparison writes the medians of each column, and the ratios of the last column to each other one. Results are
// matched by Title; a figure that some column lacks has no ratio there.
func WriteComparison(w io.Writer, columns []Column, style Style) error {
	last := len(columns) - 1
	head := []string{"load", "figure"}
	for _, c := range columns {
		head = append(head, c.Name)
	}
	for _, c := range columns[:last] {
		head = append(head, columns[last].Name+" / "+c.Name)
	}
	rows := [][]string{head}
	for _, title := range titles(columns) {
		for _, m := range append(metrics(), figures(title, columns)...) {
			if row := compareOne(title, m, columns); row != nil {
				rows = append(rows, row)
			}
		}
		if row := noiseRow(title, columns); row != nil {
			rows = append(rows, row)
		}
	}
	if style == Markdown {
		return writeMarkdown(w, rows)
	}
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(t, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// titles are the loads of all columns, in the order in which they first come.
func titles(columns []Column) (all []string) {
	for _, c := range columns {
		for _, r := range c.Results {
			if !slices.Contains(all, r.Title()) {
				all = append(all, r.Title())
			}
		}
	}
	return all
}

// compareOne is a row of the table; nil if no column has the figure.
func compareOne(title string, m metric, columns []Column) []string {
	values := make([][]float64, len(columns))
	found := false
	for i, c := range columns {
		for _, r := range c.Results {
			if v, ok := m.value(r); ok && r.Title() == title {
				values[i], found = append(values[i], v), true
			}
		}
	}
	if !found {
		return nil
	}
	row := []string{title, m.name}
	for _, v := range values {
		if m.worst && len(v) > 0 {
			row = append(row, fmt.Sprintf("%s of %d", m.format(slices.Max(v)), len(v)))
			continue
		}
		row = append(row, spread(m, v))
	}
	if m.worst {
		return append(row, slices.Repeat([]string{"-"}, len(columns)-1)...)
	}
	last := len(columns) - 1
	for _, v := range values[:last] {
		row = append(row, ratio(v, values[last]))
	}
	return row
}

// spread is a median with how far the runs lie apart.
func spread(m metric, v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	middle := Median(v)
	text := m.format(middle)
	if len(v) > 1 && middle != 0 {
		text += fmt.Sprintf(" ±%.0f%%", 50*(slices.Max(v)-slices.Min(v))/middle)
	}
	return text
}

// enoughRuns are those of a side with which the interval of the bootstrap deserves its 95%. Of two runs it is no more
// than their range, which leaves the true median out every other time.
const enoughRuns = 5

func ratio(before, after []float64) string {
	if len(before) == 0 || len(after) == 0 {
		return "-"
	}
	r := Compare(before, after)
	if math.IsInf(r.High, 1) {
		return fmt.Sprintf("%.2fx (one run: no interval)", r.Value)
	}
	text := fmt.Sprintf("%.2fx (%.2f-%.2f", r.Value, r.Low, r.High)
	if len(before) < enoughRuns || len(after) < enoughRuns {
		text += fmt.Sprintf(" of %d and %d runs", len(before), len(after))
	}
	if !r.Shows() {
		text += ", no difference shown"
	}
	return text + ")"
}

func writeMarkdown(w io.Writer, rows [][]string) error {
	for i, row := range rows {
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | ")); err != nil {
			return err
		}
		if i == 0 {
			if _, err := fmt.Fprintln(w, "|"+strings.Repeat("---|", len(row))); err != nil {
				return err
			}
		}
	}
	return nil
}
