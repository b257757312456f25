package replication

import (
	"cmp"
	"slices"
)

// Candidate is what a live replica says of its log when nobody of ISR and ELR is left.
type Candidate struct {
	Member        Member
	LastEpoch     int32
	End           int64
	HighWatermark int64
}

// UncleanCandidates puts the candidates in order, the one with the most first: by the
// epoch of the last record, then by the end (KIP-966). Beside each it gives how many
// records, that are known to have been committed, are certainly lost with it; more may
// be: nobody who is left knows.
func UncleanCandidates(all []Candidate) (ordered []Candidate, lost []int64) {
	ordered = slices.Clone(all)
	slices.SortStableFunc(ordered, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.LastEpoch, a.LastEpoch), cmp.Compare(b.End, a.End),
			cmp.Compare(a.Member.Broker, b.Member.Broker))
	})
	committed := int64(0)
	for _, c := range ordered {
		committed = max(committed, c.HighWatermark)
	}
	for _, c := range ordered {
		lost = append(lost, max(committed-c.End, 0))
	}
	return ordered, lost
}
