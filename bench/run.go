package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a run is carried out, beside its load.
type Options struct {
	Probe    Probe
	Progress func(Tick) // called each second; nil: not
	Topic    string     // one that exists, to be read, with ModeConsume; empty: a new topic
	Made     bool       // Topic is new, empty and the run's own, in any mode
	Keep     Keep       // what happens to a new topic after the run
	// During is carried out from the start of what is measured on, which ends when it returns, instead of after
	// Load.Duration. Its error ends the run. nil: nothing.
	During  func(ctx context.Context) error
	Version string // of the program, for the result
	// Intervals is given what each second recorded of each kind of latency; nil: not. The histogram is valid inside.
	Intervals func(Interval)
}

// Keep tells what happens to the topic of a run after it.
type Keep int8

// What can happen to a topic.
const (
	DeleteTopic Keep = iota
	KeepTopic
)

// What a place for an outstanding record awaits.
const (
	awaitAnswer  = 1
	awaitReceipt = 2 // the answer, and the receipt
)

// patience is how long a run waits for records that do not come.
const patience = 20 * time.Second

// run is a run under way.
type run struct {
	load    Load
	driver  Driver
	options Options
	topic   string
	epoch   time.Time
	awaited uint64
	own     bool // the topic holds only this run's records

	ledger  *ledger
	filler  *filler
	window  window
	pause   pauseMeter // of all writers
	writers []*writer
	readers []*reader
	chasers []*chaser
	sampler *sampler
	begun   time.Time
	opening float64 // s that prime took
	about   About
	fsync   FsyncTimes

	mu     sync.Mutex // guards faults
	faults []string
}

// window is the time that is measured, in ns since the epoch: from start to before end.
type window struct{ start, end atomic.Int64 }

func (w *window) holds(t int64) bool { return t >= w.start.Load() && t < w.end.Load() }

func (w *window) set(start, end int64) {
	w.start.Store(start)
	w.end.Store(end)
}

// Run carries out a load and returns what it came to. The error tells why it could not be carried out; records that
// fail or go missing are no error but stand in the result. When ctx ends, the run is over and the error is ctx's.
func Run(ctx context.Context, d Driver, l Load, o Options) (*Result, error) {
	l, err := l.Complete()
	if err != nil {
		return nil, fmt.Errorf("bench: the load: %w", err)
	}
	if o.Topic != "" && !o.Made && l.Mode != ModeConsume {
		return nil, errors.New("bench: the load: an existing topic goes only with consume")
	}
	if o.During != nil && (l.Bytes > 0 || l.Mode == ModeConsume) {
		return nil, errors.New("bench: the load: what is done during it goes only with a load that has no number of bytes")
	}
	seed := rand.Uint64()
	r := &run{load: l, driver: d, options: o, topic: o.Topic, epoch: time.Now(), awaited: awaitAnswer,
		own: o.Topic == "" || o.Made, begun: time.Now()}
	if l.Mode == ModeE2E {
		r.awaited = awaitReceipt
	}
	r.window.set(math.MaxInt64, math.MaxInt64)
	if r.about, err = d.About(ctx); err != nil {
		return nil, err
	}
	if o.Probe.Disk != "" {
		if r.fsync.Before, err = timeFsyncs(o.Probe.Disk); err != nil {
			return nil, err
		}
	}
	if err := r.openTopic(ctx, seed); err != nil {
		return nil, err
	}
	defer r.close()
	r.ledger = newLedger(seed, l.Producers, r.load.Partitions)
	r.filler = newFiller(int(l.Size), seed)
	r.sampler = newSampler(r)
	if err := r.carryOut(ctx); err != nil {
		return nil, err
	}
	if o.Probe.Disk != "" {
		if r.fsync.After, err = timeFsyncs(o.Probe.Disk); err != nil {
			return nil, err
		}
	}
	return r.result()
}

func (r *run) openTopic(ctx context.Context, seed uint64) error {
	if !r.own {
		n, _, err := r.driver.Extent(ctx, r.topic)
		r.load.Partitions = n
		return err
	}
	if r.options.Made {
		return nil
	}
	r.topic = fmt.Sprintf("bench-%08x", uint32(seed))
	return r.driver.CreateTopic(ctx, r.load.topic(r.topic))
}

