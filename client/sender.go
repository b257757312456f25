package client

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/wire"
)

// sender sends a Producer's batches to one broker, over one connection, on one goroutine. There is no goroutine,
// timer or channel for a partition: partitions with something to send are on its list, those whose batch lingers are
// in a queue by time.
type sender struct {
	p      *Producer
	broker int32
	wake   chan struct{} // holds a token when there may be something new
	// trouble is why nothing can be sent now; nil: it can.
	trouble atomic.Pointer[Error]

	mu        sync.Mutex // guards the next two; nothing is called under it
	listed    []listing
	lingering []lingerer // by time

	// The rest belongs to the goroutine.
	due   []listing  // taken from listed, in turn
	later []lingerer // partitions that wait for the time of a repetition
	link  *link      // nil: to be dialled
	calls []*carried // requests without an answer, in order
	asked time.Time  // when it was last asked who leads, since an answer is late
}

// listing is a partition that may have something to send. It is void once another broker leads the partition: when the
// leadership comes back, there is a new one, and a request takes one batch of a partition.
type listing struct {
	partition *partition
	term      uint64 // the partition's when it was listed
}

// lingerer is a partition to be looked at, at some time.
type lingerer struct {
	partition *partition
	at        time.Time
}

// carried is a request without an answer.
type carried struct {
	call    *wire.Call
	sent    time.Time
	topics  []wire.ProduceTopic
	batches [][]load // as topics
}

// load is a batch in a request.
type load struct {
	partition *partition
	batch     *batch
}

func newSender(p *Producer, broker int32) *sender {
	return &sender{p: p, broker: broker, wake: make(chan struct{}, 1)}
}

// list takes note of a partition that may have something to send.
func (s *sender) list(l listing) {
	s.mu.Lock()
	s.listed = append(s.listed, l)
	s.mu.Unlock()
	notify(s.wake)
}

// linger takes note of a partition that will have something to send.
func (s *sender) linger(t *partition, until time.Time) {
	s.mu.Lock()
	s.lingering = append(s.lingering, lingerer{t, until})
	first := len(s.lingering) == 1
	s.mu.Unlock()
	if first {
		notify(s.wake)
	}
}

// run sends until the Producer ends. Then nothing is under way any more.
func (s *sender) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for s.p.ctx.Err() == nil {
		next := s.fill()
		var answer <-chan struct{}
		if len(s.calls) > 0 {
			answer = s.calls[0].call.Done()
			if look := s.look(s.calls[0]); next.IsZero() || look.Before(next) {
				next = look
			}
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = time.Until(next)
		}
		timer.Reset(wait)
		select {
		case <-s.p.ctx.Done():
		case <-s.wake:
		case <-answer:
		case <-timer.C:
		}
		s.collect()
	}
	if s.link != nil {
		s.link.close(nil)
		s.collect()
	}
}

// fill sends what may be sent. It returns when it is worth looking again without being woken; zero: never.
func (s *sender) fill() time.Time {
	now := time.Now()
	next := s.ripen(now)
	for len(s.calls) < s.p.opts.MaxInFlight && s.refill() {
		if s.link == nil || s.link.broken() {
			if len(s.calls) > 0 {
				break // first let their batches have their verdict
			}
			if !s.connect() {
				return time.Now()
			}
		}
		s.send(now)
	}
	for _, l := range s.later {
		if next.IsZero() || l.at.Before(next) {
			next = l.at
		}
	}
	return next
}

// ripen lists the partitions whose time has come. It returns when that of the next comes.
func (s *sender) ripen(now time.Time) (next time.Time) {
	s.later = slices.DeleteFunc(s.later, func(l lingerer) bool {
		if l.at.After(now) {
			return false
		}
		l.partition.relist()
		return true
	})
	limit := now
	if s.p.budget.short() {
		limit = now.Add(s.p.opts.Linger)
	}
	s.mu.Lock()
	n := 0
	for n < len(s.lingering) && !s.lingering[n].at.After(limit) {
		n++
	}
	ripe := slices.Clone(s.lingering[:n])
	s.lingering = slices.Delete(s.lingering, 0, n)
	if len(s.lingering) > 0 {
		next = s.lingering[0].at
	}
	s.mu.Unlock()
	for _, l := range ripe {
		l.partition.ripen(limit)
	}
	return next
}

