package broker

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// rawMember is a member of the group "g" as the protocol has it, on a connection of its own.
type rawMember struct {
	*rawKafka
	id         string
	generation int32
}

// join joins, as the version has it, and returns the last answer.
func (m *rawMember) join(version int16, change func(*kmsg.JoinGroupRequest)) *kmsg.JoinGroupResponse {
	m.t.Helper()
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID = version, "g", m.id
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = 30_000, 30_000, "consumer"
	p := kmsg.NewJoinGroupRequestProtocol()
	metadata := kmsg.NewConsumerMemberMetadata()
	metadata.Topics = []string{"demo"}
	p.Name, p.Metadata = "range", metadata.AppendTo(nil)
	req.Protocols = append(req.Protocols, p)
	if change != nil {
		change(req)
	}
	resp := ask[*kmsg.JoinGroupResponse](m.rawKafka, req)
	if kerr.ErrorForCode(resp.ErrorCode) == kerr.MemberIDRequired {
		req.MemberID = resp.MemberID
		resp = ask[*kmsg.JoinGroupResponse](m.rawKafka, req)
	}
	m.id, m.generation = resp.MemberID, resp.Generation
	return resp
}

// sync asks for what is assigned; as the leader it assigns all of demo to the members.
func (m *rawMember) sync(version int16, members ...string) *kmsg.SyncGroupResponse {
	m.t.Helper()
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = version, "g", m.id, m.generation
	for i, id := range members {
		a := kmsg.NewConsumerMemberAssignment()
		a.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "demo", Partitions: []int32{int32(i)}}}
		req.GroupAssignment = append(req.GroupAssignment,
			kmsg.SyncGroupRequestGroupAssignment{MemberID: id, MemberAssignment: a.AppendTo(nil)})
	}
	return ask[*kmsg.SyncGroupResponse](m.rawKafka, req)
}

func (m *rawMember) beat(version int16) *kerr.Error {
	m.t.Helper()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.Generation = version, "g", m.id, m.generation
	return kerr.TypedErrorForCode(ask[*kmsg.HeartbeatResponse](m.rawKafka, req).ErrorCode)
}

func (m *rawMember) commit(version int16, offset int64) *kerr.Error {
	m.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation = version, "g", m.id, m.generation
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset, p.Metadata = offset, kmsg.StringPtr("note")
	req.Topics = []kmsg.OffsetCommitRequestTopic{
		{Topic: "demo", Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}},
	}
	resp := ask[*kmsg.OffsetCommitResponse](m.rawKafka, req)
	return kerr.TypedErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func (m *rawMember) leave(version int16) *kerr.Error {
	m.t.Helper()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group, req.MemberID = version, "g", m.id
	req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: m.id}}
	resp := ask[*kmsg.LeaveGroupResponse](m.rawKafka, req)
	m.id = ""
	if version >= 3 {
		return kerr.TypedErrorForCode(resp.Members[0].ErrorCode)
	}
	return kerr.TypedErrorForCode(resp.ErrorCode)
}

// fetchedOffset is what the group has committed for partition 0 of demo, in the layout of the version.
func fetchedOffset(c *rawKafka, version int16) (offset int64, note string) {
	c.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = version, "g"
	req.Topics = []kmsg.OffsetFetchRequestTopic{
		{Topic: "none", Partitions: []int32{0}}, {Topic: "demo", Partitions: []int32{0, 1}},
	}
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = "g"
	for _, t := range req.Topics {
		g.Topics = append(g.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: t.Topic, Partitions: t.Partitions})
	}
	req.Groups = append(req.Groups, g)
	resp := ask[*kmsg.OffsetFetchResponse](c, req)
	if version < 8 {
		require.Equal(c.t, int64(-1), resp.Topics[0].Partitions[0].Offset)
		require.Equal(c.t, int64(-1), resp.Topics[1].Partitions[1].Offset)
		p := resp.Topics[1].Partitions[0]
		return p.Offset, *p.Metadata
	}
	require.Equal(c.t, int64(-1), resp.Groups[0].Topics[0].Partitions[0].Offset)
	p := resp.Groups[0].Topics[1].Partitions[0]
	return p.Offset, *p.Metadata
}

