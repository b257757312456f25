package metadata_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/metadata"
)

var roomy = metadata.CreateOptions{Now: 1234, MaxPartitions: 1_000_000}

func spec(name string) metadata.NewTopic {
	return metadata.NewTopic{Name: name, Partitions: 1, Replicas: 1}
}

func create(t *testing.T, s metadata.Store, name string) metadata.Topic {
	t.Helper()
	r := metadata.CreateTopics(t.Context(), s, []metadata.NewTopic{spec(name)}, roomy)
	require.NoError(t, r[0].Err)
	return r[0].Topic
}

func names(topics []metadata.Topic) []string {
	list := make([]string, len(topics))
	for i, t := range topics {
		list[i] = t.Name
	}
	return list
}

func TestCreateTopics(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	create(t, s, "there")
	create(t, s, "a.b")
	results := metadata.CreateTopics(ctx, s, []metadata.NewTopic{
		{Name: "orders", Partitions: 6, Replicas: 3, Settings: map[string]string{"retention": "7d"}},
		spec("there"),
		spec("__offsets"),
		{Name: "none", Partitions: 0, Replicas: 1},
		{Name: "many", Partitions: metadata.MaxPartitions + 1, Replicas: 1},
		{Name: "alone", Partitions: 1},
		{Name: "typo", Partitions: 1, Replicas: 1, Settings: map[string]string{"retension": "7d"}},
		{Name: "bad", Partitions: 1, Replicas: 1, Settings: map[string]string{"retention": "soon"}},
		{Name: "compacted", Partitions: 1, Replicas: 1, Settings: map[string]string{"cleanup": "compact"}},
		spec("a_b"),
		spec("x.y"),
		spec("x_y"),
		spec("orders"),
		{Name: "rest", Partitions: 10_000, Replicas: 1},
		spec("last"),
	}, metadata.CreateOptions{Now: 99, MaxPartitions: 12})
	for i, want := range []error{
		nil, metadata.ErrTopicExists, metadata.ErrInvalidName, metadata.ErrInvalidPartitions, metadata.ErrInvalidPartitions,
		metadata.ErrInvalidReplicas, metadata.ErrUnknownSetting, metadata.ErrInvalidSetting, metadata.ErrUnsupported,
		metadata.ErrInvalidName, nil, metadata.ErrInvalidName, metadata.ErrTopicExists, metadata.ErrLimit, nil,
	} {
		require.ErrorIs(t, results[i].Err, want, "%d: %v", i, results[i].Topic.Name)
	}
	require.ErrorContains(t, results[6].Err, `unknown topic setting "retension" (did you mean "retention"?)`)
	require.ErrorContains(t, results[9].Err, `differs from topic "a.b" only by "." and "_"`)
	orders := metadata.Topic{
		ID: 3, Name: "orders", Partitions: 6, Replicas: 3, Created: 99, Settings: map[string]string{"retention": "7d"},
	}
	require.Equal(t, orders, results[0].Topic)
	got, err := metadata.GetTopic(ctx, s, "orders")
	require.NoError(t, err)
	require.Equal(t, orders, got)
	all, err := metadata.ListTopics(ctx, s)
	require.NoError(t, err)
	require.Equal(t, []string{"a.b", "last", "orders", "there", "x.y"}, names(all))
}

