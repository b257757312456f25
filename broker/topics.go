package broker

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/record"
)

// topic is one topic as the data path sees it. id and name never change; the rest is replaced whole.
type topic struct {
	id   uint64
	name string

	// state is the description and the settings in force.
	state atomic.Pointer[topicState]
	// parts are the partitions; a longer slice takes its place when some are added, with the same elements in front.
	parts atomic.Pointer[[]*partition]
	// gone is set, once, when the topic is deleted: requests under way then say so.
	gone atomic.Bool

	counters counters
}

// topicState is immutable.
type topicState struct {
	meta     metadata.Topic
	settings metadata.Settings
}

// partition is one partition of a topic.
type partition struct {
	topic *topic
	index int32

	// log is nil until the first touch; then it stays.
	log atomic.Pointer[partitionlog.Log]
	mu  sync.Mutex // held while the log is opened
	// damaged is set when a read met damage, for the topic's health. It stays until restart.
	damaged atomic.Bool
}

// key is the partition's name in the store.
func (p *partition) key() kv.Partition { return kv.Partition{Topic: p.topic.id, Index: p.index} }

// id is the partition's name in a cluster.
func (p *partition) id() cluster.PartitionID {
	return cluster.PartitionID{Topic: p.topic.id, Index: p.index}
}

// partition finds a partition by its number; nil when there is none.
func (t *topic) partition(index int32) *partition {
	parts := *t.parts.Load()
	if index < 0 || int(index) >= len(parts) {
		return nil
	}
	return parts[index]
}

// partitions lists all partitions; not to be changed.
func (t *topic) partitions() []*partition { return *t.parts.Load() }

// settings are those in force now.
func (t *topic) settings() *metadata.Settings { return &t.state.Load().settings }

// update takes over a new description. Only called with Broker.adminMu held, or before the broker serves.
func (t *topic) update(meta metadata.Topic, settings metadata.Settings) {
	t.state.Store(&topicState{meta: meta, settings: settings})
	var old []*partition
	if p := t.parts.Load(); p != nil {
		old = *p
	}
	if int(meta.Partitions) <= len(old) {
		return
	}
	fresh := make([]partition, int(meta.Partitions)-len(old))
	parts := make([]*partition, meta.Partitions)
	copy(parts, old)
	for i := range fresh {
		fresh[i].topic, fresh[i].index = t, int32(len(old)+i)
		parts[len(old)+i] = &fresh[i]
	}
	t.parts.Store(&parts)
}

// maxUncompressed bounds what a compressed batch may unpack to, for a topic whose batches are at most batch bytes
// (I-12).
func maxUncompressed(batch int) int {
	return min(max(16*batch, 16<<20), record.DefaultMaxUncompressedBytes)
}

// limits are what a client's batch must keep to at the time now.
func limits(s *metadata.Settings, now int64) record.Limits {
	l := record.Limits{
		MaxBatchBytes:        s.MaxBatchBytes,
		MaxUncompressedBytes: maxUncompressed(s.MaxBatchBytes),
	}
	if s.Timestamps == record.LogAppendTime {
		return l
	}
	if s.TimestampBeforeMax > 0 {
		l.NotBefore = max(now-s.TimestampBeforeMax.Milliseconds(), 1)
	}
	if s.TimestampAfterMax > 0 {
		l.NotAfter = now + int64(s.TimestampAfterMax/time.Millisecond)
	}
	return l
}

// topicSet holds the topics that clients see, by name and by id. A lookup is one read lock and one map access; it
// allocates nothing. Changes are made by holders of Broker.adminMu. Safe for concurrent use.
type topicSet struct {
	mu         sync.RWMutex // guards what follows; nothing is called under it
	byName     map[string]*topic
	byID       map[uint64]*topic
	partitions int
}

func newTopicSet() *topicSet {
	return &topicSet{byName: make(map[string]*topic), byID: make(map[uint64]*topic)}
}

// id finds a topic; nil when there is none.
func (s *topicSet) id(id uint64) *topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[id]
}

// name finds a topic; nil when there is none.
func (s *topicSet) name(name string) *topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byName[name]
}

// put adds a topic or takes over its new description.
func (s *topicSet) put(meta metadata.Topic, settings metadata.Settings) *topic {
	s.mu.RLock()
	t := s.byID[meta.ID]
	s.mu.RUnlock()
	before := 0
	if t == nil {
		t = &topic{id: meta.ID, name: meta.Name}
	} else {
		before = len(t.partitions())
	}
	t.update(meta, settings)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[t.id], s.byName[t.name] = t, t
	s.partitions += len(t.partitions()) - before
	return t
}

// remove takes a topic out; requests that hold it see that it is gone.
func (s *topicSet) remove(name string) *topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byName[name]
	if t == nil {
		return nil
	}
	t.gone.Store(true)
	delete(s.byName, name)
	delete(s.byID, t.id)
	s.partitions -= len(t.partitions())
	return t
}

// all lists the topics in no order.
func (s *topicSet) all() []*topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]*topic, 0, len(s.byName))
	for _, t := range s.byName {
		list = append(list, t)
	}
	return list
}

// count is the number of topics and of their partitions.
func (s *topicSet) count() (topics, partitions int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.byName), s.partitions
}
