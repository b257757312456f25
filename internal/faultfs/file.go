package faultfs

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// file is one open handle. Reads may run beside one write or sync, as vfs.File has it.
type file struct {
	fs   *FS
	name string
	node *inode
	pos  int64
}

var _ vfs.File = (*file)(nil)

// Close implements vfs.File. It syncs nothing.
func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.node == nil {
		return os.ErrClosed
	}
	f.fs.nodes[f.node].handles--
	f.fs.drop(f.node)
	f.node = nil
	return nil
}

// Read implements vfs.File.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.node.readAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) { return f.node.readAt(p, off) }

// Write implements vfs.File.
func (f *file) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if err := f.node.writeAt(p, off); err != nil {
		return 0, &os.PathError{Op: "write", Path: f.name, Err: err}
	}
	return len(p), nil
}

// Preallocate implements vfs.File, and does nothing.
func (f *file) Preallocate(int64, int64) error { return nil }

// Stat implements vfs.File.
func (f *file) Stat() (vfs.FileInfo, error) { return f.node.stat(f.name), nil }

// Sync implements vfs.File. It does not make the file's name durable.
func (f *file) Sync() error {
	if err := f.node.sync(); err != nil {
		return &os.PathError{Op: "sync", Path: f.name, Err: err}
	}
	return nil
}

// SyncData implements vfs.File.
func (f *file) SyncData() error { return f.Sync() }

// SyncTo implements vfs.File: nothing is promised, and nothing is done.
func (f *file) SyncTo(int64) (bool, error) { return false, nil }

// Prefetch implements vfs.File, and does nothing.
func (f *file) Prefetch(int64, int64) error { return nil }

// Fd implements vfs.File. A descriptor would lead past what is in memory.
func (f *file) Fd() uintptr { return vfs.InvalidFd }

// dirFile is an open directory, to be synced.
type dirFile struct{ d *directory }

var _ vfs.File = (*dirFile)(nil)

// Sync implements vfs.File: it makes the directory's names durable.
func (f *dirFile) Sync() error {
	verdict, err := f.d.fs.faults.beforeSync()
	if err != nil || verdict == syncLies {
		return err
	}
	f.d.fs.mu.Lock()
	defer f.d.fs.mu.Unlock()
	return f.d.sync()
}

func (f *dirFile) SyncData() error                        { return f.Sync() }
func (f *dirFile) SyncTo(int64) (bool, error)             { return false, nil }
func (f *dirFile) Close() error                           { return nil }
func (f *dirFile) Stat() (vfs.FileInfo, error)            { return vfs.Default.Stat(f.d.path) }
func (f *dirFile) Fd() uintptr                            { return vfs.InvalidFd }
func (f *dirFile) Preallocate(int64, int64) error         { return syscall.EISDIR }
func (f *dirFile) Prefetch(int64, int64) error            { return syscall.EISDIR }
func (f *dirFile) Read([]byte) (int, error)               { return 0, syscall.EISDIR }
func (f *dirFile) ReadAt([]byte, int64) (int, error)      { return 0, syscall.EISDIR }
func (f *dirFile) Write([]byte) (int, error)              { return 0, syscall.EISDIR }
func (f *dirFile) WriteAt([]byte, int64) (n int, _ error) { return 0, syscall.EISDIR }

// info describes a file as this process sees it.
type info struct {
	name string
	size int64
}

func (n *inode) stat(name string) vfs.FileInfo {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return info{name: filepath.Base(name), size: n.size}
}

func (i info) Name() string           { return i.name }
func (i info) Size() int64            { return i.size }
func (i info) Mode() os.FileMode      { return 0o600 }
func (i info) ModTime() time.Time     { return time.Time{} }
func (i info) IsDir() bool            { return false }
func (i info) Sys() any               { return nil }
func (i info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
