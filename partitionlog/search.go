package partitionlog

// Rows of the time index are looked up by the offset in their key. A row whose
// value is damaged counts as missing: what is found over the gap is coarser and
// is looked for in the records themselves.

// rowBefore gives the newest time row whose last offset is below offset, noRow
// where there is none.
func (l *Log) rowBefore(offset int64) (timeRow, error) {
	for {
		row, at := noRow(), int64(-1)
		ok, err := l.logs.store.TimeBefore(l.part, offset, func(last int64, v []byte) {
			at = last
			if r, err := decodeTime(last, v); err == nil {
				row = r
			}
		})
		if err != nil {
			return row, readError(l.part, offset, err)
		}
		if !ok || row.exists() {
			return row, nil
		}
		offset = at
	}
}

// rows yields the time rows with from <= last offset < to.
func (l *Log) rows(from, to int64, yield func(timeRow) bool) error {
	err := l.logs.store.TimeRows(l.part, from, func(last int64, v []byte) bool {
		if last >= to {
			return false
		}
		r, err := decodeTime(last, v)
		return err != nil || yield(r)
	})
	if err != nil {
		return readError(l.part, from, err)
	}
	return nil
}

// between is two time rows, the second one the next after the first.
type between struct {
	before timeRow // the last row that does not hold; noRow: none
	at     timeRow // the first row that holds; noRow: none
}

// nearby is how many rows a search looks at one after another before it bisects.
const nearby = 16

// search finds the first row with from <= last offset < to for which holds,
// which must stay true once it is.
func (l *Log) search(from, to int64, holds func(*timeRow) bool) (between, error) {
	b := between{before: noRow(), at: noRow()}
	n := 0
	err := l.rows(from, to, func(r timeRow) bool {
		n++
		if holds(&r) {
			b.at = r
			return false
		}
		b.before = r
		return n < nearby
	})
	if err != nil || b.at.exists() || n < nearby {
		return b, err
	}
	newest, err := l.rowBefore(to)
	if err != nil || newest.last <= b.before.last {
		return b, err
	}
	if !holds(&newest) {
		b.before = newest
		return b, nil
	}
	b.at = newest
	return b, l.bisect(&b, holds)
}

// bisect narrows b until no row is left between its two.
func (l *Log) bisect(b *between, holds func(*timeRow) bool) error {
	high := b.at.last // no row that counts has its last offset in high..at.last-1
	for b.before.last+1 < high {
		middle := b.before.last + 1 + (high-b.before.last-1)/2
		r := noRow()
		err := l.rows(middle, high, func(found timeRow) bool {
			r = found
			return false
		})
		switch {
		case err != nil:
			return err
		case !r.exists():
			high = middle
		case holds(&r):
			b.at, high = r, r.last
			if middle < high {
				high = middle // rows between middle and r: none
			}
		default:
			b.before = r
		}
	}
	return nil
}
