package broker

// repeats finds what is named twice in one request. The zero value is ready.
type repeats struct {
	few  []partitionID
	many map[partitionID]struct{}
	sole bool // one is expected: there is nothing to compare
}

type partitionID struct {
	topic uint64
	index int32
}

// fewRepeats is up to where a search of a list is cheaper than a map.
const fewRepeats = 24

// expect prepares for n partitions.
func (r *repeats) expect(n int) {
	switch {
	case n > fewRepeats:
		r.many = make(map[partitionID]struct{}, n)
	case n > 1:
		r.few = make([]partitionID, 0, n)
	default:
		r.sole = true
	}
}

// again notes a partition and tells whether it was noted before.
func (r *repeats) again(topic uint64, index int32) bool {
	if r.sole {
		return false
	}
	id := partitionID{topic, index}
	if r.many != nil {
		n := len(r.many)
		r.many[id] = struct{}{}
		return len(r.many) == n
	}
	for _, e := range r.few {
		if e == id {
			return true
		}
	}
	r.few = append(r.few, id)
	return false
}
