package faultfs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// inodeDirSuffix makes, of the root's name, that of a directory beside it with a hard link to each file that this
// process knows, so that a file stays when its name goes. Nothing in it is needed after the process: names that were
// made durable are real ones, in the root.
const inodeDirSuffix = ".faultfs"

// FS is a vfs.FS over the directory Root; see the package comment. Safe for concurrent use.
type FS struct {
	root   string
	inodes string // the directory of hard links
	faults *faults

	mu    sync.Mutex // guards all below, and is held while a directory is written down; before inode.mu
	dirs  map[string]*directory
	next  uint64 // number of the next inode's link
	nodes map[*inode]*links
}

// links is what keeps an inode alive.
type links struct {
	path    string // of the hard link in the inode directory
	names   int    // in live directories
	pending int    // names that are live, or were, and are still to be made durable
	handles int    // open files
}

var _ vfs.FS = (*FS)(nil)

// New makes root (created if need be) the file system's root. What a former process left unsynced is not there.
func New(root string, o Options) (*FS, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	inodes := root + inodeDirSuffix
	if err := os.RemoveAll(inodes); err != nil {
		return nil, err
	}
	for _, dir := range []string{root, inodes} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	return &FS{
		root: root, inodes: inodes, faults: newFaults(o),
		dirs: map[string]*directory{}, nodes: map[*inode]*links{},
	}, nil
}

// split resolves a path to its directory, loaded, and its base name. The caller holds mu.
func (fs *FS) split(path string) (*directory, string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	if path == fs.root {
		return nil, "", fmt.Errorf("faultfs: %s is the root, not a file in it", path)
	}
	if !strings.HasPrefix(path, fs.root+string(filepath.Separator)) {
		return nil, "", fmt.Errorf("faultfs: %s lies outside %s", path, fs.root)
	}
	d, err := fs.directory(filepath.Dir(path))
	return d, filepath.Base(path), err
}

// directory returns a loaded directory. The caller holds mu.
func (fs *FS) directory(path string) (*directory, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if d := fs.dirs[path]; d != nil {
		return d, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	d := &directory{fs: fs, path: path, live: map[string]*inode{}}
	known := map[uint64]*inode{} // by the host's inode number: a file may have several names
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		ino := info.Sys().(*syscall.Stat_t).Ino
		n := known[ino]
		if n == nil {
			n = fs.adopt(info.Size())
			known[ino] = n
			fs.faults.used.Add(info.Size())
			if err := os.Link(filepath.Join(path, e.Name()), fs.nodes[n].path); err != nil {
				return nil, err
			}
		}
		d.live[e.Name()] = n
		fs.nodes[n].names++
	}
	fs.dirs[path] = d
	return d, nil
}

// adopt makes an inode of the given size, whose link the caller makes. The caller holds mu.
func (fs *FS) adopt(size int64) *inode {
	n := &inode{fs: fs, pages: map[int64]*[pageSize]byte{}, size: size}
	fs.next++
	fs.nodes[n] = &links{path: filepath.Join(fs.inodes, strconv.FormatUint(fs.next, 10))}
	return n
}

// drop forgets the inode when nothing refers to it any more. The caller holds mu.
func (fs *FS) drop(n *inode) {
	l := fs.nodes[n]
	if l.handles == 0 && n.host != nil && len(n.pages) == 0 {
		n.host.Close()
		n.host = nil
	}
	if l.names > 0 || l.handles > 0 || l.pending > 0 {
		return
	}
	if n.host != nil {
		n.host.Close()
	}
	_ = os.Remove(l.path) // its durable name, if it has one still, is another link
	fs.faults.release(n.size)
	delete(fs.nodes, n)
}

// handle opens the inode. The caller holds mu.
func (fs *FS) handle(name string, n *inode) (vfs.File, error) {
	l := fs.nodes[n]
	if n.host == nil {
		host, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		n.host = host
	}
	l.handles++
	return &file{fs: fs, name: name, node: n}, nil
}

// Create implements vfs.FS.
func (fs *FS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d, base, err := fs.split(name)
	if err != nil {
		return nil, err
	}
	n := fs.adopt(0)
	f, err := fs.handle(name, n)
	if err != nil {
		return nil, err
	}
	return f, d.do(dirOp{kind: opLink, name: base, node: n})
}

// Link implements vfs.FS.
func (fs *FS) Link(oldname, newname string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, err := fs.lookup("link", oldname)
	if err != nil {
		return err
	}
	d, base, err := fs.split(newname)
	if err != nil {
		return err
	}
	if d.live[base] != nil {
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: os.ErrExist}
	}
	return d.do(dirOp{kind: opLink, name: base, node: n})
}

