package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// An operator sees how far a group is, in records and in time, moves it while it is empty, and deletes it.
func TestAdminOfGroups(t *testing.T) {
	ctx, c := testContext(t), connect(t, startServer(t, nil).address(), client.Options{})
	admin := client.NewAdmin(c)
	create(t, c, "orders", 2)
	before := time.Now().UnixMilli()
	sendTo(t, c, "orders", 10)
	ends, err := admin.ListOffsets(ctx, "orders", client.OffsetEnd)
	require.NoError(t, err)

	groups, err := admin.ListGroups(ctx)
	require.NoError(t, err)
	require.Empty(t, groups)
	_, err = admin.DescribeGroup(ctx, "g")
	requireErrorCode(t, wire.CodeUnknownGroup, err)
	none, err := admin.GroupOffsets(ctx, "g")
	require.NoError(t, err, "a group that does not exist has committed nothing")
	require.Empty(t, none)

	require.NoError(t, c.CommitOffsets(ctx, "g", client.Offset{Topic: "orders", Partition: 1, Offset: 1, LeaderEpoch: -1,
		Metadata: "note"}))
	d, err := admin.DescribeGroup(ctx, "g")
	require.NoError(t, err)
	require.Equal(t, "empty", d.State)
	topics, err := admin.DescribeTopics(ctx, "orders")
	require.NoError(t, err)
	id := topics[0].ID
	list, err := admin.GroupOffsets(ctx, "g", wire.GroupPartitions{ID: id, Partitions: []int32{0, 1}})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.EqualValues(t, -1, list[0].Offset.Offset, "it was asked for, and has nothing committed")
	require.Equal(t, ends[0].Offset, list[0].Lag(), "all of its records")
	one := list[1]
	require.Equal(t, client.Offset{Topic: "orders", Partition: 1, Offset: 1, LeaderEpoch: -1, Metadata: "note"},
		one.Offset)
	require.Equal(t, ends[1].Offset-1, one.Lag())
	require.GreaterOrEqual(t, one.UnreadSinceMs, before)
	require.GreaterOrEqual(t, one.CommittedMs, before)

	require.NoError(t, c.CommitOffsets(ctx, "g", client.Offset{Topic: "orders", Partition: 1, Offset: ends[1].Offset}))
	list, err = admin.GroupOffsets(ctx, "g")
	require.NoError(t, err)
	require.Zero(t, list[0].Lag())
	require.EqualValues(t, -1, list[0].UnreadSinceMs, "nothing is unread")

	// While it has a member it is left alone.
	g, err := client.JoinGroup(ctx, c, "g", []string{"orders"}, client.GroupOptions{})
	require.NoError(t, err)
	requireErrorCode(t, wire.CodeGroupBusy, admin.DeleteGroup(ctx, "g", client.ValidateOnly))
	requireErrorCode(t, wire.CodeGroupBusy, admin.DeleteGroup(ctx, "g", client.Apply))
	requireErrorCode(t, wire.CodeGroupBusy, admin.DeleteGroupOffsets(ctx, "g", "orders", 1))
	require.NoError(t, g.Close(ctx))

	require.NoError(t, admin.DeleteGroupOffsets(ctx, "g", "orders", 1))
	list, err = admin.GroupOffsets(ctx, "g")
	require.NoError(t, err)
	require.Empty(t, list)
	requireErrorCode(t, wire.CodeUnknownTopic, admin.DeleteGroupOffsets(ctx, "g", "oders"))
	require.NoError(t, admin.DeleteGroup(ctx, "g", client.ValidateOnly))
	require.NoError(t, admin.DeleteGroup(ctx, "g", client.Apply))
	requireErrorCode(t, wire.CodeUnknownGroup, admin.DeleteGroup(ctx, "g", client.Apply))
}

func requireErrorCode(t *testing.T, code wire.Code, err error) {
	t.Helper()
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, e.Message)
}
