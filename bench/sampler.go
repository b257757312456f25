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
	stored         int64 // as last asked for
	previous       reading
	fault          error // the first of the probe
}

func newSampler(r *run) *sampler {
	s := &sampler{r: r, produce: newHistogram(), endToEnd: newHistogram(), delay: newHistogram(), wait: newHistogram(),
		scratch: newHistogram(), before: time.Now()}
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
	take := func(all *hdr.Histogram, keep bool, recorders ...*recorder) {
		s.scratch.Reset()
		for _, r := range recorders {
			r.collect(s.scratch)
		}
		all.Merge(s.scratch)
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
	take(s.produce, true, latency...)
	take(s.endToEnd, s.r.load.Mode == ModeE2E, endToEnd...)
	take(s.delay, false, delay...)
	take(s.wait, false, wait...)
}

// storedEvery is how many ticks lie between two questions for the size of the store: the broker's page costs it more
// than a look at its process does.
const storedEvery = 10

// storedBytes is what the broker's store takes of the disk, as it was a few ticks ago at most; 0: unknown.
func (s *sampler) storedBytes(ctx context.Context) int64 {
	if url := s.r.options.Probe.Metrics; url != "" && len(s.timeline)%storedEvery == 0 {
		if got, err := (Probe{Metrics: url}).read(ctx); err == nil {
			s.stored = int64(got.metrics["skidway_storage_size_bytes"])
		}
	}
	return s.stored
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
		At: now.Sub(s.r.epoch).Seconds(), Phase: *s.phase.Load(), Produced: float64(acked-s.produced) / took,
		Consumed: float64(read-s.read) / took, Backlog: sent - acked - failed, P50: p.P50, P99: p.P99, P999: p.P999,
		Max: p.Max,
	}
	if len(s.r.readers) > 0 {
		t.Backlog = max(acked-read, 0)
	}
	chased := int64(0)
	for _, c := range s.r.chasers {
		chased += c.received.Load()
	}
	t.CaughtUp = float64(chased-s.chased) / took
	s.chased = chased
	t.Stored = s.storedBytes(ctx)
	if pid := s.r.options.Probe.PID; pid != 0 {
		if got, err := (Probe{PID: pid}).read(ctx); err == nil {
			t.RSS, t.Files = got.rss, got.files
			if s.previous.cpu > 0 {
				t.CPU = (got.cpu - s.previous.cpu) / took
				t.Written = float64(got.written-s.previous.written) / took
			}
			s.previous = got
		}
	}
	s.before, s.produced, s.read = now, acked, read
	s.timeline = append(s.timeline, t)
	if s.r.options.Progress != nil {
		s.r.options.Progress(t)
	}
}
