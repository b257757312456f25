package cluster

import (
	"context"
	"errors"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// registration is what the broker says of itself in an epoch.
func (m *Member) registration(epoch int32) Registration {
	return Registration{
		Member: m.opts.Self, Epoch: epoch, Client: m.opts.Client, Peer: m.opts.Peer, Rack: m.opts.Rack,
		Kafka: m.opts.Kafka,
	}
}

// readRegistration reads what the store holds about this broker: a RegistrationRead, or nil, and the core asks again.
func (m *Member) readRegistration(ctx context.Context, s metadata.Session) any {
	read := replication.RegistrationRead{Session: s.ID(), Version: -1}
	err := m.tryReadRegistration(ctx, s, &read)
	if err != nil {
		if ctx.Err() == nil {
			m.log.Warn("the broker's registration cannot be read; it is tried again", "error", err)
		}
		return nil
	}
	return read
}

func (m *Member) tryReadRegistration(
	ctx context.Context, s metadata.Session, read *replication.RegistrationRead,
) error {
	if err := errors.Join(s.Sync(ctx), Bootstrap(ctx, s)); err != nil {
		return err
	}
	node, err := s.Get(ctx, epochPath(m.opts.Self.Broker))
	switch {
	case err == nil:
		claim, err := decodeClaim(node)
		if err != nil {
			return err
		}
		read.Version, read.Storage, read.StoreEpoch = node.Version, claim.StorageID, claim.Epoch
	case !errors.Is(err, metadata.ErrNoNode):
		return err
	}
	node, err = s.Get(ctx, registrationPath(m.opts.Self.Broker))
	switch {
	case err == nil:
		r, err := decodeRegistration(node)
		if err != nil {
			return err
		}
		m.view.setBroker(r.Member.Broker, &r)
		read.Node = &replication.RegistrationNode{
			Owner: node.Session, Version: node.Version, Storage: r.Member.Storage, BrokerEpoch: r.Epoch,
		}
	case !errors.Is(err, metadata.ErrNoNode):
		return err
	}
	return nil
}

// register carries out a Register.
func (m *Member) register(ctx context.Context, s metadata.Session, e replication.Register) replication.Outcome {
	id := m.opts.Self.Broker
	claim := encodeClaim(kv.Claim{StorageID: e.Storage, Epoch: e.BrokerEpoch})
	own := m.registration(e.BrokerEpoch)
	own.session = s.ID()
	var ops []metadata.Op
	if e.Stale >= 0 {
		ops = append(ops, metadata.Delete(registrationPath(id), e.Stale))
	}
	if e.Version < 0 {
		ops = append(ops, metadata.Create(epochPath(id), claim))
	} else {
		ops = append(ops, metadata.Set(epochPath(id), claim, e.Version))
	}
	ops = append(ops, metadata.CreateEphemeral(registrationPath(id), own.encode()))
	outcome := outcomeOf(s.Multi(ctx, ops...))
	if outcome == replication.OutcomeOK {
		m.view.setBroker(id, &own)
	}
	return outcome
}

// outcomeOf is what a multi without checks of its own came to.
func outcomeOf(err error) replication.Outcome {
	switch {
	case err == nil:
		return replication.OutcomeOK
	case refused(err):
		return replication.OutcomeBadVersion
	case errors.Is(err, metadata.ErrSessionEnded):
		return replication.OutcomeFenced
	}
	return replication.OutcomeUnknown
}

// refused tells whether a multi failed because something is not as it was expected: nothing was changed.
func refused(err error) bool {
	var me *metadata.MultiError
	return errors.As(err, &me)
}
