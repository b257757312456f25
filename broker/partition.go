package broker

import (
	"strconv"
	"sync"

	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/wire"
)

// openLog gives the partition's log, opening it at the first touch. Its retention is decided before anyone sees it, so
// that no reader is served what had expired while the broker was down.
//
// In a cluster it is given to nobody but the clients of the partition's leader: the error is a *wire.Error, E107.
func (b *Broker) openLog(p *partition) (*partitionlog.Log, error) {
	if b.replicas != nil && !b.replicas.leads(p.id()) {
		return nil, b.replicas.notLeader(p.id())
	}
	if log := p.log.Load(); log != nil {
		return log, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if log := p.log.Load(); log != nil {
		return log, nil
	}
	if p.topic.gone.Load() {
		return nil, partitionlog.ErrDeleted
	}
	log, err := b.logs.Log(p.key())
	if err != nil {
		return nil, err
	}
	if err := b.retain(p, log, b.clock.now()); err != nil {
		// Damage at one place must not keep the rest of the partition from being served.
		if e := b.logError(p, err); e.Code != wire.CodeDamaged {
			return nil, err
		}
	}
	p.log.Store(log)
	b.opened.add(p)
	return log, nil
}

// localLog gives the log of this broker's copy of the partition, whether it leads it or not; nil: it has none.
func (b *Broker) localLog(p *partition) (*partitionlog.Log, error) {
	if b.replicas == nil {
		return b.openLog(p)
	}
	if r := b.replicas.replica(p.id()); r != nil {
		return r.log, nil
	}
	return nil, nil
}

// openedSet lists the partitions whose logs are open, for the ticker. Safe for concurrent use.
type openedSet struct {
	mu   sync.Mutex // guards list
	list []*partition
}

func (s *openedSet) add(p *partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, p)
}

// snapshot is the list as it is now, without the partitions of deleted topics. It stays valid: the list only grows in
// place or is replaced.
func (s *openedSet) snapshot() []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := 0
	for _, p := range s.list {
		if p.topic.gone.Load() {
			gone++
		}
	}
	if gone > 0 {
		kept := make([]*partition, 0, len(s.list)-gone)
		for _, p := range s.list {
			if !p.topic.gone.Load() {
				kept = append(kept, p)
			}
		}
		s.list = kept
	}
	return s.list[:len(s.list):len(s.list)]
}

// partitionName is how messages name a partition.
func partitionName(p *partition) string {
	return `topic "` + p.topic.name + `" partition ` + strconv.Itoa(int(p.index))
}

// lookup finds a partition by its topic's id and opens its log.
func (b *Broker) lookup(topicID uint64, index int32) (*partition, *partitionlog.Log, *wire.Error) {
	t := b.topics.id(topicID)
	if t == nil {
		return nil, nil, unknownTopicID(topicID)
	}
	p := t.partition(index)
	if p == nil {
		return nil, nil, unknownPartition(t, index)
	}
	log, err := b.openLog(p)
	if err != nil {
		return p, nil, b.logError(p, err)
	}
	return p, log, nil
}
