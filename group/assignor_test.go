package group

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func allOf(n int) (list []int32) {
	for i := range n {
		list = append(list, int32(i))
	}
	return list
}

func nobody(n int) []int32 { return slices.Repeat([]int32{none}, n) }

// TestRange shows Kafka's range: runs of neighbours, the first members have one more, and topics with as many
// partitions are split alike.
func TestRange(t *testing.T) {
	for _, tc := range []struct {
		members int
		topics  []topicProblem
		want    [][]int32
	}{
		{3, []topicProblem{{allOf(3), nobody(7)}}, [][]int32{{0, 0, 0, 1, 1, 2, 2}}},
		{2, []topicProblem{{allOf(2), nobody(3)}, {allOf(2), nobody(3)}}, [][]int32{{0, 0, 1}, {0, 0, 1}}},
		{4, []topicProblem{{allOf(4), nobody(2)}}, [][]int32{{0, 1}}},
		{3, []topicProblem{{[]int32{0, 2}, nobody(4)}, {[]int32{1}, nobody(2)}}, [][]int32{{0, 0, 2, 2}, {1, 1}}},
		{2, []topicProblem{{allOf(2), []int32{1, 1, 0, 0}}}, [][]int32{{0, 0, 1, 1}}},
	} {
		p := &problem{members: tc.members, topics: tc.topics}
		Range.solve(p)
		for i := range p.topics {
			if diff := cmp.Diff(tc.want[i], p.topics[i].owner); diff != "" {
				t.Errorf("%d members, topic %d: %s", tc.members, i, diff)
			}
		}
	}
}

// drawProblem makes a problem of at most that many members, topics and partitions of a topic.
func drawProblem(t *rapid.T, members, topics, partitions int, same bool) *problem {
	p := &problem{members: rapid.IntRange(1, members).Draw(t, "members"), same: same}
	for range rapid.IntRange(1, topics).Draw(t, "topics") {
		subs := allOf(p.members)
		if !same {
			subs = slices.DeleteFunc(subs, func(int32) bool { return rapid.Bool().Draw(t, "not subscribed") })
			if len(subs) == 0 {
				subs = []int32{0}
			}
		}
		tp := topicProblem{subscribers: subs, owner: nobody(rapid.IntRange(1, partitions).Draw(t, "partitions"))}
		for i := range tp.owner {
			tp.owner[i] = rapid.SampledFrom(append([]int32{none}, subs...)).Draw(t, "owner")
		}
		p.topics = append(p.topics, tp)
	}
	return p
}

func (p *problem) clone() *problem {
	c := &problem{members: p.members, same: p.same}
	for _, t := range p.topics {
		c.topics = append(c.topics, topicProblem{t.subscribers, slices.Clone(t.owner)})
	}
	return c
}

func (p *problem) loads() []int {
	loads := make([]int, p.members)
	for _, t := range p.topics {
		for _, m := range t.owner {
			if m != none {
				loads[m]++
			}
		}
	}
	return loads
}

// movesFrom counts the partitions that another member had before.
func (p *problem) movesFrom(before *problem) (n int) {
	for ti, t := range p.topics {
		for i, m := range t.owner {
			if had := before.topics[ti].owner[i]; had != none && had != m {
				n++
			}
		}
	}
	return n
}

func (p *problem) checkComplete(t *rapid.T) {
	for ti, topic := range p.topics {
		for i, m := range topic.owner {
			if !slices.Contains(topic.subscribers, m) {
				t.Fatalf("partition %d of topic %d is for %d, who does not subscribe to it", i, ti, m)
			}
		}
	}
}

// leastMoves is how many partitions any balanced distribution must move: over all choices of the members that get
// one more, the least sum of what members have above their quota. It tries all choices.
func leastMoves(loads []int, total int) int {
	n := len(loads)
	share, rest := total/n, total%n
	least := math.MaxInt
	for choice := range 1 << n {
		larger, moves := 0, 0
		for m, load := range loads {
			quota := share
			if choice>>m&1 == 1 {
				quota++
				larger++
			}
			moves += max(0, load-quota)
		}
		if larger == rest {
			least = min(least, moves)
		}
	}
	return least
}

