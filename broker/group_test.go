package broker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// consumer is a member of a group as the protocol has it, on a connection of its own.
type consumer struct {
	n        *node
	conn     *wire.Conn
	group    string
	id       string
	instance string
	epoch    int32
	interval time.Duration
	owned    map[group.Partition]bool
}

func (n *node) consumer(groupID, id string) *consumer {
	return &consumer{n: n, conn: n.dial(), group: groupID, id: id, owned: make(map[group.Partition]bool)}
}

// beat sends a heartbeat and takes the answer over; what is to be let go is let go at once, and said with the next.
func (c *consumer) beat(change func(*wire.GroupHeartbeatRequest)) error {
	req := &wire.GroupHeartbeatRequest{Group: c.group, MemberID: c.id, MemberEpoch: c.epoch, InstanceID: c.instance}
	if c.epoch > 0 {
		req.ReportsOwned, req.Owned = true, ownedTopics(c.owned)
	}
	if change != nil {
		change(req)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := c.conn.Do(ctx, req)
	if err != nil {
		return err
	}
	answer := r.(*wire.GroupHeartbeatResponse)
	c.epoch, c.interval = answer.MemberEpoch, time.Duration(answer.HeartbeatIntervalMs)*time.Millisecond
	if answer.Assigns {
		clear(c.owned)
		for _, t := range answer.Assignment {
			for _, index := range t.Partitions {
				c.owned[group.Partition{Topic: t.ID, Index: index}] = true
			}
		}
	}
	return nil
}

func ownedTopics(owned map[group.Partition]bool) (list []wire.GroupPartitions) {
	topics := make(map[uint64][]int32)
	for at := range owned {
		topics[at.Topic] = append(topics[at.Topic], at.Index)
	}
	for id, partitions := range topics {
		list = append(list, wire.GroupPartitions{ID: id, Partitions: partitions})
	}
	return list
}

// join subscribes to topics.
func (c *consumer) join(topics ...string) error {
	c.epoch = 0
	clear(c.owned)
	return c.beat(func(r *wire.GroupHeartbeatRequest) { r.Subscribes, r.Topics = true, topics })
}

func (c *consumer) mustJoin(topics ...string) {
	c.n.t.Helper()
	require.NoError(c.n.t, c.join(topics...))
}

// partitions lists what the consumer may consume, by index.
func (c *consumer) partitions() []int32 {
	list := []int32{}
	for at := range c.owned {
		list = append(list, at.Index)
	}
	slices.Sort(list)
	return list
}

// settleGroup lets all consumers send heartbeats until the group is stable.
func settleGroup(t testing.TB, consumers ...*consumer) {
	t.Helper()
	n := consumers[0].n
	for range 200 {
		for _, c := range consumers {
			require.NoError(t, c.beat(nil))
		}
		if n.describe(consumers[0].group).State == "stable" {
			for _, c := range consumers {
				require.NoError(t, c.beat(nil))
			}
			return
		}
		time.Sleep(5 * time.Millisecond) // the gathering of changes takes its time
	}
	require.Fail(t, "the group did not settle", "%+v", n.describe(consumers[0].group))
}

func (n *node) describe(id string) wire.GroupDescription {
	n.t.Helper()
	r := do[*wire.DescribeGroupsResponse](n, &wire.DescribeGroupsRequest{Groups: []string{id}})
	require.Len(n.t, r.Groups, 1)
	return r.Groups[0]
}

// commit commits one offset, as the member given; nil: as a consumer outside the group.
func (n *node) commit(groupID string, c *consumer, id uint64, partition int32, offset int64) *wire.Error {
	n.t.Helper()
	req := &wire.CommitOffsetsRequest{Group: groupID, MemberEpoch: -1, Topics: []wire.CommitTopic{{ID: id,
		Partitions: []wire.CommitPartition{{Index: partition, Offset: offset, LeaderEpoch: -1, Metadata: "m"}}}}}
	if c != nil {
		req.MemberID, req.MemberEpoch = c.id, c.epoch
	}
	r, err := try[*wire.CommitOffsetsResponse](n, req)
	if err != nil {
		return wire.AsError(err)
	}
	return r.Topics[0].Partitions[0].Error
}

// committed is the offset that a group has committed; -1: none.
func (n *node) committed(groupID string, id uint64, partition int32) int64 {
	n.t.Helper()
	r := do[*wire.FetchOffsetsResponse](n, &wire.FetchOffsetsRequest{Group: groupID, MemberEpoch: -1,
		Topics: []wire.GroupPartitions{{ID: id, Partitions: []int32{partition}}}})
	require.Nil(n.t, r.Topics[0].Partitions[0].Error)
	return r.Topics[0].Partitions[0].Offset
}

func codeOf(err error) wire.Code {
	if e := wire.AsError(err); e != nil {
		return e.Code
	}
	return 0
}

// One group is a queue: each partition has one consumer. Consumers beyond the number of partitions are idle, and told
// so. Who leaves makes room.
func TestGroupIsAQueue(t *testing.T) {
	n := startNode(t)
	n.create("orders", 3)
	var all []*consumer
	for i := range 4 {
		c := n.consumer("billing", fmt.Sprint("m", i))
		c.mustJoin("orders")
		all = append(all, c)
	}
	settleGroup(t, all...)
	held := map[int32]string{}
	idle := 0
	for _, c := range all {
		if len(c.partitions()) == 0 {
			idle++
		}
		for _, p := range c.partitions() {
			require.Empty(t, held[p], "partition %d with two members", p)
			held[p] = c.id
		}
	}
	require.Len(t, held, 3)
	require.Equal(t, 1, idle)

	leaver := all[slices.IndexFunc(all, func(c *consumer) bool { return len(c.owned) > 0 })]
	require.NoError(t, leaver.beat(func(r *wire.GroupHeartbeatRequest) {
		r.MemberEpoch, r.ReportsOwned, r.Owned = group.EpochLeave, false, nil
	}))
	rest := slices.DeleteFunc(slices.Clone(all), func(c *consumer) bool { return c == leaver })
	settleGroup(t, rest...)
	for _, c := range rest {
		require.Len(t, c.partitions(), 1)
	}
}

// Many groups are publish/subscribe: each has all partitions and its own offsets.
func TestGroupsArePublishSubscribe(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 2)
	for _, g := range []string{"a", "b"} {
		c := n.consumer(g, "m")
		c.mustJoin("orders")
		settleGroup(t, c)
		require.Equal(t, []int32{0, 1}, c.partitions())
	}
	require.Nil(t, n.commit("c", nil, id, 0, 7))
	require.EqualValues(t, 7, n.committed("c", id, 0))
	require.EqualValues(t, -1, n.committed("a", id, 0))
	require.EqualValues(t, -1, n.committed("never", id, 0), "a group that does not exist has committed nothing")
	groups := do[*wire.ListGroupsResponse](n, &wire.ListGroupsRequest{}).Groups
	require.Equal(t, []wire.GroupSummary{
		{Group: "a", State: "stable", Members: 1, Coordinator: 1}, {Group: "b", State: "stable", Members: 1, Coordinator: 1},
		{Group: "c", State: "empty", Coordinator: 1},
	}, groups, "asking for a group does not make it")
}

