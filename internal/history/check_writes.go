package history

import (
	"fmt"
	"slices"
)

// checkWrites holds the values against the offsets: an offset has one value, a value one offset, what was acknowledged
// is there, and what is there was sent.
func (p *partition) checkWrites() {
	runs(p.sorted(byOffset), func(a, b place) bool { return a.offset == b.offset }, func(run []place) {
		p.find(Finding{Anomaly: InconsistentOffsets, Offset: run[0].offset, Values: valuesOf(run)}, p.shown(run)...)
	})
	runs(p.sorted(byValue), func(a, b place) bool { return a.value == b.value }, func(run []place) {
		offsets := make([]int64, len(run))
		for i, at := range run {
			offsets[i] = at.offset
		}
		p.find(Finding{Anomaly: Duplicate, Offset: offsets[0], Values: valuesOf(run[:1]),
			Note: fmt.Sprintf("it is at the offsets %v", offsets)}, p.shown(run)...)
	})
	p.checkWriters()
	p.checkLost()
	if p.final == None && len(p.sends) > 0 {
		p.find(Finding{Anomaly: Unfinished, Offset: None, Note: "no final read of it ended well"})
	}
}

// runs calls f for each run of at least two places that are alike.
func runs(list []place, alike func(a, b place) bool, f func(run []place)) {
	for len(list) > 0 {
		n := 1
		for n < len(list) && alike(list[0], list[n]) {
			n++
		}
		if n > 1 {
			f(list[:n])
		}
		list = list[n:]
	}
}

// shown are the events that tell of places.
func (p *partition) shown(run []place) []int {
	var events []int
	for _, at := range run[:min(len(run), shownValues)] {
		events = append(events, p.places[at])
	}
	slices.Sort(events)
	return slices.Compact(events)
}

func valuesOf(run []place) []Value {
	values := make([]Value, len(run))
	for i, at := range run {
		values[i] = at.value
	}
	return values
}

// checkWriters holds that each value that was read was sent, before it was read, and did not fail.
func (p *partition) checkWriters() {
	for _, v := range p.readValues() {
		reader, s := p.read[v], p.byValue[v]
		at, known := p.at[v]
		if !known {
			at = None
		}
		f := Finding{Offset: at, Values: []Value{v}}
		switch {
		case s == nil:
			f.Anomaly, f.Note = Phantom, "nobody sent it to this partition"
			p.find(f, reader)
		case s.begin > reader:
			f.Anomaly, f.Note = Phantom, "it was read before it was sent"
			p.find(f, reader, s.begin)
		case s.kind == Fail:
			f.Anomaly, f.Note = AbortedRead, "its send failed definitely"
			p.find(f, s.end, reader)
		}
	}
}

// readValues are the values that were read, in the order in which they first were.
func (p *partition) readValues() []Value {
	list := make([]Value, 0, len(p.read))
	for v := range p.read {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b Value) int {
		if d := p.read[a] - p.read[b]; d != 0 {
			return d
		}
		return compareValues(a, b)
	})
	return list
}

// checkLost holds that what was acknowledged, or read, is there.
func (p *partition) checkLost() {
	var unseen []Value
	for _, s := range p.sends {
		reader, read := p.read[s.value]
		at, known := p.at[s.value]
		if !known {
			at = None
		}
		f := Finding{Anomaly: LostWrite, Offset: at, Values: []Value{s.value}}
		switch {
		case p.final != None && s.kind == OK && !p.atEnd[s.value] && !read:
			f.Note = "it was acknowledged, and is not there at the end"
			p.find(f, s.begin, s.end)
		case p.final != None && read && !p.atEnd[s.value]:
			f.Anomaly, f.Note = Vanished, "it was read, and is not there at the end"
			p.find(f, s.end, reader)
		case p.final == None && s.kind == OK && !read && known && at <= p.far.offset:
			f.Note = fmt.Sprintf("it was acknowledged, and readers went past it, to offset %d", p.far.offset)
			p.find(f, s.end, p.farBy)
		case s.kind == OK && !read:
			unseen = append(unseen, s.value)
		}
	}
	if len(unseen) > 0 {
		p.find(Finding{Anomaly: Unseen, Offset: None, Values: unseen[:min(len(unseen), shownValues)],
			Note: fmt.Sprintf("%d acknowledged values that nobody read", len(unseen))})
	}
}

// checkOrder holds that sends are in the log in the order of their process, and of real time.
func (p *partition) checkOrder() {
	last := make(map[int]*send) // of each process, of which the offset is known
	for _, s := range p.sends {
		at, known := p.at[s.value]
		if !known || s.kind == Fail {
			continue
		}
		if before := last[s.process]; before != nil && p.at[before.value] >= at {
			f := Finding{Anomaly: SendOrder, Offset: at, Values: []Value{before.value, s.value},
				Note: fmt.Sprintf("the first was sent before, and is at offset %d", p.at[before.value])}
			if before.begin == s.begin {
				f.Anomaly = InnerSendOrder
				p.find(f, s.end)
			} else {
				p.find(f, before.end, s.end)
			}
		}
		last[s.process] = s
		if at <= s.floor {
			p.find(Finding{Anomaly: RealTimeOrder, Offset: at, Values: []Value{s.value},
				Note: fmt.Sprintf("offset %d was known to be taken when it was sent", s.floor)}, s.floorBy, s.begin, s.end)
		}
	}
}
