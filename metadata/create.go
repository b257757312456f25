package metadata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
)

// NewTopic says what topic is to be made.
type NewTopic struct {
	Name       string
	Partitions int32 // 1 to MaxPartitions; the caller has put its default for "none given"
	Replicas   int32 // at least 1, likewise
	Settings   map[string]string
}

// CreateOptions says when and within what bounds topics are made.
type CreateOptions struct {
	Now int64 // ms since 1970: becomes Topic.Created
	// MaxPartitions is how many partitions may be added by this call, over all its
	// topics: the broker's limit less what it has.
	MaxPartitions int64
}

// TopicResult is what became of one topic of a call that concerns many.
type TopicResult struct {
	Topic Topic // as it is now; if Err is set, only Name means something
	Err   error
}

// CreateTopics makes the topics, as many as fit into one multi at a time, and
// returns a result for each, in order. Errors: ErrInvalidName, ErrInvalidPartitions,
// ErrInvalidReplicas, *UnknownSettingError, ErrInvalidSetting, ErrUnsupported,
// ErrLimit, ErrTopicExists, ErrTopicDeleting; ErrUnknown if the outcome is not known;
// ErrContention or the Store's errors. A faulty topic does not hinder the others.
// Each partition of a topic is part of its one node, so a topic is made by one
// write, whatever the number of its partitions.
func CreateTopics(ctx context.Context, s Store, specs []NewTopic, o CreateOptions) []TopicResult {
	results := make([]TopicResult, len(specs))
	seen := make(map[string]bool, len(specs))
	budget := o.MaxPartitions
	var chunk []*creation
	chunkBytes := 0
	flush := func() {
		if len(chunk) > 0 {
			createChunk(ctx, s, chunk)
		}
		chunk, chunkBytes = nil, 0
	}
	for i, spec := range specs {
		results[i].Topic.Name = spec.Name
		err := spec.validate()
		switch {
		case err != nil:
		case seen[spec.Name]:
			err = fmt.Errorf("topic %q is named twice: %w", spec.Name, ErrTopicExists)
		case int64(spec.Partitions) > budget:
			err = fmt.Errorf("topic %q: %w: %d partitions asked for, %d more are possible",
				spec.Name, ErrLimit, spec.Partitions, max(budget, 0))
		}
		if err != nil {
			results[i].Err = err
			continue
		}
		seen[spec.Name] = true
		budget -= int64(spec.Partitions)
		c := &creation{spec: spec, now: o.Now, result: &results[i]}
		size := Create(topicPath(spec.Name), EncodeTopic(c.topic(math.MaxUint64))).size()
		if len(chunk)+1 > maxCreations || chunkBytes+size > maxCreationBytes {
			flush()
		}
		chunk, chunkBytes = append(chunk, c), chunkBytes+size
	}
	flush()
	return results
}

// One multi of creations also rewrites the counter of ids, whose fields a newer version may have added to.
const (
	maxCreations     = MaxMultiOps - 1
	maxCreationBytes = MaxMultiBytes - 16<<10
)

// validate checks all that can be told without the store.
func (n NewTopic) validate() error {
	if err := ValidateTopicName(n.Name); err != nil {
		return err
	}
	if err := checkPartitions(n.Name, n.Partitions); err != nil {
		return err
	}
	if n.Replicas < 1 {
		return fmt.Errorf("topic %q: %w: %d, at least 1 is needed", n.Name, ErrInvalidReplicas, n.Replicas)
	}
	if _, err := ResolveSettings(DefaultSettings(), n.Settings); err != nil {
		return fmt.Errorf("topic %q: %w", n.Name, err)
	}
	return nil
}

func checkPartitions(name string, n int32) error {
	if n < 1 || n > MaxPartitions {
		return fmt.Errorf("topic %q: %w: %d, it must be from 1 to %d", name, ErrInvalidPartitions, n, MaxPartitions)
	}
	return nil
}

// creation is one topic on its way through createChunk.
type creation struct {
	spec   NewTopic
	now    int64
	result *TopicResult
	done   bool
	tried  Topic // what the last multi would have made; ID 0: none was sent
}

func (c *creation) topic(id uint64) Topic {
	return Topic{
		ID: id, Name: c.spec.Name, Partitions: c.spec.Partitions, Replicas: c.spec.Replicas,
		Created: c.now, Settings: maps.Clone(c.spec.Settings),
	}
}

