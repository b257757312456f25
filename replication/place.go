package replication

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrTooFewBrokers says that fewer brokers can take replicas than a partition is to have.
var ErrTooFewBrokers = errors.New("too few brokers for the replicas")

// Place chooses the replicas of count new partitions of a topic, the preferred leader
// first. Brokers that are draining or being decommissioned take none. It spreads, in this
// order: a partition's replicas over racks; leaderships over brokers; replicas over
// brokers; and those who follow a leader, so that what one broker leads moves to many if
// it dies. What the topic has already counts first, then what all have. The same
// arguments give the same result. The error wraps ErrTooFewBrokers.
func Place(s *Snapshot, topic uint64, count, replicas int32) ([][]int32, error) {
	pl := newPlacer(s)
	pl.begin(topic)
	return pl.many(count, replicas)
}

// loads counts what brokers have.
type loads struct {
	leaders, replicas map[int32]int
	follows           map[[2]int32]int // (leader, follower)
}

func newLoads() loads {
	return loads{make(map[int32]int), make(map[int32]int), make(map[[2]int32]int)}
}

// add counts the replicas of one partition, but for the first few.
func (l *loads) add(replicas []int32, from int) {
	for i, id := range replicas {
		switch {
		case i < from:
			continue
		case i == 0:
			l.leaders[id]++
		default:
			l.follows[[2]int32{replicas[0], id}]++
		}
		l.replicas[id]++
	}
}

// placer knows what is placed where.
type placer struct {
	brokers []int32          // that can take replicas, in order
	racks   map[int32]string // of all registered brokers
	topic   uint64
	parts   map[uint64][][]int32 // replicas by topic
	inTopic loads
	inAll   loads
}

func newPlacer(s *Snapshot) *placer {
	pl := &placer{racks: make(map[int32]string), parts: make(map[uint64][][]int32), inAll: newLoads(), inTopic: newLoads()}
	for _, b := range s.Brokers {
		pl.racks[b.Member.Broker] = b.Rack
		if !b.Draining && !slices.Contains(s.Decommission, b.Member.Broker) {
			pl.brokers = append(pl.brokers, b.Member.Broker)
		}
	}
	slices.Sort(pl.brokers)
	for i := range s.Partitions {
		part := &s.Partitions[i]
		replicas := missing(part.State.Replicas, part.State.Removing)
		pl.parts[part.Topic] = append(pl.parts[part.Topic], replicas)
		pl.inAll.add(replicas, 0)
	}
	return pl
}

// begin lets the partitions of a topic count before all others.
func (pl *placer) begin(topic uint64) {
	if pl.topic == topic && topic != 0 {
		return
	}
	pl.topic, pl.inTopic = topic, newLoads()
	for _, replicas := range pl.parts[topic] {
		pl.inTopic.add(replicas, 0)
	}
}

// many places new partitions of the topic.
func (pl *placer) many(count, replicas int32) ([][]int32, error) {
	if len(pl.brokers) < int(replicas) || replicas < 1 {
		return nil, fmt.Errorf("%w: %d replicas asked for, %d brokers can take one", ErrTooFewBrokers, replicas,
			len(pl.brokers))
	}
	out := make([][]int32, 0, count)
	for range count {
		out = append(out, pl.place(nil, int(replicas)))
	}
	return out, nil
}

// place returns the replicas that stay and as many others as are wanted, or as there are,
// and counts them.
func (pl *placer) place(stay []int32, want int) []int32 {
	chosen := slices.Clone(stay)
	for len(chosen) < want {
		best := int32(-1)
		for _, id := range pl.brokers {
			if !slices.Contains(chosen, id) && (best < 0 || pl.compare(chosen, id, best) < 0) {
				best = id
			}
		}
		if best < 0 {
			break
		}
		chosen = append(chosen, best)
	}
	pl.inTopic.add(chosen, len(stay))
	pl.inAll.add(chosen, len(stay))
	return chosen
}

// compare tells which of two brokers is to be the next of the chosen: below zero, a.
func (pl *placer) compare(chosen []int32, a, b int32) int {
	order := cmp.Compare(pl.sharing(chosen, a), pl.sharing(chosen, b))
	both := func(count func(l *loads, id int32) int) {
		order = cmp.Or(order, cmp.Compare(count(&pl.inTopic, a), count(&pl.inTopic, b)),
			cmp.Compare(count(&pl.inAll, a), count(&pl.inAll, b)))
	}
	if len(chosen) == 0 {
		both(func(l *loads, id int32) int { return l.leaders[id] })
	}
	both(func(l *loads, id int32) int { return l.replicas[id] })
	if len(chosen) > 0 {
		both(func(l *loads, id int32) int { return l.follows[[2]int32{chosen[0], id}] })
	}
	return order
}

// sharing counts the chosen that share a rack with the broker. No rack is a rack of its own.
func (pl *placer) sharing(chosen []int32, id int32) (n int) {
	for _, c := range chosen {
		if pl.racks[id] != "" && pl.racks[c] == pl.racks[id] {
			n++
		}
	}
	return n
}
