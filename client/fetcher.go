package client

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// fetcher fetches the partitions of one lane, over one connection, on one goroutine.
type fetcher struct {
	c    *Consumer
	lane lane
	wake chan struct{} // holds a token when there may be something to fetch

	// interrupt ends the fetch under way, which does not ask for what is wanted now; nil: there is none. Under the
	// Consumer's lock.
	interrupt context.CancelFunc

	// The rest belongs to the goroutine.
	link *link // nil: to be dialled
	turn int   // which partition is asked for first
}

// wanted is a fetch request, and what it is about.
type wanted struct {
	request *wire.FetchRequest
	parts   map[fetchedPlace]*assignment
	from    map[*assignment]moment
}

// moment is where a partition was when it was asked for. An answer counts only if it still is there: one that moved to
// another broker meanwhile may have been fetched over that lane, too.
type moment struct {
	gen, offset int64
	lane        lane
}

func (a *assignment) now() moment { return moment{a.gen, a.fetch, a.lane} }

type fetchedPlace struct {
	id    uint64
	index int32
}

// shortWait is how long the broker may wait while partitions are left out of a fetch because enough of them is
// buffered: they may be wanted at any moment.
const shortWait = 20 * time.Millisecond

// start begins to fetch ahead, at the first poll. Under the Consumer's lock.
func (c *Consumer) start() {
	if c.started {
		return
	}
	c.started = true
	for _, a := range c.assigned {
		c.wakeFetcher(a)
	}
}

// wakeFetcher has the fetcher of a partition look for work. Under the Consumer's lock.
func (c *Consumer) wakeFetcher(a *assignment) {
	if !c.started || a.lane.broker < 0 || c.ctx.Err() != nil {
		return
	}
	f := c.fetchers[a.lane]
	if f == nil {
		f = &fetcher{c: c, lane: a.lane, wake: make(chan struct{}, 1)}
		c.fetchers[a.lane] = f
		c.tasks.Go(f.run)
	}
	notify(f.wake)
}

func (f *fetcher) run() {
	pauses := f.c.c.opts.pauses()
	for f.c.ctx.Err() == nil {
		w, again := f.plan(time.Now())
		if w == nil {
			f.rest(again)
			continue
		}
		fault, interrupted := f.attempt(w)
		if interrupted && f.link != nil {
			f.link.close(nil) // its next answer would be that of the fetch that was given up, after its whole wait
			continue
		}
		if fault != nil {
			f.c.c.opts.Hooks.retry(wire.APIFetch, fault)
			if f.c.ctx.Err() == nil {
				f.c.c.opts.Logger.Debug("fetch failed", "broker", f.lane.broker, "error", fault)
			}
			f.c.wantOf(w) // the broker may be elsewhere by now, and another one may lead
			sleep(f.c.ctx, pauses.NextBackOff())
			continue
		}
		pauses.Reset()
	}
	if f.link != nil {
		f.link.close(nil)
	}
}

// attempt is fetch, and tells whether it was interrupted.
func (f *fetcher) attempt(w *wanted) (fault *Error, interrupted bool) {
	ctx, cancel := context.WithCancel(f.c.ctx)
	defer cancel()
	f.c.mu.Lock()
	f.interrupt = cancel
	for a, from := range w.from { // one that was moved since it was planned interrupted nothing
		if a.now() != from {
			cancel()
		}
	}
	f.c.mu.Unlock()
	watch(ctx, time.Duration(w.request.MaxWaitMs)*time.Millisecond+late, func(context.Context) { f.c.wantOf(w) },
		func() { fault = f.fetch(ctx, w) })
	f.c.mu.Lock()
	f.interrupt = nil
	f.c.asked -= int64(w.request.MaxBytes)
	f.c.mu.Unlock()
	return fault, fault != nil && ctx.Err() != nil && f.c.ctx.Err() == nil
}

// hasten has the fetcher of a partition ask for it now rather than after the wait of the fetch under way. Under the
// Consumer's lock.
func (c *Consumer) hasten(a *assignment) {
	if f := c.fetchers[a.lane]; f != nil && f.interrupt != nil {
		f.interrupt()
	}
	c.wakeFetcher(a)
}

