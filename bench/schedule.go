package bench

// schedule is when the records of one producer are to be sent: the n-th of k producers sends every k-th record of the
// whole. Times are in ns since the run's epoch. It is pure.
type schedule struct {
	start    int64   // ns
	interval float64 // ns between two records of this producer; 0: a closed loop
	phase    float64 // ns from start to the first
}

func newSchedule(start int64, rate float64, producer, producers int) schedule {
	if rate == 0 {
		return schedule{start: start}
	}
	gap := 1e9 / rate
	return schedule{start: start, interval: gap * float64(producers), phase: gap * float64(producer)}
}

// open tells whether the times are fixed beforehand.
func (s schedule) open() bool { return s.interval > 0 }

// at is when the i-th record is to be sent. It is computed afresh from i, so that no error adds up.
func (s schedule) at(i uint64) int64 { return s.start + int64(s.phase+s.interval*float64(i)) }

// before is how many records are to be sent before a time.
func (s schedule) before(end int64) int64 {
	n := int64((float64(end-s.start) - s.phase) / s.interval)
	for n > 0 && s.at(uint64(n-1)) >= end {
		n--
	}
	for s.at(uint64(n)) < end {
		n++
	}
	return n
}
