package kv

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// markerName is the file by which a data directory is told from any other. It
// is looked at before Pebble touches anything, and holds three lines:
//
//	skidway store, format 1
//	ready
//	fsync batch
//
// The second line is "new" until the store was made in full. The third is the
// policy under which the write-ahead log was written: it says how much of its
// end a crash may have torn.
const markerName = "SKIDWAY"

const (
	markerLine  = "skidway store, format %d\n%s\nfsync %s\n"
	markerNew   = "new"
	markerReady = "ready"
	lockName    = "LOCK"
	walSuffix   = ".log"
	tableSuffix = ".sst"
	blobSuffix  = ".blob"
)

// marker is the content of the marker file; the zero value: there is none.
type marker struct {
	format uint64
	ready  bool
	fsync  string
}

// resolveDir makes the directory's name one that no link or relative path can
// give to it a second time, so that the lock holds within a process too.
func resolveDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("kv: data directory %s: %w", dir, err)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	return abs, nil
}

// prepareDir makes dir, with mode 0700 and its name durable, or checks the one
// that is there.
func prepareDir(fsys FS, dir string) error {
	info, err := fsys.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return makeDir(fsys, dir)
	}
	if err != nil {
		return fmt.Errorf("kv: data directory: %w", err)
	}
	if !info.IsDir() {
		return &DirError{Dir: dir, Reason: "is not a directory"}
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return &DirError{Dir: dir, Reason: fmt.Sprintf(
			"is writable by others (mode %#o): run chmod 700 on it", mode)}
	}
	return nil
}

func makeDir(fsys FS, dir string) error {
	made := []string{dir}
	for parent := fsys.PathDir(dir); ; parent = fsys.PathDir(parent) {
		if _, err := fsys.Stat(parent); err == nil || parent == fsys.PathDir(parent) {
			made = append(made, parent)
			break
		}
		made = append(made, parent)
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("kv: data directory: %w", err)
	}
	for _, d := range made {
		if err := syncDir(fsys, d); err != nil {
			return fmt.Errorf("kv: data directory: %w", err)
		}
	}
	return nil
}

func syncDir(fsys FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lockDir takes the directory's lock.
func lockDir(fsys FS, dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fsys)
	if err == nil {
		return lock, nil
	}
	if strings.Contains(err.Error(), "current process") {
		return nil, &LockedError{Dir: dir, PID: os.Getpid()}
	}
	if isLockHeld(err) {
		return nil, &LockedError{Dir: dir, PID: lockHolder(fsys.PathJoin(dir, lockName))}
	}
	return nil, fmt.Errorf("kv: locking %s: %w", dir, err)
}

// readMarker reads the marker of dir, and refuses a directory that holds
// something else.
func readMarker(fsys FS, dir string) (marker, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return marker{}, fmt.Errorf("kv: data directory: %w", err)
	}
	foreign := ""
	for _, name := range names {
		switch name {
		case markerName:
			return parseMarker(fsys, dir)
		case lockName, "lost+found", markerName + ".tmp":
		default:
			foreign = name
		}
	}
	if foreign != "" {
		return marker{}, &DirError{Dir: dir, Reason: fmt.Sprintf(
			"is not empty and is not a Skidway store (it holds %s, but no file %s): "+
				"choose an empty directory", foreign, markerName)}
	}
	return marker{}, nil
}

func parseMarker(fsys FS, dir string) (marker, error) {
	path := fsys.PathJoin(dir, markerName)
	f, err := fsys.Open(path)
	if err != nil {
		return marker{}, fmt.Errorf("kv: data directory: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	if err = errors.Join(err, f.Close()); err != nil {
		return marker{}, fmt.Errorf("kv: data directory: %w", err)
	}
	m := regexp.MustCompile(`^skidway store, format (\d{1,9})\n(\w+)\n(?:fsync (\w+)\n)?`).FindSubmatch(text)
	if m == nil {
		return marker{}, &CorruptError{File: path, Err: errors.New("it is not what marks a store")}
	}
	format, err := strconv.ParseUint(string(m[1]), 10, 32)
	if err != nil {
		return marker{}, &CorruptError{File: path, Err: err}
	}
	return marker{format: format, ready: string(m[2]) == markerReady, fsync: string(m[3])}, nil
}

// writeMarker replaces the marker, durably and at once.
func writeMarker(o Options, state string) error {
	fsys, path := o.FS, o.FS.PathJoin(o.Dir, markerName)
	f, err := fsys.Create(path+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("kv: data directory: %w", err)
	}
	_, err = fmt.Fprintf(f, markerLine, o.testing.formatVersion, state, o.Fsync)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fsys.Rename(path+".tmp", path)
	}
	if err == nil {
		err = syncDir(fsys, o.Dir)
	}
	if err != nil {
		return fmt.Errorf("kv: data directory: %w", err)
	}
	return nil
}
