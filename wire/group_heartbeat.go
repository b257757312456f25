package wire

import "math"

// GroupHeartbeatRequest is all that a member of a group says: that it joins, that
// it is there, that it leaves (KIP-848). A member has one under way at a time.
type GroupHeartbeatRequest struct {
	Group string
	// MemberID is chosen by the member, unique in the group, 1 to 128 bytes.
	MemberID string
	// MemberEpoch is the newest that the member was answered; 0: it joins; -1: it
	// leaves; -2: it stops, as a static member that will be back.
	MemberEpoch int32
	// InstanceID makes it a static member; with MemberEpoch 0, or as before.
	InstanceID string
	Rack       string
	// RebalanceTimeoutMs is how long it may take to let go of partitions, in
	// milliseconds; 0: as before, or the default.
	RebalanceTimeoutMs int32
	// Assignor is asked for: "range" or "uniform"; "": as before, or any.
	Assignor string
	// Subscribes tells that Topics and Regex say what the member wants; otherwise
	// they are empty, and it is as before.
	Subscribes bool
	Topics     []string
	// Regex is a pattern in RE2's syntax that whole topic names match; "": none.
	Regex string
	// ReportsOwned tells that Owned lists all that the member was given and has
	// not let go. It has to once the member has let go, and after a lost answer.
	ReportsOwned bool
	Owned        []GroupPartitions
	// MaxWaitMs is how long the broker may hold the answer back when it has no
	// news, in milliseconds. The session does not end meanwhile.
	MaxWaitMs int32
}

// GroupPartitions are some partitions of one topic.
type GroupPartitions struct {
	ID         uint64
	Partitions []int32
}

// GroupHeartbeatResponse answers a GroupHeartbeatRequest.
type GroupHeartbeatResponse struct {
	// MemberEpoch is to be sent with the next heartbeat and with commits.
	MemberEpoch int32
	// HeartbeatIntervalMs is how often the member is to be heard of, and
	// SessionTimeoutMs after how long a silence it is a member no more.
	HeartbeatIntervalMs int32
	SessionTimeoutMs    int32
	// Assigns tells that Assignment is all that the member may consume from now
	// on: what is not in it any more is to be let go. Otherwise it is as before.
	Assigns    bool
	Assignment []AssignedTopic
}

// AssignedTopic are some partitions of one topic, with its name.
type AssignedTopic struct {
	ID uint64
	// Name is "" when the topic is being deleted.
	Name       string
	Partitions []int32
}

// API is APIGroupHeartbeat.
func (*GroupHeartbeatRequest) API() API { return APIGroupHeartbeat }

func (r *GroupHeartbeatRequest) encode(e *encoder) {
	e.array(13)
	e.str(r.Group)
	e.str(r.MemberID)
	e.int(int64(r.MemberEpoch))
	e.str(r.InstanceID)
	e.str(r.Rack)
	e.int(int64(r.RebalanceTimeoutMs))
	e.str(r.Assignor)
	e.bool(r.Subscribes)
	e.strs(r.Topics)
	e.str(r.Regex)
	e.bool(r.ReportsOwned)
	encodeList(e, r.Owned, (*GroupPartitions).encode)
	e.int(int64(r.MaxWaitMs))
}

func (r *GroupHeartbeatRequest) decode(d *decoder) {
	if !d.fields(13) {
		return
	}
	r.Group = d.str("group", maxName)
	r.MemberID = d.str("member_id", maxName)
	r.MemberEpoch = d.i32("member_epoch", -2, math.MaxInt32)
	r.InstanceID = d.str("instance_id", maxName)
	r.Rack = d.str("rack", maxName)
	r.RebalanceTimeoutMs = d.index("rebalance_timeout_ms")
	r.Assignor = d.str("assignor", maxClientName)
	r.Subscribes = d.bool("subscribes")
	r.Topics = d.strs("topics", maxTopics, maxName)
	r.Regex = d.str("regex", maxText)
	r.ReportsOwned = d.bool("reports_owned")
	r.Owned = decodeList(d, listOf{"owned", maxTopics, 3}, (*GroupPartitions).decode)
	r.MaxWaitMs = d.index("max_wait_ms")
	d.leave()
}

func (g *GroupPartitions) encode(e *encoder) {
	e.array(2)
	e.uint(g.ID)
	e.ints(g.Partitions)
}

func (g *GroupPartitions) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	g.ID = d.id("id")
	g.Partitions = d.ints("partitions", maxPartitions)
	d.leave()
}

// API is APIGroupHeartbeat.
func (*GroupHeartbeatResponse) API() API { return APIGroupHeartbeat }

func (r *GroupHeartbeatResponse) encode(e *encoder) {
	e.array(5)
	e.int(int64(r.MemberEpoch))
	e.int(int64(r.HeartbeatIntervalMs))
	e.int(int64(r.SessionTimeoutMs))
	e.bool(r.Assigns)
	encodeList(e, r.Assignment, (*AssignedTopic).encode)
}

func (r *GroupHeartbeatResponse) decode(d *decoder) {
	if !d.fields(5) {
		return
	}
	r.MemberEpoch = d.i32("member_epoch", -2, math.MaxInt32)
	r.HeartbeatIntervalMs = d.index("heartbeat_interval_ms")
	r.SessionTimeoutMs = d.index("session_timeout_ms")
	r.Assigns = d.bool("assigns")
	r.Assignment = decodeList(d, listOf{"assignment", maxTopics, 4}, (*AssignedTopic).decode)
	d.leave()
}

func (a *AssignedTopic) encode(e *encoder) {
	e.array(3)
	e.uint(a.ID)
	e.str(a.Name)
	e.ints(a.Partitions)
}

func (a *AssignedTopic) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	a.ID = d.id("id")
	a.Name = d.str("name", maxName)
	a.Partitions = d.ints("partitions", maxPartitions)
	d.leave()
}
