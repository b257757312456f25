package kv

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system a store lives on. Tests use Pebble's in-memory one.
type FS = vfs.FS

// FsyncPolicy says when an item counts as durable.
type FsyncPolicy int8

const (
	// FsyncBatch makes an item durable when an fsync that covers it has
	// returned. Nothing that was acknowledged is lost, whatever crashes.
	FsyncBatch FsyncPolicy = iota
	// FsyncInterval acknowledges an item when it is applied in memory and
	// syncs in the background each FsyncInterval. A crash of the process or of
	// the machine may lose what was acknowledged in the last interval.
	FsyncInterval
	// FsyncOS acknowledges an item when it is applied in memory, hands it to
	// the operating system within FsyncInterval, and leaves the writing to
	// it. A crash of the process may lose the last interval; a crash of the
	// machine may lose all since the last memtable was written out.
	FsyncOS
)

var fsyncNames = [...]string{FsyncBatch: "batch", FsyncInterval: "interval", FsyncOS: "os"}

// String is the policy as configuration spells it.
func (p FsyncPolicy) String() string {
	if p < 0 || int(p) >= len(fsyncNames) {
		return fmt.Sprintf("FsyncPolicy(%d)", int8(p))
	}
	return fsyncNames[p]
}

// ParseFsyncPolicy reads "batch", "interval" or "os".
func ParseFsyncPolicy(s string) (FsyncPolicy, error) {
	for p, name := range fsyncNames {
		if s == name {
			return FsyncPolicy(p), nil
		}
	}
	return 0, fmt.Errorf("fsync policy %q: want batch, interval or os", s)
}

const (
	// DefaultFsyncInterval is the interval of FsyncInterval and FsyncOS.
	DefaultFsyncInterval = 200 * time.Millisecond
	// DefaultCacheBytes is the block cache's bound. It fills as blocks are
	// read; an idle store holds none of it.
	DefaultCacheBytes = 128 << 20
	// DefaultMemTableBytes is the size of one memtable and of one file of the
	// write-ahead log; up to four exist at once. The first ones after Open are
	// smaller, so an idle store does not hold this.
	DefaultMemTableBytes = 64 << 20
	// DefaultMaxOpenFiles bounds the files the store keeps open for reading.
	DefaultMaxOpenFiles = 10_000
	// DefaultDiskReserve is the share of the disk kept free.
	DefaultDiskReserve = 0.05
	// DefaultDiskSlowAfter is how long one write or sync may take before
	// Events.DiskSlow is called.
	DefaultDiskSlowAfter = 5 * time.Second

	minMemTableBytes = 256 << 10
	maxMemTableBytes = 1 << 30
)

// Options configure a Store. The zero value of each field but Dir is the
// default.
type Options struct {
	// Dir is the data directory, made with mode 0700 where it is missing.
	Dir string
	// WALDir is the directory of the write-ahead log: another disk takes half
	// of the bytes written. Empty: in Dir. It cannot be changed later on.
	WALDir string
	// FS is the file system; nil is the disk.
	FS FS
	// Fsync says when an item counts as durable.
	Fsync FsyncPolicy
	// FsyncInterval is the pace of the background sync, 1 ms to 1 min, for the
	// policies FsyncInterval and FsyncOS.
	FsyncInterval time.Duration
	// CacheBytes bounds the block cache.
	CacheBytes int64
	// MemTableBytes is the size of a memtable and of a file of the write-ahead
	// log, 256 KiB to 1 GiB. Four of them bound the memory and the time of a
	// recovery.
	MemTableBytes int64
	// MaxOpenFiles bounds the files kept open for reading. It is lowered to
	// half of what the process may open.
	MaxOpenFiles int
	// DiskReserve is the share of the disk, 0 to 0.5, below which Writable
	// answers ErrDiskFull; reserveBytes has the whole rule.
	DiskReserve float64
	// DiskSlowAfter is how long one write or sync may take before
	// Events.DiskSlow is called.
	DiskSlowAfter time.Duration
	// ClusterID is written when the store is made (a random one where it is
	// empty), and checked later on unless it is empty.
	ClusterID string
	// BrokerID is written when the store is made, and checked later on unless
	// it is zero.
	BrokerID int32
	// Role is what broker opens the store; see Role.
	Role Role
	// Claim is what the cluster knows of the broker's store; nil: nothing. See Claim.
	Claim *Claim
	// Logger gets what Pebble and the store's goroutines have to say; nil:
	// warnings and errors to standard error.
	Logger *slog.Logger
	// Events are called as things happen; each may be nil.
	Events Events

	testing testingOptions
}

// testingOptions are knobs of this package's own tests.
type testingOptions struct {
	// formatVersion, if not zero, is what this program claims to write.
	formatVersion uint32
	// pollEvery, if not zero, is the pace at which free space is looked at.
	pollEvery time.Duration
	// pipeline, if not zero, is how many commits may wait for their fsync.
	pipeline int
	// commitBytes, if not zero, bounds what one commit folds.
	commitBytes int64
}

// withDefaults is o with every unset field filled in.
func (o Options) withDefaults() Options {
	setDefault(&o.FsyncInterval, DefaultFsyncInterval)
	setDefault(&o.CacheBytes, DefaultCacheBytes)
	setDefault(&o.MemTableBytes, DefaultMemTableBytes)
	setDefault(&o.MaxOpenFiles, DefaultMaxOpenFiles)
	setDefault(&o.DiskReserve, DefaultDiskReserve)
	setDefault(&o.DiskSlowAfter, DefaultDiskSlowAfter)
	setDefault(&o.testing.formatVersion, FormatVersion)
	setDefault(&o.testing.pollEvery, time.Second)
	setDefault(&o.testing.pipeline, commitPipeline)
	setDefault(&o.testing.commitBytes, min(maxCommitBytes, o.MemTableBytes/8))
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	if o.Events.Fatal == nil {
		logger := o.Logger
		o.Events.Fatal = func(err error) {
			logger.Error("the store cannot go on", "error", err)
			os.Exit(1)
		}
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports every fault of o, which has its defaults.
func (o Options) validate() error {
	var faults []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("kv: "+format, args...))
		}
	}
	bad(o.Dir != "", "no data directory")
	bad(o.Fsync >= FsyncBatch && o.Fsync <= FsyncOS, "unknown fsync policy %d", o.Fsync)
	bad(o.FsyncInterval >= time.Millisecond && o.FsyncInterval <= time.Minute,
		"fsync interval %v: want 1ms to 1m", o.FsyncInterval)
	bad(o.CacheBytes > 0, "cache of %d bytes: want more than 0", o.CacheBytes)
	bad(o.MemTableBytes >= minMemTableBytes && o.MemTableBytes <= maxMemTableBytes,
		"memtable of %d bytes: want 256 KiB to 1 GiB", o.MemTableBytes)
	bad(o.MaxOpenFiles >= 64, "at most %d open files: want 64 or more", o.MaxOpenFiles)
	bad(o.DiskReserve > 0 && o.DiskReserve <= 0.5, "disk reserve %v: want a share up to 0.5", o.DiskReserve)
	bad(o.DiskSlowAfter > 0, "a disk is slow after %v: want more than 0", o.DiskSlowAfter)
	bad(o.BrokerID >= 0, "broker id %d: want 0 or more", o.BrokerID)
	bad(len(o.ClusterID) <= 256, "cluster id of %d bytes: want at most 256", len(o.ClusterID))
	return errors.Join(faults...)
}
