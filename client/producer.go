package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
	"golang.org/x/sync/semaphore"
)

// Producer writes records. Safe for concurrent use.
type Producer struct {
	c          *Client
	opts       ProducerOptions
	batchBytes int // BatchBytes, as far as the broker accepts it
	maxRecord  int // a record's batch that is larger cannot be sent in any topic
	budget     budget
	pools      pools
	promises   *promises
	topics     sync.Map // name to *topic
	trouble    atomic.Pointer[Error]

	ctx    context.Context // ends when nothing more is to be sent
	cancel context.CancelFunc
	tasks  sync.WaitGroup // goroutines but for that of promises
	told   chan struct{}  // closed when that of promises has ended

	closing chan struct{} // closed when the first Close has ended
	once    sync.Once
	err     error // of the first Close; once closing is closed

	mu       sync.Mutex // guards all below; nothing is called under it
	closed   bool
	senders  map[int32]*sender
	wanted   map[string]*topic // to be asked for
	asking   bool              // a goroutine asks for them
	ident    identity          // the latest; gen 0: none yet
	nameless []*partition      // wait for an identity after ident
	naming   bool              // a goroutine asks for one
}

// NewProducer makes a Producer of a Client. It connects when first used.
func NewProducer(c *Client, o ProducerOptions) (*Producer, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	p := &Producer{c: c, opts: o, senders: map[int32]*sender{}, wanted: map[string]*topic{}, told: make(chan struct{}),
		closing: make(chan struct{}), ident: noIdentity()}
	hello := c.Hello()
	p.batchBytes = int(min(int64(o.BatchBytes), hello.MaxBatchBytes))
	p.maxRecord = int(hello.MaxFrameBytes) - requestOverhead
	p.pools.codec = o.Compression
	p.budget = budget{room: semaphore.NewWeighted(o.MaxBufferedBytes), size: o.MaxBufferedBytes, hurry: p.hurry}
	p.promises = newPromises(p)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if err := c.add(p); err != nil {
		p.cancel()
		return nil, err
	}
	go func() {
		defer close(p.told)
		p.promises.run()
	}()
	p.tasks.Go(p.keep)
	return p, nil
}

// requestOverhead is more than a produce request of one batch takes beside it.
const requestOverhead = 1 << 10

// requestBytes is the room that a request to a broker has for batches.
func (p *Producer) requestBytes(h *wire.HelloResponse) int {
	room := int(h.MaxFrameBytes) - requestOverhead
	if p.opts.MaxRequestBytes > 0 {
		room = min(room, p.opts.MaxRequestBytes)
	}
	return room
}

// Send writes one record and waits for the answer. It returns the record with its partition, offset and timestamp.
// When ctx ends first, the outcome is unknown: the record goes on its way.
func (p *Producer) Send(ctx context.Context, r Record) (Record, error) {
	type result struct {
		record Record
		err    error
	}
	answer := make(chan result, 1)
	p.SendAsync(ctx, r, func(r Record, err error) { answer <- result{r, err} })
	select {
	case got := <-answer:
		return got.record, got.err
	case <-ctx.Done():
	}
	select {
	case got := <-answer:
		return got.record, got.err
	default:
		return r, timedOut(ctx, where{topic: r.Topic, partition: -1}, "waiting for the answer", OutcomeUnknown)
	}
}

// SendAsync accepts a record and returns. promise, which may be nil, is called once: with the record as Send returns
// it, or with why it failed; for records of one partition in the order in which SendAsync accepted them. r's bytes
// are copied before SendAsync returns; the promise gets the same slices back.
//
// SendAsync blocks only while MaxBufferedBytes is reached, and for that no longer than ctx; ctx has no effect on a
// record once accepted. Promises are called one after another on a goroutine of the Producer, and should be quick;
// they may call SendAsync, but neither Flush nor Close. The promise of a record that is not accepted is called before
// SendAsync returns.
func (p *Producer) SendAsync(ctx context.Context, r Record, promise func(Record, error)) {
	if err := p.accept(ctx, &r, promise); err != nil && promise != nil {
		r.Offset = -1
		promise(r, err)
	}
}

