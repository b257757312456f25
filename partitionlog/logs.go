package partitionlog

import (
	"errors"
	"iter"
	"math"
	"sync"
	"sync/atomic"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// shardCount spreads the map of logs over locks; a power of two.
const shardCount = 64

// Logs are all logs of one store. All methods are safe for concurrent use.
type Logs struct {
	store  *kv.Store
	opts   Options
	arena  arena
	closed chan struct{} // closed from the beginning: what is done already

	// now is the newest append time that was handed in, ms.
	now atomic.Int64
	// producers counts those in memory.
	producers atomic.Int64

	shards [shardCount]shard

	mu sync.Mutex // guards what follows
	// dropped are topics that were deleted in this process' life: no log of
	// theirs opens again.
	dropped map[uint64]struct{}
	// dirty are the logs whose start is ahead of the durable one, hinted those
	// whose high watermark is.
	dirty, hinted []*Log
	// writers are the logs that hold producers.
	writers map[*Log]struct{}
	swept   int64 // now at the last sweep of writers
}

type shard struct {
	mu      sync.RWMutex
	logs    map[kv.Partition]*Log
	opening map[kv.Partition]*opening
}

// opening is a log that one goroutine opens and others wait for.
type opening struct {
	done chan struct{} // closed when log and err are set
	log  *Log
	err  error
}

// New makes the logs of a store. It panics if the options are not valid. Nothing
// is read: a log opens when it is first touched.
func New(store *kv.Store, opts Options) *Logs {
	if err := opts.Validate(); err != nil {
		panic(err)
	}
	opts = opts.withDefaults()
	ls := &Logs{
		store:   store,
		opts:    opts,
		closed:  make(chan struct{}),
		dropped: make(map[uint64]struct{}),
		writers: make(map[*Log]struct{}),
	}
	ls.arena.init(opts.RecentBytes)
	close(ls.closed)
	for i := range ls.shards {
		ls.shards[i].logs = make(map[kv.Partition]*Log)
		ls.shards[i].opening = make(map[kv.Partition]*opening)
	}
	return ls
}

func (ls *Logs) shard(p kv.Partition) *shard {
	h := (p.Topic*0x9E3779B97F4A7C15 + uint64(uint32(p.Index))) * 0x9E3779B97F4A7C15
	return &ls.shards[h>>58]
}

// Log gives the log of a partition; it opens on first touch by three seeks, and
// is a map lookup afterwards. A partition that nothing was ever appended to is
// an empty log. ErrDeleted after Drop of its topic.
func (ls *Logs) Log(p kv.Partition) (*Log, error) {
	s := ls.shard(p)
	s.mu.RLock()
	l := s.logs[p]
	s.mu.RUnlock()
	if l != nil {
		return l, nil
	}
	s.mu.Lock()
	if l := s.logs[p]; l != nil {
		s.mu.Unlock()
		return l, nil
	}
	if o := s.opening[p]; o != nil {
		s.mu.Unlock()
		<-o.done
		return o.log, o.err
	}
	o := &opening{done: make(chan struct{})}
	s.opening[p] = o
	s.mu.Unlock()
	ls.openInto(s, p, o)
	return o.log, o.err
}

func (ls *Logs) openInto(s *shard, p kv.Partition, o *opening) {
	log, err := ls.open(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && ls.isDropped(p.Topic) {
		log.state = stateDeleted
		err = log.usable()
	}
	if err == nil {
		s.logs[p] = log
		o.log = log
	}
	o.err = err
	delete(s.opening, p)
	close(o.done)
}

func (ls *Logs) isDropped(topic uint64) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	_, dropped := ls.dropped[topic]
	return dropped
}

// open reads what every log needs: the state row, the last batch's key, the
// last time row.
func (ls *Logs) open(p kv.Partition) (*Log, error) {
	l := &Log{logs: ls, part: p, indexer: newIndexer()}
	m := metaRow{promised: NoEpoch}
	var bad error
	ok, err := ls.store.Meta(p, func(v []byte) { m, bad = decodeMeta(v) })
	if err := errors.Join(err, bad); err != nil {
		return nil, readError(p, 0, err)
	}
	last, hasBatch, err := ls.store.LastBatch(p)
	if err != nil {
		return nil, readError(p, m.start, err)
	}
	l.hasMeta = ok
	l.adoptMeta(m, last, hasBatch)
	if !hasBatch && !ok { // never written: nothing is left to be read
		l.loaded = loadedRow | loadedEpochs | loadedData | loadedTail | loadedIndex
		return l, nil
	}
	if hasBatch && l.oldest == 0 {
		l.oldest = 1 // not known: the first StartForAge finds out
	}
	if !ok {
		if err := l.rebuildStart(); err != nil {
			return nil, err
		}
	}
	l.savedStart, l.settled, l.settledOldest, l.settledData = l.start, l.start, l.oldest, l.dataStart
	row, err := l.rowBefore(math.MaxInt64)
	if err != nil {
		return nil, err
	}
	l.adopt(indexerAt(row))
	l.loaded = loadedRow
	return l, nil
}

// adoptMeta takes over what the state row says. The end is behind the last batch;
// without one it is the data start, which a log that is not a replica's has at its
// start.
func (l *Log) adoptMeta(m metaRow, last int64, hasBatch bool) {
	l.stored = m
	l.startBytes, l.oldest = m.startBytes, m.oldest
	l.replica, l.promised, l.void = m.replica, m.promised, m.void
	l.start, l.dataStart = m.start, m.dataStart
	switch {
	case hasBatch:
		l.next = last + 1
	case m.replica:
		l.next = m.dataStart
	}
	if !m.replica {
		l.next = max(l.next, l.start)
	} else if l.start > l.next {
		l.start, l.goal = l.next, l.start
	}
	l.dataStart = min(l.dataStart, l.start)
	l.end, l.applied = l.next, l.next
	l.hw = min(max(m.hw, l.start), l.end)
}

// rebuildStart makes the log start anew where the state row is missing: all
// that is there is kept.
func (l *Log) rebuildStart() error {
	_, err := l.logs.store.FirstBatch(l.part, func(last int64, v []byte) {
		if b, _, err := record.Split(v); err == nil {
			l.start = min(b.BaseOffset(), last)
		} else {
			l.start = last
		}
	})
	if err != nil {
		return readError(l.part, 0, err)
	}
	l.start = max(l.start, 0)
	l.dataStart = l.start
	return nil
}

// adopt makes x the log's index. Called with mu held, or before anyone else
// has the log.
func (l *Log) adopt(x indexer) {
	l.indexer = x
	l.bytes = max(l.bytes, l.startBytes)
}

// readError is what a failed read of p at offset is to the caller: damage is
// ErrCorrupt, all else (a closed store) stays what it is.
func readError(p kv.Partition, offset int64, err error) error {
	if errors.Is(err, kv.ErrCorrupt) || errors.Is(err, errRow) {
		return corrupt(p, offset, err)
	}
	return err
}

// Opened gives the logs that are open. Logs that open meanwhile may be missing.
func (ls *Logs) Opened() iter.Seq[*Log] {
	return func(yield func(*Log) bool) {
		var logs []*Log
		for i := range ls.shards {
			s := &ls.shards[i]
			logs = logs[:0]
			s.mu.RLock()
			for _, l := range s.logs {
				logs = append(logs, l)
			}
			s.mu.RUnlock()
			for _, l := range logs {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// Drop forgets the logs of a topic and deletes all their rows: readers,
// appenders and waiters hear ErrDeleted from now on. What was appended before
// is answered as it would have been. Topic ids are never used again.
func (ls *Logs) Drop(topic uint64) Receipt {
	ls.mu.Lock()
	ls.dropped[topic] = struct{}{}
	ls.mu.Unlock()
	for i := range ls.shards {
		for _, l := range ls.shards[i].take(topic) {
			l.drop()
		}
	}
	return Receipt{commit: ls.store.Enqueue(&dropItem{topic: topic})}
}

// take removes the logs of a topic from the shard.
func (s *shard) take(topic uint64) []*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	var taken []*Log
	for p, l := range s.logs {
		if p.Topic == topic {
			taken = append(taken, l)
			delete(s.logs, p)
		}
	}
	return taken
}

func (l *Log) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = stateDeleted
	l.recent = recentIndex{}
	l.dropProducers()
	l.wakeAll()
}

// sawNow remembers the newest append time, to the second.
func (ls *Logs) sawNow(now int64) {
	if seen := ls.now.Load(); seen == 0 || now >= seen+1000 {
		ls.now.CompareAndSwap(seen, now)
	}
}

// dropItem deletes the rows of a topic.
type dropItem struct{ topic uint64 }

func (d *dropItem) Rows(w *kv.Rows) { w.DeleteTopic(d.topic) }
func (d *dropItem) Size() int       { return 256 }
func (d *dropItem) Durable()        {}
