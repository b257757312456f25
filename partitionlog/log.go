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
	// loadedTail: what lies behind the last time row, and the leader epochs.
	loadedTail loadedParts = 1 << iota
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
	// generation is raised by each truncation of the end: an item of an older
	// one says nothing about the durable end.
	generation uint32

	// 0 <= savedStart <= settled <= start <= end <= next always.
	savedStart int64 // log start that is durable
	settled    int64 // log start that may be persisted: startBytes belongs to it
	start      int64 // log start: readers begin here
	end        int64 // durable end: readers stop here
	next       int64 // offset of the next record

	// indexer knows row alone until loadedTail, and what lies behind it then.
	indexer

	startBytes int64    // bytes of all batches that lie whole below settled
	floor      *timeRow // the newest time row below settled, since that was raised
	// settledOldest is oldest as it goes with settled.
	settledOldest int64
	oldest        int64 // lower bound of the append time of the record at start; 0: none
	cut           cut   // what the last search found, for RaiseStart

	epochs    []epochStart   // ascending
	producers *producerTable // nil until loadedProducers
	recent    recentIndex
	damage    *damage // the last one that a read has met
	waiters   []*Waiter
	last      *kv.Commit // of the newest item
}

// Partition names the log.
func (l *Log) Partition() kv.Partition { return l.part }

// Bounds are the log start and the durable end. It never touches the store.
func (l *Log) Bounds() (start, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, l.end
}

// Stats is a log's state for retention and for an operator.
type Stats struct {
	Start, End int64
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
	s := Stats{Start: l.start, End: l.end, Bytes: l.bytes - l.startBytes, MaxTimestamp: l.max}
	if l.start < l.next {
		s.OldestAppend = l.oldest
	}
	return s
}

// check panics where an invariant of the offsets is broken. Called with mu held
// at the end of each change.
func (l *Log) check() {
	ok := l.savedStart <= l.settled && l.settled <= l.start && l.start <= l.end && l.end <= l.next
	if !ok || l.startBytes > l.bytes {
		panic(fmt.Sprintf("partitionlog: %v: saved start %d, settled %d, start %d, end %d, next %d, bytes %d..%d",
			l.part, l.savedStart, l.settled, l.start, l.end, l.next, l.startBytes, l.bytes))
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
	if offset < l.start || offset > l.end {
		return &OffsetRangeError{Offset: offset, Start: l.start, End: l.end}
	}
	return nil
}

// meta is the log's 'm' row as it is now. Called with mu held, by the
// committer: the newest state is written whatever the item was made for, so
// that a start that was persisted never goes back.
func (l *Log) meta() metaRow {
	return metaRow{start: l.settled, startBytes: l.startBytes, oldest: l.settledOldest}
}
