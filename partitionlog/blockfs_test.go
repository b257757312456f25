package partitionlog

import (
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// blockingFS holds the syncs of the write-ahead log back on demand.
type blockingFS struct {
	vfs.FS
	mu      sync.Mutex
	blocked chan struct{} // nil: not blocking
	reached chan struct{}
}

func (f *blockingFS) block() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocked, f.reached = make(chan struct{}), make(chan struct{}, 1)
}

func (f *blockingFS) waitBlocked() { <-f.reached }

func (f *blockingFS) unblock() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.blocked)
	f.blocked = nil
}

func (f *blockingFS) wait() {
	f.mu.Lock()
	blocked, reached := f.blocked, f.reached
	f.mu.Unlock()
	if blocked != nil {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-blocked
	}
}

func (f *blockingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.wrap(name, file), err
}

func (f *blockingFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, c)
	return f.wrap(name, file), err
}

func (f *blockingFS) wrap(name string, file vfs.File) vfs.File {
	if file == nil || !strings.HasSuffix(name, ".log") {
		return file
	}
	return &blockingFile{File: file, fs: f}
}

type blockingFile struct {
	vfs.File
	fs *blockingFS
}

func (f *blockingFile) Sync() error { f.fs.wait(); return f.File.Sync() }

func (f *blockingFile) SyncData() error { f.fs.wait(); return f.File.SyncData() }

func (f *blockingFile) SyncTo(n int64) (bool, error) { f.fs.wait(); return f.File.SyncTo(n) }
