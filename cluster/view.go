package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// PartitionID names a partition.
type PartitionID struct {
	Topic uint64
	Index int32
}

func (p PartitionID) compare(o PartitionID) int {
	return cmp.Or(cmp.Compare(p.Topic, o.Topic), cmp.Compare(p.Index, o.Index))
}

// Partition is the state of a partition as it was read.
type Partition struct {
	State   replication.State
	Version int32
}

// News is what changed since it was asked for last.
type News struct {
	// Epoch is the broker's epoch; Fenced: it has none now. Where it is another than before, all that
	// was done under the former one is over, even if no Fenced was seen in between.
	Epoch      int32
	Topics     bool // some topic was made, changed or is being deleted
	Brokers    bool
	Partitions []PartitionID // read anew, or gone, in order
	// Suspect tells that the metadata store was not heard of for long: the registration may be over already.
	Suspect bool
	// Refusals are to be told to other brokers.
	Refusals []replication.ReportRefusal
}

// Fenced is the epoch of a broker without a registration.
const Fenced int32 = -1

// view is what the metadata store was last seen to hold. Its methods are safe for concurrent use.
type view struct {
	ready chan struct{} // holds a token when there may be news

	mu         sync.RWMutex // guards what follows
	loaded     bool         // all was read once
	brokers    map[int32]Registration
	controller *Controller // nil: there is none
	topics     map[string]topicNode
	partitions map[uint64]map[int32]Partition // by topic
	orders     orders
	epoch      int32 // the broker's own
	suspect    bool
	news       News
	changed    map[PartitionID]struct{}
	tally      Tally
	self       replication.Member
}

type topicNode struct {
	metadata.Topic
	version int32
}

func newView(self replication.Member) *view {
	return &view{
		ready: make(chan struct{}, 1), epoch: Fenced, brokers: make(map[int32]Registration),
		topics: make(map[string]topicNode), partitions: make(map[uint64]map[int32]Partition),
		changed: make(map[PartitionID]struct{}), orders: make(orders), self: self,
	}
}

// tell lets the reader of the news have a look. Called with mu held.
func (v *view) tell() {
	select {
	case v.ready <- struct{}{}:
	default:
	}
}

// take returns the news.
func (v *view) take() News {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.news
	n.Epoch, n.Suspect = v.epoch, v.suspect
	n.Partitions = slices.SortedFunc(maps.Keys(v.changed), PartitionID.compare)
	v.news = News{}
	clear(v.changed)
	return n
}

func (v *view) setEpoch(epoch int32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.epoch, v.suspect = epoch, false
	v.tell()
}

func (v *view) registered() bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.epoch != Fenced
}

func (v *view) setSuspect(suspect bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.suspect = suspect
	v.tell()
}

func (v *view) addRefusal(r replication.ReportRefusal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.news.Refusals = append(v.news.Refusals, r)
	v.tell()
}

// setLoaded notes that all was read: before, what is missing may only not have been read yet.
func (v *view) setLoaded() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.loaded = true
	v.news.Topics, v.news.Brokers = true, true
	v.tell()
}

func (v *view) setBroker(id int32, r *Registration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r == nil {
		delete(v.brokers, id)
	} else {
		v.brokers[id] = *r
	}
	v.news.Brokers = true
	v.tell()
}

func (v *view) setController(c *Controller) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.controller = c
	v.news.Brokers = true
	v.tell()
}

func (v *view) setTopic(name string, t *topicNode) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t == nil {
		delete(v.topics, name)
	} else {
		v.topics[name] = *t
	}
	v.news.Topics = true
	v.tell()
}

