package partitionlog

import (
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// A time row that is missing or damaged is noticed by the row after it, which
// says where the one before stands, or, behind the last row, by more bytes than
// a log leaves without one. It is made anew from the batches: offsets, bytes and
// timestamps are theirs. Append times are not in them, so the latest that is
// possible is taken: that of the row after, or now. Retention may take such
// batches late, never early. Until then, and where mending fails, a search
// looks through the batches of the gap.

// mend writes the rows that are missing between two. It is an improvement for
// the next search: what fails here fails there too, and is heard of there.
func (l *Log) mend(gap between) {
	l.slow.Lock()
	made := l.mendSlow(gap)
	l.slow.Unlock()
	l.rebuilt(made)
}

// mendSlow is mend with slow held; it gives the rows that it has written.
func (l *Log) mendSlow(gap between) []timeRow {
	l.mu.Lock()
	from, generation := max(l.start, gap.before.last+1), l.generation
	l.mu.Unlock()
	if from > gap.at.base {
		return nil
	}
	upper := gap.at.appended - gap.at.gap
	t := newRecoverTail(gap.before, upper)
	t.appended, t.appendedBound = upper, upper
	err := l.scan(from, gap.at.last+1, func(b record.Batch) bool {
		if b.BaseOffset() < gap.at.base {
			t.add(b, &l.logs.opts)
		}
		return true
	})
	if err != nil {
		return nil
	}
	shift := gap.at.bytes - t.bytes // bytes that were deleted below the first row
	for i := range t.made {
		t.made[i].bytes += shift
	}
	gap.at.prev = t.row.last
	gap.at.segmentMax = max(gap.at.segmentMax, t.segmentMax)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.generation != generation || l.state != stateOpen || l.start > from {
		return nil
	}
	rows := append(t.made, gap.at)
	l.last = l.logs.store.Enqueue(&mendItem{log: l, generation: generation, rows: rows})
	return rows
}

// rebuilt tells of rows that were made anew.
func (l *Log) rebuilt(made []timeRow) {
	if f := l.logs.opts.Events.IndexRebuilt; f != nil && len(made) > 0 {
		f(l.part, made[0].base, made[len(made)-1].last+1)
	}
}

// mendItem puts time rows.
type mendItem struct {
	log        *Log
	generation uint64
	rows       []timeRow
}

// Rows implements kv.Item. Rows of batches that were cut meanwhile are left out.
func (m *mendItem) Rows(w *kv.Rows) {
	m.log.mu.Lock()
	start, current := m.log.start, m.generation == m.log.generation
	m.log.mu.Unlock()
	if !current {
		return
	}
	var v [maxTimeRow]byte
	for i := range m.rows {
		if r := &m.rows[i]; r.last >= start {
			w.PutTime(m.log.part, r.last, r.append(v[:0]))
		}
	}
}

// Size implements kv.Item.
func (m *mendItem) Size() int { return len(m.rows) * (maxTimeRow + 64) }

// Durable implements kv.Item.
func (m *mendItem) Durable() {}