// An answer without news is held back until there are some: a rebalance takes round trips, not heartbeat intervals.
func TestHeldHeartbeatBringsNews(t *testing.T) {
	n := startNode(t)
	n.create("orders", 2)
	first := n.consumer("g", "first")
	first.mustJoin("orders")
	settleGroup(t, first)
	require.Len(t, first.owned, 2)
	held := make(chan error, 1)
	go func() {
		held <- first.beat(func(r *wire.GroupHeartbeatRequest) { r.MaxWaitMs = 60_000 })
	}()
	second := n.consumer("g", "second")
	second.mustJoin("orders")
	require.NoError(t, <-held, "it is answered long before the heartbeat interval is over")
	require.Len(t, first.owned, 1)
	require.NoError(t, first.beat(nil)) // it has let go
	settleGroup(t, first, second)
	require.Len(t, second.owned, 1)
}

// H12: a member that was silent comes back and finds that it is none; what it commits is refused, by its epoch.
func TestH12StaleMemberIsFenced(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Groups.SessionTimeout = time.Second })
	id := n.create("orders", 1)
	old := n.consumer("g", "old")
	old.mustJoin("orders")
	settleGroup(t, old)
	require.Nil(t, n.commit("g", old, id, 0, 5))

	fresh := n.consumer("g", "fresh")
	fresh.mustJoin("orders")
	require.Eventually(t, func() bool {
		require.NoError(t, fresh.beat(nil))
		return len(fresh.owned) == 1
	}, 20*time.Second, 20*time.Millisecond, "the silent member's partition goes to the other one")
	requireCode(t, wire.CodeUnknownMember, n.commit("g", old, id, 0, 6))
	require.Equal(t, wire.CodeUnknownMember, codeOf(old.beat(nil)))
	require.Nil(t, n.commit("g", fresh, id, 0, 7))
	require.EqualValues(t, 7, n.committed("g", id, 0))

	// It joins again under its id: commits of its former life are refused.
	former := *old
	old.mustJoin("orders")
	requireCode(t, wire.CodeStaleMemberEpoch, n.commit("g", &former, id, 0, 8))
}

