package wire

import "math"

// CommitOffsetsRequest stores how far a group has come. It is answered when that is
// durable, each partition for itself.
type CommitOffsetsRequest struct {
	Group string
	// MemberID is "" for a consumer outside the group, whose MemberEpoch is -1.
	MemberID    string
	MemberEpoch int32
	Topics      []CommitTopic
}

// CommitTopic is one topic of a CommitOffsetsRequest.
type CommitTopic struct {
	ID         uint64
	Partitions []CommitPartition
}

// CommitPartition is how far the group has come in one partition.
type CommitPartition struct {
	Index int32
	// Offset is that of the next record to be read.
	Offset int64
	// LeaderEpoch is that of the last record read; -1: unknown.
	LeaderEpoch int32
	// Metadata is the committer's own, at most 512 bytes.
	Metadata string
}

// CommitOffsetsResponse answers a CommitOffsetsRequest, in its order.
type CommitOffsetsResponse struct {
	Topics []CommitTopicResult
}

// CommitTopicResult is one topic of an answer about committed offsets.
type CommitTopicResult struct {
	ID         uint64
	Partitions []CommitResult
}

// CommitResult tells what became of one offset.
type CommitResult struct {
	Index int32
	Error *Error
}

// API is APICommitOffsets.
func (*CommitOffsetsRequest) API() API { return APICommitOffsets }

func (r *CommitOffsetsRequest) encode(e *encoder) {
	e.array(4)
	e.str(r.Group)
	e.str(r.MemberID)
	e.int(int64(r.MemberEpoch))
	encodeList(e, r.Topics, (*CommitTopic).encode)
}

func (r *CommitOffsetsRequest) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	r.Group = d.str("group", maxName)
	r.MemberID = d.str("member_id", maxName)
	r.MemberEpoch = d.i32("member_epoch", -2, math.MaxInt32)
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*CommitTopic).decode)
	d.leave()
}

func (c *CommitTopic) encode(e *encoder) {
	e.array(2)
	e.uint(c.ID)
	encodeList(e, c.Partitions, (*CommitPartition).encode)
}

func (c *CommitTopic) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	c.ID = d.id("id")
	c.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 5}, (*CommitPartition).decode)
	d.leave()
}

func (c *CommitPartition) encode(e *encoder) {
	e.array(4)
	e.int(int64(c.Index))
	e.int(c.Offset)
	e.int(int64(c.LeaderEpoch))
	e.str(c.Metadata)
}

func (c *CommitPartition) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	c.Index = d.index("index")
	c.Offset = d.i64("offset", 0, never)
	c.LeaderEpoch = d.orMinusOne("leader_epoch")
	c.Metadata = d.str("metadata", maxText)
	d.leave()
}

// API is APICommitOffsets.
func (*CommitOffsetsResponse) API() API { return APICommitOffsets }

func (r *CommitOffsetsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*CommitTopicResult).encode)
}

func (r *CommitOffsetsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*CommitTopicResult).decode)
	d.leave()
}

func (c *CommitTopicResult) encode(e *encoder) {
	e.array(2)
	e.uint(c.ID)
	encodeList(e, c.Partitions, (*CommitResult).encode)
}

func (c *CommitTopicResult) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	c.ID = d.id("id")
	c.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 3}, (*CommitResult).decode)
	d.leave()
}

func (c *CommitResult) encode(e *encoder) {
	e.array(2)
	e.int(int64(c.Index))
	e.err(c.Error)
}

func (c *CommitResult) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	c.Index = d.index("index")
	c.Error = d.err("error")
	d.leave()
}
