package kv

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

// This file holds all that Pebble marks experimental, and the options the
// store is opened with, so that a change of Pebble is a change of this file.

// applyQueued writes b to the log and the memtable and returns before the
// fsync. syncWait waits for it; b must not be closed in between.
func applyQueued(db *pebble.DB, b *pebble.Batch) error { return db.ApplyNoSyncWait(b, pebble.Sync) }

// syncWait waits until a batch of applyQueued is durable.
func syncWait(b *pebble.Batch) error { return b.SyncWait() }

// newBatch is an empty batch with room for size bytes. Its buffer is kept for
// the next one, whatever a commit may hold.
func newBatch(db *pebble.DB, size, retain int) *pebble.Batch {
	return db.NewBatchWithSize(size, pebble.WithMaxRetainedSizeBytes(retain))
}

const (
	// separatedBytes is the size from which a value goes to a blob file, where
	// compactions do not copy it.
	separatedBytes = 512
	// stopWritesMemTables is how many memtables may exist before writes wait.
	stopWritesMemTables = 4
)

// pebbleOptions are the options of the store's database.
//
// FormatNewest is a matter of safety: value separation needs it, and below it
// a bit flipped in the middle of the write-ahead log silently drops what
// follows (faults C7). Excises stay off: with value separation they rewrite
// gigabytes and free nothing.
func pebbleOptions(o Options, fs FS, lock *pebble.Lock, obs *observer) *pebble.Options {
	po := &pebble.Options{
		FS:                          fs,
		WALDir:                      o.WALDir,
		Lock:                        lock,
		Logger:                      obs,
		EventListener:               obs.listener(),
		FormatMajorVersion:          pebble.FormatNewest,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: stopWritesMemTables,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       1000,
		FlushSplitBytes:             256 << 20,
		BytesPerSync:                512 << 10,
		MaxOpenFiles:                boundOpenFiles(o.MaxOpenFiles),
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
	}
	for i := range po.TargetFileSizes {
		po.TargetFileSizes[i] = 64 << 20
	}
	for i := range po.Levels {
		po.Levels[i].BlockSize = 32 << 10
		po.Levels[i].Compression = func() *block.CompressionProfile { return block.NoCompression }
	}
	po.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled:               true,
			MinimumSize:           separatedBytes,
			MaxBlobReferenceDepth: 1_000_000,
			RewriteMinimumAge:     5 * time.Second,
			TargetGarbageRatio:    0.3,
		}
	}
	po.Experimental.EnableDeleteOnlyCompactionExcises = func() bool { return false }
	return po
}