// A topic is one write, whatever the number of its partitions; many topics share a write (D10).
func TestCreateInFewWrites(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	b := &between{Store: s}
	one := metadata.CreateTopics(ctx, b, []metadata.NewTopic{{Name: "wide", Partitions: 1000, Replicas: 1}}, roomy)
	require.NoError(t, one[0].Err)
	require.Equal(t, 1, b.multis)

	var specs []metadata.NewTopic
	for i := range 1000 {
		specs = append(specs, spec(fmt.Sprintf("topic-%04d", i)))
	}
	b.multis = 0
	for _, r := range metadata.CreateTopics(ctx, b, specs, roomy) {
		require.NoError(t, r.Err)
	}
	require.Equal(t, 3, b.multis)
	require.Equal(t, metadata.MaxMultiOps, b.ops)
	all, err := metadata.ListTopics(ctx, s)
	require.NoError(t, err)
	require.Len(t, all, 1001)
	seen := map[uint64]bool{}
	for _, topic := range all {
		require.False(t, seen[topic.ID], "id %d twice", topic.ID)
		seen[topic.ID] = true
	}

	// Large ones are split by size.
	specs = specs[:0]
	settings := map[string]string{"retention": strings.Repeat(" ", 20_000) + "1h"}
	for i := range 30 {
		large := spec(fmt.Sprintf("big-%d", i))
		large.Settings = settings
		specs = append(specs, large)
	}
	for _, r := range metadata.CreateTopics(ctx, b, specs, roomy) {
		require.NoError(t, r.Err)
	}
}

func TestCreateRaces(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	b := &between{Store: s}
	b.before = func() { // another broker makes one of the topics, and one that collides with another
		b.before = nil
		create(t, s, "a")
		create(t, s, "b.c")
	}
	r := metadata.CreateTopics(ctx, b, []metadata.NewTopic{spec("a"), spec("b_c"), spec("d")}, roomy)
	require.ErrorIs(t, r[0].Err, metadata.ErrTopicExists)
	require.ErrorIs(t, r[1].Err, metadata.ErrInvalidName)
	require.NoError(t, r[2].Err)
	require.EqualValues(t, 3, r[2].Topic.ID)

	i := 0
	b.before = func() { i++; create(t, s, fmt.Sprintf("other-%d", i)) }
	r = metadata.CreateTopics(ctx, b, []metadata.NewTopic{spec("never")}, roomy)
	require.ErrorIs(t, r[0].Err, metadata.ErrContention)
}

// An unknown outcome is looked up; what is not there stays unknown.
func TestCreateUnknown(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	b := &between{Store: s, after: func(error) error { return metadata.ErrUnknown }}
	r := metadata.CreateTopics(ctx, b, []metadata.NewTopic{spec("a")}, roomy)
	require.NoError(t, r[0].Err)
	require.EqualValues(t, 1, r[0].Topic.ID)

	r = metadata.CreateTopics(ctx, lost{s}, []metadata.NewTopic{spec("b"), spec("a")}, roomy)
	require.ErrorIs(t, r[0].Err, metadata.ErrUnknown)
	require.ErrorIs(t, r[1].Err, metadata.ErrTopicExists)

	// The write was lost, and another broker made the topic otherwise: not ours.
	b = &between{Store: lost{s}, before: func() {
		metadata.CreateTopics(ctx, s, []metadata.NewTopic{{Name: "c", Partitions: 7, Replicas: 1}}, roomy)
	}}
	r = metadata.CreateTopics(ctx, b, []metadata.NewTopic{spec("c")}, roomy)
	require.ErrorIs(t, r[0].Err, metadata.ErrUnknown)
}

