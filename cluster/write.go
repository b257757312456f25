package cluster

import (
	"context"
	"errors"

	"github.com/skidway/skidway/internal/failpoint"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// Write carries out a leader's replication.WriteState: it sets the partition's state if it has the version, this
// broker's registration is still the one of epoch, and each follower that the checks name is registered with that
// epoch and does not drain. It waits for the outcome until ctx ends.
func (m *Member) Write(ctx context.Context, id PartitionID, epoch int32, w replication.WriteState) replication.Outcome {
	m.mu.Lock()
	s := m.session
	m.mu.Unlock()
	own, there := m.view.broker(m.opts.Self.Broker)
	if s == nil || !there || own.Epoch != epoch {
		return replication.OutcomeFenced
	}
	ops := []metadata.Op{
		metadata.Check(epochPath(own.Member.Broker), epoch),
		metadata.Check(registrationPath(own.Member.Broker), own.version),
	}
	ownChecks := len(ops)
	for _, c := range w.Checks {
		f, there := m.view.broker(c.Broker)
		if !there || f.Epoch != c.BrokerEpoch || f.Draining {
			return replication.OutcomeCheckFailed
		}
		ops = append(ops, metadata.Check(epochPath(c.Broker), c.BrokerEpoch),
			metadata.Check(registrationPath(c.Broker), f.version))
	}
	ops = append(ops, metadata.Set(id.path(), replication.EncodeState(w.State), w.Version))
	failpoint.Hit(failpoint.BeforeISR)
	err := s.Multi(ctx, ops...)
	var failed *metadata.MultiError
	switch {
	case err == nil:
		m.view.setPartition(id, &Partition{w.State, w.Version + 1})
		return replication.OutcomeOK
	case errors.As(err, &failed) && failed.Index == len(ops)-1:
		return replication.OutcomeBadVersion
	case errors.As(err, &failed) && failed.Index >= ownChecks:
		return replication.OutcomeCheckFailed
	case failed != nil && failed.Index == 1 && errors.Is(err, metadata.ErrBadVersion):
		// Only that it drains was noted meanwhile: the registration stands, and the next attempt knows its version.
		return replication.OutcomeUnknown
	case failed != nil, errors.Is(err, metadata.ErrSessionEnded):
		return replication.OutcomeFenced
	}
	return replication.OutcomeUnknown
}

// Read returns the partition's state as the store has it now, whichever of its servers is behind, and takes it into the
// view; false: the store has none.
func (m *Member) Read(ctx context.Context, id PartitionID) (Partition, bool, error) {
	m.mu.Lock()
	s := m.session
	m.mu.Unlock()
	if s == nil {
		return Partition{}, false, metadata.ErrSessionEnded
	}
	if err := s.Sync(ctx); err != nil {
		return Partition{}, false, err
	}
	node, err := s.Get(ctx, id.path())
	if errors.Is(err, metadata.ErrNoNode) {
		m.view.setPartition(id, nil)
		return Partition{}, false, nil
	}
	if err != nil {
		return Partition{}, false, err
	}
	state, err := replication.DecodeState(node.Data)
	if err != nil {
		return Partition{}, false, err
	}
	p := Partition{state, node.Version}
	m.view.setPartition(id, &p)
	return p, true, nil
}
