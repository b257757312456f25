package bench

import (
	"context"
	"sync/atomic"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// sampler looks at a run each second, and at the broker at both ends of the window. It belongs to one goroutine.
type sampler struct {
	r     *run
	phase atomic.Pointer[string]

	produce, endToEnd, delay, wait *hdr.Histogram // all so far
	scratch                        *hdr.Histogram

	first, last *reading // at the ends of the window; nil: not yet
	host        [2]hostTimes
	own         [2]float64
	timeline    []Tick

	before         time.Time // of the last tick
	produced, read int64     // until then
	chased         int64
	process, page  source
	fault          error // the first of the probe
}

func newSampler(r *run) *sampler {
	s := &sampler{r: r, produce: newHistogram(), endToEnd: newHistogram(), delay: newHistogram(), wait: newHistogram(),
		scratch: newHistogram(), before: time.Now(),
		process: source{probe: Probe{PIDs: r.options.Probe.PIDs, Disk: r.options.Probe.Disk}},
		page:    source{probe: Probe{Metrics: r.options.Probe.Metrics}}}
	s.phase.Store(ptr(PhaseWarmUp))
	return s
}

// during carries out work and ticks meanwhile.
func (s *sampler) during(ctx context.Context, work func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			s.tick(ctx)
		}
	}
}

// measure carries out work, with a look at the broker at both ends of the window.
func (s *sampler) measure(ctx context.Context, work func(context.Context) error) error {
	done := make(chan error, 1)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	begin := time.NewTimer(time.Duration(s.r.window.start.Load() - s.r.now()))
	defer begin.Stop()
	end := time.NewTimer(time.Duration(s.r.window.end.Load() - s.r.now()))
	defer end.Stop()
	go func() { done <- work(ctx) }()
	s.phase.Store(ptr(PhaseWarmUp))
	for {
		select {
		case <-begin.C:
			s.first = s.look(ctx, 0)
			s.phase.Store(ptr(PhaseMeasuring))
		case <-end.C:
			s.last = s.look(ctx, 1)
			s.phase.Store(ptr(PhaseDraining))
		case <-tick.C:
			s.tick(ctx)
		case err := <-done:
			if s.first == nil {
				s.first = s.look(ctx, 0)
			}
			if s.last == nil {
				s.last = s.look(ctx, 1)
			}
			s.gather(newHistogram())
			return err
		}
	}
}

// look takes a reading of broker and machine at one end of the window.
func (s *sampler) look(ctx context.Context, which int) *reading {
	s.host[which], s.own[which] = readHost(), ownSeconds()
	got, err := s.r.options.Probe.read(ctx)
	if err != nil && s.fault == nil {
		s.fault = err
	}
	return &got
}

// gather collects what the workers recorded. It leaves in latest the latencies since the last time: end to end if
// there are any.
func (s *sampler) gather(latest *hdr.Histogram) {
	now := time.Now()
	take := func(name string, all *hdr.Histogram, keep bool, recorders ...*recorder) {
		s.scratch.Reset()
		for _, r := range recorders {
			r.collect(s.scratch)
		}
		all.Merge(s.scratch)
		if f := s.r.options.Intervals; f != nil && s.scratch.TotalCount() > 0 {
			f(Interval{Series: name, From: s.before, To: now, Latency: s.scratch})
		}
		if keep && s.scratch.TotalCount() > 0 {
			latest.Reset()
			latest.Merge(s.scratch)
		}
	}
	var latency, delay, endToEnd, wait []*recorder
	for _, w := range s.r.writers {
		latency, delay = append(latency, w.latency), append(delay, w.delay)
	}
	for _, d := range s.r.readers {
		endToEnd, wait = append(endToEnd, d.latency), append(wait, d.waiting)
	}
	take(SeriesProduce, s.produce, true, latency...)
	take(SeriesE2E, s.endToEnd, s.r.load.Mode == ModeE2E, endToEnd...)
	take("send-delay", s.delay, false, delay...)
	take("fetch-wait", s.wait, false, wait...)
}

// pageTime bounds how long a tick waits for the broker's page: it must not come late to the ends of the window.
const pageTime = 300 * time.Millisecond

// source is a part of the probe that is read each second.
type source struct {
	probe    Probe
	previous *reading // nil: there is none to compare with
}

// next takes a reading, and says what happened since the last; nil: it was not there, or there was no last.
func (f *source) next(ctx context.Context) (reading, *BrokerView) {
	if f.probe.none() {
		return reading{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	got, err := f.probe.read(ctx)
	if err != nil {
		f.previous = nil // what is missing is no fall to 0
		return reading{}, nil
	}
	previous := f.previous
	f.previous = &got
	if previous == nil {
		return got, nil
	}
	return got, got.since(previous)
}

// broker fills in what the broker used and did in the last second.
func (s *sampler) broker(ctx context.Context, t *Tick, took float64) {
	got, v := s.process.next(ctx)
	t.RSS, t.Files = got.rss, got.files
	if v != nil {
		t.CPU, t.Written = v.CPUSeconds/took, float64(v.written())/took
	}
	got, v = s.page.next(ctx)
	t.Stored = int64(got.metrics["skidway_storage_size_bytes"])
	if v != nil {
		t.Fsyncs, t.FsyncP99, t.Stalls, t.Compactions = float64(v.Fsyncs)/took, v.FsyncP99, v.Stalls, v.Compactions
	}
}

// phaseOf is the phase in which most of the time since the last tick lay.
func (s *sampler) phaseOf(now time.Time) string {
	phase := *s.phase.Load()
	middle := int64(now.Sub(s.r.epoch)+s.before.Sub(s.r.epoch)) / 2
	switch {
	case phase == PhaseMeasuring && middle < s.r.window.start.Load() && len(s.timeline) > 0:
		return s.timeline[len(s.timeline)-1].Phase
	case phase == PhaseDraining && s.r.window.holds(middle):
		return PhaseMeasuring
	}
	return phase
}

// tick looks at the last second.
func (s *sampler) tick(ctx context.Context) {
	now := time.Now()
	took := now.Sub(s.before).Seconds()
	var sent, acked, failed int64
	for _, w := range s.r.writers {
		sent, acked, failed = sent+w.sent.Load(), acked+w.acked.Load(), failed+w.failed.Load()
	}
	read := s.r.received()
	latest := newHistogram()
	s.gather(latest)
	p := percentiles(latest)
	t := Tick{
		At: now.Sub(s.r.epoch).Seconds(), Phase: s.phaseOf(now), Produced: float64(acked-s.produced) / took,
		Consumed: float64(read-s.read) / took, Backlog: sent - acked - failed, P50: p.P50, P99: p.P99, P999: p.P999,
		Max: p.Max,
	}
	if len(s.r.readers) > 0 && s.r.load.Mode != ModeProduce { // there they only verify
		t.Backlog = max(acked-read, 0)
	}
	chased := int64(0)
	for _, c := range s.r.chasers {
		chased += c.received.Load()
	}
	t.CaughtUp = float64(chased-s.chased) / took
	s.chased = chased
	s.broker(ctx, &t, took)
	s.before, s.produced, s.read = now, acked, read
	s.timeline = append(s.timeline, t)
	if s.r.options.Progress != nil {
		s.r.options.Progress(t)
	}
}