// accept puts a record on its way, or returns why not.
func (p *Producer) accept(ctx context.Context, r *Record, promise func(Record, error)) *Error {
	at := where{topic: r.Topic, partition: -1}
	ms := r.millis()
	if ms < -1 {
		return newError(wire.CodeInvalidTimestamp, at, "timestamp %v lies before 1970", r.Timestamp)
	}
	cost := r.cost() + overhead
	if size := int64(record.HeaderSize) + cost - overhead; size > int64(p.maxRecord) || cost > p.budget.size {
		return newError(wire.CodeRecordTooLarge, at,
			"the record has %d bytes; the broker takes %d, the producer's buffer %d",
			size, p.maxRecord, p.budget.size)
	}
	t, err := p.topic(r.Topic)
	if err != nil {
		return err
	}
	if err := p.budget.acquire(ctx, cost); err != nil {
		return timedOut(ctx, at, "waiting for room in the producer's buffer", OutcomeFailed)
	}
	if err := t.put(r, ms, promise); err != nil {
		p.budget.release(cost)
		return err
	}
	return nil
}

// topic returns the Producer's side of a topic.
func (p *Producer) topic(name string) (*topic, *Error) {
	if t, ok := p.topics.Load(name); ok {
		return t.(*topic), nil
	}
	if name == "" {
		return nil, newError(wire.CodeInvalidTopicName, where{partition: -1}, "the record names no topic")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed("producer")
	}
	t, _ := p.topics.LoadOrStore(name, &topic{p: p, name: name})
	return t.(*topic), nil
}

// each calls f for each topic.
func (p *Producer) each(f func(*topic)) {
	p.topics.Range(func(_, t any) bool {
		f(t.(*topic))
		return true
	})
}

// hurry sends what lingers.
func (p *Producer) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.senders {
		notify(s.wake)
	}
}

// release takes a batch's memory back, if no request can still refer to it: see pools.
func (p *Producer) release(b *batch) {
	p.pools.putEntries(b.entries)
	if b.err == nil && b.memory != nil && b.tries == 1 && !b.pinned {
		p.pools.putBytes(b.memory)
	}
	b.entries, b.memory, b.data = nil, nil, nil
}

// Flush sends all that was accepted before the call without waiting for Linger, and returns when all of its promises
// have been called, or with ctx's error.
func (p *Producer) Flush(ctx context.Context) error {
	f := newFlush()
	p.each(func(t *topic) { t.flush(f) })
	p.promises.put(outcome{flushes: []*flush{f.more()}}) // behind those that are to be called now
	f.less()
	select {
	case <-f.done:
		return nil
	case <-p.told:
		return errClosed("producer")
	case <-ctx.Done():
		return timedOut(ctx, nowhere(""), "flushing", OutcomeUnknown)
	}
}

// Close refuses further records, flushes, and ends the Producer. When ctx ends first, what is not answered fails, and
// Close returns ctx's error. Either way every promise has been called when Close returns. It may be called more than
// once.
func (p *Producer) Close(ctx context.Context) error {
	p.once.Do(func() {
		p.err = p.end(ctx)
		close(p.closing)
	})
	<-p.closing
	return p.err
}

func (p *Producer) end(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.each((*topic).close)
	err := p.Flush(ctx)
	p.cancel()
	p.tasks.Wait()
	p.each(func(t *topic) { t.fall(errClosed("producer")) })
	p.promises.close()
	p.c.remove(p)
	<-p.told
	return err
}

// close refuses further records.
func (t *topic) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if parts := t.parts.Load(); parts != nil {
		t.seal(*parts)
	}
}

// keep looks after delivery times and the age of metadata.
func (p *Producer) keep() {
	tick := time.NewTicker(min(max(p.opts.DeliveryTimeout/20, 5*time.Millisecond), time.Second))
	defer tick.Stop()
	renewed := time.Now()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-tick.C:
			if !p.budget.empty() {
				p.each(func(t *topic) { t.expire(now) })
			}
			if now.Sub(renewed) >= p.c.opts.MetadataMaxAge {
				renewed = now
				p.each(func(t *topic) {
					if t.parts.Load() != nil {
						p.want(t)
					}
				})
			}
		}
	}
}
