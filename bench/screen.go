package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/skidway/skidway/units"
)

// WriteHead writes what is about to be run.
func WriteHead(w io.Writer, d Driver, about About, l *Load) error {
	target := fmt.Sprintf("%s  %s, %d broker", about.Address, strings.TrimSpace(d.Name()+" "+about.Version), about.Brokers)
	if about.Brokers != 1 {
		target += "s"
	}
	if about.Fsync != "" {
		target += ", fsync=" + about.Fsync
	}
	h := thisHost()
	_, err := fmt.Fprintf(w, "target     %s\nload       %s\nhost       %d cores, %s, %s   warm-up %v (not counted)\n",
		target, l.String(), h.CPUs, units.FormatBytes(h.Memory), h.System, l.WarmUp)
	return err
}

// Line describes a second of a run. expected is how long warm-up and measuring take; 0: unknown.
func (t *Tick) Line(l *Load) string {
	var b strings.Builder
	fmt.Fprintf(&b, " %02d:%02d ", int(t.At)/60, int(t.At)%60)
	if total := time.Duration(l.WarmUp + l.Duration).Seconds(); l.Duration > 0 && t.Phase != PhaseVerifying {
		const width = 24
		done := min(t.At/total, 1)
		full := int(done * width)
		fmt.Fprintf(&b, "%s%s %3.0f%%  ", strings.Repeat("█", full), strings.Repeat("░", width-full), 100*done)
	}
	fmt.Fprintf(&b, "%-9s", t.Phase)
	if l.Mode != ModeConsume || t.Phase == PhaseLoading {
		fmt.Fprintf(&b, "  produced %s/s %s/s", count(t.Produced), units.FormatBytes(int64(t.Produced*float64(l.Size))))
	}
	if t.Consumed > 0 {
		fmt.Fprintf(&b, "  consumed %s/s", count(t.Consumed))
	}
	fmt.Fprintf(&b, "  backlog %d", t.Backlog)
	if t.P99 > 0 {
		fmt.Fprintf(&b, "  p99 %s  max %s", FormatLatency(t.P99), FormatLatency(t.Max))
	}
	return b.String()
}

// count writes a number with three digits: "948", "43.1k", "1.79M".
func count(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.2fM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.1fk", n/1e3)
	}
	return fmt.Sprintf("%.0f", n)
}

// WriteScreen writes the result for a person.
func (r *Result) WriteScreen(w io.Writer) error {
	if r.Produce == nil && r.Consume == nil {
		return r.writeFigures(&printer{w: w})
	}
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	p := &printer{w: t}
	p.line("\nRESULT  %.1fs measured, after %.1fs to open the partitions   %s", r.Seconds, r.Opening, r.verdict())
	p.line("")
	p.line("\tRATE\tTHROUGHPUT\tP50\tP90\tP95\tP99\tP99.9\tP99.99\tMAX\t")
	p.flow("produce", r.Produce, "from intended send")
	p.times("  send delay", "-\t-", r.SendDelay, "client behind schedule")
	note := ""
	if r.Load.Mode == ModeE2E {
		note = "intended send -> received"
	}
	p.flow(map[bool]string{true: "end to end", false: "consume"}[r.Load.Mode == ModeE2E], r.Consume, note)
	p.times("  fetch wait", "-\t-", r.FetchWait, "client waiting for records")
	p.flow("catch up", r.CaughtUp, "")
	if p.err == nil {
		p.err = t.Flush()
	}
	p.w = w
	if s := r.Pauses; s != nil {
		p.line("acks      longest pause %v, %.1fs after the run began%s", s.All, s.All.At, s.others())
	}
	_ = r.writeFigures(p) // p keeps the error
	p.line("client    cpu %.0f%% of a core", 100*r.ClientCPU/r.Seconds)
	r.writeBroker(p)
	if len(r.Trends) > 0 {
		var words []string
		for i := range r.Trends {
			words = append(words, r.Trends[i].String())
		}
		p.line("second half  %s", strings.Join(words, ", "))
	}
	if r.Load.Rate == 0 && r.Load.Mode != ModeConsume {
		p.line("closed loop: latency includes queueing in this client; use --rate to compare latencies")
	}
	for _, text := range r.Warnings {
		p.line("warning: %s", text)
	}
	for _, text := range r.Errors {
		p.line("error: %s", text)
	}
	return p.err
}

// writeFigures writes what else was measured.
func (r *Result) writeFigures(p *printer) error {
	for _, f := range r.Figures {
		p.line("%s: %s", f.Name, f)
	}
	return p.err
}

func (r *Result) writeBroker(p *printer) {
	b := r.Broker
	if b == nil {
		return
	}
	line := fmt.Sprintf("broker    cpu %.0f%%  rss %s  disk write %s/s", 100*b.CPUSeconds/r.Seconds,
		units.FormatBytes(b.RSS),
		units.FormatBytes(int64(float64(b.written())/r.Seconds)))
	if b.DiskRead > 0 {
		line += fmt.Sprintf("  disk read %s/s", units.FormatBytes(int64(float64(b.DiskRead)/r.Seconds)))
	}
	if b.Fsyncs > 0 {
		line += fmt.Sprintf("  fsyncs %.0f/s, p99 <= %s  changes/commit %.1f  compactions %d  write stalls %d",
			float64(b.Fsyncs)/r.Seconds,
			FormatLatency(int64(b.FsyncP99*1e6)), float64(b.Items)/float64(max(b.Commits, 1)), b.Compactions, b.Stalls)
	}
	p.line("%s", line)
	if cpu, ok := perGB(r); ok {
		line = fmt.Sprintf("          %.2f CPU s a GB", cpu)
		if a, ok := amplification(r); ok {
			line += fmt.Sprintf("  %.2f bytes written to disk a byte produced", a)
		}
		if a, ok := charged(r); ok {
			line += fmt.Sprintf("  %.2f charged to the broker's process", a)
		}
		p.line("%s", line)
	}
}

// verdict is what became of the records, in a line.
func (r *Result) verdict() string {
	v := &r.Verification
	word := "ok"
	if !v.OK() {
		word = "NOT OK"
	}
	if !v.Checked {
		return fmt.Sprintf("%s: %d sent, %d acked, %d failed; not verified", word, v.Sent, v.Acked, v.Failed)
	}
	return fmt.Sprintf("%s: %d sent, %d acked, %d failed, %d received; %d lost, %d duplicated, %d reordered, %d damaged",
		word, v.Sent, v.Acked, v.Failed, v.Received, v.Lost, v.Duplicated, v.Reordered, v.Damaged)
}

// printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) flow(name string, f *Flow, note string) {
	if f == nil {
		return
	}
	rate := fmt.Sprintf("%s/s\t%s/s", count(f.PerSecond), units.FormatBytes(int64(f.BytesPerSecond)))
	if f.Latency == nil {
		p.line("%s\t%s\t-\t-\t-\t-\t-\t-\t-\t", name, rate)
		return
	}
	p.times(name, rate, f.Latency, note)
}

func (p *printer) times(name, rate string, l *Latency, note string) {
	if l == nil {
		return
	}
	line := name + "\t" + rate
	for _, us := range []int64{l.P50, l.P90, l.P95, l.P99, l.P999, l.P9999, l.Max} {
		line += "\t" + FormatLatency(us)
	}
	p.line("%s\t%s", line, note)
}
