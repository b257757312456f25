package cluster

import (
	"slices"

	"github.com/skidway/skidway/replication"
)

// Tally counts partitions as the metadata store was last seen to have them. It is kept up to date by each change, so
// that asking costs the same with any number of partitions.
type Tally struct {
	Leaders   int // that this broker leads
	Followers int // that it holds a copy of, and does not lead
	// Behind are those of its copies that are not in sync.
	Behind int
	// UnderReplicated are those that it leads and that have fewer replicas in sync than they are to have.
	UnderReplicated int
	// Offline have no leader, and Moving are being reassigned, in the whole cluster.
	Offline, Moving int
}

// Tally may be called at any time.
func (m *Member) Tally() Tally {
	m.view.mu.RLock()
	defer m.view.mu.RUnlock()
	return m.view.tally
}

// count takes a partition in, by 1, or out, by -1.
func (t *Tally) count(s *replication.State, self replication.Member, by int) {
	switch {
	case s.Leader == self.Broker:
		t.Leaders += by
		if s.UnderReplicated() {
			t.UnderReplicated += by
		}
	case slices.Contains(s.Replicas, self.Broker):
		t.Followers += by
		if !slices.Contains(s.ISR, self) {
			t.Behind += by
		}
	}
	if s.Leader == replication.NoLeader {
		t.Offline += by
	}
	if len(s.Adding)+len(s.Removing) > 0 {
		t.Moving += by
	}
}
