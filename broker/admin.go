package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skidway/skidway/metadata"
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

// purge deletes the data of topics whose deletion was begun, and then frees their names. It may be repeated. Called
// with adminMu held.
func (b *Broker) purge(ctx context.Context, topics []metadata.Topic) error {
	for _, t := range topics {
		receipt := b.logs.Drop(t.ID)
		select {
		case <-receipt.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := receipt.Err(); err != nil {
			return fmt.Errorf("deleting the records of topic %q: %w", t.Name, err)
		}
	}
	return metadata.FinishDeletes(ctx, b.meta, topics)
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
	topics, err := metadata.ListTopics(ctx, b.meta)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, metadata.ErrClosed) {
			b.log.Warn("looking for unfinished deletions failed; it is tried again", "error", err)
		}
		return
	}
	var left []metadata.Topic
	for _, t := range topics {
		if t.Deleting {
			left = append(left, t)
		}
	}
	if len(left) == 0 {
		return
	}
	if err := b.purge(ctx, left); err != nil {
		b.log.Warn("deleting topics failed; it is tried again", "topics", len(left), "error", err)
		return
	}
	b.log.Info("finished the deletion of topics", "topics", len(left))
}