// carryOut goes through the phases of a run.
func (r *run) carryOut(ctx context.Context) error {
	if r.own {
		if err := r.openWriters(ctx); err != nil {
			return err
		}
	}
	switch r.load.Mode {
	case ModeProduce:
		if err := r.sampler.during(ctx, r.prime); err != nil {
			return err
		}
		if err := r.measure(ctx, r.write); err != nil {
			return err
		}
		r.sampler.phase.Store(ptr(PhaseVerifying))
		if r.load.Verify == Off {
			return nil
		}
		return r.sampler.during(ctx, r.readBack)
	case ModeConsume:
		r.sampler.phase.Store(ptr(PhaseLoading))
		if r.own {
			r.window.set(math.MaxInt64, math.MaxInt64)
			if err := r.sampler.during(ctx, r.write); err != nil {
				return err
			}
		}
		return r.measure(ctx, r.readBack)
	default:
		if err := r.openReaders(ctx); err != nil {
			return err
		}
		stop := r.startReaders(ctx)
		if err := r.sampler.during(ctx, r.prime); err != nil {
			stop()
			return err
		}
		halt := r.startChasers(ctx)
		return r.measure(ctx, func(ctx context.Context) error {
			err := r.write(ctx)
			halt()
			return errors.Join(err, r.awaitReaders(ctx, stop))
		})
	}
}

// How much is written before the warm-up, in rounds with a pause for all answers: to each partition that many bytes a
// round, and at least that many records, so that random keys leave hardly one out.
const (
	primeRounds  = 3
	primeBytes   = 8 << 10
	primeRecords = 8
)

// prime has the broker open every partition and what it keeps of each, which is no part of a steady load: Kafka takes
// tens of seconds to touch the index files of 1,000 new partitions for the first time. The result has how long it took.
func (r *run) prime(ctx context.Context) error {
	r.sampler.phase.Store(ptr(PhaseOpening))
	begun := r.now()
	each := max(primeRecords, primeBytes/int(r.load.Size)) * r.load.Partitions / len(r.writers)
	for range primeRounds {
		if err := r.send(ctx, 0, int64(max(each, 1))); err != nil {
			return err
		}
	}
	r.opening = float64(r.now()-begun) / 1e9
	return nil
}

func ptr[T any](v T) *T { return &v }

// measure sets the window and carries out what is measured in it.
func (r *run) measure(ctx context.Context, work func(context.Context) error) error {
	start := r.now()
	if r.load.Mode != ModeConsume {
		start += int64(r.load.WarmUp)
	}
	end := int64(math.MaxInt64)
	if r.load.Duration > 0 && r.options.During == nil {
		end = start + int64(r.load.Duration)
	}
	r.window.set(start, end)
	err := r.sampler.measure(ctx, r.alongside(work))
	if r.window.end.Load() == math.MaxInt64 {
		for _, w := range r.writers {
			if r.load.Mode != ModeConsume {
				start = max(start, w.latest.Load())
			}
		}
		for _, d := range r.readers {
			start = max(start, d.latest.Load())
		}
		r.window.end.Store(max(start, r.window.start.Load()+1))
	}
	return err
}

// alongside is work, and beside it what is to be done during what is measured, if anything is.
func (r *run) alongside(work func(context.Context) error) func(context.Context) error {
	during := r.options.During
	if during == nil {
		return work
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		over := make(chan struct{})
		go func() {
			defer close(over)
			if !r.sleepUntil(ctx, r.window.start.Load()) {
				return
			}
			err := during(ctx)
			r.window.end.Store(r.now())
			if err != nil {
				cancel(err)
			}
		}()
		err := work(ctx)
		cancel(err)
		<-over
		return err
	}
}

func (r *run) openWriters(ctx context.Context) error {
	for i := range r.load.Producers {
		p, err := r.driver.NewProducer(ctx, r.topic, &r.load)
		if err != nil {
			return err
		}
		r.writers = append(r.writers, newWriter(r, i, p))
	}
	return nil
}

