package partitionlog

import (
	"fmt"
	"sync"

	"github.com/skidway/skidway/kv"
)

// logState says what may be done to a log.
type logState int8

const (
	stateOpen       logState = iota
	stateTruncating          // appends are refused
	stateDeleted             // nothing may be done; for ever
)

// loadedParts says which rows of the log are known in memory. What a log needs
// only to be written or searched is read when it is first asked for.
type loadedParts uint8

const (
	// loadedRow: the newest time row.
	loadedRow loadedParts = 1 << iota
	// loadedEpochs: the leader epochs.
	loadedEpochs
	// loadedData: dataStart is exact. Only a replica's needs to be.
	loadedData
	// loadedTail: what lies behind the last time row.
	loadedTail
	// loadedIndex: time rows that were missing behind the last one are made
	// anew. It needs an append time, and so comes with the first append.
	loadedIndex
	// loadedProducers: the producers' rows.
	loadedProducers
)

// Log is one partition's log. All its methods are safe for concurrent use.
type Log struct {
	logs *Logs
	part kv.Partition

	// slow serialises what reads the store before it changes the log: loading,
	// truncation, settling the start, mending the index. Taken before mu.
	slow sync.Mutex

	// mu guards what follows. Under it nothing but memory is touched, and
	// Store.Enqueue, so that the store's order is the order of offsets.
	mu sync.Mutex

	state      logState
	loaded     loadedParts
	hasMeta    bool // an 'm' row exists or is enqueued
	dirtyStart bool // in Logs.dirty: start may be ahead of savedStart
	// generation is raised by each truncation of the end, and by what a replica's
	// log is told: an item of an older one says nothing about the durable end.
	generation uint64

	// 0 <= savedStart <= settled <= start <= end <= next always. In a replica's log
	// also start <= hw <= end <= applied <= next.
	savedStart int64 // log start that is durable
	settled    int64 // log start that may be persisted: startBytes belongs to it
	start      int64 // log start: readers begin here
	end        int64 // durable end: readers of a standalone log stop here
	next       int64 // offset of the next record

	// indexer knows row alone until loadedTail, and what lies behind it then.
	indexer

	startBytes int64    // bytes of all batches that lie whole below settled
	floor      *timeRow // the newest time row below settled, since that was raised
	// settledOldest is oldest as it goes with settled.
	settledOldest int64
	settledData   int64 // dataStart as it goes with settled
	// dataStart is the base of the first batch that is stored, next where there is
	// none; in a standalone log it may be as late as start. At most settled.
	dataStart int64
	oldest    int64 // lower bound of the append time of the record at start; 0: none
	cut       cut   // what the last search found, for RaiseStart

	epochs    []EpochStart   // ascending; never changed in place
	producers *producerTable // nil until loadedProducers
	recent    recentIndex
	damage    *damage // the last one that a read has met
	waiters   []*Waiter
	last      *kv.Commit // of the newest item

	replicaState
}

// replicaState is what only a replica's log has. Guarded by the log's mu.
type replicaState struct {
	replica  bool  // never goes back
	leading  bool  // Append may be used, in generation and in the epoch promised
	void     bool  // appends are refused
	promised int32 // NoEpoch: none
	hw       int64 // readers stop here
	// goal is a log start that is persisted, above start since the records that
	// lie between have to come again, or above settled; 0: none.
	goal int64
	// resets counts Resets: an item that was queued before the newest one must
	// not put what is known only behind it.
	resets uint32

	// applied is the end of what no generation can drop any more, and
	// appliedEpochs the history of that.
	applied       int64
	appliedEpochs []EpochStart

	stored    metaRow // as the item that was applied last has put it
	dirtyHint bool    // in Logs.hinted
	moves     *Moves  // nil: nobody drives the log yet
	moved     bool    // in moves
	change    *Change // what began generation and is durable, until it is taken
}

// Partition names the log.
func (l *Log) Partition() kv.Partition { return l.part }

// Bounds are the log start and where readers stop: at the durable end, or, in a
// replica's log, at the high watermark. It never touches the store.
func (l *Log) Bounds() (start, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, l.readEnd()
}

// readEnd is where readers stop. Called with mu held.
func (l *Log) readEnd() int64 {
	if l.replica {
		return l.hw
	}
	return l.end
}

// Stats is a log's state for retention and for an operator.
type Stats struct {
	Start, End int64 // as Bounds gives them
	// Bytes of the batches that are kept, with those that are not yet durable,
	// and those that FlushStarts is still to delete. After a restart it may lack what lies behind the last
	// time row, until the log is first written or searched.
	Bytes int64
	// OldestAppend is a lower bound of the append time of the record at Start,
	// in ms: nothing is older. 0: the log is empty. StartForAge sharpens it.
	OldestAppend int64
	// MaxTimestamp is the largest record timestamp since the log was made, in
	// ms; -1: none.
	MaxTimestamp int64
}

// Stats never touches the store.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{Start: l.start, End: l.readEnd(), Bytes: l.bytes - l.startBytes, MaxTimestamp: l.max}
	if l.start < l.next {
		s.OldestAppend = l.oldest
	}
	return s
}

// check panics where an invariant of the offsets is broken. Called with mu held
// at the end of each change.
func (l *Log) check() {
	ok := l.savedStart <= l.settled && l.settled <= l.start && l.start <= l.end && l.end <= l.next
	if l.replica {
		ok = ok && l.start <= l.hw && l.hw <= l.end && l.end <= l.applied && l.applied <= l.next
	}
	if !ok || l.startBytes > l.bytes || l.dataStart > l.settled {
		panic(fmt.Sprintf("partitionlog: %v: data start %d, saved start %d, settled %d, start %d, high watermark %d, "+
			"end %d, applied %d, next %d, bytes %d..%d", l.part, l.dataStart, l.savedStart, l.settled, l.start, l.hw,
			l.end, l.applied, l.next, l.startBytes, l.bytes))
	}
}

// usable is nil or why nothing may be done. Called with mu held.
func (l *Log) usable() error {
	if l.state == stateDeleted {
		return fmt.Errorf("%w: topic id %d partition %d", ErrDeleted, l.part.Topic, l.part.Index)
	}
	return nil
}

// inRange is nil or an *OffsetRangeError. Called with mu held.
func (l *Log) inRange(offset int64) error {
	if end := l.readEnd(); offset < l.start || offset > end {
		return &OffsetRangeError{Offset: offset, Start: l.start, End: end}
	}
	return nil
}

// meta is the log's 'm' row as it is now. Called with mu held, by the
// committer: the newest state is written whatever the item was made for, so
// that a start that was persisted never goes back.
func (l *Log) meta() metaRow {
	return metaRow{
		start: max(l.settled, l.goal), startBytes: l.startBytes, oldest: l.settledOldest,
		promised: l.promised, dataStart: l.dataStart, hw: l.hw, void: l.void, replica: l.replica,
	}
}

// putMeta gives the row to put for an item that was queued after so many Resets:
// meta, but where a Reset waits behind the item, what is stored, with the promise
// alone. Called with mu held, by the committer.
func (l *Log) putMeta(resets uint32) metaRow {
	m := l.meta()
	if resets != l.resets {
		m = l.stored
		m.promised, m.replica = l.promised, l.replica
	}
	l.stored = m
	return m
}
