package partitionlog

import (
	"container/list"
	"fmt"
	"math"

	"github.com/skidway/skidway/record"
)

// producerFloor is the number of producers that each log may hold even when
// those of all logs are beyond MaxProducersTotal.
const producerFloor = 16

// producerTable is the idempotent producers of one log (KIP-98). Guarded by the
// log's mu.
type producerTable struct {
	logs *Logs
	byID map[int64]*list.Element // of *producer
	// byUse has the producer that appended last in front.
	byUse list.List
	used  int64 // append time of the last append through the table, ms
}

type producer struct {
	id int64
	producerState
}

func newProducerTable(ls *Logs) *producerTable {
	return &producerTable{logs: ls, byID: make(map[int64]*list.Element)}
}

func (t *producerTable) len() int { return len(t.byID) }

func (t *producerTable) get(id int64) *producer {
	if e := t.byID[id]; e != nil {
		return e.Value.(*producer)
	}
	return nil
}

// put adds a producer that is not there yet, as the newest.
func (t *producerTable) put(p *producer) {
	t.byID[p.id] = t.byUse.PushFront(p)
	t.logs.producers.Add(1)
}

func (t *producerTable) remove(id int64) {
	e := t.byID[id]
	if e == nil {
		return
	}
	t.byUse.Remove(e)
	delete(t.byID, id)
	t.logs.producers.Add(-1)
}

// oldest is the producer that was silent longest, nil in an empty table.
func (t *producerTable) oldest() *producer {
	if e := t.byUse.Back(); e != nil {
		return e.Value.(*producer)
	}
	return nil
}

// check says what a batch of an idempotent producer is: nil, nil is the next
// one; the original where it is one of the last five; else an error.
//
// A producer without state must begin at sequence 0. Kafka takes any sequence
// from it; then, of several requests in flight, the second could be appended
// after the first was refused, and a retry whose state is gone would be
// appended twice. Here neither can happen: it has to begin again.
func (t *producerTable) check(b record.Batch) (*sequenced, error) {
	id, epoch, first := b.ProducerID(), b.ProducerEpoch(), b.BaseSequence()
	p := t.get(id)
	wrong := &SequenceError{ProducerID: id, Epoch: epoch, Got: first, Known: p != nil}
	if epoch < 0 || first < 0 {
		return nil, wrong
	}
	if p != nil && epoch < p.epoch {
		return nil, fmt.Errorf("%w: producer %d: epoch %d, the newest is %d", ErrProducerFenced, id, epoch, p.epoch)
	}
	if p == nil || epoch > p.epoch {
		if first != 0 {
			return nil, wrong
		}
		return nil, nil
	}
	for i := range p.list() {
		s := &p.batches[i]
		if s.first == first && s.span == b.LastOffsetDelta() {
			return s, nil
		}
	}
	wrong.Expected = int32((int64(p.newest().last()) + 1) & math.MaxInt32)
	if first != wrong.Expected {
		return nil, wrong
	}
	return nil, nil
}

// add remembers the batch of it, which check has let pass, and gives it the
// producer's row.
func (t *producerTable) add(it *appendItem, now int64) {
	b := it.batch
	id, epoch := b.ProducerID(), b.ProducerEpoch()
	it.forget = -1
	p := t.get(id)
	if p == nil {
		if old := t.oldest(); old != nil && t.full() {
			it.forget = old.id
			t.remove(old.id)
		}
		p = &producer{id: id}
		t.put(p)
	} else {
		t.byUse.MoveToFront(t.byID[id])
	}
	if p.epoch != epoch {
		p.producerState = producerState{epoch: epoch}
	}
	p.add(sequenced{first: b.BaseSequence(), span: b.LastOffsetDelta(), base: b.BaseOffset(), appended: now})
	t.used = now
	it.producerRow = p.append(make([]byte, 0, 20+24*int(p.count)))
}

func (t *producerTable) full() bool {
	o := &t.logs.opts
	if t.len() >= o.MaxProducers {
		return true
	}
	return t.len() >= producerFloor && t.logs.producers.Load() >= int64(o.MaxProducersTotal)
}

// expire forgets the producers whose last append lies before.
func (t *producerTable) expire(before int64) (ids []int64) {
	for p := t.oldest(); p != nil && p.newest().appended < before; p = t.oldest() {
		ids = append(ids, p.id)
		t.remove(p.id)
	}
	return ids
}
