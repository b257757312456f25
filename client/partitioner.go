package client

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/skidway/skidway/wire"
)

// Partitioner chooses the partition of a record: KeyHash, RoundRobin, Sticky, Manual or a Func.
type Partitioner interface {
	// choose returns the partition of a record among n >= 1; asked is Record.Partition. The result may lie outside
	// [0, n), which fails the record.
	choose(topic string, key []byte, asked, n int32, s *spread) int32
}

// Scheme is one of the partitioners that need no function of the user's.
type Scheme int8

// The partitioners.
const (
	// KeyHash puts records of one key into one partition, the same as Kafka's clients do (murmur2); records without a
	// key go as Sticky's.
	KeyHash Scheme = iota
	// RoundRobin puts each record into the next partition of its topic.
	RoundRobin
	// Sticky fills a batch of one partition, then goes on with another one, chosen at random.
	Sticky
	// Manual takes Record.Partition.
	Manual
)

// Func chooses the partition of a record by a function of the user's: n is the number of the topic's partitions, at
// least 1. It is called on the goroutine that sends and must be safe for concurrent use. A result outside [0, n)
// fails the record with ErrUnknownPartition.
type Func func(topic string, key []byte, n int32) int32

func (f Func) choose(topic string, key []byte, _, n int32, _ *spread) int32 { return f(topic, key, n) }

func (s Scheme) choose(_ string, key []byte, asked, n int32, state *spread) int32 {
	switch s {
	case Manual:
		return asked
	case RoundRobin:
		return state.next(n)
	case KeyHash:
		if key != nil {
			return wire.KeyPartition(key, n)
		}
	}
	return state.stick(n)
}

// spread is what a partitioner remembers about a topic. Safe for concurrent use.
type spread struct {
	turn atomic.Uint32
	held atomic.Int32 // the partition that sticky records go to, plus 1; 0: none yet
}

// next returns the partitions in turn.
func (s *spread) next(n int32) int32 { return int32((s.turn.Add(1) - 1) % uint32(n)) }

// stick returns the partition that sticky records go to.
func (s *spread) stick(n int32) int32 {
	held := s.held.Load()
	if held == 0 || held > n {
		fresh := rand.Int32N(n) + 1
		if !s.held.CompareAndSwap(held, fresh) {
			return s.stick(n)
		}
		held = fresh
	}
	return held - 1
}

// full tells that a batch of a partition is complete: sticky records go elsewhere from now on.
func (s *spread) full(partition, n int32) {
	if n < 2 {
		return
	}
	other := rand.Int32N(n - 1)
	if other >= partition {
		other++
	}
	s.held.CompareAndSwap(partition+1, other+1)
}
