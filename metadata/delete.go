package metadata

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// DeleteTopics takes the first step of deletion: for each topic, one multi writes
// its tombstone and marks it as being deleted. It returns a result for each name, in
// order; Topic.Deleting is then set. The caller deletes the data of Topic.ID and
// calls FinishDeletes. A topic that is being deleted already gives the same result
// again. Errors: ErrUnknownTopic, ErrUnknown, ErrContention, and the Store's. Now is
// in ms since 1970.
func DeleteTopics(ctx context.Context, s Store, names []string, now int64) []TopicResult {
	results := make([]TopicResult, len(names))
	for start := 0; start < len(names); start += maxDeletions {
		end := min(start+maxDeletions, len(names))
		markChunk(ctx, s, names[start:end], results[start:end], now)
	}
	return results
}

// Topics handled by one multi: each takes two operations.
const maxDeletions = 200

// markChunk marks the topics of one multi.
func markChunk(ctx context.Context, s Store, names []string, results []TopicResult, now int64) {
	var marked []int
	for range maxAttempts {
		var ops []Op
		if ops, marked = markOps(ctx, s, names, results, now); len(ops) == 0 {
			return
		}
		err := multiInPieces(ctx, s, ops, 2)
		if err == nil {
			return
		}
		if !lostRace(err) {
			failMarked(results, marked, fmt.Errorf("delete topics: %w", err))
			return
		}
	}
	failMarked(results, marked, fmt.Errorf("delete topics: %w", ErrContention))
}

// markOps reads each topic, fills its result as if the multi were done, and returns
// the multi, with the indexes of the topics that it marks.
func markOps(ctx context.Context, s Store, names []string, results []TopicResult, now int64) (ops []Op, marked []int) {
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		t, version, err := readTopic(ctx, s, name)
		if err != nil {
			results[i] = TopicResult{Topic: Topic{Name: name}, Err: err}
			continue
		}
		if !t.Deleting && !seen[name] {
			t.Deleting = true
			tombstone := encodeTombstone(Tombstone{ID: t.ID, Name: t.Name, Deleted: now})
			ops = append(ops, Create(tombstonePath(t.ID), tombstone), Set(topicPath(name), EncodeTopic(t), version))
			marked = append(marked, i)
		}
		seen[name] = true
		t.Deleting = true
		results[i] = TopicResult{Topic: t}
	}
	return ops, marked
}

func failMarked(results []TopicResult, marked []int, err error) {
	for _, i := range marked {
		results[i] = TopicResult{Topic: Topic{Name: results[i].Topic.Name}, Err: err}
	}
}

// multiInPieces applies the operations in multis that keep within the bounds of one;
// group consecutive operations stay together.
func multiInPieces(ctx context.Context, s Store, ops []Op, group int) error {
	start, size := 0, 0
	for i := 0; i < len(ops); i += group {
		groupSize := 0
		for _, op := range ops[i : i+group] {
			groupSize += op.size()
		}
		if i > start && (i+group-start > MaxMultiOps || size+groupSize > MaxMultiBytes) {
			if err := s.Multi(ctx, ops[start:i]...); err != nil {
				return err
			}
			start, size = i, 0
		}
		size += groupSize
	}
	return s.Multi(ctx, ops[start:]...)
}

// FinishDeletes takes the last step of deletion, once the data of the topics is
// deleted durably: it removes their nodes, which frees their names. The topics must
// have Deleting set, as DeleteTopics and ListTopics return them. The tombstones stay,
// for brokers that are away, until PurgeTombstones. A topic that is gone already is
// no error, nor one that was made again under the name since: it is left alone.
func FinishDeletes(ctx context.Context, s Store, topics []Topic) error {
	for start := 0; start < len(topics); start += maxDeletions {
		if err := finishChunk(ctx, s, topics[start:min(start+maxDeletions, len(topics))]); err != nil {
			return fmt.Errorf("finish deletion of topics: %w", err)
		}
	}
	return nil
}

