package kv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Open opens the store in o.Dir, and makes it where the directory is missing
// or empty. The time it takes is bounded by the write-ahead log, not by the
// data. Errors: *LockedError, *VersionError, *IdentityError, *DirError,
// *CorruptError, those of o's validation (all of them), or the disk's.
func Open(o Options) (*Store, error) {
	onDisk := o.FS == nil
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if onDisk {
		o.FS = vfs.Default
		dir, err := resolveDir(o.Dir)
		if err != nil {
			return nil, err
		}
		o.Dir = dir
		if o.WALDir != "" {
			if o.WALDir, err = resolveDir(o.WALDir); err != nil {
				return nil, err
			}
		}
	}
	s := newStore(o)
	if err := s.open(); err != nil {
		s.stop()
		if aerr := s.abandon(); aerr != nil {
			err = errors.Join(err, aerr)
		}
		return nil, err
	}
	s.start()
	return s, nil
}

// Exists tells whether there is a store in the directory, which may be missing. Nothing is locked or changed. fsys is
// the file system; nil is the disk. Errors: *DirError, *CorruptError, or the disk's.
func Exists(dir string, fsys FS) (bool, error) {
	if fsys == nil {
		fsys = vfs.Default
	}
	if _, err := fsys.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	m, err := readMarker(fsys, dir)
	return m.ready, err
}

func newStore(o Options) *Store {
	s := &Store{opts: o, gate: newGate(), died: make(chan struct{}), reclaimer: newReclaimer()}
	s.life, s.stop = context.WithCancel(context.Background())
	s.observer = &observer{log: o.Logger, events: o.Events, die: s.die}
	s.space = newSpaceWatch(o, o.FS)
	s.fs = newStoreFS(s)
	s.committer = newCommitter(s)
	return s
}

// open does the steps of Open in the order in which they can refuse: nothing
// of a directory that is not ours, or too new for us, is touched.
func (s *Store) open() error {
	o := s.opts
	if err := prepareDir(o.FS, o.Dir); err != nil {
		return err
	}
	if o.WALDir != "" {
		if err := prepareDir(o.FS, o.WALDir); err != nil {
			return err
		}
	}
	lock, err := lockDir(o.FS, o.Dir)
	if err != nil {
		return err
	}
	s.lock = lock
	m, err := readMarker(o.FS, o.Dir)
	if err != nil {
		return err
	}
	if m.format > uint64(FormatVersion) {
		return &VersionError{Dir: o.Dir, What: "store", Found: m.format, Newest: uint64(FormatVersion)}
	}
	if m.ready {
		if err := errors.Join(checkLog(o, m), checkManifest(o.FS, o.Dir)); err != nil {
			return err
		}
	} else if err := writeMarker(o, markerNew); err != nil {
		return err
	}
	if err := s.openPebble(m.ready); err != nil {
		return err
	}
	if err := s.identify(m.ready); err != nil {
		return err
	}
	// The policy of this run is written before its first commit, and after
	// what another one left in the log has been replayed.
	if !m.ready || m.fsync != o.Fsync.String() {
		if err := writeMarker(o, markerReady); err != nil {
			return err
		}
	}
	// A ballast of an earlier run is as good as a new one.
	if _, err := o.FS.Stat(s.space.ballastPath()); err == nil {
		s.space.ballast.Store(true)
	}
	if err := s.space.look(); err != nil {
		return err
	}
	s.fs.guard.armed.Store(true)
	return nil
}

// openPebble opens the database; a made one must be there.
func (s *Store) openPebble(made bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if cause, ok := r.(error); ok && !isRuntimeError(cause) {
				err = s.openError(cause)
				return
			}
			err = &CorruptError{File: s.opts.Dir, Err: fmt.Errorf("opening it: %v", r)}
		}
	}()
	po := pebbleOptions(s.opts, s.fs, s.lock, s.observer)
	po.ErrorIfNotExists = made
	db, err := pebble.Open(s.opts.Dir, po)
	if err != nil {
		return s.openError(err)
	}
	s.db = db
	return nil
}

// identify reads or writes the 's' rows.
func (s *Store) identify(made bool) error {
	id, stop, ok, err := readIdentity(s.db, s.opts.Dir)
	if err != nil {
		if pebble.IsCorruptionError(err) || errors.Is(err, ErrCorrupt) {
			return &CorruptError{File: s.damagedFile(err.Error()), Err: plain(err)}
		}
		return err
	}
	switch {
	case ok:
		if err := id.admit(s.opts, stop); err != nil {
			return err
		}
	case made:
		return &CorruptError{File: s.opts.Dir, Err: errors.New("the rows that identify the store are missing")}
	default:
		id = newIdentity(s.opts)
	}
	if err := id.write(s.db, s.opts.Fsync); err != nil {
		return err
	}
	s.identity = id
	if !s.observer.upgraded.Load() {
		return nil
	}
	// Pebble makes the first log file before it raises the format, so in the
	// old one, in which damage is not found (faults C7). A flush makes a new
	// file.
	if err := s.db.Flush(); err != nil {
		return fmt.Errorf("kv: raising the file format: %w", err)
	}
	return nil
}

var (
	newerFormat = regexp.MustCompile(`unknown format major version (\d+)`)
	fileName    = regexp.MustCompile(`\b(\d{6,}\.(?:sst|blob|log)|MANIFEST-\d+|OPTIONS-\d+|marker\.[\w.-]+)`)
	walNumber   = regexp.MustCompile(`(?:replaying wal|corrupt wal) (\d+)`)
	tableNumber = regexp.MustCompile(`(?:L\d:|\bfile) (\d{6,}):`)
)

// openError gives an error of pebble.Open its class. Pebble has none of its
// own for a format that is too new, nor names files in a field, so both are
// taken from its text.
func (s *Store) openError(err error) error {
	text := fmt.Sprintf("%+v", err)
	if m := newerFormat.FindStringSubmatch(text); m != nil {
		found, _ := strconv.ParseUint(m[1], 10, 64)
		return &VersionError{Dir: s.opts.Dir, What: "Pebble", Found: found, Newest: uint64(pebble.FormatNewest)}
	}
	damaged := pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, pebble.ErrDBDoesNotExist) || strings.Contains(text, "MANIFEST)") ||
		strings.Contains(text, "checksum mismatch")
	if !damaged {
		return fmt.Errorf("kv: opening %s: %w", s.opts.Dir, err)
	}
	return &CorruptError{File: s.damagedFile(text), Err: plain(err)}
}

// plain cuts the lines that Pebble hangs on an error's text for its own machinery.
func plain(err error) error {
	text, _, more := strings.Cut(err.Error(), "\n")
	if !more {
		return err
	}
	return errors.New(text)
}

// damagedFile finds the file that an error of Pebble is about.
func (s *Store) damagedFile(text string) string {
	join := func(name string) string { return s.opts.FS.PathJoin(s.opts.Dir, name) }
	if m := walNumber.FindStringSubmatch(text); m != nil {
		n, _ := strconv.ParseUint(m[1], 10, 64)
		name := fmt.Sprintf("%06d%s", n, walSuffix)
		if s.opts.WALDir != "" {
			return s.opts.FS.PathJoin(s.opts.WALDir, name)
		}
		return join(name)
	}
	if m := fileName.FindString(text); m != "" {
		return join(m)
	}
	if m := tableNumber.FindStringSubmatch(text); m != nil {
		return join(m[1] + ".sst")
	}
	return s.opts.Dir
}
