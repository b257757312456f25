package group

import (
	"cmp"
	"slices"
)

// slot names a partition of a problem: topic and index within it.
type slot struct{ topic, index int32 }

// solveSame distributes partitions over members that all have the same subscription.
//
// With n members and P partitions, P mod n members get one more than the others.
// Those are the members that have the most already, so that as few partitions move as
// any balanced distribution can have: each member gives away only what is above its
// quota, and each partition without a member goes to one below its quota.
func solveSame(p *problem) {
	held := heldBy(p)
	total := 0
	for _, t := range p.topics {
		total += len(t.owner)
	}
	quotas := sameQuotas(held, total)
	for m, list := range held {
		if excess := len(list) - quotas[m]; excess > 0 {
			shed(p, list, excess)
		}
		quotas[m] -= min(len(list), quotas[m]) // from here on: what it still is to get
	}
	next := 0
	for ti := range p.topics {
		owner := p.topics[ti].owner
		for i := range owner {
			if owner[i] != none {
				continue
			}
			for quotas[next] == 0 { // round robin, so that a topic's partitions are spread
				next = (next + 1) % p.members
			}
			owner[i] = int32(next)
			quotas[next]--
			next = (next + 1) % p.members
		}
	}
}

// heldBy lists what each member has, in the order of topics and partitions.
func heldBy(p *problem) [][]slot {
	held := make([][]slot, p.members)
	for ti, t := range p.topics {
		for i, m := range t.owner {
			if m != none {
				held[m] = append(held[m], slot{int32(ti), int32(i)})
			}
		}
	}
	return held
}

// sameQuotas returns how many partitions each member is to have.
func sameQuotas(held [][]slot, total int) []int {
	members := len(held)
	share, rest := total/members, total%members
	order := make([]int, members)
	for m := range order {
		order[m] = m
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(held[b]), len(held[a])) })
	quotas := make([]int, members)
	for i, m := range order {
		quotas[m] = share
		if i < rest {
			quotas[m]++
		}
	}
	return quotas
}

// shed takes count partitions of the list away from their member: those of the topics of which it has most,
// so that no topic is left with few members.
func shed(p *problem, list []slot, count int) {
	ranks := make([]int, len(list)) // which one of its topic it is, for this member
	for i := range list {
		if i > 0 && list[i].topic == list[i-1].topic {
			ranks[i] = ranks[i-1] + 1
		}
	}
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ranks[b], ranks[a]) })
	for _, i := range order[:count] {
		s := list[i]
		p.topics[s.topic].owner[s.index] = none
	}
}
