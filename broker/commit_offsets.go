package broker

import (
	"context"
	"time"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/wire"
)

// commit_offsets stores how far a group has come, each partition for itself. It is answered when that is durable: what
// was acknowledged is what the next fetch_offsets answers, also after a crash. Commits that arrive while a write is
// under way ride on the next; for each partition the one that arrived last counts, not the highest. Whether a member
// may commit is decided when its commit joins a write: E121, E124 and E125 are definite. E105 says that the outcome is
// unknown; then fetch_offsets tells.
//
// A consumer outside the group (no member id, member epoch -1) may commit while the group has no members; the first
// such commit creates the group.
//
// Not done: rights.
func (b *Broker) commitOffsets(
	ctx context.Context, req *wire.CommitOffsetsRequest,
) (*wire.CommitOffsetsResponse, error) {
	return b.commitAs(ctx, req, nil)
}

// commitAs commits for a member that speaks Kafka's protocol, of whichever kind; nil: for whom the request names.
func (b *Broker) commitAs(
	ctx context.Context, req *wire.CommitOffsetsRequest, sender *group.Sender,
) (*wire.CommitOffsetsResponse, error) {
	begun := time.Now()
	missing := refuseMissing
	if req.MemberID == "" && sender == nil || sender != nil && sender.Generation < 0 {
		missing = createMissing
	}
	h, err := b.groups.enter(ctx, req.Group, missing)
	if err != nil {
		if e := wireError(err); e.Code == wire.CodeUnknownGroup {
			err = wire.Errorf(wire.CodeUnknownMember, "no member %q: there is no group %q", req.MemberID, req.Group)
		}
		b.met.committed(wireError(err), 1, begun)
		return nil, err
	}
	if sender != nil && sender.Generation < 0 && h.state.Size() == 0 && h.classic.Vacant() {
		// Who assigns itself its partitions names a member or an instance all the same, and is outside the group.
		sender, req.MemberID, req.MemberEpoch = nil, "", group.EpochNone
	}
	if sender != nil && h.state.Size() > 0 { // the broker assigns: it is no generation, but an epoch
		req.MemberEpoch, sender = sender.Generation, nil
	}
	if sender != nil {
		if err := h.classic.CheckCommit(begun, *sender); err != nil {
			h.leave()
			b.met.committed(wireError(err), 1, begun)
			return nil, err
		}
	}
	resp := &wire.CommitOffsetsResponse{Topics: make([]wire.CommitTopicResult, len(req.Topics))}
	now, taken := b.clock.now(), 0
	check := req
	if sender != nil {
		check = nil
	}
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.ID, out.Partitions = in.ID, make([]wire.CommitResult, len(in.Partitions))
		for j := range in.Partitions {
			p := &in.Partitions[j]
			out.Partitions[j] = wire.CommitResult{Index: p.Index, Error: h.commit(check, in.ID, p, now)}
			if out.Partitions[j].Error == nil {
				taken++
			}
		}
	}
	var w *groupWrite
	if taken > 0 {
		w = h.gathered()
	}
	h.leave()
	failed := wireError(await(ctx, w))
	if taken > 0 {
		b.met.committed(failed, taken, begun)
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			if p.Error == nil {
				p.Error = failed
			} else {
				b.met.committed(p.Error, 1, begun)
			}
		}
	}
	return resp, nil
}

// commit checks one commit and adds it to the next write; whether who sent the request may commit is checked already if
// that is nil. Called with h.mu held.
func (h *hostedGroup) commit(req *wire.CommitOffsetsRequest, topic uint64, in *wire.CommitPartition,
	now int64) *wire.Error {
	t := h.c.b.topics.id(topic)
	switch {
	case t == nil:
		return unknownTopicID(topic)
	case t.partition(in.Index) == nil:
		return unknownPartition(t, in.Index)
	}
	at := group.Partition{Topic: topic, Index: in.Index}
	if err := h.mayCommit(req, at); err != nil {
		return wireError(err)
	}
	return wireError(h.gathered().fold.Commit(at, group.Offset{
		Offset: in.Offset, LeaderEpoch: in.LeaderEpoch, Metadata: in.Metadata, Time: now,
	}))
}

// mayCommit tells whether who sent the request may commit for the partition. Called with h.mu held.
func (h *hostedGroup) mayCommit(req *wire.CommitOffsetsRequest, at group.Partition) error {
	switch {
	case req == nil:
		return nil
	case req.MemberID == "" && req.MemberEpoch == group.EpochNone:
		if err := h.classic.CheckCommit(time.Now(), group.Sender{Generation: -1}); err != nil {
			return err
		}
	}
	return h.state.CheckCommit(req.MemberID, req.MemberEpoch, at)
}
