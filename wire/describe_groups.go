package wire

import "math"

// DescribeGroupsRequest asks what groups are made of.
type DescribeGroupsRequest struct {
	Groups []string
}

// DescribeGroupsResponse answers a DescribeGroupsRequest, in its order.
type DescribeGroupsResponse struct {
	Groups []GroupDescription
}

// GroupDescription is one group as it is.
type GroupDescription struct {
	Error *Error
	Group string
	// State is as in GroupSummary.
	State       string
	Coordinator int32
	// CreatedMs is when it was created, in ms since 1970.
	CreatedMs int64
	// GroupEpoch is the group epoch; TargetEpoch the one that the target was made for.
	GroupEpoch  int32
	TargetEpoch int32
	Assignor    string
	// Topics names the ids that Members use.
	Topics []TopicName
	// Members are by member id.
	Members []GroupMember
	// Rebalances are the last ones, oldest first.
	Rebalances []GroupRebalance
}

// TopicName is a topic's name.
type TopicName struct {
	ID   uint64
	Name string
}

// GroupMember is one member of a group as it is.
type GroupMember struct {
	MemberID    string
	InstanceID  string
	ClientID    string
	Host        string
	Rack        string
	MemberEpoch int32
	// Away tells that it is a static member that is expected back.
	Away   bool
	Topics []string
	Regex  string
	// Assignor is asked for; "": any.
	Assignor           string
	RebalanceTimeoutMs int32
	// HeardMs is when it was heard of last, in ms since 1970.
	HeardMs    int64
	Partitions []MemberPartition
}

// MemberPartition is a partition that a member has, or is to have.
type MemberPartition struct {
	ID    uint64
	Index int32
	// State is PartitionAwaited, PartitionAssigned or PartitionRevoking.
	State int32
}

// GroupRebalance is one change of a group.
type GroupRebalance struct {
	// BeganMs is in ms since 1970.
	BeganMs int64
	// GroupEpoch is the group epoch that it began.
	GroupEpoch int32
	Reason     string
	// Detail says whom or what the reason is about.
	Detail string
	// Events counts the changes for the same reason that were gathered.
	Events int32
	// Moved counts the partitions that went from one member to another.
	Moved int32
	// TookMs is how long it took until all was settled; -1: it is not yet.
	TookMs int64
}

// How a member has a partition.
const (
	// PartitionAwaited: it is for the member, and another one still holds it.
	PartitionAwaited int32 = 0
	// PartitionAssigned: the member may consume it.
	PartitionAssigned int32 = 1
	// PartitionRevoking: the member was told to let it go, and has not yet.
	PartitionRevoking int32 = 2
)

// API is APIDescribeGroups.
func (*DescribeGroupsRequest) API() API { return APIDescribeGroups }

func (r *DescribeGroupsRequest) encode(e *encoder) {
	e.array(1)
	e.strs(r.Groups)
}

func (r *DescribeGroupsRequest) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Groups = d.strs("groups", maxGroups, maxName)
	d.leave()
}

// API is APIDescribeGroups.
func (*DescribeGroupsResponse) API() API { return APIDescribeGroups }

func (r *DescribeGroupsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Groups, (*GroupDescription).encode)
}

func (r *DescribeGroupsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Groups = decodeList(d, listOf{"groups", maxGroups, 12}, (*GroupDescription).decode)
	d.leave()
}

func (g *GroupDescription) encode(e *encoder) {
	e.array(11)
	e.err(g.Error)
	e.str(g.Group)
	e.str(g.State)
	e.int(int64(g.Coordinator))
	e.int(g.CreatedMs)
	e.int(int64(g.GroupEpoch))
	e.int(int64(g.TargetEpoch))
	e.str(g.Assignor)
	encodeList(e, g.Topics, (*TopicName).encode)
	encodeList(e, g.Members, (*GroupMember).encode)
	encodeList(e, g.Rebalances, (*GroupRebalance).encode)
}

func (g *GroupDescription) decode(d *decoder) {
	if !d.fields(11) {
		return
	}
	g.Error = d.err("error")
	g.Group = d.str("group", maxName)
	g.State = d.str("state", maxClientName)
	g.Coordinator = d.orMinusOne("coordinator")
	g.CreatedMs = d.i64("created_ms", 0, never)
	g.GroupEpoch = d.index("group_epoch")
	g.TargetEpoch = d.index("target_epoch")
	g.Assignor = d.str("assignor", maxClientName)
	g.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*TopicName).decode)
	g.Members = decodeList(d, listOf{"members", maxMembers, 14}, (*GroupMember).decode)
	g.Rebalances = decodeList(d, listOf{"rebalances", maxAPIs, 8}, (*GroupRebalance).decode)
	d.leave()
}

func (t *TopicName) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	e.str(t.Name)
}

func (t *TopicName) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Name = d.str("name", maxName)
	d.leave()
}

func (g *GroupMember) encode(e *encoder) {
	e.array(13)
	e.str(g.MemberID)
	e.str(g.InstanceID)
	e.str(g.ClientID)
	e.str(g.Host)
	e.str(g.Rack)
	e.int(int64(g.MemberEpoch))
	e.bool(g.Away)
	e.strs(g.Topics)
	e.str(g.Regex)
	e.str(g.Assignor)
	e.int(int64(g.RebalanceTimeoutMs))
	e.int(g.HeardMs)
	encodeList(e, g.Partitions, (*MemberPartition).encode)
}

func (g *GroupMember) decode(d *decoder) {
	if !d.fields(13) {
		return
	}
	g.MemberID = d.str("member_id", maxName)
	g.InstanceID = d.str("instance_id", maxName)
	g.ClientID = d.str("client_id", maxText)
	g.Host = d.str("host", maxText)
	g.Rack = d.str("rack", maxName)
	g.MemberEpoch = d.i32("member_epoch", -2, math.MaxInt32)
	g.Away = d.bool("away")
	g.Topics = d.strs("topics", maxTopics, maxName)
	g.Regex = d.str("regex", maxText)
	g.Assignor = d.str("assignor", maxClientName)
	g.RebalanceTimeoutMs = d.index("rebalance_timeout_ms")
	g.HeardMs = d.i64("heard_ms", 0, never)
	g.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 4}, (*MemberPartition).decode)
	d.leave()
}

func (m *MemberPartition) encode(e *encoder) {
	e.array(3)
	e.uint(m.ID)
	e.int(int64(m.Index))
	e.int(int64(m.State))
}

func (m *MemberPartition) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	m.ID = d.id("id")
	m.Index = d.index("index")
	m.State = d.index("state")
	d.leave()
}

func (g *GroupRebalance) encode(e *encoder) {
	e.array(7)
	e.int(g.BeganMs)
	e.int(int64(g.GroupEpoch))
	e.str(g.Reason)
	e.str(g.Detail)
	e.int(int64(g.Events))
	e.int(int64(g.Moved))
	e.int(g.TookMs)
}

func (g *GroupRebalance) decode(d *decoder) {
	if !d.fields(7) {
		return
	}
	g.BeganMs = d.i64("began_ms", 0, never)
	g.GroupEpoch = d.index("group_epoch")
	g.Reason = d.str("reason", maxClientName)
	g.Detail = d.str("detail", maxText)
	g.Events = d.index("events")
	g.Moved = d.index("moved")
	g.TookMs = d.i64("took_ms", -1, never)
	d.leave()
}
