package group

import (
	"cmp"
	"slices"
)

// Topic is what a group needs to know of a topic.
type Topic struct {
	Name       string
	ID         uint64 // never reused: a topic made again under the same name is another one
	Partitions int32
}

// Topics is the cluster's topics at one moment. It never changes, and is shared by
// all groups; it is safe for concurrent use. A topic that is being deleted is not in it.
type Topics struct {
	list []Topic // by name
	ids  map[uint64]int32
}

// NewTopics makes a view of the topics, which have different names and ids. The slice is not kept.
func NewTopics(list []Topic) *Topics {
	t := &Topics{list: slices.Clone(list), ids: make(map[uint64]int32, len(list))}
	slices.SortFunc(t.list, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	for i, topic := range t.list {
		t.ids[topic.ID] = int32(i)
	}
	return t
}

// ByName returns the topic of that name.
func (t *Topics) ByName(name string) (Topic, bool) {
	i, found := slices.BinarySearchFunc(t.list, name, func(a Topic, name string) int { return cmp.Compare(a.Name, name) })
	if !found {
		return Topic{}, false
	}
	return t.list[i], true
}

// ByID returns the topic of that id.
func (t *Topics) ByID(id uint64) (Topic, bool) {
	i, found := t.ids[id]
	if !found {
		return Topic{}, false
	}
	return t.list[i], true
}

// Len is the number of topics.
func (t *Topics) Len() int { return len(t.list) }
