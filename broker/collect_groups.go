package broker

import (
	"cmp"
	"slices"

	"github.com/skidway/skidway/group"
)

const (
	// maxGroupSeries bounds the pairs of a group and a topic that have series of their own (I-20): the ones that lag
	// most have.
	maxGroupSeries = 500
	// maxLagLookups bounds the records that one scrape looks at to tell their age.
	maxLagLookups = 10_000
)

// groupLag is how far one group is behind in one topic.
type groupLag struct {
	group, topic string
	records      int64
	ages         []lagging
}

// lagging is a partition and the first offset in it that is not committed.
type lagging struct {
	partition *partition
	offset    int64
}

// collectGroups gives what the consumer groups are doing.
func (c *collector) collectGroups(gauge, counter sendFunc) {
	states := make(map[group.State]int)
	members := 0
	co := c.b.groups
	rebalances := co.rebalances()
	var lags []*groupLag
	for _, h := range co.all() {
		h.mu.Lock()
		states[h.doing()]++
		members += h.size()
		lags = append(lags, c.b.lagOf(h)...)
		h.mu.Unlock()
	}
	for s := group.Empty; s <= group.Stable; s++ {
		gauge(c.groups, float64(states[s]), s.String())
	}
	gauge(c.groupMembers, float64(members))
	for reason := group.MemberJoined; int(reason) < group.NumReasons; reason++ {
		counter(c.groupRebalances, float64(rebalances[reason]), reason.String())
	}
	slices.SortFunc(lags, func(x, y *groupLag) int {
		return cmp.Or(cmp.Compare(y.records, x.records), cmp.Compare(x.group, y.group), cmp.Compare(x.topic, y.topic))
	})
	lookups := 0
	for _, l := range lags[:min(len(lags), maxGroupSeries)] {
		gauge(c.groupLagRecords, float64(l.records), l.group, l.topic)
		if lookups += len(l.ages); lookups <= maxLagLookups {
			gauge(c.groupLagSeconds, c.b.oldest(l.ages), l.group, l.topic)
		}
	}
}

// rebalances counts the changes of all groups, by reason.
func (c *coordinator) rebalances() (sum [group.NumReasons]uint64) {
	c.mu.Lock()
	sum = c.retired
	c.mu.Unlock()
	for _, h := range c.all() {
		h.mu.Lock()
		for reason, n := range h.rebalances() {
			sum[reason] += n
		}
		h.mu.Unlock()
	}
	return sum
}

// rebalances counts the changes since the group was read, by reason. Called with mu held.
func (h *hostedGroup) rebalances() (sum [group.NumReasons]uint64) {
	sum = h.state.Rebalances()
	for reason, n := range h.classic.Rebalances() {
		sum[reason] += n
	}
	return sum
}

// lagOf tells how far a group is behind in each topic of which it has committed offsets. Called with h.mu held.
func (b *Broker) lagOf(h *hostedGroup) (lags []*groupLag) {
	var last *groupLag
	var of *topic
	for at, o := range h.book.All() {
		if of == nil || of.id != at.Topic {
			if of = b.topics.id(at.Topic); of == nil {
				continue
			}
			last = &groupLag{group: h.id, topic: of.name}
			lags = append(lags, last)
		}
		p := of.partition(at.Index)
		if p == nil {
			continue
		}
		log := p.log.Load()
		if log == nil { // nobody has touched it since the start, and it is opened before long
			continue
		}
		start, end := log.Bounds()
		if next := max(o.Offset, start); next < end {
			last.records += end - next
			last.ages = append(last.ages, lagging{p, next})
		}
	}
	return lags
}

// oldest is the age of the oldest of the records, in seconds.
func (b *Broker) oldest(list []lagging) float64 {
	now := b.clock.now()
	var age int64
	for _, l := range list {
		found, ok, err := l.partition.log.Load().TimestampAt(l.offset)
		if err != nil {
			_ = b.logError(l.partition, err) // notes damage
		} else if ok {
			age = max(age, now-found.Timestamp)
		}
	}
	return float64(age) / 1000
}
