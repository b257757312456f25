package kv

import "time"

// Histogram is a count of durations by bucket.
type Histogram struct {
	// Bounds are the buckets' upper bounds, ascending; not to be changed.
	Bounds []time.Duration
	// Counts holds, for each bound, how many durations did not exceed it.
	Counts []int64
	// Count and Sum are of all durations, those above the last bound too.
	Count int64
	Sum   time.Duration
}

// Metrics are figures of an open store. Totals count from Open on.
type Metrics struct {
	// Fsync is the time that syncs of the write-ahead log took.
	Fsync Histogram
	// Commits is how many batches were written, Items how many items were
	// folded into them, AppliedBytes their size.
	Commits, Items, AppliedBytes int64
	// WALBytes is the live write-ahead log, WALDiskBytes its files with what
	// is kept for reuse, WALFiles how many there are. WALWrittenBytes is a
	// total.
	WALBytes, WALDiskBytes, WALFiles, WALWrittenBytes int64
	// MemTableBytes is what the memtables hold of memory.
	MemTableBytes int64
	// CacheBytes is what the block cache holds; CacheHits and CacheMisses are
	// totals.
	CacheBytes, CacheHits, CacheMisses int64
	// L0Files is the number of tables that no compaction has touched.
	L0Files int64
	// Flushes and Compactions are totals. FlushedBytes and CompactedBytes are
	// what they wrote into tables and blob files; a flush may count its blob
	// bytes among the compacted ones, so only the sum is exact.
	Flushes, Compactions, FlushedBytes, CompactedBytes int64
	// Stalls is how often writes had to wait for flushes, SlowWrites how often
	// a write or sync exceeded Options.DiskSlowAfter.
	Stalls, SlowWrites int64
	// Corruptions counts damage found at reads, BackgroundErrors flushes and
	// compactions that failed and were tried again.
	Corruptions, BackgroundErrors int64
	// DiskBytes is what the store's files take of the disk.
	DiskBytes int64
}

// Metrics takes the store's figures. It costs tens of microseconds, more with
// many files. A closed store answers zeros.
func (s *Store) Metrics() Metrics {
	if s.enter() != nil {
		return Metrics{}
	}
	defer s.gate.leave()
	p := s.db.Metrics()
	m := Metrics{
		Fsync:            s.fs.guard.fsyncs.snapshot(),
		Commits:          s.committer.commits.Load(),
		Items:            s.committer.itemCount.Load(),
		AppliedBytes:     s.committer.bytes.Load(),
		WALBytes:         int64(p.WAL.Size),
		WALDiskBytes:     int64(p.WAL.PhysicalSize + p.WAL.ObsoletePhysicalSize),
		WALFiles:         p.WAL.Files + p.WAL.ObsoleteFiles,
		WALWrittenBytes:  int64(p.WAL.BytesWritten),
		MemTableBytes:    int64(p.MemTable.Size + p.MemTable.ZombieSize),
		CacheBytes:       p.BlockCache.Size,
		CacheHits:        p.BlockCache.Hits,
		CacheMisses:      p.BlockCache.Misses,
		L0Files:          p.Levels[0].TablesCount,
		Flushes:          p.Flush.Count,
		Compactions:      p.Compact.Count,
		Stalls:           s.observer.stalls.Load(),
		SlowWrites:       s.observer.slow.Load(),
		Corruptions:      s.observer.corruptions.Load(),
		BackgroundErrors: s.observer.backgroundErrors.Load(),
		DiskBytes:        int64(p.DiskSpaceUsage()),
	}
	for _, l := range p.Levels {
		m.FlushedBytes += int64(l.TableBytesFlushed + l.BlobBytesFlushed)
		m.CompactedBytes += int64(l.TableBytesCompacted + l.BlobBytesCompacted)
	}
	return m
}
