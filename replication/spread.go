package replication

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Spreading says over which brokers an operator wants the replicas of partitions to be spread.
type Spreading struct {
	// Racks are the brokers that may hold replicas, and where each stands; "": not known, which is a rack of its own.
	Racks map[int32]string
	// Replicas is how many each partition is to have; 0: as many as it has.
	Replicas int
	// Fixed are the replicas of the partitions that stay as they are. They count where brokers are compared as a whole.
	Fixed [][]int32
}

// Placement is where a partition is, the preferred leader first.
type Placement struct {
	Topic    uint64
	Index    int32
	Replicas []int32
}

// Spread proposes where the partitions are to be, in their order. A partition's replicas go to as many racks as there
// are; then the brokers get the same number of replicas, give or take one, of each topic and then in all; then the same
// of preferred leaders, each as far as what goes before allows. It moves as few replicas as that takes, and none that
// lies well. The same arguments give the same result; what is spread already comes back as it is. Pure. The error wraps
// ErrTooFewBrokers.
func (s Spreading) Spread(parts []Placement) ([]Placement, error) {
	sp := &spreader{
		racks: s.Racks, brokers: slices.Sorted(maps.Keys(s.Racks)), all: newTally(), topics: make(map[uint64]*topicSpread),
	}
	for _, replicas := range s.Fixed {
		sp.all.add(replicas, 1)
	}
	for i := range parts {
		want := cmp.Or(s.Replicas, len(parts[i].Replicas))
		if len(sp.brokers) < want || want < 1 {
			return nil, fmt.Errorf("%w: %d replicas asked for, %d brokers can take one", ErrTooFewBrokers, want,
				len(sp.brokers))
		}
		sp.take(&parts[i], want)
	}
	sp.spread()
	out := make([]Placement, len(parts))
	for i, p := range sp.parts {
		out[i] = Placement{Topic: parts[i].Topic, Index: parts[i].Index, Replicas: p.replicas}
	}
	return out, nil
}

// tally counts what brokers have.
type tally struct{ replicas, leaders map[int32]int }

func newTally() tally { return tally{make(map[int32]int), make(map[int32]int)} }

// add counts a partition's replicas n times.
func (t tally) add(replicas []int32, n int) {
	for i, id := range replicas {
		t.replicas[id] += n
		if i == 0 {
			t.leaders[id] += n
		}
	}
}

// spreader is a Spread under way.
type spreader struct {
	racks   map[int32]string
	brokers []int32 // in order
	parts   []*spreadPart
	all     tally
	topics  map[uint64]*topicSpread
	order   []*topicSpread // as they first appear
}

// topicSpread are the partitions of one topic.
type topicSpread struct {
	tally
	parts []*spreadPart
}

// spreadPart is one partition.
type spreadPart struct {
	topic    *topicSpread
	want     int
	was      []int32 // before
	replicas []int32
}

// take lets a partition keep what it may: replicas on brokers that may hold some, and not more than are wanted.
func (sp *spreader) take(p *Placement, want int) {
	t := sp.topics[p.Topic]
	if t == nil {
		t = &topicSpread{tally: newTally()}
		sp.topics[p.Topic] = t
		sp.order = append(sp.order, t)
	}
	part := &spreadPart{topic: t, want: want, was: p.Replicas}
	for _, id := range p.Replicas {
		if _, may := sp.racks[id]; may && !slices.Contains(part.replicas, id) {
			part.replicas = append(part.replicas, id)
		}
	}
	sp.count(part, 1)
	t.parts = append(t.parts, part)
	sp.parts = append(sp.parts, part)
}

// count counts a partition n times.
func (sp *spreader) count(p *spreadPart, n int) {
	sp.all.add(p.replicas, n)
	p.topic.add(p.replicas, n)
}

// set gives a partition other replicas.
func (sp *spreader) set(p *spreadPart, replicas []int32) {
	sp.count(p, -1)
	p.replicas = replicas
	sp.count(p, 1)
}

