package client

import (
	"context"
	"errors"
	"slices"

	"github.com/skidway/skidway/wire"
)

// Offset is how far a group is in a partition.
type Offset struct {
	Topic       string
	Partition   int32
	Offset      int64  // of the next record to be processed
	LeaderEpoch int32  // of the record before it; -1: not known
	Metadata    string // the program's own; at most 512 bytes of UTF-8
}

// CommitOffsets commits offsets for a consumer that is outside the group, and waits until they are durable, no longer
// than Options.RequestTimeout. It is refused while the group has members (ErrUnknownMember). The error joins one
// *Error for each partition that failed; a commit whose outcome is unknown may be repeated.
func (c *Client) CommitOffsets(ctx context.Context, group string, offsets ...Offset) error {
	err := c.commitOutside(ctx, group, offsets)
	if errors.Is(err, ErrUnknownTopic) { // what was known of it may be out of date
		for _, o := range offsets {
			c.meta.forget(o.Topic)
		}
		err = c.commitOutside(ctx, group, offsets)
	}
	return err
}

func (c *Client) commitOutside(ctx context.Context, group string, offsets []Offset) error {
	list := make([]pendingCommit, len(offsets))
	for i, o := range offsets {
		ids, err := c.partitionIDs(ctx, o.Topic, []int32{o.Partition})
		if err != nil {
			return err
		}
		list[i] = pendingCommit{Offset: o, id: ids[0]}
	}
	outside := member{epoch: epochNone}
	return (&commitRun{k: newCoordinator(c, c.links, group),
		who:  func() member { return outside },
		lost: func(*pendingCommit) *Error { return nil },
		settled: func(_ *pendingCommit, e *Error, _ member) bool {
			return e != nil && mayRepeat(e)
		}}).run(ctx, list)
}

// FetchOffsets returns what a group has committed for partitions of a topic, all if none are named, in ascending
// order; those without a committed offset are left out. It asks whether or not the group has members.
func (c *Client) FetchOffsets(ctx context.Context, group, topic string, partitions ...int32) ([]Offset, error) {
	return fetchOffsets(ctx, newCoordinator(c, c.links, group), topic, partitions)
}

// partitionIDs returns the ids of partitions of a topic, all if none are named, in ascending order.
func (c *Client) partitionIDs(ctx context.Context, topic string, partitions []int32) ([]partitionID, error) {
	info, err := c.meta.topic(ctx, topic)
	if err == nil && len(partitions) > 0 && slices.Max(partitions) >= info.count() {
		info, err = c.meta.fresh(ctx, topic) // they may have been added
	}
	if err != nil {
		return nil, err
	}
	var ids []partitionID
	for _, p := range info.indexes(partitions) {
		if p < 0 || p >= info.count() {
			return nil, newError(wire.CodeUnknownPartition, where{topic: topic, partition: p},
				"the topic has %d partitions", info.count())
		}
		ids = append(ids, partitionID{info.id, p})
	}
	slices.SortFunc(ids, partitionID.compare)
	return ids, nil
}

func fetchOffsets(ctx context.Context, k *coordinator, topic string, partitions []int32) ([]Offset, error) {
	ctx, cancel := context.WithTimeout(ctx, k.c.opts.RequestTimeout)
	defer cancel()
	k.c.meta.forget(topic) // a topic that was made again has other offsets
	ids, err := k.c.partitionIDs(ctx, topic, partitions)
	if err != nil {
		return nil, err
	}
	found, err := insist(ctx, k.c, wire.APIFetchOffsets, mayRepeat, func(ctx context.Context) ([]committedOffset, *Error) {
		found, fault := k.offsets(ctx, member{epoch: epochNone}, ids)
		if fault != nil && fault.Code == wire.CodeUnknownGroup { // it begins with its first commit
			return nil, nil
		}
		for i := range found {
			if fault == nil {
				fault = found[i].why
			}
		}
		return found, fault
	})
	if err != nil {
		return nil, err
	}
	return offsetsOf(topic, ids, found), nil
}

func offsetsOf(topic string, ids []partitionID, found []committedOffset) []Offset {
	var out []Offset
	for i, o := range found {
		if o.offset >= 0 {
			out = append(out, Offset{Topic: topic, Partition: ids[i].index, Offset: o.offset,
				LeaderEpoch: o.leaderEpoch, Metadata: o.metadata})
		}
	}
	return out
}

// pendingCommit is an offset to be committed.
type pendingCommit struct {
	Offset
	id    partitionID
	claim *claim // nil: of a consumer outside the group
	maybe bool   // an earlier try may have been carried out
}

// failure is the error that the program gets: a refusal does not undo what an earlier try may have done.
func (p *pendingCommit) failure(e *Error) error {
	if p.maybe {
		return unknownOf(e)
	}
	return e
}

// mayRepeat tells whether a question or a commit may be sent again: the same once more does no harm.
func mayRepeat(e *Error) bool { return e.Retriable() || e.Outcome == OutcomeUnknown }

// commitRun has offsets committed, and repeats what may be repeated.
type commitRun struct {
	k       *coordinator
	who     func() member
	lost    func(*pendingCommit) *Error                              // why it must not be sent; nil: it may
	settled func(p *pendingCommit, e *Error, as member) (again bool) // e is nil for success
}

// run takes no longer than RequestTimeout. The error joins those of partitions.
func (r *commitRun) run(ctx context.Context, list []pendingCommit) error {
	ctx, cancel := context.WithTimeout(ctx, r.k.c.opts.RequestTimeout)
	defer cancel()
	slices.SortStableFunc(list, func(a, b pendingCommit) int { return a.id.compare(b.id) })
	var errs []error
	for pauses := r.k.c.opts.pauses(); ; {
		list = slices.DeleteFunc(list, func(p pendingCommit) bool {
			e := r.lost(&p)
			if e != nil {
				errs = append(errs, p.failure(e))
			}
			return e != nil
		})
		if len(list) == 0 {
			return errors.Join(errs...)
		}
		as := r.who()
		var again []pendingCommit
		var whys []*Error
		for i, e := range r.k.commit(ctx, as, list) {
			p := list[i]
			switch repeat := r.settled(&p, e, as); {
			case repeat:
				p.maybe = p.maybe || e.Outcome == OutcomeUnknown
				again, whys = append(again, p), append(whys, e)
			case e != nil:
				errs = append(errs, p.failure(e))
			}
		}
		list = again
		if len(list) == 0 || !sleep(ctx, pauses.NextBackOff()) {
			for i, e := range whys {
				errs = append(errs, list[i].failure(e))
			}
			return errors.Join(errs...)
		}
		r.k.c.opts.Hooks.retry(wire.APICommitOffsets, whys[0])
	}
}
