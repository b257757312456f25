package client

import (
	"time"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// answered takes note of what a request that carried a batch has come to. fault is nil for success. It tells whether
// the batch is to be sent again.
func (t *partition) answered(b *batch, base, appendTime int64, fault *Error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent--
	switch {
	case fault == nil:
		t.proven = true
		t.pauses, t.retryAt = nil, time.Time{}
	case fault.Code == wire.CodeProducerFenced && t.p.renewed(t.ident):
		fault.Code = wire.CodeOutOfOrderSequence // by the Producer itself, for the sake of another partition
	}
	if b.state == batchSent { // else its time ran out
		t.judge(b, base, appendTime, fault)
	}
	if t.sent == 0 {
		t.settle()
	}
	again := b.state != batchDone
	t.reap()
	t.list()
	return again
}

// judge decides about a batch by its answer.
func (t *partition) judge(b *batch, base, appendTime int64, fault *Error) {
	idempotent := t.p.opts.Idempotence == IdempotenceOn
	if fault == nil {
		b.base, b.stamped = base, appendTime
		b.finish(nil)
		return
	}
	b.err = fault
	switch {
	case fault.Code == wire.CodeInternal:
		t.fail(b, fault)
	case fault.Outcome == OutcomeUnknown && idempotent:
		b.pinned, b.state = true, batchRefused
	case fault.Outcome == OutcomeUnknown:
		t.fail(b, fault)
	case fault.Code == wire.CodeOutOfOrderSequence && idempotent:
		b.gap, b.state = true, batchRefused
	case fault.Code == wire.CodeRecordTooLarge && b.count > 1 && !b.pinned:
		t.split(b)
	case topicStale(fault.Code):
		b.state = batchRefused
		t.p.want(t.topic)
	case fault.Retriable():
		b.state = batchRefused
	default:
		t.fail(b, fault)
	}
}

// fail ends a batch that the log does not hold, or may not hold: what follows needs new numbers. A definite refusal
// of a batch that an earlier try may have put into the log leaves its outcome unknown.
func (t *partition) fail(b *batch, why *Error) {
	if b.pinned && why.Outcome != OutcomeUnknown {
		e := *why
		e.Outcome = OutcomeUnknown
		why = &e
	}
	b.finish(why)
	t.broken = true
}

// settle makes what was refused ready to be sent again. Nothing of the partition is under way.
func (t *partition) settle() {
	first, unnumbered, pause, lost := true, true, false, false
	for _, b := range t.batches {
		if b.state != batchRefused {
			continue
		}
		switch {
		case lost && b.pinned: // it cannot be numbered anew, and its number will never come
			t.fail(b, unknownOf(b.err))
			continue
		case b.gap && first && b.pinned:
			t.fail(b, unknownOf(b.err))
			continue
		case b.gap && first:
			t.broken, lost = true, true
		case !b.gap:
			pause = true
		}
		first = false
		if !b.pinned && unnumbered { // the log has none from here on but those that are pinned
			unnumbered = false
			t.next = b.seq
		}
		if t.broken && !b.pinned {
			lost = true
		}
		b.state = batchReady
	}
	if first {
		return
	}
	again := t.pauses != nil
	if !again {
		t.pauses = t.p.c.opts.pauses()
	}
	if d := t.pauses.NextBackOff(); pause || again {
		t.retryAt = time.Now().Add(d)
	}
}

// unknownOf returns an error with its outcome unknown.
func unknownOf(e *Error) *Error {
	out := *e
	out.Outcome = OutcomeUnknown
	return &out
}

// split puts two halves in the place of a batch that is too large for its topic. They share its numbers.
func (t *partition) split(b *batch) {
	var halves [2]*batch
	half := b.count / 2
	counts := [2]int32{half, b.count - half}
	builders := [2]*record.Builder{t.p.pools.builder(), t.p.pools.builder()}
	i := int32(0)
	for r, err := range b.data.Records(record.Limits{}) {
		if err != nil {
			t.fail(b, b.err)
			return
		}
		which := 0
		if i >= half {
			which = 1
		}
		builders[which].Append(r)
		i++
	}
	seqs := [2]int32{b.seq, advance(b.seq, half)}
	for n, builder := range builders {
		builder.SetProducer(b.ident.id, b.ident.epoch, seqs[n])
		if b.ident.gen == 0 {
			builder.SetProducer(-1, -1, -1)
		}
		data, err := builder.Seal(nil)
		t.p.pools.putBuilder(builder)
		if err != nil {
			t.fail(b, b.err)
			return
		}
		halves[n] = &batch{state: batchRefused, data: data, ident: b.ident, seq: seqs[n], count: counts[n],
			born: b.born,
			base: -1, stamped: -1, err: b.err}
	}
	for _, e := range b.entries {
		which := 0
		if e.delta >= half {
			which, e.delta = 1, e.delta-half
		}
		halves[which].entries = append(halves[which].entries, e)
	}
	halves[1].cost, halves[1].flushes = b.cost, b.flushes
	t.replace(b, halves[:])
}

// replace puts others in the place of a batch.
func (t *partition) replace(b *batch, others []*batch) {
	out := make([]*batch, 0, len(t.batches)+1)
	for _, x := range t.batches {
		if x == b {
			out = append(out, others...)
			continue
		}
		out = append(out, x)
	}
	t.batches = out
}

// expire ends the batches whose delivery time is over: unknown if a request carried them that was not answered, else
// failed.
func (t *partition) expire(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := t.p.opts.DeliveryTimeout
	for _, b := range t.batches {
		if b.state == batchDone {
			continue
		}
		if now.Sub(b.born) < limit {
			break
		}
		e := newError(wire.CodeTimedOut, t.at(), "not written within %v", limit)
		e.Err = t.cause(b)
		if e.Err != nil {
			e.Message += ": " + e.Err.Error()
		}
		t.abandon(b, e)
	}
	t.reap()
}

// cause returns why a batch is still on its way, nil if that is not known.
func (t *partition) cause(b *batch) error {
	if b.err != nil {
		return b.err
	}
	if t.sender != nil {
		if e := t.sender.trouble.Load(); e != nil {
			return e
		}
	}
	return nil
}

// abandon ends a batch whatever its state.
func (t *partition) abandon(b *batch, e *Error) {
	if b.state == batchSent || b.pinned {
		e.Outcome = OutcomeUnknown
		t.broken = true
	}
	if b.state == batchOpen {
		t.p.pools.putBuilder(b.builder)
		b.builder = nil
	}
	b.finish(e)
}

// fall ends all batches: the topic is gone, or the producer is closed. The partition takes no more records.
func (t *partition) fall(why *Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dead = true
	for _, b := range t.batches {
		if b.state != batchDone {
			e := *why
			e.Topic, e.Partition = t.topic.name, t.index
			t.abandon(b, &e)
		}
	}
	t.reap()
}

// hurry sends what there is without lingering; f, if not nil, hears of the last batch.
func (t *partition) hurry(f *flush) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.open(); b != nil {
		b.hurried = true
	}
	if n := len(t.batches); n > 0 {
		if f != nil {
			t.batches[n-1].flushes = append(t.batches[n-1].flushes, f.more())
		}
		t.list()
	}
}

// untake takes back that a batch was taken: the request has no room for it.
func (t *partition) untake(b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent--
	b.tries--
	if b.state == batchSent {
		b.state = batchReady
		if !b.pinned {
			t.next = b.seq
		}
	}
}

// giveUp fails the batches that are ready or being filled. The partition takes further records.
func (t *partition) giveUp(why *Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.batches {
		if b.state != batchDone && b.state != batchSent {
			e := *why
			e.Topic, e.Partition = t.topic.name, t.index
			t.abandon(b, &e)
		}
	}
	t.reap()
}
