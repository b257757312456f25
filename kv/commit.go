package kv

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// maxCommitBytes bounds what one commit folds. It is no more than what the
	// disk syncs at full speed, since whoever is in a commit waits for all of it,
	// and well below half a memtable, from which on Pebble treats a batch as a
	// memtable of its own.
	maxCommitBytes = 1 << 20
	// commitPipeline is how many applied commits may wait for their fsync.
	// While it is full, what arrives folds into the commits behind.
	commitPipeline = 4
	// rowOverhead is added to an item's own estimate for keys and lengths.
	rowOverhead = 64
)

// Item is one change of the store: rows that are applied together, in the
// order of Enqueue. Its methods are called on the store's goroutines, each
// once, and must not block.
type Item interface {
	// Rows puts the item's rows into w; none, where it has become void meanwhile.
	Rows(w *Rows)
	// Size is an upper bound, in bytes, of the values that Rows puts. It is
	// called in Enqueue.
	Size() int
	// Durable is called when the rows are durable as the fsync policy defines
	// it, in the order of Enqueue, before the Commit's Done is closed. It is
	// never called for an item whose Commit has an error.
	Durable()
}

// Commit is the outcome of one or more items that were folded into one write.
// Safe for concurrent use.
type Commit struct {
	done chan struct{}
	// err is written before done is closed and read only after.
	err error

	items []Item
	size  int64
	batch *pebble.Batch
	began time.Time // when it left waiting
}

// Done is closed when the outcome is known.
func (c *Commit) Done() <-chan struct{} { return c.done }

// Err is nil when the items are durable. Otherwise whether they are is
// unknown: it is of the class ErrClosed or ErrFatal. Only to be called after
// Done is closed.
func (c *Commit) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		panic("kv: Commit.Err before Done")
	}
}

func (c *Commit) finish(err error) {
	c.err = err
	c.items = nil
	close(c.done)
}

// committer owns the order of all changes. Three stages hand commits on:
// Enqueue fills the last of waiting, apply (one goroutine) takes the first of
// waiting, writes it and moves it to flying, settle (one goroutine) waits for
// its fsync and takes it out of flying. A small commit stays in waiting while
// another one flies, whose fsync it would only wait for.
type committer struct {
	store       *Store
	policy      FsyncPolicy
	commitBytes int64

	// mu guards what follows. Nothing but memory is touched under it: no I/O,
	// no call to Pebble or to an item other than Size.
	mu   sync.Mutex
	wake sync.Cond
	// waiting are the commits not yet applied, oldest first. Only the last one
	// still takes items.
	waiting []*Commit
	// flying are the commits being applied or synced, oldest first.
	flying []*Commit
	// closing says that no item is taken any more; why is what later ones hear.
	closing bool
	why     error
	// company says how long a small commit waits for others.
	company company
	// spare are item slices of finished commits, to be filled again.
	spare [][]Item

	toSync  chan *Commit
	applied chan struct{} // closed when apply has ended
	settled chan struct{} // closed when settle has ended

	// unsynced says that something was applied since the last background sync.
	unsynced atomic.Bool

	commits, itemCount, bytes atomic.Int64
}

func newCommitter(s *Store) *committer {
	c := &committer{
		store:       s,
		policy:      s.opts.Fsync,
		commitBytes: s.opts.testing.commitBytes,
		toSync:      make(chan *Commit, s.opts.testing.pipeline),
		applied:     make(chan struct{}),
		settled:     make(chan struct{}),
	}
	c.wake.L = &c.mu
	return c
}

// Enqueue hands an item to the committer. Items are applied in the order of
// the calls. It does no I/O and does not wait: callers bound the memory that
// their items hold. Safe for concurrent use by any number of goroutines.
func (s *Store) Enqueue(it Item) *Commit {
	size := int64(it.Size()) + rowOverhead
	s.space.spend(size)
	return s.committer.enqueue(it, size)
}

func (c *committer) enqueue(it Item, size int64) *Commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		failed := &Commit{done: make(chan struct{})}
		failed.finish(c.why)
		return failed
	}
	n := len(c.waiting)
	if n == 0 || c.waiting[n-1].size+size > c.commitBytes {
		c.waiting = append(c.waiting, &Commit{done: make(chan struct{}), items: c.takeSpare()})
		n++
	}
	last := c.waiting[n-1]
	last.items = append(last.items, it)
	last.size += size
	if n == 1 && len(last.items) == 1 || last.size >= smallCommit {
		c.wake.Signal()
	}
	return last
}

// takeSpare is called with mu held.
func (c *committer) takeSpare() []Item {
	n := len(c.spare)
	if n == 0 {
		return nil
	}
	items := c.spare[n-1]
	c.spare = c.spare[:n-1]
	return items
}

// next waits for a commit and moves it from waiting to flying. It answers nil
// when there will be none any more.
func (c *committer) next() *Commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiting) == 0 || c.small() && len(c.flying) > 0 {
		if len(c.waiting) == 0 && c.closing {
			return nil
		}
		c.wake.Wait()
	}
	if c.small() {
		c.gather()
	}
	if len(c.waiting) == 0 { // the store died meanwhile
		return nil
	}
	g := c.waiting[0]
	g.began = time.Now()
	c.waiting[0] = nil
	c.waiting = c.waiting[1:]
	c.flying = append(c.flying, g)
	return g
}