// refill tells whether there are partitions to look at.
func (s *sender) refill() bool {
	if len(s.due) > 0 {
		return true
	}
	s.mu.Lock()
	s.due, s.listed = s.listed, s.due[:0]
	s.mu.Unlock()
	return len(s.due) > 0
}

// send gathers the batches that are ready into one request, as many as the broker's frame takes, at most one of each
// partition, and sends it. It takes at least one partition from due, so that those listed meanwhile have their turn.
func (s *sender) send(now time.Time) {
	c := &carried{sent: now}
	room := s.p.requestBytes(s.link.hello())
	places := map[uint64]int{}
	seen, full := 0, false
	var again []*partition
	for _, l := range s.due {
		if full {
			break
		}
		seen++
		t := l.partition
		b, at := t.take(l.term, now)
		if b == nil {
			if !at.IsZero() {
				s.later = append(s.later, lingerer{t, at})
			}
			continue
		}
		size := len(b.data) + perPartition
		if size > room && len(c.topics) > 0 {
			t.untake(b)
			again, full = append(again, t), true
			break
		}
		room -= size
		s.load(c, places, load{t, b})
		again = append(again, t)
	}
	s.due = slices.Delete(s.due, 0, seen)
	for _, t := range again {
		t.relist()
	}
	if len(c.topics) > 0 {
		s.start(c)
	}
}

// perPartition is more than a batch takes in a request beside its bytes.
const perPartition = 64

// load adds a batch to a request.
func (s *sender) load(c *carried, places map[uint64]int, l load) {
	i, ok := places[l.partition.id]
	if !ok {
		i = len(c.topics)
		places[l.partition.id] = i
		c.topics = append(c.topics, wire.ProduceTopic{ID: l.partition.id})
		c.batches = append(c.batches, nil)
	}
	t := &c.topics[i]
	t.Partitions = append(t.Partitions, wire.ProducePartition{Index: l.partition.index, Batch: l.batch.data})
	c.batches[i] = append(c.batches[i], l)
}

// start sends a request.
func (s *sender) start(c *carried) {
	patience := s.p.c.opts.RequestTimeout / 5 * 4 // of the broker: its answer that time is over is to come in time
	call, err := s.link.conn.Start(&wire.ProduceRequest{
		Acks: s.p.opts.Acks.wire(), TimeoutMs: int32(min(max(patience.Milliseconds(), 1), 1<<30)), Topics: c.topics,
	})
	if err != nil {
		s.verdict(c, nil, s.link.failure(err))
		return
	}
	c.call = call
	s.calls = append(s.calls, c)
}

// collect takes the answers that have come, in order, and breaks a connection that keeps one for too long.
func (s *sender) collect() {
	for len(s.calls) > 0 {
		c := s.calls[0]
		select {
		case <-c.call.Done():
		default:
			why := s.overdue(c, time.Now())
			if why == nil {
				return
			}
			s.link.close(why)
			<-c.call.Done()
		}
		s.calls[0] = nil
		s.calls = s.calls[1:]
		r, err := c.call.Result()
		var fault *Error
		if err != nil {
			fault = s.link.failure(err)
		}
		s.p.c.opts.Hooks.request(wire.APIProduce, time.Since(c.sent), errorOrNil(fault))
		answer, _ := r.(*wire.ProduceResponse)
		s.verdict(c, answer, fault)
	}
	if len(s.calls) == 0 {
		s.calls = nil
	}
}

// look is when the first of the requests without an answer is to be looked at.
func (s *sender) look(c *carried) time.Time {
	limit, ask := c.sent.Add(s.p.c.opts.RequestTimeout), c.sent.Add(late)
	if again := s.asked.Add(late); again.After(ask) {
		ask = again
	}
	if limit.Before(ask) {
		return limit
	}
	return ask
}

