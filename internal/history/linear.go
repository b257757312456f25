package history

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Reads says how fresh reads must be.
type Reads int8

// The kinds of freshness.
const (
	// Weak: a read returns records that the log holds, though perhaps not the newest.
	Weak Reads = iota
	// Strict: whoever asks where the log ends is told of all that was acknowledged before. Polls stay weak: a consumer
	// fetches ahead.
	Strict
)

// maxLinear bounds the operations of a partition that CheckLinear takes.
const maxLinear = 2000

// CheckLinear tells of each partition whether the history can be explained by a log on which each operation took
// place at one moment between its begin and its end. What became of sends of unknown outcome is taken from the final
// read: those that are not there never took place. A partition of more than 2,000 operations, one without a final
// read, and one for which the answer is not known after the limit, is Inconclusive, which is a finding too.
func CheckLinear(h *History, reads Reads, limit time.Duration) []Finding {
	byPartition := operations(h.Events())
	var out []Finding
	for _, index := range slices.Sorted(maps.Keys(byPartition)) {
		o := byPartition[index]
		f := Finding{Anomaly: Inconclusive, Partition: index, Offset: None}
		switch {
		case !o.final:
			f.Note = "there is no final read"
		case len(o.list) > maxLinear:
			f.Note = fmt.Sprintf("%d operations, more than %d", len(o.list), maxLinear)
		default:
			result, info := porcupine.CheckOperationsVerbose(logModel(reads), o.list, limit)
			switch result {
			case porcupine.Ok:
				continue
			case porcupine.Illegal:
				f.Anomaly = NotLinearizable
				f.Note, f.Events = explain(o, info)
			default:
				f.Note = fmt.Sprintf("not decided within %v", limit)
			}
		}
		out = append(out, f)
	}
	return out
}

// operation is one that a model can carry out.
type operation struct {
	op     Op
	values []Value
	offset int64 // of the first value; of Latest: the end
	event  Event // that ended it
}

// partitionOps are the operations of a partition.
type partitionOps struct {
	list  []porcupine.Operation
	final bool
}

// operations pairs the events.
func operations(events []Event) map[int32]*partitionOps {
	atEnd := finals(events)
	out := make(map[int32]*partitionOps)
	begun := make(map[Value]int64) // sends
	polls := make(map[int]int64)   // processes' newest begin of a poll, or of a question for the end
	for _, e := range events {
		if e.Kind == Invoke {
			polls[e.Process] = e.Time
			for _, v := range e.Values {
				begun[v] = e.Time
			}
		}
		if e.Partition == None {
			continue
		}
		o := out[e.Partition]
		if o == nil {
			o = &partitionOps{final: atEnd[e.Partition] != nil}
			out[e.Partition] = o
		}
		switch {
		case e.Op == Send && e.Kind != Invoke:
			o.addSends(e, begun, atEnd[e.Partition])
		case (e.Op == Poll || e.Op == Final) && e.Kind == OK && len(e.Offsets) > 0 && len(e.Values) > 0:
			o.add(operation{op: Poll, values: e.Values, offset: e.Offsets[0], event: e}, polls[e.Process], e.Time)
		case e.Op == Latest && e.Kind == OK:
			o.add(operation{op: Latest, offset: e.offset(0), event: e}, polls[e.Process], e.Time)
		}
	}
	return out
}

// finals gives the offsets of the values at the end, by partition; nil where it was not read to its end.
func finals(events []Event) map[int32]map[Value]int64 {
	out := make(map[int32]map[Value]int64)
	for _, e := range events {
		if e.Op == Final && e.Kind == OK {
			out[e.Partition] = make(map[Value]int64, len(e.Values))
			for i, v := range e.Values {
				out[e.Partition][v] = e.offset(i)
			}
		}
	}
	return out
}

// addSends adds a send for each value: one that was acknowledged at its offset, one of unknown outcome if it is there
// at the end, and then it may have taken place at any time after its begin.
func (o *partitionOps) addSends(e Event, begun map[Value]int64, atEnd map[Value]int64) {
	for i, v := range e.Values {
		send := operation{op: Send, values: []Value{v}, offset: e.offset(i), event: e}
		switch at, there := atEnd[v]; {
		case e.Kind == OK && send.offset != None:
			o.add(send, begun[v], e.Time)
		case e.Kind == OK && there, e.Kind == Info && there:
			send.offset = at
			o.add(send, begun[v], math.MaxInt64)
		}
	}
}

func (o *partitionOps) add(op operation, from, to int64) {
	o.list = append(o.list, porcupine.Operation{ClientId: op.event.Process, Input: op, Call: min(from, to), Return: to})
}

// logState is a log: a list from its last record back, which other states share.
type logState struct {
	n      int64
	hash   uint64 // of all values
	value  Value
	before *logState // nil: empty
}

func (s *logState) len() int64 {
	if s == nil {
		return 0
	}
	return s.n
}

// logModel is the log as Porcupine takes it.
func logModel(reads Reads) porcupine.Model {
	seed := maphash.MakeSeed()
	return porcupine.Model{
		Init: func() any { return (*logState)(nil) },
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.(*logState), input.(operation)
			switch op.op {
			case Send:
				next := &logState{n: s.len() + 1, value: op.values[0], before: s}
				next.hash = maphash.Comparable(seed, [2]any{s.sum(), next.value})
				return op.offset == s.len(), next
			case Latest:
				return op.offset == s.len() || reads == Weak && op.offset < s.len(), s
			}
			return s.holds(op.offset, op.values), s
		},
		Equal: func(a, b any) bool {
			x, y := a.(*logState), b.(*logState)
			return x.len() == y.len() && x.sum() == y.sum()
		},
		Hash: func(state any) uint64 { return state.(*logState).sum() },
	}
}

func (s *logState) sum() uint64 {
	if s == nil {
		return 0
	}
	return s.hash
}

// holds tells whether the values are in the log from an offset on.
func (s *logState) holds(from int64, values []Value) bool {
	to := from + int64(len(values))
	if from < 0 || to > s.len() {
		return false
	}
	for ; s.len() > to; s = s.before {
	}
	for i := len(values) - 1; i >= 0; i, s = i-1, s.before {
		if s.value != values[i] {
			return false
		}
	}
	return true
}

// explain names operations that the longest explanation leaves out, the first to end first.
func explain(o *partitionOps, info porcupine.LinearizationInfo) (note string, events []Event) {
	var longest []int
	for _, orders := range info.PartialLinearizations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	placed := make(map[int]bool)
	for _, i := range longest {
		placed[i] = true
	}
	for i, op := range o.list {
		if !placed[i] {
			events = append(events, op.Input.(operation).event)
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.Time, b.Time) })
	note = fmt.Sprintf("%d of %d operations can be put into an order; not so these, of which the first are shown",
		len(longest), len(o.list))
	return note, events[:min(len(events), 5)]
}
