package partitionlog

import (
	"sort"
	"sync"

	"github.com/skidway/skidway/record"
)

const (
	maxChunkBytes = 1 << 20
	minChunkBytes = 64 << 10
)

// arena holds the recent batches of all logs, in the order of their append, in
// chunks that leave as a whole, the oldest first. A batch that is appended is
// copied into it once; the store's commit and all readers use those bytes, which
// never change again. A chunk that has left is freed by the garbage collector
// once no commit and no reader uses it.
type arena struct {
	budget    int64 // negative: nothing is kept
	chunkSize int

	mu     sync.Mutex // guards what follows, and the chunks' free and logs
	chunks []*chunk   // oldest first; the last one is being filled
	held   int64      // bytes of chunks
	seq    uint64     // of the last chunk
}

// chunk is a piece of memory that batches of many logs share.
type chunk struct {
	seq  uint64
	buf  []byte // free ones are behind len
	logs []*Log // those with batches in it, each once
}

func (a *arena) init(budget int64) {
	a.budget = budget
	a.chunkSize = int(min(max(budget/16, minChunkBytes), maxChunkBytes))
}

// place is memory for a batch. chunk is nil where nothing is kept; evicted is
// to be passed to evict once no log's lock is held.
type place struct {
	mem     []byte
	chunk   *chunk
	evicted []*chunk
}

// take gives n bytes of l. Called with l.mu held, so that a log's batches lie in
// the arena in the order of their offsets.
func (a *arena) take(l *Log, n int) place {
	if a.budget < 0 || int64(n) > a.budget {
		return place{mem: make([]byte, n)}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var p place
	c := a.last()
	if c == nil || cap(c.buf)-len(c.buf) < n {
		c, p.evicted = a.grow(max(n, a.chunkSize))
	}
	from := len(c.buf)
	c.buf = c.buf[:from+n]
	if l.recent.chunk != c.seq {
		l.recent.chunk = c.seq
		c.logs = append(c.logs, l)
	}
	p.mem, p.chunk = c.buf[from:from+n:from+n], c
	return p
}

func (a *arena) last() *chunk {
	if len(a.chunks) == 0 {
		return nil
	}
	return a.chunks[len(a.chunks)-1]
}

// grow adds a chunk and takes out the oldest ones beyond the budget. Called
// with mu held.
func (a *arena) grow(size int) (added *chunk, evicted []*chunk) {
	a.seq++
	added = &chunk{seq: a.seq, buf: make([]byte, 0, size)}
	a.held += int64(size)
	n := 0
	for n < len(a.chunks) && a.held > a.budget {
		a.held -= int64(cap(a.chunks[n].buf))
		n++
	}
	evicted = append(evicted, a.chunks[:n]...)
	a.chunks = append(a.chunks[:0], a.chunks[n:]...)
	clear(a.chunks[len(a.chunks):cap(a.chunks)])
	a.chunks = append(a.chunks, added)
	return added, evicted
}

// evict makes the logs forget chunks that have left. Called without any lock.
func evict(chunks []*chunk) {
	for _, c := range chunks {
		for _, l := range c.logs {
			l.mu.Lock()
			l.recent.dropThrough(c.seq)
			l.mu.Unlock()
		}
		c.logs = nil
	}
}

// recentIndex is where a log's newest batches lie: offsets ascend without a
// gap, chunks do not descend. Guarded by the log's mu.
type recentIndex struct {
	entries []recentEntry // from head on
	head    int
	chunk   uint64 // the last chunk that has this log in its list
}

type recentEntry struct {
	last     int64 // last offset
	seq      uint64
	mem      record.Batch
	appended int64 // append time
	gap      int64 // of the time row that stands here; -1: none
}

func (x *recentIndex) live() []recentEntry { return x.entries[x.head:] }

func (x *recentIndex) add(e recentEntry) {
	if x.head > 0 && len(x.entries) == cap(x.entries) && x.head >= len(x.entries)/2 {
		x.compact()
	}
	x.entries = append(x.entries, e)
}

func (x *recentIndex) compact() {
	n := copy(x.entries, x.live())
	clear(x.entries[n:])
	x.entries, x.head = x.entries[:n], 0
}

// dropThrough forgets what lies in chunks up to seq.
func (x *recentIndex) dropThrough(seq uint64) {
	for x.head < len(x.entries) && x.entries[x.head].seq <= seq {
		x.entries[x.head] = recentEntry{}
		x.head++
	}
	if x.head == len(x.entries) {
		x.entries, x.head = nil, 0
	}
}

// dropFrom forgets batches whose last offset is offset or above.
func (x *recentIndex) dropFrom(offset int64) {
	n := len(x.entries)
	for n > x.head && x.entries[n-1].last >= offset {
		n--
		x.entries[n] = recentEntry{}
	}
	if x.entries = x.entries[:n]; n == x.head {
		x.entries, x.head = nil, 0
	}
}

// find gives the batches from the one that holds offset on; none where that one
// is not here.
func (x *recentIndex) find(offset int64) []recentEntry {
	live := x.live()
	if len(live) == 0 || live[0].mem.BaseOffset() > offset {
		return nil
	}
	i := sort.Search(len(live), func(i int) bool { return live[i].last >= offset })
	return live[i:]
}
