package group

import "fmt"

// EpochNone is the member epoch of a consumer that is not in the group (a simple consumer); its member id is empty.
const EpochNone int32 = -1

// CheckCommit tells whether a commit for a partition may be written. It is called at the moment at which the
// commit joins the fold that is written next; the version check of the group's node does the rest.
//
// A member may commit what it holds, under each epoch that it had since it was given the partition (KIP-1251), so
// that a rebalance does not stop commits of what it keeps; and, under its newest epoch, what the group does not
// consume. A simple consumer, with no member id and EpochNone, may commit while the group has no members.
//
// Errors: ErrUnknownMember, ErrFencedMember, ErrStaleMemberEpoch, ErrGroupDead.
func (g *Group) CheckCommit(memberID string, epoch int32, at Partition) error {
	m, err := g.sender(memberID, epoch)
	if err != nil || m == nil {
		return g.refuse(memberID, err)
	}
	var ps partition
	if parts := g.parts[at.Topic]; at.Index >= 0 && int(at.Index) < len(parts) {
		ps = parts[at.Index]
	}
	switch {
	case ps.holder == m && epoch >= ps.epoch:
		return nil
	case ps.holder == nil && ps.target == nil && epoch == m.epoch:
		return nil
	case ps.holder != m && ps.holder != nil:
		err = fmt.Errorf("%w: partition %d of topic id %d is with member %q", ErrStaleMemberEpoch,
			at.Index, at.Topic, ps.holder.id)
	case ps.holder == nil && ps.target != nil:
		err = fmt.Errorf("%w: partition %d of topic id %d is for member %q", ErrStaleMemberEpoch,
			at.Index, at.Topic, ps.target.id)
	default:
		err = fmt.Errorf("%w: it is %d, the group has %d", ErrStaleMemberEpoch, epoch, m.epoch)
	}
	return g.refuse(memberID, err)
}

// CheckMember tells whether the member, or a simple consumer, may be answered what only a member of that epoch is
// to know, such as the committed offsets. Errors: as those of CheckCommit.
func (g *Group) CheckMember(memberID string, epoch int32) error {
	m, err := g.sender(memberID, epoch)
	if err == nil && m != nil && epoch != m.epoch {
		err = fmt.Errorf("%w: it is %d, the group has %d", ErrStaleMemberEpoch, epoch, m.epoch)
	}
	return g.refuse(memberID, err)
}

func (g *Group) refuse(memberID string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("group %q, member %q: %w", g.identity.ID, clip(memberID), err)
}

// sender finds the member; none, without error, is a simple consumer that may go on.
func (g *Group) sender(memberID string, epoch int32) (*member, error) {
	m := g.members[memberID]
	switch {
	case g.dead:
		return nil, ErrGroupDead
	case memberID == "" && epoch == EpochNone && len(g.members) == 0:
		return nil, nil
	case memberID == "" && epoch == EpochNone:
		return nil, fmt.Errorf("%w: a consumer outside the group can commit only while it is empty", ErrUnknownMember)
	case m == nil:
		return nil, ErrUnknownMember
	case m.away:
		return nil, fmt.Errorf("%w: it left for a while", ErrStaleMemberEpoch)
	case epoch > m.epoch:
		return nil, fmt.Errorf("%w: it is at epoch %d, the group has it at %d", ErrFencedMember, epoch, m.epoch)
	}
	return m, nil
}
