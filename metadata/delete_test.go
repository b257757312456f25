package metadata_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/metadata"
)

func deleteTopic(t *testing.T, s metadata.Store, name string) metadata.Topic {
	t.Helper()
	r := metadata.DeleteTopics(t.Context(), s, []string{name}, 5000)
	require.NoError(t, r[0].Err)
	require.True(t, r[0].Topic.Deleting)
	return r[0].Topic
}

// Each step leaves a state from which the next one, or the same again, can be taken
// by a broker that knows nothing but the store.
func TestDeleteIsResumable(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	kept, doomed := create(t, s, "kept"), create(t, s, "doomed")
	marked := deleteTopic(t, s, "doomed")
	require.Equal(t, doomed.ID, marked.ID)

	// Crash here: a broker that starts finds it, and the tombstone that allows the deletion of its data.
	topics, err := metadata.ListTopics(ctx, s)
	require.NoError(t, err)
	require.Equal(t, []metadata.Topic{marked, kept}, topics)
	tombstones, err := metadata.ListTombstones(ctx, s)
	require.NoError(t, err)
	require.Equal(t, []metadata.Tombstone{{ID: doomed.ID, Name: "doomed", Deleted: 5000}}, tombstones)

	// Meanwhile the name is taken, and the topic cannot be changed.
	r := metadata.CreateTopics(ctx, s, []metadata.NewTopic{spec("doomed")}, roomy)
	require.ErrorIs(t, r[0].Err, metadata.ErrTopicDeleting)
	_, err = metadata.AddPartitions(ctx, s, "doomed", 2, 10)
	require.ErrorIs(t, err, metadata.ErrTopicDeleting)
	_, err = metadata.AlterTopic(ctx, s, "doomed", metadata.TopicChange{})
	require.ErrorIs(t, err, metadata.ErrTopicDeleting)
	n, err := metadata.PurgeTombstones(ctx, s, 1_000_000)
	require.NoError(t, err)
	require.Zero(t, n, "a tombstone is kept until the deletion is finished")
	require.Equal(t, marked, deleteTopic(t, s, "doomed"), "the first step again")

	require.NoError(t, metadata.FinishDeletes(ctx, s, []metadata.Topic{marked}))
	_, err = metadata.GetTopic(ctx, s, "doomed")
	require.ErrorIs(t, err, metadata.ErrUnknownTopic)
	require.NoError(t, metadata.FinishDeletes(ctx, s, []metadata.Topic{marked}), "the last step again")

	// A topic made again has another id, and is not touched by a late last step.
	again := create(t, s, "doomed")
	require.Greater(t, again.ID, kept.ID)
	require.NotEqual(t, doomed.ID, again.ID)
	require.NoError(t, metadata.FinishDeletes(ctx, s, []metadata.Topic{marked}))
	got, err := metadata.GetTopic(ctx, s, "doomed")
	require.NoError(t, err)
	require.Equal(t, again, got)
	tombstones, err = metadata.ListTombstones(ctx, s)
	require.NoError(t, err)
	require.Len(t, tombstones, 1, "kept for brokers that are away")

	for _, tc := range []struct{ before, purged int64 }{{5000, 0}, {5001, 1}, {5001, 0}} {
		n, err := metadata.PurgeTombstones(ctx, s, tc.before)
		require.NoError(t, err)
		require.EqualValues(t, tc.purged, n)
	}
}

func TestDeleteMany(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	var specs []metadata.NewTopic
	var list []string
	for i := range 700 {
		specs = append(specs, spec(fmt.Sprint("t", i)))
		list = append(list, specs[i].Name)
	}
	metadata.CreateTopics(ctx, s, specs, roomy)
	b := &between{Store: s}
	list = append(list, "none", "t3")
	results := metadata.DeleteTopics(ctx, b, list, 1)
	var topics []metadata.Topic
	for i, r := range results[:700] {
		require.NoError(t, r.Err)
		require.Equal(t, list[i], r.Topic.Name)
		topics = append(topics, r.Topic)
	}
	require.ErrorIs(t, results[700].Err, metadata.ErrUnknownTopic)
	require.NoError(t, results[701].Err, "named twice")
	require.Equal(t, 4, b.multis)
	require.NoError(t, metadata.FinishDeletes(ctx, b, topics))
	require.Equal(t, 8, b.multis)
	all, err := metadata.ListTopics(ctx, s)
	require.NoError(t, err)
	require.Empty(t, all)
	n, err := metadata.PurgeTombstones(ctx, b, 2)
	require.NoError(t, err)
	require.Equal(t, 700, n)
	require.LessOrEqual(t, b.ops, metadata.MaxMultiOps)
}

func TestDeleteRaces(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	create(t, s, "a")
	create(t, s, "b")
	b := &between{Store: s}
	b.before = func() { // changed meanwhile: the change is kept
		b.before = nil
		_, err := metadata.AddPartitions(ctx, s, "a", 9, 10)
		require.NoError(t, err)
	}
	r := metadata.DeleteTopics(ctx, b, []string{"a", "b"}, 1)
	require.NoError(t, r[0].Err)
	require.EqualValues(t, 9, r[0].Topic.Partitions)
	require.NoError(t, r[1].Err)

	create(t, s, "c")
	r = metadata.DeleteTopics(ctx, lost{s}, []string{"none", "a", "c"}, 1)
	require.ErrorIs(t, r[0].Err, metadata.ErrUnknownTopic)
	require.NoError(t, r[1].Err, "was marked before")
	require.ErrorIs(t, r[2].Err, metadata.ErrUnknown)
	require.ErrorIs(t, metadata.FinishDeletes(ctx, lost{s}, []metadata.Topic{r[1].Topic}), metadata.ErrUnknown)

	parts := int32(1)
	b.before = func() { parts++; _, _ = metadata.AddPartitions(ctx, s, "c", parts, 10) }
	r = metadata.DeleteTopics(ctx, b, []string{"c", "none"}, 1)
	require.ErrorIs(t, r[0].Err, metadata.ErrContention)
	require.False(t, r[0].Topic.Deleting)
	require.ErrorIs(t, r[1].Err, metadata.ErrUnknownTopic)
}

// M20: without its tombstone no topic is removed, and a topic that is not deleted never is.
func TestNothingIsRemovedWithoutTombstone(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	create(t, s, "a")
	marked := deleteTopic(t, s, "a")
	require.NoError(t, s.Multi(ctx, metadata.Delete(fmt.Sprint("/deleted/", marked.ID), metadata.AnyVersion)))
	require.ErrorIs(t, metadata.FinishDeletes(ctx, s, []metadata.Topic{marked}), metadata.ErrCorrupt)
	_, err := metadata.GetTopic(ctx, s, "a")
	require.NoError(t, err)
	require.Panics(t, func() { _ = metadata.FinishDeletes(ctx, s, []metadata.Topic{create(t, s, "b")}) })
}