func (sp *spreader) spread() {
	for _, p := range sp.parts {
		for len(p.replicas) > p.want {
			sp.drop(p)
		}
	}
	for _, p := range sp.parts {
		for len(p.replicas) < p.want {
			sp.set(p, append(slices.Clone(p.replicas), sp.best(p, -1)))
		}
	}
	for sp.spreadReplicas() {
	}
	for _, t := range sp.order {
		sp.levelLeaders(t.parts, t.leaders, func(*spreadPart, int32) bool { return true })
	}
	sp.levelLeaders(sp.parts, sp.all.leaders, func(p *spreadPart, to int32) bool {
		return p.topic.leaders[p.replicas[0]] > p.topic.leaders[to]
	})
}

// spreadReplicas moves replicas to where they lie better, and tells whether it moved some: then others may find a place
// that they did not find before. Each move brings the racks, or else the topics, or else the brokers as a whole closer
// to even, and what goes before no further from it, so it ends.
func (sp *spreader) spreadReplicas() (moved bool) {
	for _, p := range sp.parts {
		for sp.parted(p) {
			moved = true
		}
	}
	for _, t := range sp.order {
		for sp.level(t.replicas, func(from, to int32) *spreadPart { return sp.movable(t, from, to) }) {
			moved = true
		}
	}
	for sp.level(sp.all.replicas, sp.movableOfAny) {
		moved = true
	}
	return moved
}

// movableOfAny finds a partition of any topic that is spread as well, or better, when it moves.
func (sp *spreader) movableOfAny(from, to int32) *spreadPart {
	for _, t := range sp.order {
		if t.replicas[from] > t.replicas[to] {
			if p := sp.movable(t, from, to); p != nil {
				return p
			}
		}
	}
	return nil
}

// sharing counts which of the replicas, but for one, share a rack with the broker.
func (sp *spreader) sharing(replicas []int32, without, id int32) (n int) {
	rack := sp.racks[id]
	if rack == "" {
		return 0
	}
	for _, other := range replicas {
		if other != id && other != without && sp.racks[other] == rack {
			n++
		}
	}
	return n
}

// best returns the broker that is to join the replicas of a partition, in the place of one of them or beside all (-1).
func (sp *spreader) best(p *spreadPart, without int32) int32 {
	best := int32(-1)
	for _, id := range sp.brokers {
		if slices.Contains(p.replicas, id) {
			continue
		}
		if best < 0 || cmp.Or(cmp.Compare(sp.sharing(p.replicas, without, id), sp.sharing(p.replicas, without, best)),
			sp.fuller(p, id, best)) < 0 {
			best = id
		}
	}
	return best
}

// fuller compares what two brokers hold: above zero, a holds more.
func (sp *spreader) fuller(p *spreadPart, a, b int32) int {
	return cmp.Or(cmp.Compare(p.topic.replicas[a], p.topic.replicas[b]),
		cmp.Compare(sp.all.replicas[a], sp.all.replicas[b]))
}

// drop takes a replica away: one that shares its rack, else one of the fullest broker; never the preferred leader.
func (sp *spreader) drop(p *spreadPart) {
	out := 1
	for i := 2; i < len(p.replicas); i++ {
		a, b := p.replicas[i], p.replicas[out]
		if cmp.Or(cmp.Compare(sp.sharing(p.replicas, a, a), sp.sharing(p.replicas, b, b)), sp.fuller(p, a, b)) >= 0 {
			out = i
		}
	}
	sp.set(p, slices.Delete(slices.Clone(p.replicas), out, out+1))
}

// parted moves one replica to a rack with fewer of the partition's, if there is one that it can.
func (sp *spreader) parted(p *spreadPart) bool {
	if len(p.replicas) == len(sp.brokers) {
		return false
	}
	for i := len(p.replicas) - 1; i >= 0; i-- {
		id := p.replicas[i]
		if to := sp.best(p, id); sp.sharing(p.replicas, id, to) < sp.sharing(p.replicas, id, id) {
			sp.replace(p, id, to)
			return true
		}
	}
	return false
}

