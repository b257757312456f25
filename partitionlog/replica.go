package partitionlog

import (
	"fmt"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// A log is standalone until Replicate: what is durable is committed, and Append alone
// writes to it. A replica's log is driven by a role, which the caller decides (package
// replication):
//
//	Promise, Truncate, Reset   begin a generation. What an older one was to
//	                           append, and is not applied, is dropped.
//	Append                     a leader's, in the generation of its Promise
//	AppendShipped              a follower's
//	ReadAppended               what may be shipped, durable or not
//	SetHighWatermark           where readers stop
//
// Generations are the caller's numbers. Each must be above the one before; Stored
// tells the newest. Promises, truncations and resets are never dropped themselves:
// they are applied in the order of the calls.
//
// Whether an append is dropped is decided under the log's mu, when the committer asks
// for its rows: either before a generation begins, and then it is applied, or after,
// and then never. So the end and the history of a new generation are known when it
// begins.

// Stored is what a log holds of a replica: what a replica begins with.
type Stored struct {
	// Generation is the newest that was used since the log opened: the next one
	// has to be above.
	Generation uint64
	Promised   int32 // the newest epoch promised; NoEpoch: none
	LogStart   int64 // where readers begin; <= End
	DataStart  int64 // the base of the first batch that is kept; End where there is none
	End        int64 // all of it durable
	// HighWatermark was reached, and may since have moved further: LogStart <=
	// HighWatermark <= End. A log that was standalone until now gives End.
	HighWatermark int64
	// History is not to be changed. Of a log that is void it may be missing.
	History []EpochStart
	Void    bool // MarkVoid, and no Reset since
}

// Replicate makes l the log of a replica, whose moves go to m from now on, and
// gives what it holds. A log that was one before is one from the time it opens: its
// readers stop at the high watermark's hint. It waits for what is in flight, and reads
// the epochs and the first batch. Errors: ErrDeleted, ErrCorrupt (not of a log that is
// marked void), those of a closed store.
func (l *Log) Replicate(m *Moves) (Stored, error) {
	l.slow.Lock()
	defer l.slow.Unlock()
	for {
		l.mu.Lock()
		inFlight := l.last
		void, known := l.void, l.replica && l.loaded&loadedData != 0
		l.mu.Unlock()
		if inFlight != nil {
			<-inFlight.Done()
			if err := inFlight.Err(); err != nil {
				return Stored{}, err
			}
		}
		err := l.loadSlow(loadedEpochs)
		first := int64(-1)
		if err == nil && !known {
			first, err = l.firstBase()
		}
		if err != nil && !void {
			return Stored{}, err
		}
		l.mu.Lock()
		if l.last == inFlight {
			defer l.mu.Unlock()
			return l.attach(m, first), l.usable()
		}
		l.mu.Unlock()
	}
}

// firstBase is the base of the first batch, or -1.
func (l *Log) firstBase() (int64, error) {
	first := int64(-1)
	var bad error
	_, err := l.logs.store.FirstBatch(l.part, func(last int64, v []byte) {
		var b record.Batch
		if b, _, bad = record.Split(v); bad == nil {
			first = b.BaseOffset()
		}
	})
	if err != nil {
		return -1, readError(l.part, 0, err)
	}
	if bad != nil {
		return -1, corrupt(l.part, 0, bad)
	}
	return first, nil
}

// attach makes l a replica's; first is the base of its first batch, where it was not
// known, or -1. Called with mu held while nothing is in flight.
func (l *Log) attach(m *Moves, first int64) Stored {
	l.becomeReplica()
	if first >= 0 {
		l.dataStart = min(first, l.settled)
		l.settledData = l.dataStart
	} else if l.loaded&loadedData == 0 && l.start == l.next {
		l.dataStart, l.settledData = l.settled, l.settled
	}
	l.loaded |= loadedData
	if l.moves != m {
		l.moves, l.moved = m, false
	}
	l.check()
	return l.storedNow()
}

// becomeReplica lets readers stop where they do now. What is in flight was queued by
// a standalone log and cannot be dropped. Called with mu held.
func (l *Log) becomeReplica() {
	if l.replica {
		return
	}
	l.replica = true
	l.hw, l.applied, l.appliedEpochs = l.end, l.next, l.epochs
}

// Stored gives what the log holds now; after retention LogStart and DataStart have
// moved. Only after Replicate. It never touches the store.
func (l *Log) Stored() Stored {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.storedNow()
}

// storedNow is Stored with mu held.
func (l *Log) storedNow() Stored {
	return Stored{
		Generation: l.generation, Promised: l.promised, LogStart: l.savedStart, DataStart: l.dataStart, End: l.end,
		HighWatermark: l.hw, History: epochsBelow(l.appliedEpochs, l.end+1), Void: l.void,
	}
}

// MarkVoid says, durably with its receipt, that the log cannot be trusted any more:
// appends are refused with ErrVoid until a Reset. It makes the log a replica's.
// ErrDeleted.
func (l *Log) MarkVoid() (Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return Receipt{}, err
	}
	l.becomeReplica()
	l.void, l.hasMeta = true, true
	l.last = l.logs.store.Enqueue(&voidItem{log: l, resets: l.resets})
	return Receipt{commit: l.last}, nil
}