// Every version of the requests of members is served in its own layout.
func TestKafkaGroupVersions(t *testing.T) {
	n := startNode(t, onKafka, atOnce)
	id := n.create("demo", 2)
	for v := range int16(10) {
		m := &rawMember{rawKafka: dialKafka(t, n)}
		joined := m.join(v, nil)
		require.Zero(t, joined.ErrorCode, "version %d", v)
		require.Equal(t, m.id, joined.LeaderID)
		require.Len(t, joined.Members, 1)
		synced := m.sync(min(v, 5), m.id)
		require.Zero(t, synced.ErrorCode)
		require.NotEmpty(t, synced.MemberAssignment)
		require.Nil(t, m.beat(min(v, 4)))
		require.Nil(t, m.commit(min(max(v, 2), 8), int64(v)))
		offset, note := fetchedOffset(m.rawKafka, max(v, 1))
		require.Equal(t, int64(v), offset)
		require.Equal(t, "note", note)
		require.Equal(t, int64(v), n.committed("g", id, 0))
		m.generation++
		require.Equal(t, kerr.IllegalGeneration, m.beat(min(v, 4)))
		require.Equal(t, kerr.IllegalGeneration, m.commit(min(max(v, 2), 8), 7))
		require.Nil(t, m.leave(min(v, 5)))
		require.Equal(t, kerr.UnknownMemberID, m.beat(min(v, 4)))
	}
	for v := range int16(5) {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.Version, req.CoordinatorKey, req.CoordinatorKeys = v, "g", []string{"g", ""}
		resp := ask[*kmsg.FindCoordinatorResponse](dialKafka(t, n), req)
		if v == 4 {
			require.Len(t, resp.Coordinators, 2)
			requireKafka(t, kerr.InvalidGroupID, resp.Coordinators[1].ErrorCode)
			first := resp.Coordinators[0]
			resp.NodeID, resp.Host, resp.Port = first.NodeID, first.Host, first.Port
		}
		require.Equal(t, n.KafkaAddr().String(), fmt.Sprintf("%s:%d", resp.Host, resp.Port))
		require.Equal(t, int32(1), resp.NodeID)
		if req.CoordinatorType = 1; v > 0 {
			resp = ask[*kmsg.FindCoordinatorResponse](dialKafka(t, n), req)
			if v == 4 {
				resp.ErrorCode = resp.Coordinators[0].ErrorCode
			}
			requireKafka(t, kerr.InvalidRequest, resp.ErrorCode)
		}
	}
}

// Groups of both kinds are listed, described and deleted with Kafka's tools, and with ours.
func TestKafkaGroupAdmin(t *testing.T) {
	n := startNode(t, onKafka, atOnce)
	id := n.create("demo", 2)
	c := dialKafka(t, n)
	m := &rawMember{rawKafka: dialKafka(t, n)}
	require.Zero(t, m.join(9, nil).ErrorCode)
	require.Zero(t, m.sync(5, m.id).ErrorCode)
	require.Nil(t, m.commit(8, 1))
	native := n.consumer("native", "n1")
	native.mustJoin("demo")
	settleGroup(t, native)
	require.Nil(t, n.commit("simple", nil, id, 0, 1))

	for v := range int16(6) {
		req := kmsg.NewPtrListGroupsRequest()
		req.Version = v
		got := ask[*kmsg.ListGroupsResponse](c, req)
		require.Len(t, got.Groups, 3)
		require.Equal(t, []string{"g", "consumer"}, []string{got.Groups[0].Group, got.Groups[0].ProtocolType})
		req.StatesFilter, req.TypesFilter = []string{"stable"}, []string{"Consumer"}
		got = ask[*kmsg.ListGroupsResponse](c, req)
		require.Len(t, got.Groups, []int{3, 3, 3, 3, 2, 1}[v])
		if v == 5 {
			require.Equal(t, "native", got.Groups[0].Group)
		}
	}
	for v := range int16(7) {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Version, req.Groups = v, []string{"g", "native", "simple", "none"}
		got := ask[*kmsg.DescribeGroupsResponse](c, req)
		require.Equal(t, []string{"Stable", "Stable", "Empty", "Dead"},
			[]string{got.Groups[0].State, got.Groups[1].State, got.Groups[2].State, got.Groups[3].State})
		for _, g := range got.Groups[:2] {
			require.Equal(t, "consumer", g.ProtocolType)
			var metadata kmsg.ConsumerMemberMetadata
			var assignment kmsg.ConsumerMemberAssignment
			require.NoError(t, metadata.ReadFrom(g.Members[0].ProtocolMetadata))
			require.NoError(t, assignment.ReadFrom(g.Members[0].MemberAssignment))
			require.Equal(t, []string{"demo"}, metadata.Topics)
			require.Equal(t, "demo", assignment.Topics[0].Topic)
			require.Equal(t, "/127.0.0.1", g.Members[0].ClientHost)
		}
		if require.Equal(t, m.id, got.Groups[0].Members[0].MemberID); v == 6 {
			requireKafka(t, kerr.GroupIDNotFound, got.Groups[3].ErrorCode)
		}
	}
	listed := do[*wire.ListGroupsResponse](n, &wire.ListGroupsRequest{})
	require.Equal(t, wire.GroupSummary{Group: "g", State: "stable", Members: 1, Coordinator: 1}, listed.Groups[0])
	d := n.describe("g")
	require.Equal(t, "range", d.Assignor)
	require.Equal(t, []wire.MemberPartition{{ID: id, Index: 0, State: wire.PartitionAssigned}}, d.Members[0].Partitions)
	require.Equal(t, []string{"demo"}, d.Members[0].Topics)

	forget := kmsg.NewPtrOffsetDeleteRequest()
	forget.Group = "g"
	forget.Topics = []kmsg.OffsetDeleteRequestTopic{
		{Topic: "demo", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}},
		{Topic: "none", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}},
	}
	forgotten := ask[*kmsg.OffsetDeleteResponse](c, forget)
	requireKafka(t, kerr.GroupSubscribedToTopic, forgotten.Topics[0].Partitions[0].ErrorCode)
	requireKafka(t, kerr.UnknownTopicOrPartition, forgotten.Topics[1].Partitions[0].ErrorCode)
	requireDeleted := func(want ...*kerr.Error) {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Version, req.Groups = 2, []string{"g", "none"}
		for i, g := range ask[*kmsg.DeleteGroupsResponse](c, req).Groups {
			require.Equal(t, want[i], kerr.TypedErrorForCode(g.ErrorCode))
		}
	}
	requireDeleted(kerr.NonEmptyGroup, kerr.GroupIDNotFound)
	require.Nil(t, m.leave(5))
	forgotten = ask[*kmsg.OffsetDeleteResponse](c, forget)
	require.Zero(t, forgotten.Topics[0].Partitions[0].ErrorCode)
	require.Equal(t, int64(-1), n.committed("g", id, 0))
	requireDeleted(nil, kerr.GroupIDNotFound)
	requireDeleted(kerr.GroupIDNotFound, kerr.GroupIDNotFound)
	require.Zero(t, m.join(9, nil).ErrorCode) // and begins anew
	require.Equal(t, int32(1), m.generation)
}