// setPartition takes over a state, nil for none, unless a newer one is known.
func (v *view) setPartition(id PartitionID, p *Partition) {
	v.mu.Lock()
	defer v.mu.Unlock()
	parts := v.partitions[id.Topic]
	known, there := parts[id.Index]
	switch {
	case p == nil && !there, p != nil && there && known.Version >= p.Version:
		return
	case there:
		v.tally.count(&known.State, v.self, -1)
	}
	switch {
	case p == nil:
		delete(parts, id.Index)
		if len(parts) == 0 {
			delete(v.partitions, id.Topic)
		}
	default:
		if parts == nil {
			parts = make(map[int32]Partition)
			v.partitions[id.Topic] = parts
		}
		parts[id.Index] = *p
		v.tally.count(&p.State, v.self, 1)
	}
	v.changed[id] = struct{}{}
	v.tell()
}

// prune forgets what is below path and not among the names: what went while the broker had no session.
func (v *view) prune(path string, names []string) {
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	gone := func(name string) bool { return !there[name] }
	switch path {
	case registrationsPath:
		before := len(v.brokers)
		maps.DeleteFunc(v.brokers, func(id int32, _ Registration) bool { return gone(strconv.Itoa(int(id))) })
		v.news.Brokers = v.news.Brokers || len(v.brokers) < before
	case metadata.TopicsPath:
		before := len(v.topics)
		maps.DeleteFunc(v.topics, func(name string, _ topicNode) bool { return gone(name) })
		v.news.Topics = v.news.Topics || len(v.topics) < before
	case partitionsPath:
		for topic, parts := range v.partitions {
			if gone(strconv.FormatUint(topic, 10)) {
				v.forget(topic, parts, func(int32) bool { return true })
			}
		}
	default:
		topic, err := strconv.ParseUint(strings.TrimPrefix(path, partitionsPath+"/"), 10, 64)
		if err == nil {
			v.forget(topic, v.partitions[topic], func(index int32) bool { return gone(strconv.Itoa(int(index))) })
		}
	}
	v.tell()
}

// forget takes partitions of a topic out. Called with mu held.
func (v *view) forget(topic uint64, parts map[int32]Partition, gone func(int32) bool) {
	for index, p := range parts {
		if gone(index) {
			v.tally.count(&p.State, v.self, -1)
			delete(parts, index)
			v.changed[PartitionID{topic, index}] = struct{}{}
		}
	}
	if len(parts) == 0 {
		delete(v.partitions, topic)
	}
}

func (v *view) partition(id PartitionID) (Partition, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	p, ok := v.partitions[id.Topic][id.Index]
	return p, ok
}

func (v *view) topicByID(id uint64) (topicNode, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, t := range v.topics {
		if t.ID == id {
			return t, true
		}
	}
	return topicNode{}, false
}

func (v *view) broker(id int32) (Registration, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	r, ok := v.brokers[id]
	return r, ok
}

// members are the registered brokers as a plan takes them, in no order.
func (v *view) members() []replication.Broker {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.membersLocked()
}

// membersLocked is members with mu held.
func (v *view) membersLocked() []replication.Broker {
	list := make([]replication.Broker, 0, len(v.brokers))
	for _, r := range v.brokers {
		list = append(list, replication.Broker{Member: r.Member, Epoch: r.Epoch, Draining: r.Draining, Rack: r.Rack})
	}
	return list
}

// snapshot is all that a plan depends on. Defaults are the settings of topics that have none of their own.
func (v *view) snapshot(defaults metadata.Settings) replication.Snapshot {
	v.mu.RLock()
	defer v.mu.RUnlock()
	s := replication.Snapshot{Brokers: v.membersLocked()}
	for _, t := range v.topics {
		minISR := defaults.InSyncOf(t.Replicas)
		if own, err := metadata.ResolveSettings(defaults, t.Settings); err == nil {
			minISR = own.InSyncOf(t.Replicas)
		}
		s.Topics = append(s.Topics, replication.Topic{
			ID: t.ID, Partitions: t.Partitions, Replicas: t.Replicas, MinISR: minISR, Deleting: t.Deleting,
		})
	}
	for topic, parts := range v.partitions {
		for index, p := range parts {
			part := replication.Partition{Topic: topic, Index: index, State: p.State, Version: p.Version}
			v.orders.of(&part)
			s.Partitions = append(s.Partitions, part)
		}
	}
	v.orders.about(&s)
	return s
}
