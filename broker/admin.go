package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/wire"
)

// What the requests that change topics have in common. They are carried out one at a time (adminMu), each in the
// metadata first and then, when that is durable, in the set of topics that clients see.

// loadTopics takes over the topics that the metadata holds, at start. Those whose deletion was begun are not shown.
func (b *Broker) loadTopics(ctx context.Context) error {
	topics, err := metadata.ListTopics(ctx, b.meta)
	if err != nil {
		return fmt.Errorf("broker: reading the topics: %w", err)
	}
	for _, meta := range topics {
		if meta.Deleting {
			continue
		}
		if err := b.show(meta); err != nil {
			return fmt.Errorf("broker: topic %q: %w", meta.Name, err)
		}
	}
	return nil
}

// show makes a topic, or its changed description, visible to clients.
func (b *Broker) show(meta metadata.Topic) error {
	settings, err := metadata.ResolveSettings(b.defaults, meta.Settings)
	if err != nil {
		return err
	}
	b.topics.put(meta, settings)
	if b.groups != nil { // the broker serves
		b.groups.topics.note()
	}
	return nil
}

// hide takes a topic from clients' sight. Called with adminMu held.
func (b *Broker) hide(t *topic) {
	b.topics.remove(t.name)
	b.retired.in.Add(t.counters.recordsIn.Load())
	b.retired.out.Add(t.counters.recordsOut.Load())
	b.groups.topics.note()
}

// adminStore is where a change goes: nowhere when it is only to be checked.
func (b *Broker) adminStore(validateOnly bool) metadata.Store {
	if validateOnly {
		return metadata.DryRun(b.meta)
	}
	return b.meta
}

// beginAdmin takes adminMu. The caller gives it back.
func (b *Broker) beginAdmin() error {
	if b.isDraining() {
		return wire.Errorf(wire.CodeShuttingDown, "the broker is stopping")
	}
	b.adminMu.Lock()
	return nil
}

// roomForPartitions is how many partitions may still be made.
func (b *Broker) roomForPartitions() int64 {
	_, partitions := b.topics.count()
	return int64(b.cfg.Limits.Partitions - partitions)
}

// topicResult is the answer about one topic.
func topicResult(name string, meta metadata.Topic, err error) wire.TopicResult {
	if err != nil {
		return wire.TopicResult{Name: name, Error: wireError(err)}
	}
	return wire.TopicResult{Name: name, ID: meta.ID, Partitions: meta.Partitions, Replicas: meta.Replicas}
}

// settingMap is a list of settings as a map; a name that comes twice is refused.
func settingMap(list []wire.Setting) (map[string]string, error) {
	m := make(map[string]string, len(list))
	for _, s := range list {
		if _, twice := m[s.Name]; twice {
			return nil, wire.Errorf(wire.CodeInvalidSetting, "setting %q is given twice", s.Name)
		}
		m[s.Name] = s.Value
	}
	return m, nil
}

// purge deletes this broker's records of topics whose tombstones are written: of those that it has not deleted in this
// process' life yet, for ids are never used again. It may be repeated. Called with adminMu held.
func (b *Broker) purge(ctx context.Context, ids []uint64) error {
	receipts := make([]partitionlog.Receipt, len(ids)) // queued together, they share an fsync
	for i, id := range ids {
		if t := b.topics.id(id); t != nil {
			b.hide(t)
		}
		if b.replicas != nil {
			b.replicas.forget(id)
		}
		receipts[i] = b.logs.Drop(id)
	}
	for i, receipt := range receipts {
		select {
		case <-receipt.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := receipt.Err(); err != nil {
			return fmt.Errorf("deleting the records of the topic with id %d: %w", ids[i], err)
		}
		b.deleted.add(ids[i])
	}
	return nil
}

// finishDeletions goes on with the deletions that a crash or an error has interrupted, and removes old tombstones.
func (b *Broker) finishDeletions(ctx context.Context) {
	b.finishDeletionsOnce(ctx)
	tombstones := time.Now()
	b.every(ctx, deletionsEvery, func() {
		b.finishDeletionsOnce(ctx)
		if time.Since(tombstones) < tombstonesEvery {
			return
		}
		tombstones = time.Now()
		if _, err := metadata.PurgeTombstones(ctx, b.meta, b.clock.now()-tombstoneAge.Milliseconds()); err != nil {
			b.log.Warn("removing old tombstones failed; it is tried again", "error", err)
		}
	})
}

func (b *Broker) finishDeletionsOnce(ctx context.Context) {
	b.adminMu.Lock()
	defer b.adminMu.Unlock()
	finish := b.finishTopics
	if b.member != nil {
		finish = b.purgeDeleted
	}
	n, err := finish(ctx)
	switch {
	case errors.Is(err, metadata.ErrClosed):
	case err != nil && ctx.Err() == nil:
		b.log.Warn("deleting topics failed; it is tried again", "error", err)
	case err == nil && n > 0:
		b.log.Info("finished the deletion of topics", "topics", n)
	}
}

// finishTopics takes the last steps of all deletions that a broker which stands alone has begun.
func (b *Broker) finishTopics(ctx context.Context) (int, error) {
	topics, err := metadata.ListTopics(ctx, b.meta)
	if err != nil {
		return 0, fmt.Errorf("looking for unfinished deletions: %w", err)
	}
	topics = slices.DeleteFunc(topics, func(t metadata.Topic) bool { return !t.Deleting })
	return len(topics), b.deleteMarked(ctx, topics)
}

// purgeDeleted deletes what this broker has of topics that were deleted from the cluster while it was away, or faster
// than it looked: their tombstones tell (R6).
func (b *Broker) purgeDeleted(ctx context.Context) (int, error) {
	ids, err := metadata.DeletedIDs(ctx, b.meta)
	if err != nil {
		return 0, fmt.Errorf("looking for deleted topics: %w", err)
	}
	ids = slices.DeleteFunc(ids, b.deleted.has)
	return len(ids), b.purge(ctx, ids)
}

// deleteMarked deletes the records of topics whose deletion was begun. A broker that stands alone then frees their
// names; in a cluster the controller does, once it has removed their partitions. Called with adminMu held.
func (b *Broker) deleteMarked(ctx context.Context, topics []metadata.Topic) error {
	ids := make([]uint64, len(topics))
	for i, t := range topics {
		ids[i] = t.ID
	}
	if err := b.purge(ctx, ids); err != nil || b.member != nil {
		return err
	}
	return metadata.FinishDeletes(ctx, b.meta, topics)
}
