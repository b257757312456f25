package partitionlog

import (
	"fmt"
	"slices"

	"github.com/skidway/skidway/record"
)

// model is a log as a list, against which the real one is held.
type model struct {
	batches []modelBatch // with those below start
	start   int64
	next    int64
	// state is what each producer's batches amount to; nothing expires here.
	state map[int64]*modelProducer
}

type modelBatch struct {
	base, last int64
	values     []string
	timestamps []int64
	appended   int64
	size       int64
	producer   seq
}

type modelProducer struct {
	history []modelBatch // of the newest epoch, all of them
	// vague: batches were cut at both ends, so that the log may have
	// forgotten what the model has not.
	vague bool
}

func newModel() *model { return &model{state: make(map[int64]*modelProducer)} }

// append adds a batch that the log has taken.
func (m *model) append(b modelBatch) {
	m.batches = append(m.batches, b)
	m.next = b.last + 1
	if b.producer.id < 0 {
		return
	}
	p := m.state[b.producer.id]
	if p == nil || p.history[0].producer.epoch != b.producer.epoch {
		p = &modelProducer{}
		m.state[b.producer.id] = p
	}
	p.history = append(p.history, b)
}

// nextSeq is where a producer goes on.
func (m *model) nextSeq(id int64) seq {
	p := m.state[id]
	if p == nil {
		return seq{id: id}
	}
	last := p.history[len(p.history)-1]
	s := last.producer
	s.first += int32(len(last.values))
	return s
}

// raiseStart cuts the front. The batches stay: a restart may bring a start back
// that was not durable yet.
func (m *model) raiseStart(offset int64) { m.start = max(m.start, offset) }

// live are the batches that are kept.
func (m *model) live() []modelBatch {
	if m.start == m.next {
		return nil
	}
	i := 0
	for i < len(m.batches) && m.batches[i].last < m.start {
		i++
	}
	return m.batches[i:]
}

// truncate cuts the end, whole batches. Producers are what their batches that are
// left amount to.
func (m *model) truncate(offset int64) {
	for n := len(m.batches); n > 0 && m.batches[n-1].last >= offset && m.next > m.start; n-- {
		m.next = max(m.batches[n-1].base, m.start)
		m.batches = m.batches[:n-1]
	}
	for id, p := range m.state {
		if p.history[len(p.history)-1].last < m.next {
			continue
		}
		delete(m.state, id)
		vague := m.start > 0
		for _, b := range m.live() {
			if b.producer.id != id {
				continue
			}
			if p := m.state[id]; p == nil || p.history[0].producer.epoch != b.producer.epoch {
				m.state[id] = &modelProducer{}
			}
			m.state[id].history = append(m.state[id].history, b)
		}
		if vague {
			if m.state[id] == nil {
				m.state[id] = &modelProducer{history: p.history}
			}
			m.state[id].vague = true
		}
	}
}

// records are those that readers from offset on see.
func (m *model) records(offset int64) (records []record.Record) {
	for _, b := range m.live() {
		for i := range b.values {
			if at := b.base + int64(i); at >= max(offset, m.start) {
				records = append(records, record.Record{Offset: at, Timestamp: b.timestamps[i], Value: []byte(b.values[i])})
			}
		}
	}
	return records
}

// offsetForTime is the first record of ms or later.
func (m *model) offsetForTime(ms int64) (OffsetTime, bool) {
	for _, r := range m.records(m.start) {
		if r.Timestamp >= ms {
			return OffsetTime{Offset: r.Offset, Timestamp: r.Timestamp}, true
		}
	}
	return OffsetTime{}, false
}

// checkAge holds the answer of StartForAge: nothing younger goes, and what is
// older by more than grace does.
func (m *model) checkAge(before, got, grace int64) error {
	for _, b := range m.live() {
		switch {
		case b.last < got && b.appended >= before:
			return fmt.Errorf("%d takes the batch at %d of %d, before %d", got, b.base, b.appended, before)
		case b.last >= got && max(b.base, m.start) < got:
			return fmt.Errorf("%d lies inside the batch at %d", got, b.base)
		case b.last >= got && b.appended < before-grace:
			return fmt.Errorf("%d leaves the batch at %d of %d, before %d", got, b.base, b.appended, before)
		}
	}
	return nil
}

// startForBytes is the answer of StartForBytes.
func (m *model) startForBytes(keep int64) int64 {
	var kept int64
	for _, b := range slices.Backward(m.live()) {
		if kept += b.size; kept > keep {
			return max(b.last+1, m.start)
		}
	}
	return m.start
}