// What no client library would send is refused: with Kafka's error if it is a request, else by closing the connection.
func TestKafkaGroupHostile(t *testing.T) {
	n := startNode(t, onKafka, atOnce)
	n.create("demo", 1)
	for what, change := range map[string]func(*kmsg.JoinGroupRequest){
		"metadata": func(r *kmsg.JoinGroupRequest) { r.Protocols[0].Metadata = make([]byte, 113<<10) },
		"name":     func(r *kmsg.JoinGroupRequest) { r.Protocols[0].Name = string(make([]byte, 300)) },
		"twice":    func(r *kmsg.JoinGroupRequest) { r.Protocols = append(r.Protocols, r.Protocols[0]) },
		"protocols": func(r *kmsg.JoinGroupRequest) {
			for i := range 33 {
				r.Protocols = append(r.Protocols, kmsg.JoinGroupRequestProtocol{Name: fmt.Sprint(i)})
			}
		},
		"instance": func(r *kmsg.JoinGroupRequest) { r.InstanceID = kmsg.StringPtr("a\nb") },
	} {
		m := &rawMember{rawKafka: dialKafka(t, n)}
		require.Equal(t, kerr.InvalidRequest, kerr.ErrorForCode(m.join(9, change).ErrorCode), what)
	}
	for code, change := range map[*kerr.Error]func(*kmsg.JoinGroupRequest){
		kerr.InvalidSessionTimeout:     func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 999 },
		kerr.InconsistentGroupProtocol: func(r *kmsg.JoinGroupRequest) { r.Protocols = nil },
		kerr.InvalidGroupID:            func(r *kmsg.JoinGroupRequest) { r.Group = "" },
		kerr.UnknownMemberID:           func(r *kmsg.JoinGroupRequest) { r.MemberID = "x" },
	} {
		m := &rawMember{rawKafka: dialKafka(t, n)}
		require.Equal(t, code, kerr.ErrorForCode(m.join(9, change).ErrorCode))
	}
	require.Empty(t, do[*wire.ListGroupsResponse](n, &wire.ListGroupsRequest{}).Groups) // none of them made a group
	m := &rawMember{rawKafka: dialKafka(t, n)}
	require.Zero(t, m.join(9, nil).ErrorCode)
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 5, "g", m.id, m.generation
	req.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{
		{MemberID: m.id, MemberAssignment: make([]byte, 113<<10)},
	}
	requireKafka(t, kerr.InvalidRequest, ask[*kmsg.SyncGroupResponse](m.rawKafka, req).ErrorCode)
	require.Zero(t, m.sync(5, m.id).ErrorCode)

	// An array that claims more elements than there are bytes is no request.
	c := dialKafka(t, n)
	body := kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrDescribeGroupsRequest(), 1)
	body[len(body)-4] = 0x7f
	_, err := c.Write(body)
	require.NoError(t, err)
	c.closed()
	require.Nil(t, m.beat(4))
}