func (c *creation) finish(t Topic, err error) {
	c.done = true
	if err == nil {
		c.result.Topic = t
	}
	c.result.Err = err
}

// createChunk makes the topics of one multi. It is guarded by the version of the
// counter of topic ids, which every creation changes: so between the reads below and
// the multi no other topic was made, and the names read are all the names there are.
func createChunk(ctx context.Context, s Store, chunk []*creation) {
	for range maxAttempts {
		left := pending(chunk)
		if len(left) == 0 {
			return
		}
		err := tryCreate(ctx, s, left)
		if err == nil || lostRace(err) {
			continue
		}
		if errors.Is(err, ErrUnknown) {
			err = resolveCreations(ctx, s, left, err)
		}
		finishAll(pending(left), fmt.Errorf("create topics: %w", err))
		return
	}
	finishAll(pending(chunk), fmt.Errorf("create topics: %w", ErrContention))
}

func pending(chunk []*creation) (left []*creation) {
	for _, c := range chunk {
		if !c.done {
			left = append(left, c)
		}
	}
	return left
}

func finishAll(chunk []*creation, err error) {
	for _, c := range chunk {
		c.finish(Topic{}, err)
	}
}

// tryCreate settles those that exist or collide, and makes the others with one multi.
func tryCreate(ctx context.Context, s Store, left []*creation) error {
	ids, err := readCounter(ctx, s, topicIDsPath)
	if err != nil {
		return err
	}
	if err := settleExisting(ctx, s, left); err != nil {
		return err
	}
	if left = pending(left); len(left) == 0 {
		return nil
	}
	if ids.next > math.MaxUint64-uint64(len(left)) {
		return ErrExhausted
	}
	ops := make([]Op, 1, 1+len(left))
	for _, c := range left {
		c.tried = c.topic(ids.next)
		ids.next++
		ops = append(ops, Create(topicPath(c.spec.Name), EncodeTopic(c.tried)))
	}
	ops[0] = Set(topicIDsPath, encodeCounter(ids), ids.version)
	if err := s.Multi(ctx, ops...); err != nil {
		return err
	}
	for _, c := range left {
		c.finish(c.tried, nil)
	}
	return nil
}

// settleExisting finishes those whose name is taken or collides with a name that is,
// or with one that comes before it in the same call.
func settleExisting(ctx context.Context, s Store, left []*creation) error {
	taken, err := takenNames(ctx, s, left)
	if err != nil {
		return err
	}
	for _, c := range left {
		name := c.spec.Name
		t, err := GetTopic(ctx, s, name)
		switch {
		case errors.Is(err, ErrUnknownTopic):
		case err != nil:
			c.finish(Topic{}, err)
			continue
		case t.Deleting:
			c.finish(Topic{}, fmt.Errorf("topic %q: %w", name, ErrTopicDeleting))
			continue
		default:
			c.finish(Topic{}, fmt.Errorf("topic %q: %w", name, ErrTopicExists))
			continue
		}
		if !canCollide(name) {
			continue
		}
		if other := taken[foldName(name)]; other != "" && other != name {
			c.finish(Topic{}, collision(name, other))
			continue
		}
		taken[foldName(name)] = name
	}
	return nil
}

// takenNames returns, for the folded name of each that can collide, the topic that has it, or "".
func takenNames(ctx context.Context, s Store, left []*creation) (map[string]string, error) {
	taken := make(map[string]string)
	for _, c := range left {
		if canCollide(c.spec.Name) {
			taken[foldName(c.spec.Name)] = ""
		}
	}
	if len(taken) == 0 {
		return taken, nil
	}
	names, err := s.Children(ctx, TopicsPath)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	for _, name := range names {
		folded := foldName(name)
		if _, wanted := taken[folded]; wanted {
			taken[folded] = name
		}
	}
	return taken, nil
}

// resolveCreations reads again after a multi whose outcome is unknown. A topic that
// is there exactly as it was to be made counts as made. One that is absent may still
// come, so its outcome stays unknown. It returns the error of those left.
func resolveCreations(ctx context.Context, s Store, left []*creation, unknown error) error {
	for _, c := range left {
		node, err := s.Get(ctx, topicPath(c.spec.Name))
		if err == nil && c.tried.ID != 0 && bytes.Equal(node.Data, EncodeTopic(c.tried)) {
			c.finish(c.tried, nil)
		}
	}
	return unknown
}