// rest waits until there may be something to fetch.
func (f *fetcher) rest(until time.Time) {
	wait := time.Hour
	if !until.IsZero() {
		wait = time.Until(until)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-f.wake:
	case <-t.C:
	case <-f.c.ctx.Done():
	}
}

// plan makes a request for the partitions that want records. Nil: there are none; then, if the time is not zero, it
// is worth asking again at that time.
func (f *fetcher) plan(now time.Time) (*wanted, time.Time) {
	c := f.c
	c.mu.Lock()
	defer c.mu.Unlock()
	var again time.Time
	var eligible []*assignment
	wait := c.opts.MaxWait
	for _, a := range c.assigned {
		switch {
		case a.lane != f.lane || a.stopped || a.paused:
		case a.retryAt.After(now):
			if again.IsZero() || a.retryAt.Before(again) {
				again = a.retryAt
			}
		case c.buffered >= c.opts.MaxBufferedBytes || a.buffered >= int64(c.opts.PartitionMaxBytes):
			wait = min(wait, shortWait)
		default:
			eligible = append(eligible, a)
		}
	}
	if len(eligible) == 0 || c.buffered >= c.opts.MaxBufferedBytes {
		return nil, again
	}
	if !again.IsZero() {
		wait = min(wait, max(again.Sub(now), time.Millisecond))
	}
	slices.SortFunc(eligible, func(x, y *assignment) int {
		return cmp.Or(cmp.Compare(x.at.topic, y.at.topic), cmp.Compare(x.at.partition, y.at.partition))
	})
	f.turn++
	at := f.turn % len(eligible)
	return f.ask(append(eligible[at:len(eligible):len(eligible)], eligible[:at]...), wait), time.Time{}
}

// ask makes the request for partitions, in their order. Under the Consumer's lock.
func (f *fetcher) ask(parts []*assignment, wait time.Duration) *wanted {
	o := &f.c.opts
	// Half of what is left, so that a fetch that waits for records does not keep the others from theirs.
	room := min(int64(o.MaxBytes), max((o.MaxBufferedBytes-f.c.buffered-f.c.asked)/2, 1))
	f.c.asked += room
	w := &wanted{parts: make(map[fetchedPlace]*assignment, len(parts)), from: make(map[*assignment]moment, len(parts)),
		request: &wire.FetchRequest{MaxWaitMs: int32(max(wait.Milliseconds(), 1)), MinBytes: int32(o.MinBytes),
			MaxBytes: int32(room)}}
	for _, a := range parts {
		topics := w.request.Topics
		if n := len(topics); n == 0 || topics[n-1].ID != a.id {
			w.request.Topics = append(topics, wire.FetchTopic{ID: a.id})
		}
		t := &w.request.Topics[len(w.request.Topics)-1]
		t.Partitions = append(t.Partitions, wire.FetchPartition{Index: a.at.partition, Offset: a.fetch,
			MaxBytes: int32(o.PartitionMaxBytes), LeaderEpoch: -1})
		w.parts[fetchedPlace{a.id, a.at.partition}] = a
		w.from[a] = a.now()
	}
	return w
}

// fetch carries a request out.
func (f *fetcher) fetch(ctx context.Context, w *wanted) *Error {
	c := f.c
	if f.link == nil || f.link.broken() {
		l, err := c.c.dialBroker(ctx, f.lane.broker)
		if err != nil {
			return err
		}
		f.link = l
	}
	limit := c.c.opts.RequestTimeout + time.Duration(w.request.MaxWaitMs)*time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := f.link.do(ctx, w.request)
	if err != nil {
		return err
	}
	answer, ok := r.(*wire.FetchResponse)
	if !ok {
		return newError(wire.CodeInternal, nowhere(f.link.address),
			"the broker answered a fetch with another kind of response")
	}
	for _, skip := range f.store(w, answer) {
		c.tell(skip, "consumer skips to another offset")
	}
	return nil
}

// skipped is a jump of a position that no user asked for.
type skipped struct {
	at       place
	from, to int64
}