// small tells whether the time of the next commit's fsync does not depend on
// what it holds. Called with mu held.
func (c *committer) small() bool {
	return c.policy == FsyncBatch && len(c.waiting) == 1 && c.waiting[0].size < smallCommit
}

// gather waits for more items. Called with mu held, which it gives up
// meanwhile.
func (c *committer) gather() {
	before := len(c.waiting[0].items)
	expected := c.company.expected
	patience := c.company.patience(before)
	if patience == 0 {
		return
	}
	start := time.Now()
	for c.small() && !c.closing && len(c.waiting[0].items) < expected && time.Since(start) < patience {
		c.mu.Unlock()
		nap(napTime)
		c.mu.Lock()
	}
	if len(c.waiting) > 0 {
		c.company.waited(before, len(c.waiting[0].items)-before, time.Since(start))
	}
}

// apply is the committer's goroutine.
func (c *committer) apply() {
	defer close(c.applied)
	defer close(c.toSync)
	rows := &Rows{key: make([]byte, 0, 64), end: make([]byte, 0, 64)}
	for g := c.next(); g != nil; g = c.next() {
		if err := c.applyOne(g, rows); err != nil {
			c.store.die(err)
			return
		}
		select {
		case c.toSync <- g:
		case <-c.store.died:
			return
		}
	}
}

// applyOne writes one commit to the log, in memory, and to the memtable.
// Pebble panics where a write to the log fails.
func (c *committer) applyOne(g *Commit, rows *Rows) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = recoverPebble(r)
		}
	}()
	size := int(g.size)
	g.batch = newBatch(c.store.db, size, 2*int(c.commitBytes))
	rows.reset(g.batch)
	for _, it := range g.items {
		it.Rows(rows)
	}
	rows.flush()
	if rows.err != nil {
		return fmt.Errorf("kv: building a commit: %w", rows.err)
	}
	if g.batch.Empty() {
		return nil
	}
	c.commits.Add(1)
	c.itemCount.Add(int64(len(g.items)))
	c.bytes.Add(int64(g.batch.Len()))
	if c.policy == FsyncBatch {
		err = applyQueued(c.store.db, g.batch)
	} else {
		err = c.store.db.Apply(g.batch, pebble.NoSync)
		c.unsynced.Store(true)
	}
	if err != nil {
		return fmt.Errorf("kv: writing a commit: %w", err)
	}
	c.store.reclaimer.add(rows.deleted)
	return nil
}

// settle is the sync waiter's goroutine: it takes the commits in order, waits
// for each one's fsync, tells its items and closes its Done.
func (c *committer) settle() {
	defer close(c.settled)
	for g := range c.toSync {
		if c.policy == FsyncBatch && !g.batch.Empty() {
			if err := syncWait(g.batch); err != nil {
				c.store.die(fmt.Errorf("kv: syncing the write-ahead log: %w", err))
				return
			}
		}
		if err := g.batch.Close(); err != nil {
			c.store.die(fmt.Errorf("kv: closing a commit: %w", err))
			return
		}
		g.batch = nil
		if !c.land(g) {
			return
		}
		items := g.items
		for _, it := range items {
			it.Durable()
		}
		g.finish(nil)
		c.giveSpare(items)
	}
}

// land takes the oldest commit out of flying. It answers false when the store
// died meanwhile: the commit has been failed then, and must not be
// acknowledged.
func (c *committer) land(g *Commit) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.flying) == 0 {
		return false
	}
	if c.flying[0] != g {
		panic("kv: commits land out of order")
	}
	c.flying[0] = nil
	c.flying = c.flying[1:]
	waiting := 0
	if len(c.waiting) > 0 {
		waiting = len(c.waiting[0].items)
		c.wake.Signal()
	}
	if g.size < smallCommit {
		c.company.landed(len(g.items), waiting, time.Since(g.began))
	}
	return true
}

func (c *committer) giveSpare(items []Item) {
	clear(items)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.spare) < 2*commitPipeline {
		c.spare = append(c.spare, items[:0])
	}
}

// fail ends the committer at once: every commit that is not acknowledged yet,
// and every later one, gets err. It does not wait for the goroutines, which
// may be stuck in Pebble.
func (c *committer) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.flying {
		g.finishLost(err)
	}
	for _, g := range c.waiting {
		g.finishLost(err)
	}
	c.flying, c.waiting = nil, nil
	c.closing, c.why = true, err
	c.wake.Broadcast()
}

// finishLost is finish for a commit that the apply goroutine may still hold:
// the items stay where they are.
func (c *Commit) finishLost(err error) {
	c.err = err
	close(c.done)
}

// drain ends the committer in good order: no item is taken any more, all that
// were are applied, synced and told.
func (c *committer) drain() {
	c.mu.Lock()
	if !c.closing {
		c.closing, c.why = true, ErrClosed
	}
	c.wake.Broadcast()
	c.mu.Unlock()
}

// recoverPebble turns a panic of Pebble that carries an error into that error
// and lets any other go on: that is a bug, not the disk.
func recoverPebble(r any) error {
	if err, ok := r.(error); ok && !isRuntimeError(err) {
		return fmt.Errorf("kv: writing the write-ahead log: %w", err)
	}
	panic(r)
}
