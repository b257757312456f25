package partitionlog

import (
	"fmt"

	"github.com/skidway/skidway/kv"
)

// Change is what a Promise, Truncate or Reset comes to. The receipt tells when it is
// durable, and so does a Move.
type Change struct {
	Receipt
	Generation uint64
	// End and History are the log's once it is done: nothing follows but what is
	// appended in Generation. They are certain already. History is not to be changed.
	End     int64
	History []EpochStart
}

// turn is what the items have in common that begin a generation.
type turn struct {
	log    *Log
	resets uint32
	change *Change
}

// newTurn notes how the log stands in the generation that has begun. Called with mu
// held, after all changes.
func (l *Log) newTurn() *turn {
	l.hasMeta = true
	c := &Change{Generation: l.generation, End: l.next, History: l.epochs}
	c.Base, c.Last = l.next, l.next
	return &turn{log: l, resets: l.resets, change: c}
}

// enqueue queues the item of the turn. Called with mu held.
func (t *turn) enqueue(it kv.Item) Change {
	l := t.log
	l.last = l.logs.store.Enqueue(it)
	t.change.commit = l.last
	l.check()
	l.wakeAll()
	return *t.change
}

// durable publishes the change, unless a newer generation has begun. Called with mu
// held.
func (t *turn) durable() {
	l := t.log
	if t.change.Generation != l.generation || l.state == stateDeleted {
		return
	}
	l.end = max(l.end, t.change.End)
	l.change = t.change
	l.check()
	l.publish()
}

// Promise is an epoch and what the log is to be in it.
type Promise struct {
	Generation uint64
	Epoch      int32
	// Lead says that Append may be used, and that the epoch begins at the log's end.
	Lead bool
}

// Promise makes an epoch durable, with Lead its start in the history too, and
// begins a generation. It waits for nothing: many logs' promises share a commit.
// The epoch never goes back. Errors, upon which nothing has changed:
// ErrStaleGeneration, ErrStaleEpoch (a newer epoch is promised, or with Lead the
// log has records of this one), ErrDeleted. Only after Replicate.
func (l *Log) Promise(p Promise) (Change, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.promisable(p); err != nil {
		return Change{}, err
	}
	if err := l.begin(p.Generation); err != nil {
		return Change{}, err
	}
	l.promised = p.Epoch
	var c *epochChange
	if p.Lead {
		l.leading = true
		l.epochs, c = noteEpoch(l.epochs, p.Epoch, l.next)
		l.appliedEpochs = l.epochs
	}
	t := l.newTurn()
	return t.enqueue(&promiseItem{turn: t, epochs: c}), nil
}

// promisable is nil or why the epoch cannot be promised. Called with mu held.
func (l *Log) promisable(p Promise) error {
	where := fmt.Sprintf("topic id %d partition %d", l.part.Topic, l.part.Index)
	if p.Epoch < 0 || p.Epoch < l.promised {
		return fmt.Errorf("%w: %d, promised is %d (%s)", ErrStaleEpoch, p.Epoch, l.promised, where)
	}
	if newest := epochAt(l.appliedEpochs, l.applied-1); p.Lead && newest >= p.Epoch {
		return fmt.Errorf("%w: %d, there are records of %d (%s)", ErrStaleEpoch, p.Epoch, newest, where)
	}
	return nil
}

// promiseItem persists an epoch.
type promiseItem struct {
	turn   *turn
	epochs *epochChange // nil: none
}

// Rows implements kv.Item. The epoch's start is left out where a Reset waits behind.
func (it *promiseItem) Rows(w *kv.Rows) {
	l := it.turn.log
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.putMeta(it.turn.resets)
	w.PutMeta(l.part, m.append(make([]byte, 0, metaSize)))
	if it.turn.resets == l.resets {
		it.epochs.rows(w, l.part)
	}
}

// Size implements kv.Item.
func (it *promiseItem) Size() int { return 2*metaSize + it.epochs.size() }

// Durable implements kv.Item.
func (it *promiseItem) Durable() {
	l := it.turn.log
	l.mu.Lock()
	defer l.mu.Unlock()
	it.turn.durable()
}

// Truncate cuts the log's end at to and begins a generation, in one commit. A batch
// that holds to goes whole; where that, or to, lies below the log start, the log is
// empty at its start. The high watermark is lowered to the end. It waits for what is
// in flight and reads the store. Errors: ErrStaleGeneration, ErrDeleted; ErrCorrupt and
// those of a closed store, upon which the generation may have begun. Only after
// Replicate.
func (l *Log) Truncate(generation uint64, to int64) (Change, error) {
	l.slow.Lock()
	defer l.slow.Unlock()
	l.mu.Lock()
	if err := l.begin(generation); err != nil || to >= l.next {
		defer l.mu.Unlock()
		if err != nil {
			return Change{}, err
		}
		t := l.newTurn()
		return t.enqueue(&promiseItem{turn: t}), nil
	}
	l.state = stateTruncating
	l.mu.Unlock()

	t, err := l.planReplica(to)

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == stateDeleted {
		return Change{}, l.usable()
	}
	l.state = stateOpen
	if err != nil {
		return Change{}, err
	}
	if generation != l.generation {
		return Change{}, l.stale(generation)
	}
	it := l.cutEnd(t, to)
	it.turn = l.newTurn()
	return it.turn.enqueue(it), nil
}

// planReplica reads what is left below to. Called with slow held while nothing can be
// appended.
func (l *Log) planReplica(to int64) (*truncation, error) {
	if err := l.loadSlow(loadedTail | loadedProducers); err != nil {
		return nil, err
	}
	l.mu.Lock()
	inFlight, known, offset := l.last, l.known(), max(to, l.dataStart)
	l.mu.Unlock()
	return l.planTruncation(inFlight, known, offset)
}
