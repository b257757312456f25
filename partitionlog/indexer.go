package partitionlog

import (
	"math"

	"github.com/skidway/skidway/record"
)

// indexer decides which batches have a time row and what stands in it. The
// log's own is guarded by its mu.
type indexer struct {
	row timeRow // the newest time row, or noRow

	bytes      int64 // bytes of all batches since the log was made
	max        int64 // largest record timestamp since the log was made
	segmentMax int64 // largest record timestamp behind row
	// appended is the newest append time: none is smaller after it. After a
	// restart it may have been as late as appendedBound.
	appended, appendedBound int64
}

func newIndexer() indexer { return indexer{row: noRow(), max: noTime, segmentMax: noTime} }

// indexerAt stands at a row with nothing behind it.
func indexerAt(row timeRow) indexer {
	return indexer{
		row:   row,
		bytes: row.total(), max: row.max, segmentMax: noTime,
		appended: row.appended, appendedBound: row.appended,
	}
}

// add takes the next batch, whose offsets are stamped, and says whether it has a
// time row: it is x.row then. Append times must not descend.
func (x *indexer) add(b record.Batch, now int64, o *Options) (hasRow bool) {
	hasRow = x.due(int64(len(b)), now, o)
	x.put(b, now, x.gap(now), hasRow)
	return hasRow
}

// addShipped is add for a batch that a leader has appended: the row stands where it
// does there, with the same gap, and where this log needs one by its bytes.
func (x *indexer) addShipped(s *Shipped, now int64, o *Options) (hasRow bool) {
	hasRow = s.Gap >= 0 || x.due(int64(len(s.Batch)), x.row.appended, o)
	gap := s.Gap
	if gap < 0 {
		gap = x.gap(now)
	}
	x.put(s.Batch, now, gap, hasRow)
	return hasRow
}

// gap is how much later than the batch before it, at least, a batch of now was
// appended.
func (x *indexer) gap(now int64) int64 {
	if !x.row.exists() {
		return 0
	}
	return now - min(now, x.appendedBound)
}

func (x *indexer) put(b record.Batch, now, gap int64, hasRow bool) {
	size := int64(len(b))
	x.max = max(x.max, b.MaxTimestamp())
	x.segmentMax = max(x.segmentMax, b.MaxTimestamp())
	if hasRow {
		x.row = timeRow{
			last: b.LastOffset(), base: b.BaseOffset(), prev: x.row.last,
			max: x.max, segmentMax: x.segmentMax,
			appended: now, gap: gap,
			bytes: x.bytes, size: size,
		}
		x.segmentMax = noTime
	}
	x.bytes += size
	x.appended, x.appendedBound = now, now
}

func (x *indexer) due(size, now int64, o *Options) bool {
	return !x.row.exists() || x.bytes+size-x.row.total() >= o.TimeRowBytes ||
		now-x.row.appended >= o.TimeRowInterval.Milliseconds()
}

// rowGraceMs is the longest that a batch without a time row may have been
// appended after the newest row: the bound of Options.TimeRowInterval.
const rowGraceMs = 1000

// recoverTail is what scanning the batches behind a stored row makes.
type recoverTail struct {
	indexer
	made []timeRow // rows that were missing
	// stamped is the largest append time that a batch carries.
	stamped int64
}

// newRecoverTail begins at row. now is an append time that no batch's is beyond,
// 0 where none is known.
func newRecoverTail(row timeRow, now int64) *recoverTail {
	t := &recoverTail{indexer: indexerAt(row)}
	t.appended = max(row.appended, now)
	t.appendedBound = t.appended
	return t
}

func (t *recoverTail) add(b record.Batch, o *Options) {
	if b.TimestampType() == record.LogAppendTime {
		t.stamped = max(t.stamped, b.MaxTimestamp())
	}
	bytesOnly := *o
	bytesOnly.TimeRowInterval = math.MaxInt64
	if t.indexer.add(b, t.appended, &bytesOnly) {
		t.made = append(t.made, t.row)
	}
}

// finish gives the indexer that goes on behind the tail. Without missing rows
// the batches were appended shortly after the row. Otherwise no one knows when:
// as late as can be, so that retention never takes them too early; where that is
// not known either, no rows are made, and the index is not whole.
func (t *recoverTail) finish(row timeRow, now int64) (x indexer, whole bool) {
	x = t.indexer
	switch {
	case len(t.made) == 0:
		x.appended = max(row.appended, t.stamped)
		if x.bytes > row.total() {
			x.appendedBound = max(x.appended, row.appended+rowGraceMs)
		}
	case now == 0:
		t.made = nil
		x.row, x.segmentMax = row, x.max
		x.appended = max(row.appended, t.stamped)
		x.appendedBound = math.MaxInt64
		return x, false
	}
	return x, true
}