// store keeps what was fetched. It returns the jumps.
func (f *fetcher) store(w *wanted, answer *wire.FetchResponse) []skipped {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	var skips []skipped
	for i := range answer.Topics {
		t := &answer.Topics[i]
		for j := range t.Partitions {
			r := &t.Partitions[j]
			a := w.parts[fetchedPlace{t.ID, r.Index}]
			if a == nil || a.now() != w.from[a] || f.c.assigned[a.at] != a {
				continue // moved or taken away meanwhile
			}
			if s, ok := f.c.received(a, r, f.link.address); ok {
				skips = append(skips, s)
			}
			f.c.queue(a)
		}
	}
	return skips
}

// received applies what a fetch says of one partition. Under the Consumer's lock.
func (c *Consumer) received(a *assignment, r *wire.FetchResult, address string) (skipped, bool) {
	if r.Start >= 0 {
		a.start = r.Start
	}
	if r.End >= 0 {
		a.end = r.End
	}
	at := where{topic: a.at.topic, partition: a.at.partition, address: address}
	if r.Error != nil {
		return c.refused(a, r, fromWire(r.Error, at))
	}
	a.pauses, a.retryAt = nil, time.Time{}
	if len(r.Batches) == 0 {
		return skipped{}, false
	}
	first, next, err := span(r.Batches, a.fetch)
	if err != nil {
		e := newError(wire.CodeCorruptBatch, at, "answer to a fetch at offset %d: %v", a.fetch, err)
		e.Err = err
		c.spoilt(a, e)
		return skipped{}, false
	}
	var jump skipped
	jumps := first > a.fetch
	if jumps {
		if c.opts.OutOfRange == OutOfRangeFail {
			a.stopped = true
			a.err = newError(wire.CodeOffsetOutOfRange, at, "records %d to %d are missing", a.fetch, first-1)
			a.err.Start, a.err.End = a.start, a.end
			return skipped{}, false
		}
		jump = skipped{a.at, a.fetch, first}
	}
	a.chunks = append(a.chunks, r.Batches)
	a.buffered += int64(len(r.Batches))
	c.buffered += int64(len(r.Batches))
	a.fetch = next
	return jump, jumps
}

// span checks the outline of a number of whole batches that are to hold an offset, and returns their first and the
// offset after their last.
func span(b []byte, offset int64) (first, next int64, err error) {
	for next = -1; len(b) > 0; {
		batch, rest, err := record.Split(b)
		if err != nil {
			return 0, 0, err
		}
		if next < 0 {
			first = batch.BaseOffset()
		}
		if batch.BaseOffset() < next || batch.LastOffset() < offset || batch.LastOffset() < batch.BaseOffset() {
			return 0, 0, record.ErrMalformed
		}
		next, b = batch.LastOffset()+1, rest
	}
	return first, next, nil
}

// refused applies an error of one partition. Under the Consumer's lock.
func (c *Consumer) refused(a *assignment, r *wire.FetchResult, e *Error) (skipped, bool) {
	switch {
	case e.Code == wire.CodeOffsetOutOfRange:
		return c.outOfRange(a, r, e)
	case topicStale(e.Code):
		c.want(a.at.topic)
	case !e.Retriable():
		a.err, a.stopped = e, true
		return skipped{}, false
	}
	if a.pauses == nil {
		a.pauses = c.c.opts.pauses()
	}
	a.retryAt = time.Now().Add(a.pauses.NextBackOff())
	return skipped{}, false
}

// outOfRange follows the policy for an offset outside the log. Under the Consumer's lock.
func (c *Consumer) outOfRange(a *assignment, r *wire.FetchResult, e *Error) (skipped, bool) {
	to := r.End
	switch c.opts.OutOfRange {
	case OutOfRangeStart:
		to = r.Start
	case OutOfRangeNearest:
		if a.fetch < r.Start {
			to = r.Start
		}
	}
	if c.opts.OutOfRange == OutOfRangeFail || to < 0 || to == a.fetch {
		e.Start, e.End = r.Start, r.End
		a.err, a.stopped = e, true
		return skipped{}, false
	}
	jump := skipped{a.at, a.fetch, to}
	if !a.has() {
		a.position = to
	}
	a.fetch = to
	return jump, true
}

// farOffset lies behind every log.
const farOffset = math.MaxInt64
