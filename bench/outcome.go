package bench

import (
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// result gathers what the run came to.
func (r *run) result() (*Result, error) {
	s := r.sampler
	out := &Result{
		Format: resultFormat, Load: r.load, Driver: r.driver.Name(), Topic: r.topic, Target: r.about, Client: r.clientName(),
		Host:    thisHost(),
		Started: r.begun.UTC(), Opening: r.opening, Seconds: float64(r.window.end.Load()-r.window.start.Load()) / 1e9,
		Timeline:  s.timeline,
		ClientCPU: s.own[1] - s.own[0], Verification: r.verification(), OthersCPU: -1,
	}
	r.mu.Lock()
	out.Errors = r.faults
	r.mu.Unlock()
	if err := r.flows(out); err != nil {
		return nil, err
	}
	if !r.options.Probe.none() {
		out.Broker = s.last.since(s.first)
	}
	if len(r.options.Probe.PIDs) > 0 {
		out.OthersCPU, out.StolenCPU = others(s.host, out.ClientCPU+out.Broker.CPUSeconds)
	}
	if r.options.Probe.Disk != "" {
		out.Fsync = &r.fsync
	}
	out.Trends = trends(s.timeline, r.load.Size)
	out.Warnings = r.warnings(out)
	return out, nil
}

// others is the share of the machine's time that was stolen from it or used by processes other than these, which used
// that many seconds, and the part of it that was stolen; -1: unknown.
func others(host [2]hostTimes, ours float64) (share, stolenShare float64) {
	busy, idle, stolen := host[1].busy-host[0].busy, host[1].idle-host[0].idle, host[1].stolen-host[0].stolen
	if busy+idle+stolen <= 0 {
		return -1, 0
	}
	all := busy + idle + stolen
	return max(busy+stolen-ours, 0) / all, stolen / all
}

func (r *run) verification() (v Verification) {
	for _, w := range r.writers {
		v.Sent, v.Acked, v.Failed = v.Sent+w.sent.Load(), v.Acked+w.acked.Load(), v.Failed+w.failed.Load()
	}
	if !r.own || len(r.readers) == 0 {
		return v
	}
	v.Checked, v.Received, v.Lost = true, r.ledger.distinct.Load(), r.ledger.lost()
	v.Duplicated, v.Reordered, v.Damaged = r.ledger.duplicated.Load(), r.ledger.reordered.Load(), r.ledger.damaged.Load()
	return v
}

// flows fills in rates and latencies.
func (r *run) flows(out *Result) error {
	s := r.sampler
	var written, read int64
	for _, w := range r.writers {
		written += w.counted.Load()
	}
	for _, d := range r.readers {
		read += d.counted.Load()
	}
	var err error
	keep := func(h *hdr.Histogram) *Latency {
		if h.TotalCount() == 0 || err != nil {
			return nil
		}
		var l Latency
		l, err = newLatency(h)
		return &l
	}
	if r.load.Mode != ModeConsume {
		out.Produce = r.flow(written, out.Seconds)
		out.Produce.Latency = keep(s.produce)
		out.Pauses = &Pauses{All: r.pause.result(&r.window)}
		for _, w := range r.writers {
			out.Pauses.Producers = append(out.Pauses.Producers, w.pause.result(&r.window))
		}
		out.SendDelay = keep(s.delay)
	}
	if r.load.Mode != ModeProduce {
		out.Consume = r.flow(read, out.Seconds)
		out.FetchWait = keep(s.wait)
	}
	if r.load.Mode == ModeE2E {
		out.Consume.Latency = keep(s.endToEnd)
	}
	if len(r.chasers) > 0 {
		var caughtUp int64
		for _, c := range r.chasers {
			caughtUp += c.counted.Load()
		}
		out.CaughtUp = r.flow(caughtUp, out.Seconds)
	}
	return err
}

func (r *run) flow(records int64, seconds float64) *Flow {
	bytes := records * int64(r.load.Size)
	return &Flow{Records: records, Bytes: bytes, PerSecond: float64(records) / seconds,
		BytesPerSecond: float64(bytes) / seconds}
}

// warnings say what a reader of the result must know to read it right.
func (r *run) warnings(out *Result) (all []string) {
	warn := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	l := &r.load
	if l.Rate > 0 && out.Produce.PerSecond < 0.99*l.Rate && out.Fault == nil {
		warn("achieved %.0f/s of %.0f/s", out.Produce.PerSecond, l.Rate)
	}
	var owed int64
	for _, w := range r.writers {
		owed += w.owed.Load()
	}
	if owed > 0 {
		warn("%d records that were due were not sent within %v after the end: latencies leave them out", owed, patience)
	}
	if d := out.SendDelay; d != nil && out.Produce.Latency != nil && d.P99 > out.Produce.Latency.P99/2 {
		warn("this client was behind (send delay p99 %v): numbers describe the client", time.Duration(d.P99)*time.Microsecond)
	}
	for _, what := range out.disturbances() {
		warn("%s: too noisy to tell small differences", what)
	}
	if out.ClientCPU > 0.9*float64(out.Host.CPUs)*out.Seconds {
		warn("this client used %.0f%% of the machine's CPU: numbers describe the client",
			100*out.ClientCPU/out.Seconds/float64(out.Host.CPUs))
	}
	if r.sampler.fault != nil {
		warn("%v", r.sampler.fault)
	}
	if l.Acks != "all" {
		warn("acks=%s: records that were counted as written may be lost", l.Acks)
	}
	if !out.Verification.Checked {
		warn("not verified: nothing tells that what was acknowledged can be read")
	}
	return all
}
