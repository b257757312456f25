package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// maxFindings bounds what Check returns of one anomaly in one partition; the last of them says how many there are.
const maxFindings = 20

// Check returns every way in which the history breaks the promise, by partition; nil if there is none. It takes
// O(n log n). The load must have had its topic for itself, and nothing of it may have been deleted.
func Check(h *History) []Finding {
	events := h.Events()
	byPartition := make(map[int32]*partition)
	for i := range events {
		e := &events[i]
		if e.Partition == None {
			continue
		}
		p := byPartition[e.Partition]
		if p == nil {
			p = newPartition(e.Partition, events)
			byPartition[e.Partition] = p
		}
		p.mine = append(p.mine, i)
	}
	var out []Finding
	for _, index := range slices.Sorted(maps.Keys(byPartition)) {
		p := byPartition[index]
		p.learn()
		p.checkWrites()
		p.checkReads()
		p.checkOrder()
		p.checkVisible()
		out = append(out, p.found...)
	}
	return out
}

// partition is what the history tells of one partition. Events are named by their place in the history.
type partition struct {
	index  int32
	events []Event
	mine   []int // those of this partition

	sends   []*send // in the order in which they began
	byValue map[Value]*send
	places  map[place]int   // where values are known to be, with the first event that says so
	at      map[Value]int64 // the lowest of a value's offsets
	offsets []int64         // of all places, ascending, each once
	read    map[Value]int   // the first event in which a value was read
	far     place           // the highest that was read
	farBy   int
	final   int // the newest Final that ended well; None
	atEnd   map[Value]bool

	found []Finding
	count map[Anomaly]int
}

// place is a value at an offset.
type place struct {
	offset int64
	value  Value
}

// send is what became of one value.
type send struct {
	value      Value
	process    int
	begin, end int // events; end is None while it is not known
	kind       Kind
	told       int64 // the offset that an ok told; None
	floor      int64 // the highest offset that was known to be taken when it began; None
	floorBy    int
}

func newPartition(index int32, events []Event) *partition {
	return &partition{index: index, events: events, byValue: make(map[Value]*send), places: make(map[place]int),
		at: make(map[Value]int64), read: make(map[Value]int), far: place{offset: None}, farBy: None, final: None,
		count: make(map[Anomaly]int)}
}

// find adds a finding about events, unless there are many like it.
func (p *partition) find(f Finding, events ...int) {
	p.count[f.Anomaly]++
	if n := p.count[f.Anomaly]; n > maxFindings {
		for i := range p.found {
			if p.found[i].Anomaly == f.Anomaly {
				p.found[i].Note = fmt.Sprintf("the first of %d", n)
				return
			}
		}
	}
	f.Partition = p.index
	for _, e := range events {
		if e != None {
			f.Events = append(f.Events, p.events[e])
		}
	}
	p.found = append(p.found, f)
}

// learn goes through the events once.
func (p *partition) learn() {
	taken, takenBy := int64(None), None
	take := func(offset int64, by int) {
		if offset > taken {
			taken, takenBy = offset, by
		}
	}
	for _, i := range p.mine {
		e := &p.events[i]
		switch {
		case e.Op == Send && e.Kind == Invoke:
			for _, v := range e.Values {
				s := &send{value: v, process: e.Process, begin: i, end: None, kind: Info, told: None, floor: taken,
					floorBy: takenBy}
				p.sends = append(p.sends, s)
				p.byValue[v] = s
			}
		case e.Op == Send:
			for n, v := range e.Values {
				if s := p.byValue[v]; s != nil {
					s.end, s.kind, s.told = i, e.Kind, e.offset(n)
				}
				if at := e.offset(n); e.Kind == OK && at != None {
					p.put(place{at, v}, i)
					take(at, i)
				}
			}
		case (e.Op == Poll || e.Op == Final) && e.Kind != Invoke:
			p.learnRead(i, take)
		}
	}
	p.learnUnknown()
	for at := range p.places {
		p.offsets = append(p.offsets, at.offset)
		if known, there := p.at[at.value]; !there || at.offset < known {
			p.at[at.value] = at.offset
		}
	}
	slices.Sort(p.offsets)
	p.offsets = slices.Compact(p.offsets)
}

// learnRead takes in what was read, whatever became of the operation.
func (p *partition) learnRead(i int, take func(offset int64, by int)) {
	e := &p.events[i]
	if e.Op == Final && e.Kind == OK {
		p.final = i
		p.atEnd = make(map[Value]bool, len(e.Values))
	}
	for n, v := range e.Values {
		at := place{e.offset(n), v}
		if _, before := p.read[v]; !before {
			p.read[v] = i
		}
		if p.final == i {
			p.atEnd[v] = true
		}
		if at.offset == None {
			continue
		}
		p.put(at, i)
		take(at.offset, i)
		if at.offset > p.far.offset {
			p.far, p.farBy = at, i
		}
	}
}

// learnUnknown takes in the offsets that sends of unknown outcome were told: they count if the value was read, which
// shows that it was taken.
func (p *partition) learnUnknown() {
	for _, s := range p.sends {
		if _, read := p.read[s.value]; read && s.kind == Info && s.told != None {
			p.put(place{s.told, s.value}, s.end)
		}
	}
}

func (p *partition) put(at place, by int) {
	if _, known := p.places[at]; !known {
		p.places[at] = by
	}
}

// between counts the known offsets above a and below b, and gives the first of them.
func (p *partition) between(a, b int64) (n int, first int64) {
	i, _ := slices.BinarySearch(p.offsets, a+1)
	j, _ := slices.BinarySearch(p.offsets, b)
	if j <= i {
		return 0, None
	}
	return j - i, p.offsets[i]
}

// sorted gives the places in an order.
func (p *partition) sorted(order func(a, b place) int) []place {
	return slices.SortedFunc(maps.Keys(p.places), order)
}

func byOffset(a, b place) int {
	return cmp.Or(cmp.Compare(a.offset, b.offset), compareValues(a.value, b.value))
}

func byValue(a, b place) int {
	return cmp.Or(compareValues(a.value, b.value), cmp.Compare(a.offset, b.offset))
}

func compareValues(a, b Value) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Seq, b.Seq))
}
