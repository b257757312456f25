package history

import "fmt"

// Codes that a reader must never meet, by their names.
const (
	codeOffsetOutOfRange = "OFFSET_OUT_OF_RANGE"
	codeDamaged          = "DAMAGED"
)

// reader is how far a process is in the partition.
type reader struct {
	offset int64 // of the newest record that it was given
	event  int   // that tells of it
}

// checkReads holds that a reader is given every record, once and in order: from one poll to the next, and within one.
// It may go elsewhere on purpose.
func (p *partition) checkReads() {
	readers := make(map[int]*reader)
	for _, i := range p.mine {
		e := &p.events[i]
		switch {
		case e.Op == Assign && e.Kind != Fail && e.Kind != Invoke:
			delete(readers, e.Process)
			if at := e.offset(0); at != None && e.Kind == OK {
				readers[e.Process] = &reader{at - 1, i}
			}
		case e.Op == Poll && e.Kind != Invoke && len(e.Offsets) > 0:
			if r := readers[e.Process]; r != nil {
				p.checkStep(step{from: r.offset, to: e.Offsets[0], first: r.event, second: i}, PollSkip, NonmonotonicPoll)
			}
			p.checkInner(i)
			readers[e.Process] = &reader{e.Offsets[len(e.Offsets)-1], i}
		case e.Op == Final && e.Kind == OK:
			p.checkInner(i)
			p.checkGaps(i)
		}
	}
}

// step is from one record that a reader was given to the next one.
type step struct {
	from, to      int64
	first, second int // events
}

func (p *partition) checkStep(s step, skip, back Anomaly) {
	events := []int{s.first, s.second}
	if s.first == s.second {
		events = events[:1]
	}
	switch n, first := p.between(s.from, s.to); {
	case s.to <= s.from:
		p.find(Finding{Anomaly: back, Offset: s.to, Note: fmt.Sprintf("offset %d comes after offset %d", s.to, s.from)},
			events...)
	case n > 0:
		p.find(Finding{Anomaly: skip, Offset: first, Note: fmt.Sprintf(
			"offset %d comes after offset %d, and %d records are known to be between", s.to, s.from, n)}, events...)
	}
}

// checkInner holds the order within one event.
func (p *partition) checkInner(i int) {
	offsets := p.events[i].Offsets
	for n := 1; n < len(offsets); n++ {
		p.checkStep(step{from: offsets[n-1], to: offsets[n], first: i, second: i}, InnerPollSkip, InnerPollOrder)
	}
}

// checkGaps holds that a log without deletions has no gap.
func (p *partition) checkGaps(i int) {
	offsets := p.events[i].Offsets
	if len(offsets) > 0 && offsets[0] != 0 {
		p.find(Finding{Anomaly: Gap, Offset: 0, Note: fmt.Sprintf("the log begins at offset %d", offsets[0])})
	}
	for n := 1; n < len(offsets); n++ {
		if from, to := offsets[n-1], offsets[n]; to > from+1 {
			p.find(Finding{Anomaly: Gap, Offset: from + 1, Note: fmt.Sprintf("offset %d follows offset %d", to, from)})
		}
	}
}

// checkVisible holds that what a process sees of a log never becomes less.
func (p *partition) checkVisible() {
	visible := make(map[int]reader) // the end that a process knows of
	for _, i := range p.mine {
		e := &p.events[i]
		before, known := visible[e.Process]
		end := int64(None)
		switch {
		case e.Op == Latest && e.Kind == OK:
			end = e.offset(0)
			if known && end < before.offset {
				p.find(Finding{Anomaly: VisibleBack, Offset: end,
					Note: fmt.Sprintf("the process had seen the log up to offset %d", before.offset)}, before.event, i)
			}
		case e.Op == Poll && e.Kind == OK:
			for _, at := range e.Offsets {
				end = max(end, at+1)
			}
		case e.Op == Poll && e.Kind == Fail && e.Error == codeOffsetOutOfRange:
			p.find(Finding{Anomaly: VisibleBack, Offset: None,
				Note: "a reader that never left the log was told that its offset lies outside"}, i)
		case (e.Op == Poll || e.Op == Final) && e.Kind == Fail && e.Error == codeDamaged:
			p.find(Finding{Anomaly: DamagedRead, Offset: None, Note: "a reader was told that records are damaged"}, i)
		}
		if end > before.offset || !known && end != None {
			visible[e.Process] = reader{end, i}
		}
	}
}