func (fs *FS) lookup(op, name string) (*inode, error) {
	d, base, err := fs.split(name)
	if err != nil {
		return nil, err
	}
	if n := d.live[base]; n != nil {
		return n, nil
	}
	return nil, &os.PathError{Op: op, Path: name, Err: os.ErrNotExist}
}

// Open implements vfs.FS.
func (fs *FS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, err := fs.lookup("open", name)
	if err != nil {
		return nil, err
	}
	return fs.handle(name, n)
}

// OpenReadWrite implements vfs.FS.
func (fs *FS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.Open(name)
	if os.IsNotExist(err) {
		return fs.Create(name, c)
	}
	return f, err
}

// OpenDir implements vfs.FS.
func (fs *FS) OpenDir(name string) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d, err := fs.directory(name)
	if err != nil {
		return nil, err
	}
	return &dirFile{d}, nil
}

// Remove implements vfs.FS. An empty directory goes at once.
func (fs *FS) Remove(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		delete(fs.dirs, name)
		return os.Remove(name)
	}
	d, base, err := fs.split(name)
	if err != nil {
		return err
	}
	if d.live[base] == nil {
		return &os.PathError{Op: "remove", Path: name, Err: os.ErrNotExist}
	}
	return d.do(dirOp{kind: opUnlink, name: base})
}

// RemoveAll implements vfs.FS, for one file or a directory and the files in it.
func (fs *FS) RemoveAll(name string) error {
	if names, err := fs.List(name); err == nil {
		for _, base := range names {
			if err := fs.RemoveAll(filepath.Join(name, base)); err != nil {
				return err
			}
		}
		fs.mu.Lock()
		defer fs.mu.Unlock()
		delete(fs.dirs, name)
		return os.RemoveAll(name)
	}
	if err := fs.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// Rename implements vfs.FS, within one directory.
func (fs *FS) Rename(oldname, newname string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.rename(oldname, newname)
}

func (fs *FS) rename(oldname, newname string) error {
	if _, err := fs.lookup("rename", oldname); err != nil {
		return err
	}
	from, oldbase, err := fs.split(oldname)
	if err != nil {
		return err
	}
	to, newbase, err := fs.split(newname)
	if err != nil {
		return err
	}
	if from != to {
		return fmt.Errorf("faultfs: rename %s to %s: across directories", oldname, newname)
	}
	return from.do(dirOp{kind: opRename, name: newbase, from: oldbase})
}

// ReuseForWrite implements vfs.FS: the file keeps its bytes, under its new name, until they are overwritten.
func (fs *FS) ReuseForWrite(oldname, newname string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if err := fs.rename(oldname, newname); err != nil {
		return nil, err
	}
	n, err := fs.lookup("open", newname)
	if err != nil {
		return nil, err
	}
	return fs.handle(newname, n)
}

// MkdirAll implements vfs.FS. It is durable at once.
func (fs *FS) MkdirAll(dir string, perm os.FileMode) error { return os.MkdirAll(dir, perm) }

// Lock implements vfs.FS with a lock of the operating system: it has to hold between processes.
func (fs *FS) Lock(name string) (io.Closer, error) { return vfs.Default.Lock(name) }

// List implements vfs.FS.
func (fs *FS) List(dir string) ([]string, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d, err := fs.directory(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	for name := range d.live {
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

// Stat implements vfs.FS.
func (fs *FS) Stat(name string) (vfs.FileInfo, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return vfs.Default.Stat(name)
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, err := fs.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	return n.stat(name), nil
}

// PathBase implements vfs.FS.
func (fs *FS) PathBase(path string) string { return filepath.Base(path) }

// PathJoin implements vfs.FS.
func (fs *FS) PathJoin(elem ...string) string { return filepath.Join(elem...) }

// PathDir implements vfs.FS.
func (fs *FS) PathDir(path string) string { return filepath.Dir(path) }

// GetDiskUsage implements vfs.FS.
func (fs *FS) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	if fs.faults.o.Capacity == 0 {
		return vfs.Default.GetDiskUsage(path)
	}
	total, used := uint64(fs.faults.o.Capacity), uint64(fs.faults.used.Load())
	return vfs.DiskUsage{TotalBytes: total, UsedBytes: used, AvailBytes: total - used}, nil
}

// Unwrap implements vfs.FS. There is nothing below that a store may use.
func (fs *FS) Unwrap() vfs.FS { return nil }