func (r *run) openReaders(ctx context.Context) error {
	n := min(r.load.Consumers, r.load.Partitions)
	for i := range n {
		var mine []int32
		for p := i; p < r.load.Partitions; p += n {
			mine = append(mine, int32(p))
		}
		c, err := r.driver.NewConsumer(ctx, r.topic, mine, &r.load)
		if err != nil {
			return err
		}
		r.readers = append(r.readers, &reader{r: r, consumer: c, latency: newRecorder(), waiting: newRecorder()})
	}
	return nil
}

// write sends the load, and waits for the answers.
func (r *run) write(ctx context.Context) error {
	quota := int64(0)
	if r.load.Bytes > 0 {
		quota = max(int64(r.load.Bytes/r.load.Size)/int64(len(r.writers)), 1)
	}
	return r.send(ctx, r.load.Rate, quota)
}

// send sends until the window ends, or until each writer has sent its quota (0: no bound), and waits for the answers.
// An open loop owes what was due before the end: where it is behind, it goes on until that is sent, for patience.
func (r *run) send(ctx context.Context, rate float64, quota int64) error {
	until, stop := context.WithCancel(ctx)
	defer stop()
	if end := r.window.end.Load(); end != math.MaxInt64 {
		left := time.Duration(end - r.now())
		if rate > 0 {
			left += patience
		}
		defer time.AfterFunc(left, stop).Stop()
	}
	var all sync.WaitGroup
	for i, w := range r.writers {
		s := newSchedule(r.now(), rate, i, len(r.writers))
		all.Go(func() { w.run(ctx, until, s, quota) })
	}
	all.Wait()
	bounded, cancel := context.WithTimeout(ctx, deliveryTimeout+patience)
	defer cancel()
	for _, w := range r.writers {
		if err := w.producer.Flush(bounded); err != nil {
			r.fault(err)
		}
	}
	return context.Cause(ctx)
}

// readBack reads the whole topic.
func (r *run) readBack(ctx context.Context) error {
	if err := r.openReaders(ctx); err != nil {
		return err
	}
	return r.awaitReaders(ctx, r.startReaders(ctx))
}

// startReaders starts the readers, and returns what stops them.
func (r *run) startReaders(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, d := range r.readers {
		all.Go(func() { d.run(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// awaitReaders stops the readers once they have read all that there is, or nothing more comes.
func (r *run) awaitReaders(ctx context.Context, stop func()) error {
	defer stop()
	_, records, err := r.driver.Extent(ctx, r.topic)
	if err != nil {
		return err
	}
	if r.load.Mode == ModeE2E { // retention may have deleted what was read already
		records = 0
		for _, w := range r.writers {
			records += w.acked.Load()
		}
	}
	const pause = 2 * time.Millisecond
	got, since := int64(-1), time.Now()
	for ctx.Err() == nil {
		n := r.received()
		if n >= records {
			return nil
		}
		if n > got {
			got, since = n, time.Now()
		}
		if time.Since(since) > patience {
			r.fault(fmt.Errorf("%d of %d records did not come for %v", records-n, records, patience))
			return nil
		}
		time.Sleep(pause)
	}
	return context.Cause(ctx)
}

func (r *run) received() (n int64) {
	for _, d := range r.readers {
		n += d.received.Load()
	}
	return n
}

// farewell is how long a run may take to clean up after itself.
const farewell = 5 * time.Second

// close ends the clients and deletes the topic. What it cannot do is no fault of what was measured.
func (r *run) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	for _, d := range r.readers {
		d.consumer.Close()
	}
	for _, w := range r.writers {
		_ = w.producer.Close(ctx)
	}
	if r.own && r.options.Keep == DeleteTopic {
		_ = r.driver.DeleteTopic(ctx, r.topic)
	}
}

// maxFaults bounds the kinds of errors that a result keeps.
const maxFaults = 10

// fault takes note of an error, each kind once.
func (r *run) fault(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := err.Error(); len(r.faults) < maxFaults && !slices.Contains(r.faults, text) {
		r.faults = append(r.faults, text)
	}
}

// clientName is what a result says of the program that measured.
func (r *run) clientName() string {
	library := "package client"
	if r.driver.Name() == "kafka" {
		library = "franz-go"
	}
	return fmt.Sprintf("skidway %s, %s, %s", cmp.Or(r.options.Version, "unknown"), library, runtime.Version())
}
