package kv

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Store is one open data directory. All its methods are safe for concurrent
// use.
type Store struct {
	opts     Options
	fs       *storeFS
	lock     *pebble.Lock
	db       *pebble.DB
	observer *observer
	identity Identity

	committer *committer
	reclaimer *reclaimer
	space     *spaceWatch
	gate      gate

	// dead is why the store stopped; set once, before died is closed and
	// anyone hears of it.
	dead atomic.Pointer[error]
	died chan struct{}

	// life ends with Close, and the background goroutines with it.
	life  context.Context
	stop  context.CancelFunc
	tasks sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

// Identity is what the store says of itself. It does not change while the
// store is open.
func (s *Store) Identity() Identity { return s.identity }

// die stops the store at its first failed write: nothing is acknowledged any
// more, everyone who waits gets the error, and Events.Fatal ends the process.
// It does not return. Pebble may call it with its locks held, so it touches
// neither Pebble nor the disk.
func (s *Store) die(cause error) {
	err := fmt.Errorf("%w: %w", ErrFatal, cause)
	if s.dead.CompareAndSwap(nil, &err) {
		close(s.died)
		s.committer.fail(err)
		s.stop()
		s.opts.Events.Fatal(err)
		panic(fmt.Sprintf("kv: Events.Fatal returned: %v", err))
	}
	select {} // another goroutine is ending the process
}

// start runs the goroutines of an opened store.
func (s *Store) start() {
	go s.committer.apply()
	go s.committer.settle()
	s.tasks.Go(func() { s.space.watch(s.life) })
	s.tasks.Go(func() { s.attend(s.life) })
	if s.opts.Fsync != FsyncBatch {
		s.tasks.Add(1)
		go s.syncer()
	}
}

// Close applies and syncs what was enqueued, writes out the memtables, marks
// a clean stop and closes the store. Readers that are under way are waited
// for; later calls get ErrClosed. A store that died returns its error and
// closes nothing: the process is ending.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Store) close() error {
	s.committer.drain()
	select {
	case <-s.committer.settled:
	case <-s.died:
	}
	if err := s.dying(); err != nil {
		return err
	}
	s.stop()
	s.tasks.Wait()
	s.gate.close()
	return s.closeFiles()
}

// closeFiles ends the database of a store that no one uses any more. The stop
// row goes last into the write-ahead log, synced, and so vouches for all
// before it even where the flush has failed.
func (s *Store) closeFiles() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.Join(recoverPebble(r), err)
		}
	}()
	if ferr := s.db.Flush(); ferr != nil {
		s.opts.Logger.Warn("the last flush failed; the next start replays the log", "error", ferr)
	}
	if err := s.dying(); err != nil {
		return err
	}
	if err := s.db.Set(appendNamed(nil, tagStore, rowStop), []byte{stopClean}, pebble.Sync); err != nil {
		return fmt.Errorf("kv: marking a clean stop: %w", err)
	}
	return s.abandon()
}

// abandon closes the files without marking a clean stop.
func (s *Store) abandon() error {
	var faults []error
	if s.db != nil {
		faults = append(faults, s.db.Close())
	}
	if s.lock != nil {
		faults = append(faults, s.lock.Close())
	}
	faults = append(faults, s.fs.Close())
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("kv: closing %s: %w", s.opts.Dir, err)
	}
	return nil
}

// dying is the error of a store that died, or nil.
func (s *Store) dying() error {
	if p := s.dead.Load(); p != nil {
		return *p
	}
	return nil
}

// gate counts those inside the database, so that Close waits for them and no
// one enters a closed one. The lowest count says that it is closed.
type gate struct {
	count atomic.Int64
	empty chan struct{}
}

func newGate() gate { return gate{empty: make(chan struct{}, 1)} }

func (g *gate) enter() bool {
	if g.count.Add(1) < 0 {
		g.leave()
		return false
	}
	return true
}

func (g *gate) leave() {
	if g.count.Add(-1) == math.MinInt64 {
		select {
		case g.empty <- struct{}{}:
		default:
		}
	}
}

// close waits until no one is inside. It is called once.
func (g *gate) close() {
	if g.count.Add(math.MinInt64) == math.MinInt64 {
		return
	}
	<-g.empty
}
