package kv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	ballastName = "ballast"
	// maxReserveBytes caps the reserve: five per cent of a big disk is more
	// than any flush and compaction under way can ask for.
	maxReserveBytes = 10 << 30
)

// reserveBytes is how much of a disk of total bytes is kept free: the share
// asked for but at most 10 GiB; at least what writing out all memtables that
// may exist takes, and one more for what is under way; and never more than
// half of the disk, so that a small one stays of use.
func reserveBytes(total int64, share float64, memTable int64) int64 {
	reserve := min(int64(float64(total)*share), maxReserveBytes)
	return min(max(reserve, (stopWritesMemTables+1)*memTable), total/2)
}

// Space is the disk as it was last looked at.
type Space struct {
	// TotalBytes and FreeBytes are the disk's: the fuller one's, where the
	// write-ahead log has a disk of its own. Zero where it cannot be told.
	TotalBytes, FreeBytes int64
	// ReserveBytes is the free space below which Writable answers ErrDiskFull.
	// A quarter more must be free before it answers nil again.
	ReserveBytes int64
	// Full says that Writable answers ErrDiskFull.
	Full bool
}

// Writable is nil, or ErrDiskFull while free space is below the reserve. The
// caller refuses what grows the store then; deletions, retention and metadata
// go on. It is one atomic load.
func (s *Store) Writable() error {
	if s.space.full.Load() {
		return ErrDiskFull
	}
	return nil
}

// Space answers the disk as it was last looked at, a second ago at most.
func (s *Store) Space() Space {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	sp := s.space.last
	sp.Full = s.space.full.Load()
	return sp
}

// spaceWatch looks at free space from one goroutine, and between two looks
// counts what is enqueued, so that a fast writer does not run past the reserve
// within a second. It owns the ballast: a file of a memtable's size that is
// given up when a write finds the disk full after all, so that flushes and
// compactions can end and free space.
type spaceWatch struct {
	opts Options
	fs   FS
	dirs []string
	// full is what Writable answers.
	full atomic.Bool
	// budget is what may be enqueued until the next look; negative: full.
	budget atomic.Int64
	// poke asks for a look at once.
	poke chan struct{}

	mu   sync.Mutex // guards last and told
	last Space
	told bool // what Events.DiskFull was last told

	// ballast says that the ballast lies on the disk. Set by the watch's
	// goroutine, taken by giveUp.
	ballast atomic.Bool
}

func newSpaceWatch(o Options, fs FS) *spaceWatch {
	w := &spaceWatch{opts: o, fs: fs, dirs: []string{o.Dir}, poke: make(chan struct{}, 1)}
	if o.WALDir != "" {
		w.dirs = append(w.dirs, o.WALDir)
	}
	w.budget.Store(1 << 62)
	return w
}

// spend counts bytes that are about to be written twice, to the log and by the
// flush.
func (w *spaceWatch) spend(n int64) {
	if left := w.budget.Add(-n); left < 0 && left+n >= 0 {
		w.full.Store(true)
		w.hurry()
	}
}

func (w *spaceWatch) hurry() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// giveUp is called when a write has found the disk full. Every write of the
// store waits for it, so it does no more than remove the ballast.
func (w *spaceWatch) giveUp() {
	w.full.Store(true)
	if w.ballast.Swap(false) {
		if err := w.fs.Remove(w.ballastPath()); err != nil {
			w.opts.Logger.Error("the disk is full and the ballast cannot be removed", "error", err)
		}
	}
	w.hurry()
}

func (w *spaceWatch) ballastPath() string { return w.fs.PathJoin(w.opts.Dir, ballastName) }

// watch is the goroutine. It ends with ctx.
func (w *spaceWatch) watch(ctx context.Context) {
	tick := time.NewTicker(w.opts.testing.pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-w.poke:
		}
		if err := w.look(); err != nil {
			w.opts.Logger.Warn("free space cannot be told", "error", err)
		}
	}
}

// look takes the free space, decides whether the disk is full, and sees to
// the ballast.
func (w *spaceWatch) look() error {
	sp, err := w.measure()
	if err != nil {
		if errors.Is(err, vfs.ErrUnsupported) {
			return nil
		}
		return err
	}
	room := sp.FreeBytes - sp.ReserveBytes
	full := room <= 0
	if w.full.Load() && room < sp.ReserveBytes/4 {
		full = true
	}
	if full {
		w.budget.Store(0)
	} else {
		w.budget.Store(max(room/2, 1))
	}
	w.full.Store(full)
	w.keepBallast(room)
	w.publish(sp, full)
	return nil
}

// measure answers the fuller of the store's disks.
func (w *spaceWatch) measure() (Space, error) {
	var worst Space
	for i, dir := range w.dirs {
		u, err := w.fs.GetDiskUsage(dir)
		if err != nil {
			return Space{}, fmt.Errorf("kv: free space of %s: %w", dir, err)
		}
		sp := Space{TotalBytes: int64(u.TotalBytes), FreeBytes: int64(u.AvailBytes)}
		sp.ReserveBytes = reserveBytes(sp.TotalBytes, w.opts.DiskReserve, w.opts.MemTableBytes)
		if i == 0 || sp.FreeBytes-sp.ReserveBytes < worst.FreeBytes-worst.ReserveBytes {
			worst = sp
		}
	}
	return worst, nil
}

// keepBallast makes the ballast when there is room for it twice over.
func (w *spaceWatch) keepBallast(room int64) {
	if w.ballast.Load() || room < 2*w.opts.MemTableBytes {
		return
	}
	err := w.makeBallast()
	if err != nil {
		w.opts.Logger.Debug("no ballast", "error", err)
	}
	w.ballast.Store(err == nil)
}

func (w *spaceWatch) makeBallast() error {
	f, err := w.fs.Create(w.ballastPath(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if err := f.Preallocate(0, w.opts.MemTableBytes); err != nil {
		return errors.Join(err, f.Close(), w.fs.Remove(w.ballastPath()))
	}
	return f.Close()
}

// publish keeps what was seen and tells Events.DiskFull of a change.
func (w *spaceWatch) publish(sp Space, full bool) {
	w.mu.Lock()
	w.last = sp
	changed := w.told != full
	w.told = full
	w.mu.Unlock()
	if changed && w.opts.Events.DiskFull != nil {
		w.opts.Events.DiskFull(full)
	}
}
