package kv

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skidway/skidway/internal/failpoint"
)

// storeFS is the file system as Pebble sees it, from the outside in: small
// writes are gathered; the guard; ENOSPC gives up the ballast and tries once more; slow writes are
// reported.
type storeFS struct {
	vfs.FS
	health io.Closer
	guard  *guardFS
}

// newStoreFS wraps the store's file system.
func newStoreFS(s *Store) *storeFS {
	o := s.opts
	checked, health := vfs.WithDiskHealthChecks(o.FS, o.DiskSlowAfter, nil, s.observer.diskSlow)
	guard := &guardFS{
		FS:          vfs.OnDiskFull(checked, s.space.giveUp),
		die:         s.die,
		closing:     s.life.Done(),
		pacer:       &s.observer.pacer,
		fsyncs:      newHistogram(latencyBounds[:]),
		logsThrough: o.Fsync == FsyncOS,
	}
	return &storeFS{FS: guard, health: health, guard: guard}
}

// Close ends the goroutine that looks for slow writes.
func (f *storeFS) Close() error { return f.health.Close() }

const (
	// fullRetry is the pace at which a write waits for room.
	fullRetry = 200 * time.Millisecond
	// fullGrace is how long a write waits for room once the store is closing.
	fullGrace = 5 * time.Second
)

// guardFS decides what a failed write means, before Pebble does: Pebble
// answers some by a panic under its locks, some by trying again, and a failed
// end of a blob file by a nil dereference.
//
// A failed sync of anything, and a failed write of anything, ends the store at
// once: the pages may be marked clean, and no second try tells what the disk
// holds. A full disk does so under the write-ahead log only; a flush or a
// compaction waits for room, and so in the end do those who write. Other
// operations' errors are Pebble's.
//
// It also makes a directory durable before a marker file in it is made or
// removed: Pebble syncs it only after, and so a power cut on a file system
// that does not keep the order of directory entries could leave a marker
// without its manifest (faults B5).
type guardFS struct {
	vfs.FS
	die     func(error)
	closing <-chan struct{}
	fsyncs  *histogram
	pacer   *flushPacer
	// logsThrough says that what is written to the log is not gathered: it is to
	// reach the operating system without a sync.
	logsThrough bool
	buffers     gatherBuffers
	// armed is set when Open is done: until then errors are Open's.
	armed atomic.Bool
}

func (g *guardFS) Unwrap() vfs.FS { return g.FS }

// Create makes a file. Without room for it, other than of the log, it waits.
func (g *guardFS) Create(name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	if err := g.settleMarker(name); err != nil {
		return nil, err
	}
	err = g.attempt(name, func() (err error) {
		f, err = g.FS.Create(name, c)
		return err
	})
	if err != nil && isLogFile(name) && g.armed.Load() {
		g.die(fmt.Errorf("kv: making %s: %w", name, err))
	}
	f, err = g.wrapWritten(name, f, err)
	if err == nil && c == flushCategory {
		f = &pacedFile{f, g}
	}
	return f, err
}

// ReuseForWrite is only used for files of the write-ahead log.
func (g *guardFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.ReuseForWrite(old, name, c)
	return g.wrapWritten(name, f, g.fatal(name, "reusing a file as", err))
}

// OpenDir opens a directory, to be synced.
func (g *guardFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	return g.wrap(name, f, err)
}

// Remove removes a file.
func (g *guardFS) Remove(name string) error {
	if err := g.settleMarker(name); err != nil {
		return err
	}
	return g.FS.Remove(name)
}

func (g *guardFS) settleMarker(name string) error {
	if !strings.HasPrefix(g.PathBase(name), "marker.") {
		return nil
	}
	dir := g.PathDir(name)
	return g.fatal(dir, "syncing", syncDir(g.FS, dir))
}

func (g *guardFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &guardFile{File: f, guard: g, name: name, wal: isLogFile(name)}, nil
}

// wrapWritten is wrap for a file that is written from its start.
func (g *guardFS) wrapWritten(name string, f vfs.File, err error) (vfs.File, error) {
	f, err = g.wrap(name, f, err)
	switch {
	case err != nil:
		return nil, err
	case isLogFile(name) && !g.logsThrough:
		return gather(f, &g.buffers.log, logBuffer), nil
	case strings.HasSuffix(name, tableSuffix), strings.HasSuffix(name, blobSuffix):
		return gather(f, &g.buffers.table, tableBuffer), nil
	}
	return f, nil
}

// attempt does op, and does it again while the disk is full, unless it is on
// the write-ahead log.
func (g *guardFS) attempt(name string, op func() error) error {
	err := op()
	var grace <-chan time.Time
	closing := g.closing
	for errors.Is(err, syscall.ENOSPC) && !isLogFile(name) && g.armed.Load() {
		select {
		case <-time.After(fullRetry):
		case <-closing:
			closing, grace = nil, time.After(fullGrace)
		case <-grace:
			return err
		}
		err = op()
	}
	return err
}

// fatal ends the store if err is one.
func (g *guardFS) fatal(name, what string, err error) error {
	if err != nil && g.armed.Load() {
		g.die(fmt.Errorf("kv: %s %s: %w", what, name, err))
	}
	return err
}

func isLogFile(name string) bool { return strings.HasSuffix(name, walSuffix) }

// guardFile is a file that is written, or a directory that is synced.
type guardFile struct {
	vfs.File
	guard *guardFS
	name  string
	wal   bool
}

// Write writes all of p, or does not return.
func (f *guardFile) Write(p []byte) (n int, err error) {
	err = f.guard.attempt(f.name, func() error {
		m, err := f.File.Write(p[n:])
		n += m
		return err
	})
	return n, f.guard.fatal(f.name, "writing", err)
}

// Preallocate is of use and not needed: without room for it the write itself
// will tell.
func (f *guardFile) Preallocate(offset, length int64) error {
	err := f.File.Preallocate(offset, length)
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return f.guard.fatal(f.name, "writing", err)
}

func (f *guardFile) Close() error    { return f.guard.fatal(f.name, "closing", f.File.Close()) }
func (f *guardFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *guardFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *guardFile) SyncTo(n int64) (full bool, err error) {
	full, err = f.File.SyncTo(n)
	return full, f.guard.fatal(f.name, "syncing", err)
}

func (f *guardFile) sync(sync func() error) error {
	if f.wal {
		failpoint.Hit(failpoint.BeforeSync)
	}
	start := time.Now()
	err := sync()
	if f.wal {
		f.guard.fsyncs.observe(time.Since(start))
	}
	return f.guard.fatal(f.name, "syncing", err)
}