// TestUniformSame: with one subscription for all, loads differ by at most one, no more partitions move than any
// balanced distribution has to move, and a balanced one is left as it is.
func TestUniformSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawProblem(t, 8, 4, 9, true)
		p := before.clone()
		Uniform.solve(p)
		p.checkComplete(t)
		loads := p.loads()
		if slices.Max(loads)-slices.Min(loads) > 1 {
			t.Fatalf("loads %v", loads)
		}
		total := 0
		for _, load := range loads {
			total += load
		}
		if moved, least := p.movesFrom(before), leastMoves(before.loads(), total); moved != least {
			t.Fatalf("%d partitions moved, %d have to", moved, least)
		}
		again := p.clone()
		Uniform.solve(again)
		if again.movesFrom(p) != 0 {
			t.Fatal("a balanced distribution was changed")
		}
	})
}

// bestLoads tries all distributions and returns the loads, in order, of the most balanced: the least sum of squares.
func bestLoads(p *problem) []int {
	var slots []slot
	for ti, t := range p.topics {
		for i := range t.owner {
			slots = append(slots, slot{int32(ti), int32(i)})
		}
	}
	loads, least := make([]int, p.members), math.MaxInt
	var best []int
	var try func(i int)
	try = func(i int) {
		if i == len(slots) {
			sum := 0
			for _, load := range loads {
				sum += load * load
			}
			if sum < least {
				least, best = sum, slices.Clone(loads)
			}
			return
		}
		for _, m := range p.topics[slots[i].topic].subscribers {
			loads[m]++
			try(i + 1)
			loads[m]--
		}
	}
	try(0)
	slices.Sort(best)
	return best
}

// TestUniformMixed: with different subscriptions, the loads are those of the most balanced distribution there is,
// which is found here by trying all; and a balanced distribution is left as it is.
func TestUniformMixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawProblem(t, 4, 4, 2, false)
		p := before.clone()
		Uniform.solve(p)
		p.checkComplete(t)
		loads := p.loads()
		slices.Sort(loads)
		if best := bestLoads(p); !slices.Equal(loads, best) {
			t.Fatalf("loads %v, the best are %v", loads, best)
		}
		again := p.clone()
		Uniform.solve(again)
		if again.movesFrom(p) != 0 {
			t.Fatal("a balanced distribution was changed")
		}
	})
}

// TestUniformSpread shows that a newcomer takes from the topics of which the others have most.
func TestUniformSpread(t *testing.T) {
	p := &problem{members: 2, same: true}
	for range 2 {
		p.topics = append(p.topics, topicProblem{allOf(2), make([]int32, 6)})
	}
	Uniform.solve(p)
	for ti, topic := range p.topics {
		count := 0
		for _, m := range topic.owner {
			count += int(m)
		}
		if count != 3 {
			t.Errorf("of topic %d the newcomer got %d of 6", ti, count)
		}
	}
}

// BenchmarkUniform solves for 1,000 partitions after one of the members is gone.
func BenchmarkUniform(b *testing.B) {
	for _, kind := range []string{"same", "mixed"} {
		for _, members := range []int{100, 1000} {
			b.Run(fmt.Sprintf("%s/members=%d", kind, members), func(b *testing.B) {
				p := &problem{members: members, same: kind == "same"}
				for ti := range 100 {
					subs := allOf(members)
					if kind == "mixed" { // each member has a subscription of its own
						subs = slices.DeleteFunc(subs, func(m int32) bool { return (int(m)*31+ti*17+int(m)*ti)%11 > 1 })
					}
					p.topics = append(p.topics, topicProblem{subs, nobody(10)})
				}
				Uniform.solve(p)
				for _, topic := range p.topics {
					for i, m := range topic.owner {
						if m == topic.subscribers[0] {
							topic.owner[i] = none
						}
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					Uniform.solve(p.clone())
				}
			})
		}
	}
}
