package replication

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawSpread draws a cluster and partitions in any state of disorder, also on brokers that are not there.
func drawSpread(t *rapid.T, racks []string) (Spreading, []Placement) {
	s := Spreading{Racks: make(map[int32]string)}
	for id := range rapid.Int32Range(1, 7).Draw(t, "brokers") {
		s.Racks[id+1] = rapid.SampledFrom(racks).Draw(t, "rack")
	}
	if rapid.Bool().Draw(t, "change the number") {
		s.Replicas = rapid.IntRange(1, len(s.Racks)).Draw(t, "replicas")
	}
	var parts []Placement
	for topic := range rapid.IntRange(1, 3).Draw(t, "topics") {
		for i := range rapid.Int32Range(1, 8).Draw(t, "partitions") {
			n := rapid.IntRange(1, len(s.Racks)).Draw(t, "replicas of one")
			replicas := rapid.Permutation([]int32{1, 2, 3, 4, 5, 6, 7, 8, 9}).Draw(t, "replicas")[:n]
			parts = append(parts, Placement{Topic: uint64(topic + 1), Index: i, Replicas: replicas})
		}
	}
	return s, parts
}

// moved counts the replicas that are to be copied.
func moved(before, after []Placement) (n int) {
	for i := range after {
		for _, id := range after[i].Replicas {
			if !slices.Contains(before[i].Replicas, id) {
				n++
			}
		}
	}
	return n
}

// spans are the differences between the broker that has most and the one that has least, of replicas and leaders.
func spans(s Spreading, parts []Placement) (replicas, leaders int) {
	all := newTally()
	for _, p := range parts {
		all.add(p.Replicas, 1)
	}
	span := func(counts map[int32]int) int {
		least, most := 1<<30, 0
		for id := range s.Racks {
			least, most = min(least, counts[id]), max(most, counts[id])
		}
		return most - least
	}
	return span(all.replicas), span(all.leaders)
}

// Every partition has as many replicas as it is to have, on brokers that may hold some, on as many racks as there are.
func TestSpreadIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, parts := drawSpread(t, []string{"", "a", "b", "c"})
		out, err := s.Spread(parts)
		require.NoError(t, err)
		require.Len(t, out, len(parts))
		places := make(map[string]bool)
		for id, rack := range s.Racks {
			places[rackOf(id, rack)] = true
		}
		for i, p := range out {
			want := s.Replicas
			if want == 0 {
				want = len(parts[i].Replicas)
			}
			require.Len(t, p.Replicas, want)
			require.Equal(t, parts[i].Topic, p.Topic)
			require.Equal(t, parts[i].Index, p.Index)
			used, once := make(map[string]bool), make(map[int32]bool)
			for _, id := range p.Replicas {
				rack, may := s.Racks[id]
				require.True(t, may)
				require.False(t, once[id])
				once[id], used[rackOf(id, rack)] = true, true
			}
			require.Len(t, used, min(want, len(places)))
		}
	})
}

// rackOf names a rack; no rack is one of its own.
func rackOf(id int32, rack string) string {
	if rack == "" {
		return fmt.Sprint(id)
	}
	return rack
}

// Without racks, brokers have the same number of replicas of each topic and in all, give or take one.
func TestSpreadIsEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, parts := drawSpread(t, []string{""})
		out, err := s.Spread(parts)
		require.NoError(t, err)
		all, _ := spans(s, out)
		require.LessOrEqual(t, all, 1)
		for topic := range uint64(4) {
			of := slices.DeleteFunc(slices.Clone(out), func(p Placement) bool { return p.Topic != topic })
			replicas, _ := spans(s, of)
			require.LessOrEqual(t, replicas, 1)
		}
	})
}

// Nothing is moved but what must be: of one topic without racks exactly what lies above the mean, or is lacking below.
func TestSpreadMovesLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, parts := drawSpread(t, []string{""})
		s.Replicas = 0
		brokers := slices.Sorted(func(yield func(int32) bool) {
			for id := range s.Racks {
				if !yield(id) {
					return
				}
			}
		})
		parts = slices.DeleteFunc(parts, func(p Placement) bool { return p.Topic != 1 })
		for i := range parts {
			n := len(parts[i].Replicas)
			parts[i].Replicas = rapid.Permutation(brokers).Draw(t, "replicas there")[:n]
		}
		before, total := newTally(), 0
		for _, p := range parts {
			before.add(p.Replicas, 1)
			total += len(p.Replicas)
		}
		above, below := 0, 0
		for _, id := range brokers {
			above += max(0, before.replicas[id]-(total+len(brokers)-1)/len(brokers))
			below += max(0, total/len(brokers)-before.replicas[id])
		}
		out, err := s.Spread(parts)
		require.NoError(t, err)
		require.Equal(t, max(above, below), moved(parts, out))
	})
}