func finishChunk(ctx context.Context, s Store, topics []Topic) error {
	for range maxAttempts {
		var ops []Op
		for _, t := range topics {
			if !t.Deleting {
				panic(fmt.Sprintf("metadata: finishing the deletion of topic %q (id %d), which is not deleted", t.Name, t.ID))
			}
			found, version, err := readTopic(ctx, s, t.Name)
			if errors.Is(err, ErrUnknownTopic) || err == nil && found.ID != t.ID {
				continue
			}
			if err != nil {
				return err
			}
			// The tombstone is checked in the same multi: without it nothing is removed (M20).
			ops = append(ops, Check(tombstonePath(t.ID), AnyVersion), Delete(topicPath(t.Name), version))
		}
		if len(ops) == 0 {
			return nil
		}
		err := multiInPieces(ctx, s, ops, 2)
		if err == nil || !lostRace(err) {
			return err
		}
		if err := tombstonesGone(err); err != nil {
			return err
		}
	}
	return ErrContention
}

// tombstonesGone returns err if what failed is the check of a tombstone, which no retry mends.
func tombstonesGone(err error) error {
	var me *MultiError
	if errors.As(err, &me) && me.Op.Kind == OpCheck {
		return fmt.Errorf("%w: a topic is being deleted without a tombstone: %w", ErrCorrupt, err)
	}
	return nil
}

// DeletedIDs returns the ids of the topics that have a tombstone, in no particular
// order, by one read.
func DeletedIDs(ctx context.Context, s Store) ([]uint64, error) {
	children, err := s.Children(ctx, deletedPath)
	if err != nil {
		return nil, fmt.Errorf("list tombstones: %w", err)
	}
	ids := make([]uint64, len(children))
	for i, child := range children {
		if ids[i], err = strconv.ParseUint(child, 10, 64); err != nil {
			return nil, fmt.Errorf("list tombstones: %w: %s/%s", ErrCorrupt, deletedPath, clip(child))
		}
	}
	return ids, nil
}

// ListTombstones returns all tombstones, in no particular order.
func ListTombstones(ctx context.Context, s Store) ([]Tombstone, error) {
	ids, err := DeletedIDs(ctx, s)
	if err != nil {
		return nil, err
	}
	tombstones := make([]Tombstone, 0, len(ids))
	for _, id := range ids {
		node, err := s.Get(ctx, tombstonePath(id))
		if errors.Is(err, ErrNoNode) {
			continue // removed since
		}
		if err != nil {
			return nil, fmt.Errorf("list tombstones: %w", err)
		}
		ts, err := decodeTombstone(id, node.Data)
		if err != nil {
			return nil, err
		}
		tombstones = append(tombstones, ts)
	}
	return tombstones, nil
}

// PurgeTombstones removes the tombstones that were written before the time given, in
// ms since 1970, and whose topics' nodes are gone, and returns how many.
func PurgeTombstones(ctx context.Context, s Store, before int64) (int, error) {
	tombstones, err := ListTombstones(ctx, s)
	if err != nil {
		return 0, err
	}
	var ops []Op
	for _, ts := range tombstones {
		if ts.Deleted >= before {
			continue
		}
		t, err := GetTopic(ctx, s, ts.Name)
		if err != nil && !errors.Is(err, ErrUnknownTopic) {
			return 0, fmt.Errorf("purge tombstones: %w", err)
		}
		if err == nil && t.ID == ts.ID {
			continue // its deletion is not finished
		}
		ops = append(ops, Delete(tombstonePath(ts.ID), AnyVersion))
	}
	if len(ops) == 0 {
		return 0, nil
	}
	if err := multiInPieces(ctx, s, ops, 1); err != nil && !errors.Is(err, ErrNoNode) {
		return 0, fmt.Errorf("purge tombstones: %w", err)
	}
	return len(ops), nil
}