// overdue tells why the answer to the first of the requests without one is awaited no longer; nil: it is. When it is
// late, others may lead by now: it is asked who does, and if the broker leads nothing that is under way, what it has
// not answered goes to those who do.
func (s *sender) overdue(c *carried, now time.Time) *Error {
	waited := now.Sub(c.sent)
	switch {
	case waited >= s.p.c.opts.RequestTimeout:
		return newError(wire.CodeTimedOut, nowhere(s.link.address), "no answer to a produce within %v",
			s.p.c.opts.RequestTimeout)
	case waited < late:
		return nil
	case !slices.ContainsFunc(s.calls, s.leads):
		return newError(wire.CodeTimedOut, nowhere(s.link.address),
			"no answer to a produce for %v, and the broker leads the partitions no longer", waited.Round(time.Millisecond))
	case now.Sub(s.asked) >= late:
		s.asked = now
		s.p.wantOf(s)
	}
	return nil
}

// leads tells whether the broker leads one of the partitions of a request, for all that is known.
func (s *sender) leads(c *carried) bool {
	return slices.ContainsFunc(c.batches, func(topic []load) bool {
		return slices.ContainsFunc(topic, func(l load) bool { return s.has(l.partition) })
	})
}

// verdict tells each batch of a request what became of it: by the answer, or by the fault of the whole.
func (s *sender) verdict(c *carried, answer *wire.ProduceResponse, fault *Error) {
	if fault == nil && !matches(answer, c.topics) {
		fault = newError(wire.CodeInternal, nowhere(s.link.address), "the broker's answer does not fit the request")
		fault.Outcome = OutcomeUnknown
	}
	for i := range c.batches {
		for j, l := range c.batches[i] {
			var base, stamped int64 = -1, -1
			e := fault
			if fault == nil {
				r := &answer.Topics[i].Partitions[j]
				base, stamped = r.BaseOffset, r.AppendTimeMs
				if r.Error != nil {
					e = fromWire(r.Error, where{topic: l.partition.topic.name, partition: l.partition.index,
						address: s.link.address})
				}
			} else {
				copied := *fault
				copied.Topic, copied.Partition = l.partition.topic.name, l.partition.index
				e = &copied
			}
			if l.partition.answered(l.batch, base, stamped, e) && e != nil {
				s.p.c.opts.Hooks.retry(wire.APIProduce, e)
			}
		}
	}
}

// matches tells whether an answer is about the same partitions as the request.
func matches(answer *wire.ProduceResponse, asked []wire.ProduceTopic) bool {
	if answer == nil || len(answer.Topics) != len(asked) {
		return false
	}
	for i := range asked {
		got := answer.Topics[i]
		if got.ID != asked[i].ID || len(got.Partitions) != len(asked[i].Partitions) {
			return false
		}
		for j := range got.Partitions {
			if got.Partitions[j].Index != asked[i].Partitions[j].Index {
				return false
			}
		}
	}
	return true
}

// connect dials the broker, and pauses when that fails.
func (s *sender) connect() bool {
	pauses := s.p.c.opts.pauses()
	for s.p.ctx.Err() == nil {
		var l *link
		var err *Error
		watch(s.p.ctx, late, func(context.Context) { s.p.wantOf(s) },
			func() { l, err = s.p.c.dialBroker(s.p.ctx, s.broker) })
		if err == nil {
			s.link = l
			s.trouble.Store(nil)
			return true
		}
		if s.trouble.Swap(err) == nil {
			s.p.c.opts.Logger.Warn("producer cannot reach a broker", "broker", s.broker, "error", err)
		}
		s.p.c.opts.Hooks.retry(wire.APIProduce, err)
		s.p.c.meta.ask(nil, FailMissing) // it may be elsewhere by now
		s.p.wantOf(s)                    // and another one may lead: nobody else says so
		sleep(s.p.ctx, pauses.NextBackOff())
	}
	return false
}

// errorOrNil keeps a nil *Error from becoming an error that is not nil.
func errorOrNil(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}