// What is spread already stays as it is.
func TestSpreadIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, parts := drawSpread(t, []string{"", "a", "b", "c"})
		once, err := s.Spread(parts)
		require.NoError(t, err)
		again, err := s.Spread(once)
		require.NoError(t, err)
		require.Equal(t, once, again)
	})
}

// Leaders are spread as evenly as the replicas of the partitions allow: no choice of them does better.
func TestSpreadLeadersAreOptimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, parts := drawSpread(t, []string{""})
		parts = slices.DeleteFunc(parts, func(p Placement) bool { return p.Topic != 1 })
		parts = parts[:min(len(parts), 5)]
		out, err := s.Spread(parts)
		require.NoError(t, err)
		chosen := make([]int32, len(out))
		for i, p := range out {
			chosen[i] = p.Replicas[0]
		}
		require.Equal(t, fewestSquares(out, nil), squares(chosen))
	})
}

// squares are smaller the more evenly the leaders are spread.
func squares(leaders []int32) (n int) {
	counts := make(map[int32]int)
	for _, id := range leaders {
		counts[id]++
	}
	for _, c := range counts {
		n += c * c
	}
	return n
}

// fewestSquares tries all choices of leaders.
func fewestSquares(parts []Placement, chosen []int32) int {
	if len(chosen) == len(parts) {
		return squares(chosen)
	}
	best := 1 << 30
	for _, id := range parts[len(chosen)].Replicas {
		best = min(best, fewestSquares(parts, append(slices.Clone(chosen), id)))
	}
	return best
}

// Where all brokers hold all, leaders are as even as replicas.
func TestSpreadLeadersEven(t *testing.T) {
	parts := make([]Placement, 10)
	for i := range parts {
		parts[i] = Placement{Topic: uint64(i % 2), Index: int32(i / 2), Replicas: []int32{1, 2, 3}}
	}
	s := Spreading{Racks: map[int32]string{1: "", 2: "", 3: ""}}
	out, err := s.Spread(parts)
	require.NoError(t, err)
	require.Zero(t, moved(parts, out))
	_, leaders := spans(s, out)
	require.Equal(t, 1, leaders)
}

// Partitions that stay count: topics of one partition each go to those who have least.
func TestSpreadMindsTheOthers(t *testing.T) {
	s := Spreading{Racks: map[int32]string{1: "", 2: "", 3: ""}, Fixed: [][]int32{{1}, {1}, {2}}}
	var parts []Placement
	for topic := range uint64(3) {
		parts = append(parts, Placement{Topic: topic, Replicas: []int32{1}})
	}
	out, err := s.Spread(parts)
	require.NoError(t, err)
	all := newTally()
	for _, p := range append(out, Placement{Replicas: []int32{1}}, Placement{Replicas: []int32{1}},
		Placement{Replicas: []int32{2}}) {
		all.add(p.Replicas, 1)
	}
	require.Equal(t, map[int32]int{1: 2, 2: 2, 3: 2}, all.replicas)
	require.Equal(t, 3, moved(parts, out))
}

func TestSpreadTooFewBrokers(t *testing.T) {
	_, err := Spreading{Racks: map[int32]string{1: "", 2: ""}, Replicas: 3}.Spread(
		[]Placement{{Topic: 1, Replicas: []int32{1, 2}}})
	require.ErrorIs(t, err, ErrTooFewBrokers)
	require.ErrorContains(t, err, "3 replicas asked for, 2 brokers can take one")
}

// A large cluster is planned while a person waits.
func BenchmarkSpread(b *testing.B) {
	s := Spreading{Racks: make(map[int32]string)}
	for id := range int32(30) {
		s.Racks[id] = string(rune('a' + id%3))
	}
	var parts []Placement
	for i := range int32(10_000) {
		replicas := []int32{i % 20, (i + 1) % 20, (i + 2) % 20}
		parts = append(parts, Placement{Topic: uint64(i / 100), Index: i % 100, Replicas: replicas})
	}
	for b.Loop() {
		_, err := s.Spread(parts)
		require.NoError(b, err)
	}
}