// H20: a second static member with the same instance id is refused while the first is there, and takes its place once
// it has stopped.
func TestH20StaticMember(t *testing.T) {
	n := startNode(t)
	n.create("orders", 1)
	first, second := n.consumer("g", "first"), n.consumer("g", "second")
	first.instance, second.instance = "i", "i"
	first.mustJoin("orders")
	settleGroup(t, first)
	require.Equal(t, wire.CodeInstanceInUse, codeOf(second.join("orders")))
	require.NoError(t, first.beat(func(r *wire.GroupHeartbeatRequest) {
		r.MemberEpoch, r.ReportsOwned, r.Owned = group.EpochLeaveStatic, false, nil
	}))
	require.NoError(t, second.join("orders"))
	settleGroup(t, second)
	require.Len(t, second.owned, 1)
	require.Equal(t, wire.CodeMemberFenced, codeOf(first.beat(func(r *wire.GroupHeartbeatRequest) { r.MemberEpoch = 1 })))
}

// A topic that appears is picked up by a pattern; new partitions are shared out; a topic that is deleted takes its
// offsets along (H18).
func TestGroupFollowsTopics(t *testing.T) {
	n := startNode(t)
	c := n.consumer("g", "m")
	require.NoError(t, c.beat(func(r *wire.GroupHeartbeatRequest) { r.Subscribes, r.Regex = true, "orders-.*" }))
	id := n.create("orders-eu", 1)
	n.create("other", 1)
	owns := func(want int) {
		t.Helper()
		require.Eventually(t, func() bool {
			require.NoError(t, c.beat(nil))
			return len(c.owned) == want
		}, 20*time.Second, 10*time.Millisecond)
	}
	owns(1)
	require.Nil(t, n.commit("g", c, id, 0, 3))
	do[*wire.AddPartitionsResponse](n, &wire.AddPartitionsRequest{
		Topics: []wire.PartitionCount{{Name: "orders-eu", Total: 3}}})
	owns(3)
	requireCode(t, wire.CodeUnknownPartition, n.commit("g", c, id, 3, 1))
	do[*wire.DeleteTopicsResponse](n, &wire.DeleteTopicsRequest{Names: []string{"orders-eu"}})
	owns(0)
	requireCode(t, wire.CodeUnknownTopicID, n.commit("g", c, id, 0, 4))
	require.Eventually(t, func() bool {
		r := do[*wire.FetchOffsetsResponse](n, &wire.FetchOffsetsRequest{Group: "g", MemberEpoch: -1, All: true})
		return len(r.Topics) == 0
	}, 20*time.Second, 10*time.Millisecond)
	reasons := []string{}
	for _, r := range n.describe("g").Rebalances {
		reasons = append(reasons, r.Reason)
	}
	require.Equal(t, []string{"member joined", "topic created", "partitions added", "topic deleted"}, reasons)
}

// What is wrong is told by a code that says what to do.
func TestGroupRefusals(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Groups.MaxMembers = 1 })
	id := n.create("orders", 1)
	c := n.consumer("g", "m")
	for name, tc := range map[string]struct {
		change func(*wire.GroupHeartbeatRequest)
		code   wire.Code
	}{
		"no group id":      {func(r *wire.GroupHeartbeatRequest) { r.Group = "" }, wire.CodeInvalidGroupID},
		"control in group": {func(r *wire.GroupHeartbeatRequest) { r.Group = "a\nb" }, wire.CodeInvalidGroupID},
		"no member id":     {func(r *wire.GroupHeartbeatRequest) { r.MemberID = "" }, wire.CodeInvalidArgument},
		"no subscription":  {func(r *wire.GroupHeartbeatRequest) { r.Subscribes = false }, wire.CodeInvalidArgument},
		"bad pattern":      {func(r *wire.GroupHeartbeatRequest) { r.Regex = "(" }, wire.CodeInvalidPattern},
		"bad assignor":     {func(r *wire.GroupHeartbeatRequest) { r.Assignor = "sticky" }, wire.CodeUnknownAssignor},
		"unknown member":   {func(r *wire.GroupHeartbeatRequest) { r.MemberEpoch = 4 }, wire.CodeUnknownMember},
	} {
		err := c.beat(func(r *wire.GroupHeartbeatRequest) {
			r.Subscribes = true
			tc.change(r)
		})
		require.Equal(t, tc.code, codeOf(err), name)
	}
	requireCode(t, wire.CodeUnknownMember, n.commit("nobody's", c, id, 0, 1))
	c.mustJoin("orders")
	settleGroup(t, c)
	require.Equal(t, wire.CodeGroupFull, codeOf(n.consumer("g", "other").join("orders")))
	require.Equal(t, wire.CodeMemberFenced, codeOf(c.beat(func(r *wire.GroupHeartbeatRequest) { r.MemberEpoch = 99 })))
	requireCode(t, wire.CodeInvalidOffset, func() *wire.Error {
		r := do[*wire.CommitOffsetsResponse](n, &wire.CommitOffsetsRequest{Group: "g", MemberID: c.id, MemberEpoch: c.epoch,
			Topics: []wire.CommitTopic{{ID: id, Partitions: []wire.CommitPartition{
				{Metadata: string(make([]byte, 513)), LeaderEpoch: -1}}}}})
		return r.Topics[0].Partitions[0].Error
	}())
	requireCode(t, wire.CodeUnknownMember, n.commit("g", nil, id, 0, 1)) // only while the group is empty
	requireCode(t, wire.CodeUnknownGroup, n.describe("nobody's").Error)
}