// voidItem persists that a log is void.
type voidItem struct {
	log    *Log
	resets uint32
}

// Rows implements kv.Item.
func (it *voidItem) Rows(w *kv.Rows) {
	l := it.log
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.putMeta(it.resets)
	m.void, m.replica = true, true
	l.stored = m
	w.PutMeta(l.part, m.append(make([]byte, 0, metaSize)))
}

// Size implements kv.Item.
func (it *voidItem) Size() int { return 2 * metaSize }

// Durable implements kv.Item.
func (it *voidItem) Durable() {}

// SetHighWatermark moves the offset at which readers stop, and wakes those who wait.
// It does nothing where hw is not above the present one; hw beyond the durable end
// means the end. It becomes durable, as a hint, with the next FlushStarts. On a
// standalone log it does nothing.
func (l *Log) SetHighWatermark(hw int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	hw = min(hw, l.end)
	if !l.replica || l.state == stateDeleted || hw <= l.hw {
		return
	}
	l.hw = hw
	if l.goal > l.start && l.raise(l.goal) {
		l.logs.markDirty(l)
	}
	if !l.dirtyHint {
		l.dirtyHint = true
		l.logs.markHinted(l)
	}
	l.wakeAll()
}

func (ls *Logs) markHinted(l *Log) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.hinted = append(ls.hinted, l)
}

// begin begins a generation: what was to be appended and is not applied is dropped.
// Called with mu held.
func (l *Log) begin(generation uint64) error {
	if err := l.usable(); err != nil {
		return err
	}
	if l.moves == nil {
		panic("partitionlog: a generation of a log that is not replicated")
	}
	if generation <= l.generation {
		return l.stale(generation)
	}
	l.generation = generation
	l.leading, l.change = false, nil
	if l.next > l.applied {
		l.dropUnapplied()
	}
	return nil
}

// dropUnapplied takes what is not applied out of memory. What the index and the
// producers were before is read from the store when it is asked for. Called with mu
// held.
func (l *Log) dropUnapplied() {
	l.next = l.applied
	l.epochs = l.appliedEpochs
	l.recent.dropFrom(l.applied)
	l.cut, l.damage = cut{}, nil
	l.loaded &^= loadedRow | loadedTail | loadedIndex
	l.dropProducers()
}

// stale is the error for a generation that is not the log's. Called with mu held.
func (l *Log) stale(generation uint64) error {
	return fmt.Errorf("%w: %d, the newest is %d (topic id %d partition %d)",
		ErrStaleGeneration, generation, l.generation, l.part.Topic, l.part.Index)
}

// publish tells whoever drives the replica that it has moved. Called with mu held.
func (l *Log) publish() {
	if l.moves != nil && !l.moved {
		l.moved = true
		l.moves.add(l)
	}
}

// takeMove gives the log's move to m; ok is false where the log has gone to another.
func (l *Log) takeMove(m *Moves) (mv Move, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moves != m {
		return Move{}, false
	}
	mv = Move{Log: l, Generation: l.generation, Applied: l.applied, Durable: l.end, Change: l.change}
	l.moved, l.change = false, nil
	return mv, true
}
