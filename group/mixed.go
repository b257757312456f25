package group

import (
	"container/heap"
)

// mixed distributes partitions over members with different subscriptions.
//
// A distribution is as balanced as the subscriptions permit when no member can pass a
// partition on, directly or over others, to one that has at least two fewer. It starts
// from what the members have, gives what nobody has to the subscriber with the least,
// and then passes partitions along shortest chains until there is no such chain. What
// is balanced already stays as it is.
type mixed struct {
	p        *problem
	load     []int32   // partitions of each member
	held     [][]slot  // of each member; may name partitions that it has passed on
	topicsOf [][]int32 // subscribed to by each member
	// The search from the members with the most. A member or topic that is done takes part in no chain.
	memberDone, topicDone []bool
	memberSeen, topicSeen []int32 // the search that met it last
	fromTopic             []int32 // the topic over which a member was met; none: it is where the search began
	fromMember            []int32 // the member whose topic it is
	search                int32
}

func solveMixed(p *problem) {
	s := &mixed{
		p: p, load: make([]int32, p.members), held: heldBy(p), topicsOf: make([][]int32, p.members),
		memberDone: make([]bool, p.members), topicDone: make([]bool, len(p.topics)),
		memberSeen: make([]int32, p.members), topicSeen: make([]int32, len(p.topics)),
		fromTopic: make([]int32, p.members), fromMember: make([]int32, len(p.topics)),
	}
	for ti, t := range p.topics {
		for _, m := range t.subscribers {
			s.topicsOf[m] = append(s.topicsOf[m], int32(ti))
		}
	}
	for m := range s.held {
		s.load[m] = int32(len(s.held[m]))
	}
	s.place()
	s.balance()
}

// loadHeap holds the subscribers of one topic, the one with the least on top.
type loadHeap struct {
	members []int32
	load    []int32
}

func (h *loadHeap) Len() int { return len(h.members) }
func (h *loadHeap) Less(i, j int) bool {
	a, b := h.members[i], h.members[j]
	return h.load[a] < h.load[b] || h.load[a] == h.load[b] && a < b
}
func (h *loadHeap) Swap(i, j int) { h.members[i], h.members[j] = h.members[j], h.members[i] }
func (h *loadHeap) Push(any)      { panic("group: a heap of subscribers does not grow") }
func (h *loadHeap) Pop() any      { panic("group: a heap of subscribers does not shrink") }

// place gives each partition that nobody has to the subscriber with the least.
func (s *mixed) place() {
	h := &loadHeap{load: s.load}
	for ti, t := range s.p.topics {
		ready := false
		for i, owner := range t.owner {
			if owner != none {
				continue
			}
			if !ready {
				h.members = append(h.members[:0], t.subscribers...)
				heap.Init(h)
				ready = true
			}
			m := h.members[0]
			t.owner[i] = m
			s.held[m] = append(s.held[m], slot{int32(ti), int32(i)})
			s.load[m]++
			heap.Fix(h, 0)
		}
	}
}

// balance passes partitions on until no chain leads to a member that has two fewer.
func (s *mixed) balance() {
	for {
		most := int32(-1)
		for m, load := range s.load {
			if !s.memberDone[m] {
				most = max(most, load)
			}
		}
		if most < 1 {
			return
		}
		if end := s.find(most); end != none {
			s.pass(end)
			continue
		}
		// Whoever was met has most or one less, and can pass to nobody else: that part is final.
		for m := range s.memberSeen {
			s.memberDone[m] = s.memberDone[m] || s.memberSeen[m] == s.search
		}
		for t := range s.topicSeen {
			s.topicDone[t] = s.topicDone[t] || s.topicSeen[t] == s.search
		}
	}
}

// find searches, breadth first, from all members with most partitions for one that has at least two fewer.
func (s *mixed) find(most int32) (end int32) {
	s.search++
	var queue []int32
	for m, load := range s.load {
		if load == most && !s.memberDone[m] {
			s.memberSeen[m], s.fromTopic[m] = s.search, none
			queue = append(queue, int32(m))
		}
	}
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		for _, sl := range s.held[m] {
			t := sl.topic
			if s.topicSeen[t] == s.search || s.topicDone[t] || s.p.topics[t].owner[sl.index] != m {
				continue
			}
			s.topicSeen[t], s.fromMember[t] = s.search, m
			for _, to := range s.p.topics[t].subscribers {
				if s.memberSeen[to] == s.search || s.memberDone[to] {
					continue
				}
				s.memberSeen[to], s.fromTopic[to] = s.search, t
				if s.load[to] <= most-2 {
					return to
				}
				queue = append(queue, to)
			}
		}
	}
	return none
}

// pass moves one partition along each link of the chain that ends with the member.
func (s *mixed) pass(end int32) {
	s.load[end]++
	m := end
	for s.fromTopic[m] != none {
		t := s.fromTopic[m]
		giver := s.fromMember[t]
		s.move(t, giver, m)
		m = giver
	}
	s.load[m]--
}

// move takes a partition of the topic from one member and gives it to another.
func (s *mixed) move(t, from, to int32) {
	owner := s.p.topics[t].owner
	for i := len(s.held[from]) - 1; i >= 0; i-- {
		sl := s.held[from][i]
		if sl.topic != t || owner[sl.index] != from {
			continue
		}
		owner[sl.index] = to
		s.held[from] = append(s.held[from][:i], s.held[from][i+1:]...)
		s.held[to] = append(s.held[to], sl)
		return
	}
	panic("group: a member on a chain has no partition to pass on")
}
