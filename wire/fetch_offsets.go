package wire

import "math"

// FetchOffsetsRequest asks how far a group has come.
type FetchOffsetsRequest struct {
	Group string
	// MemberID and MemberEpoch, if given, must be those of a member; "" and -1: no
	// matter who asks.
	MemberID    string
	MemberEpoch int32
	// All asks for every offset that the group has committed; Topics is empty then.
	All    bool
	Topics []GroupPartitions
}

// FetchOffsetsResponse answers a FetchOffsetsRequest, in its order; with All by
// topic id.
type FetchOffsetsResponse struct {
	Topics []CommittedTopic
}

// CommittedTopic is one topic of a FetchOffsetsResponse.
type CommittedTopic struct {
	ID uint64
	// Name is "" when there is no such topic.
	Name       string
	Partitions []CommittedOffset
}

// CommittedOffset is how far a group has come in one partition.
type CommittedOffset struct {
	Index int32
	Error *Error
	// Offset is that of the next record to be read; -1: none was committed.
	Offset      int64
	LeaderEpoch int32
	Metadata    string
	// CommittedMs is when, in ms since 1970; -1 without an offset.
	CommittedMs int64
}

// API is APIFetchOffsets.
func (*FetchOffsetsRequest) API() API { return APIFetchOffsets }

func (r *FetchOffsetsRequest) encode(e *encoder) {
	e.array(5)
	e.str(r.Group)
	e.str(r.MemberID)
	e.int(int64(r.MemberEpoch))
	e.bool(r.All)
	encodeList(e, r.Topics, (*GroupPartitions).encode)
}

func (r *FetchOffsetsRequest) decode(d *decoder) {
	if !d.fields(5) {
		return
	}
	r.Group = d.str("group", maxName)
	r.MemberID = d.str("member_id", maxName)
	r.MemberEpoch = d.i32("member_epoch", -2, math.MaxInt32)
	r.All = d.bool("all")
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*GroupPartitions).decode)
	d.leave()
}

// API is APIFetchOffsets.
func (*FetchOffsetsResponse) API() API { return APIFetchOffsets }

func (r *FetchOffsetsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*CommittedTopic).encode)
}

func (r *FetchOffsetsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 4}, (*CommittedTopic).decode)
	d.leave()
}

func (c *CommittedTopic) encode(e *encoder) {
	e.array(3)
	e.uint(c.ID)
	e.str(c.Name)
	encodeList(e, c.Partitions, (*CommittedOffset).encode)
}

func (c *CommittedTopic) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	c.ID = d.id("id")
	c.Name = d.str("name", maxName)
	c.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 7}, (*CommittedOffset).decode)
	d.leave()
}

func (c *CommittedOffset) encode(e *encoder) {
	e.array(6)
	e.int(int64(c.Index))
	e.err(c.Error)
	e.int(c.Offset)
	e.int(int64(c.LeaderEpoch))
	e.str(c.Metadata)
	e.int(c.CommittedMs)
}

func (c *CommittedOffset) decode(d *decoder) {
	if !d.fields(6) {
		return
	}
	c.Index = d.index("index")
	c.Error = d.err("error")
	c.Offset = d.i64("offset", -1, never)
	c.LeaderEpoch = d.orMinusOne("leader_epoch")
	c.Metadata = d.str("metadata", maxText)
	c.CommittedMs = d.i64("committed_ms", -1, never)
	d.leave()
}
