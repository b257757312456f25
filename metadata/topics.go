package metadata

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// GetTopic returns the topic of that name, also one that is being deleted. The error
// wraps ErrUnknownTopic if there is none; no name makes it look elsewhere than among topics.
func GetTopic(ctx context.Context, s Store, name string) (Topic, error) {
	t, _, err := readTopic(ctx, s, name)
	return t, err
}

// readTopic also returns the version of the topic's node.
func readTopic(ctx context.Context, s Store, name string) (Topic, int32, error) {
	unknown := func() (Topic, int32, error) { return Topic{}, 0, fmt.Errorf("%w %q", ErrUnknownTopic, clip(name)) }
	if strings.Contains(name, "/") || CheckPath(topicPath(name)) != nil {
		return unknown()
	}
	node, err := s.Get(ctx, topicPath(name))
	switch {
	case errors.Is(err, ErrNoNode):
		return unknown()
	case err != nil:
		return Topic{}, 0, fmt.Errorf("read topic %q: %w", clip(name), err)
	}
	t, err := DecodeTopic(name, node.Data)
	return t, node.Version, err
}

// ListTopics returns all topics sorted by name, also those that are being deleted.
func ListTopics(ctx context.Context, s Store) ([]Topic, error) {
	names, err := s.Children(ctx, TopicsPath)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	topics := make([]Topic, 0, len(names))
	for _, name := range names {
		t, err := GetTopic(ctx, s, name)
		switch {
		case errors.Is(err, ErrUnknownTopic): // removed since
		case err != nil:
			return nil, fmt.Errorf("list topics: %w", err)
		default:
			topics = append(topics, t)
		}
	}
	return topics, nil
}

// TopicChange says how a topic's own settings are to change. A setting that is both
// set and unset is set.
type TopicChange struct {
	Set   map[string]string // the topic's own values from now on
	Unset []string          // to follow the broker's from now on; not having them is no error
}

// AlterTopic changes the topic's own settings in one write and returns the topic as
// it is then. If any name or value is faulty nothing is changed. Errors:
// ErrUnknownTopic, ErrTopicDeleting, *UnknownSettingError, ErrInvalidSetting,
// ErrUnsupported, ErrContention, and the Store's.
func AlterTopic(ctx context.Context, s Store, name string, change TopicChange) (Topic, error) {
	var faults []error
	if _, err := ResolveSettings(DefaultSettings(), change.Set); err != nil {
		faults = append(faults, err)
	}
	for _, n := range change.Unset {
		if _, ok := findSetting(n); !ok {
			faults = append(faults, &UnknownSettingError{Name: clip(n), Suggestion: Suggest(n, SettingNames())})
		}
	}
	if len(faults) > 0 {
		return Topic{}, fmt.Errorf("topic %q: %w", clip(name), errors.Join(faults...))
	}
	return updateTopic(ctx, s, name, func(t *Topic) error {
		for _, n := range change.Unset {
			delete(t.Settings, n)
		}
		for n, v := range change.Set {
			if t.Settings == nil {
				t.Settings = make(map[string]string, len(change.Set))
			}
			t.Settings[n] = v
		}
		return nil
	})
}

// AddPartitions gives the topic total partitions, of which most maxNew may be new
// (the broker's limit less what it has), and returns the topic as it is then. A topic
// never gets fewer; as many as it has is no error. Errors: ErrUnknownTopic,
// ErrTopicDeleting, ErrInvalidPartitions, ErrLimit, ErrContention, and the Store's.
func AddPartitions(ctx context.Context, s Store, name string, total int32, maxNew int64) (Topic, error) {
	return updateTopic(ctx, s, name, func(t *Topic) error {
		if err := checkPartitions(t.Name, total); err != nil {
			return err
		}
		if total < t.Partitions {
			return fmt.Errorf("topic %q: %w: %d, it has %d and never gets fewer",
				t.Name, ErrInvalidPartitions, total, t.Partitions)
		}
		if added := int64(total - t.Partitions); added > 0 && added > maxNew {
			return fmt.Errorf("topic %q: %w: %d more partitions asked for, %d more are possible",
				t.Name, ErrLimit, added, max(maxNew, 0))
		}
		t.Partitions = total
		return nil
	})
}

// updateTopic reads the topic, changes it and writes it back if nobody else did.
// Fields that a newer version added stay as they are (G30).
func updateTopic(ctx context.Context, s Store, name string, change func(*Topic) error) (Topic, error) {
	for range maxAttempts {
		t, version, err := readTopic(ctx, s, name)
		if err != nil {
			return Topic{}, err
		}
		if t.Deleting {
			return Topic{}, fmt.Errorf("topic %q: %w", t.Name, ErrTopicDeleting)
		}
		before := string(EncodeTopic(t))
		if err := change(&t); err != nil {
			return Topic{}, err
		}
		data := EncodeTopic(t)
		if string(data) == before {
			return t, nil
		}
		err = s.Multi(ctx, Set(topicPath(name), data, version))
		if err == nil {
			return t, nil
		}
		if !lostRace(err) {
			return Topic{}, fmt.Errorf("change topic %q: %w", t.Name, err)
		}
	}
	return Topic{}, fmt.Errorf("change topic %q: %w", clip(name), ErrContention)
}