func TestAlterTopic(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	create(t, s, "orders")
	got, err := metadata.AlterTopic(ctx, s, "orders", metadata.TopicChange{
		Set: map[string]string{"retention": "1h", "max_batch_bytes": "64KiB"},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"retention": "1h", "max_batch_bytes": "64KiB"}, got.Settings)
	got, err = metadata.AlterTopic(ctx, s, "orders", metadata.TopicChange{
		Set: map[string]string{"retention": "2h"}, Unset: []string{"max_batch_bytes", "timestamps", "retention"},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"retention": "2h"}, got.Settings)
	read, err := metadata.GetTopic(ctx, s, "orders")
	require.NoError(t, err)
	require.Equal(t, got, read)

	_, err = metadata.AlterTopic(ctx, s, "orders", metadata.TopicChange{
		Set: map[string]string{"retention": "1h", "cleanup": "compact", "retention_bytes": "-1"}, Unset: []string{"cleenup"},
	})
	require.ErrorIs(t, err, metadata.ErrUnsupported)
	require.ErrorIs(t, err, metadata.ErrInvalidSetting)
	var unknown *metadata.UnknownSettingError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, "cleanup", unknown.Suggestion)
	after, err := metadata.GetTopic(ctx, s, "orders")
	require.NoError(t, err)
	require.Equal(t, read, after, "nothing was changed")

	_, err = metadata.AlterTopic(ctx, s, "oders", metadata.TopicChange{})
	require.ErrorIs(t, err, metadata.ErrUnknownTopic)

	b := &between{Store: s} // nothing to change is no write; a change by another is kept
	_, err = metadata.AlterTopic(ctx, b, "orders", metadata.TopicChange{Set: map[string]string{"retention": "2h"}})
	require.NoError(t, err)
	require.Zero(t, b.multis)
	b.before = func() {
		b.before = nil
		_, err := metadata.AddPartitions(ctx, s, "orders", 5, 10)
		require.NoError(t, err)
	}
	got, err = metadata.AlterTopic(ctx, b, "orders", metadata.TopicChange{Unset: []string{"retention"}})
	require.NoError(t, err)
	require.EqualValues(t, 5, got.Partitions)
	require.Empty(t, got.Settings)
}

func TestAddPartitions(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	create(t, s, "orders")
	for _, tc := range []struct {
		total  int32
		maxNew int64
		want   error
	}{
		{4, 2, metadata.ErrLimit},
		{4, 3, nil},
		{4, 0, nil},
		{3, 10, metadata.ErrInvalidPartitions},
		{0, 10, metadata.ErrInvalidPartitions},
		{-1, 10, metadata.ErrInvalidPartitions},
		{math.MinInt32, 10, metadata.ErrInvalidPartitions},
		{metadata.MaxPartitions + 1, math.MaxInt64, metadata.ErrInvalidPartitions},
		{metadata.MaxPartitions, math.MaxInt64, nil},
		{metadata.MaxPartitions, -5, nil},
	} {
		got, err := metadata.AddPartitions(ctx, s, "orders", tc.total, tc.maxNew)
		require.ErrorIs(t, err, tc.want, "%+v", tc)
		if tc.want == nil {
			require.Equal(t, tc.total, got.Partitions)
		}
	}
	_, err := metadata.AddPartitions(ctx, lost{s}, "orders", 1, 1)
	require.ErrorIs(t, err, metadata.ErrInvalidPartitions, "nothing was written")
	_, err = metadata.AlterTopic(ctx, lost{s}, "orders", metadata.TopicChange{Set: map[string]string{"retention": "1h"}})
	require.ErrorIs(t, err, metadata.ErrUnknown)
}

// I-13: a name is never a path.
func TestGetTopicOddNames(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"", ".", "..", "../ids/topic", "a/b", "/", "a\x00", strings.Repeat("x", 100_000)} {
		_, err := metadata.GetTopic(t.Context(), s, name)
		require.ErrorIs(t, err, metadata.ErrUnknownTopic, "%.20q", name)
		require.Less(t, len(err.Error()), 2000)
	}
}

// "Validate only" tells what would be, and changes nothing.
func TestDryRun(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	create(t, s, "there")
	before, err := metadata.ListTopics(ctx, s)
	require.NoError(t, err)
	dry := metadata.DryRun(s)
	r := metadata.CreateTopics(ctx, dry, []metadata.NewTopic{spec("new"), spec("there")}, roomy)
	require.NoError(t, r[0].Err)
	require.ErrorIs(t, r[1].Err, metadata.ErrTopicExists)
	got, err := metadata.AddPartitions(ctx, dry, "there", 3, 10)
	require.NoError(t, err)
	require.EqualValues(t, 3, got.Partitions)
	r = metadata.DeleteTopics(ctx, dry, []string{"there", "none"}, 1)
	require.NoError(t, r[0].Err)
	require.ErrorIs(t, r[1].Err, metadata.ErrUnknownTopic)
	after, err := metadata.ListTopics(ctx, s)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.EqualValues(t, 2, create(t, s, "new").ID)
}
