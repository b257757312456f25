package group

import (
	"cmp"
	"iter"
	"slices"
)

// Partition is one partition of a topic, by the topic's id.
type Partition struct {
	Topic uint64
	Index int32
}

// Compare orders partitions by topic id, then index.
func (p Partition) Compare(q Partition) int {
	return cmp.Or(cmp.Compare(p.Topic, q.Topic), cmp.Compare(p.Index, q.Index))
}

// TopicPartitions are some partitions of one topic.
type TopicPartitions struct {
	Topic      uint64
	Partitions []int32
}

// Assignment is a set of partitions, by topic. Those that this package returns are
// sorted by topic id and index; those that it is given need not be.
type Assignment []TopicPartitions

// All yields the partitions in the order in which they stand.
func (a Assignment) All() iter.Seq[Partition] {
	return func(yield func(Partition) bool) {
		for _, t := range a {
			for _, index := range t.Partitions {
				if !yield(Partition{t.Topic, index}) {
					return
				}
			}
		}
	}
}

// Count is the number of partitions.
func (a Assignment) Count() (n int) {
	for _, t := range a {
		n += len(t.Partitions)
	}
	return n
}

// sorted returns the partitions in order, each once.
func (a Assignment) sorted() []Partition {
	list := slices.AppendSeq(make([]Partition, 0, a.Count()), a.All())
	slices.SortFunc(list, Partition.Compare)
	return slices.Compact(list)
}

// assignmentOf groups partitions that are in order. It never returns nil: nil means "not said".
func assignmentOf(list []Partition) Assignment {
	a := Assignment{}
	for _, p := range list {
		if n := len(a); n == 0 || a[n-1].Topic != p.Topic {
			a = append(a, TopicPartitions{Topic: p.Topic})
		}
		last := &a[len(a)-1]
		last.Partitions = append(last.Partitions, p.Index)
	}
	return a
}

func contains(list []Partition, p Partition) bool {
	_, found := slices.BinarySearchFunc(list, p, Partition.Compare)
	return found
}