// A group is deleted when it has no members, with its offsets; made again it begins with nothing.
func TestDeleteGroup(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 300) // two blocks of offsets
	c := n.consumer("g", "m")
	c.mustJoin("orders")
	settleGroup(t, c)
	require.Nil(t, n.commit("g", c, id, 0, 5))
	require.Nil(t, n.commit("g", c, id, 299, 6))
	remove := func(validateOnly bool) *wire.Error {
		return do[*wire.DeleteGroupsResponse](n,
			&wire.DeleteGroupsRequest{Groups: []string{"g"}, ValidateOnly: validateOnly}).Groups[0].Error
	}
	requireCode(t, wire.CodeGroupBusy, remove(true))
	requireCode(t, wire.CodeGroupBusy, remove(false))
	r := do[*wire.DeleteOffsetsResponse](n, &wire.DeleteOffsetsRequest{Group: "g",
		Topics: []wire.GroupPartitions{{ID: id, Partitions: []int32{0}}}})
	requireCode(t, wire.CodeGroupBusy, r.Topics[0].Partitions[0].Error)
	require.NoError(t, c.beat(func(r *wire.GroupHeartbeatRequest) {
		r.MemberEpoch, r.ReportsOwned, r.Owned = group.EpochLeave, false, nil
	}))
	r = do[*wire.DeleteOffsetsResponse](n, &wire.DeleteOffsetsRequest{Group: "g",
		Topics: []wire.GroupPartitions{{ID: id, Partitions: []int32{0}}}})
	require.Nil(t, r.Topics[0].Partitions[0].Error)
	require.EqualValues(t, -1, n.committed("g", id, 0))
	require.EqualValues(t, 6, n.committed("g", id, 299))
	require.Nil(t, remove(true))
	require.Nil(t, remove(false))
	requireCode(t, wire.CodeUnknownGroup, remove(false))
	_, err := n.meta.Children(t.Context(), group.Path("g"))
	require.ErrorIs(t, err, metadata.ErrNoNode, "nothing of it is left")
	require.Nil(t, n.commit("g", nil, id, 1, 1))
	require.EqualValues(t, -1, n.committed("g", id, 299))
}

// The lag of a group in records and in seconds.
func TestDescribeOffsets(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 1)
	before := time.Now().UnixMilli()
	n.append(id, 0, "a", "b", "c")
	ask := func(partition int32, offset int64) wire.DescribeOffsetsResult {
		r := do[*wire.DescribeOffsetsResponse](n, &wire.DescribeOffsetsRequest{Topics: []wire.DescribeOffsetsTopic{
			{ID: id, Partitions: []wire.DescribeOffsetsPartition{{Index: partition, Offset: offset}}}}})
		return r.Topics[0].Partitions[0]
	}
	r := ask(0, 1)
	require.Equal(t, [2]int64{0, 3}, [2]int64{r.Start, r.End})
	require.GreaterOrEqual(t, r.TimestampMs, before)
	require.EqualValues(t, -1, ask(0, 3).TimestampMs, "nothing is unread")
	require.EqualValues(t, -1, ask(0, 30).TimestampMs)
	requireCode(t, wire.CodeUnknownPartition, ask(1, 0).Error)
}
