package kv

import (
	"errors"
	"fmt"
)

var (
	// ErrDiskFull says that free space is below the reserve. Writes that grow
	// the store are refused until there is room; all else goes on.
	ErrDiskFull = errors.New("kv: the disk is full: free space is below the reserve")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("kv: the store is closed")
	// ErrCorrupt is the class of damage found at a read: a checksum that does
	// not match, or a file that is gone.
	ErrCorrupt = errors.New("kv: stored data is damaged")
	// ErrFatal is the class of errors of a store that a failed write or fsync
	// has stopped, or the loss of its directory. Whether what was in flight is
	// on the disk is unknown.
	ErrFatal = errors.New("kv: the store has stopped, since it cannot keep what it is given")
)

// LockedError says that another process, or this one, has the directory open.
type LockedError struct {
	Dir string
	// PID is the process that holds the lock, or 0 where it cannot be told.
	PID int
}

// Error names the directory, the holder and what to do.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("kv: data directory %s is in use by another process: stop it first", e.Dir)
	}
	return fmt.Sprintf("kv: data directory %s is in use by process %d: stop it first", e.Dir, e.PID)
}

// VersionError says that the store was written in a format that this program
// does not know.
type VersionError struct {
	Dir string
	// What names the format: "store" for the key layout, "Pebble" for the
	// files' own.
	What string
	// Found is the format of the directory, Newest the newest that this
	// program reads.
	Found, Newest uint64
}

// Error names both versions and what to do.
func (e *VersionError) Error() string {
	return fmt.Sprintf("kv: data directory %s is in %s format %d, and this program reads at most %d: "+
		"start the release that wrote it, or a newer one; nothing was changed", e.Dir, e.What, e.Found, e.Newest)
}

// IdentityError says that the store belongs to another cluster or broker.
type IdentityError struct {
	Dir string
	// What is "cluster id" or "broker id".
	What string
	// Stored is what the store says, Wanted what the options ask for.
	Stored, Wanted string
}

// Error names what the store says, what was asked for and what to do.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("kv: data directory %s belongs to %s %s, not %s: "+
		"check the configured data directory and %s", e.Dir, e.What, e.Stored, e.Wanted, e.What)
}

// RoleError says that the store belongs to a broker of the other kind than the one that opens it: one of a cluster, or
// one alone.
type RoleError struct {
	Dir string
	// Member says that it belongs to one of a cluster.
	Member bool
}

// Error names whose it is.
func (e *RoleError) Error() string {
	if e.Member {
		return fmt.Sprintf("kv: data directory %s belongs to a broker of a cluster, and none is configured", e.Dir)
	}
	return fmt.Sprintf("kv: data directory %s belongs to a broker that stands alone, and a cluster is configured", e.Dir)
}

// DirError says that a directory cannot hold a store as it is.
type DirError struct {
	Dir string
	// Reason is a sentence without its subject, and what to do.
	Reason string
}

// Error names the directory and the reason.
func (e *DirError) Error() string { return fmt.Sprintf("kv: data directory %s %s", e.Dir, e.Reason) }

// CorruptError says that the store cannot be opened because a file of it is
// damaged or missing.
type CorruptError struct {
	// File is the damaged file, a path; the directory where it cannot be told.
	File string
	Err  error
}

// Error names the file and what to do.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("kv: %s is damaged, and the store was not opened so that nothing is lost silently: "+
		"restore the data directory from a replica or a backup (%v)", e.File, e.Err)
}

// Unwrap gives what was found; the class is ErrCorrupt.
func (e *CorruptError) Unwrap() []error { return []error{ErrCorrupt, e.Err} }