// replace moves one replica of a partition.
func (sp *spreader) replace(p *spreadPart, from, to int32) {
	replicas := slices.Clone(p.replicas)
	replicas[slices.Index(replicas, from)] = to
	sp.set(p, replicas)
}

// level moves a replica from a broker that holds more to one that holds less by two at least, the fullest first, if
// find has a partition for any such two.
func (sp *spreader) level(counts map[int32]int, find func(from, to int32) *spreadPart) bool {
	order := sp.fullest(counts, sp.all.replicas)
	for _, from := range order {
		for _, to := range slices.Backward(order) {
			if counts[from]-counts[to] < 2 {
				break // the next ones hold more
			}
			if p := find(from, to); p != nil {
				sp.replace(p, from, to)
				return true
			}
		}
	}
	return false
}

// fullest returns the brokers by what they have, the most first.
func (sp *spreader) fullest(counts, then map[int32]int) []int32 {
	return slices.SortedFunc(slices.Values(sp.brokers), func(a, b int32) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(then[b], then[a]), cmp.Compare(a, b))
	})
}

// movable finds a partition of the topic that has a replica on from, none on to, and racks that are no worse when it
// moves; the one that costs least: a replica that is not there yet before one that is, a follower before a leader.
func (sp *spreader) movable(t *topicSpread, from, to int32) (best *spreadPart) {
	least := 0
	for _, p := range t.parts {
		i := slices.Index(p.replicas, from)
		if i < 0 || slices.Contains(p.replicas, to) {
			continue
		}
		if sp.sharing(p.replicas, from, to) > sp.sharing(p.replicas, from, from) {
			continue
		}
		cost := 0
		if slices.Contains(p.was, from) {
			cost += 2
		}
		if slices.Contains(p.was, to) {
			cost -= 2
		}
		if i == 0 {
			cost++
		}
		if best == nil || cost < least {
			best, least = p, cost
		}
	}
	return best
}

// levelLeaders has other replicas of the partitions preferred, until no chain of such changes brings the counts closer,
// which is as close as they can be. may tells whether a partition may be led by another one of its replicas.
func (sp *spreader) levelLeaders(parts []*spreadPart, counts map[int32]int, may func(*spreadPart, int32) bool) {
	for sp.levelLeadersOnce(parts, counts, may) {
	}
}

// handover is a partition that another broker could lead.
type handover struct {
	part *spreadPart
	from int32
}

func (sp *spreader) levelLeadersOnce(
	parts []*spreadPart, counts map[int32]int, may func(*spreadPart, int32) bool,
) bool {
	led := make(map[int32][]*spreadPart)
	for _, p := range parts {
		led[p.replicas[0]] = append(led[p.replicas[0]], p)
	}
	for _, start := range sp.fullest(counts, sp.all.leaders) {
		reached := map[int32]handover{start: {}}
		for queue := []int32{start}; len(queue) > 0; queue = queue[1:] {
			from := queue[0]
			if counts[start]-counts[from] >= 2 {
				sp.handOver(reached, start, from)
				return true
			}
			for _, p := range led[from] {
				for _, to := range p.replicas[1:] {
					if _, seen := reached[to]; !seen && may(p, to) {
						reached[to] = handover{p, from}
						queue = append(queue, to)
					}
				}
			}
		}
	}
	return false
}

// handOver makes the changes that lead from start to end.
func (sp *spreader) handOver(reached map[int32]handover, start, end int32) {
	for end != start {
		h := reached[end]
		replicas := slices.Clone(h.part.replicas)
		i := slices.Index(replicas, end)
		replicas[0], replicas[i] = replicas[i], replicas[0]
		sp.set(h.part, replicas)
		end = h.from
	}
}
