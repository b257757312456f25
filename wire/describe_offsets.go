package wire

// DescribeOffsetsRequest asks where offsets lie in their logs, and how old the
// records there are: the lag of a group, in records and in seconds.
type DescribeOffsetsRequest struct {
	Topics []DescribeOffsetsTopic
}

// DescribeOffsetsTopic is one topic of a DescribeOffsetsRequest.
type DescribeOffsetsTopic struct {
	ID         uint64
	Partitions []DescribeOffsetsPartition
}

// DescribeOffsetsPartition is one offset.
type DescribeOffsetsPartition struct {
	Index  int32
	Offset int64
}

// DescribeOffsetsResponse answers a DescribeOffsetsRequest, in its order.
type DescribeOffsetsResponse struct {
	Topics []DescribeOffsetsTopicResult
}

// DescribeOffsetsTopicResult is one topic of a DescribeOffsetsResponse.
type DescribeOffsetsTopicResult struct {
	ID         uint64
	Partitions []DescribeOffsetsResult
}

// DescribeOffsetsResult tells about one offset.
type DescribeOffsetsResult struct {
	Index int32
	Error *Error
	// Start and End are the partition's bounds: the first offset it has and the one
	// after the last that may be read; -1 when unknown.
	Start int64
	End   int64
	// TimestampMs is that of the first record at or after the offset, in
	// ms since 1970; -1: there is none yet.
	TimestampMs int64
}

// API is APIDescribeOffsets.
func (*DescribeOffsetsRequest) API() API { return APIDescribeOffsets }

func (r *DescribeOffsetsRequest) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*DescribeOffsetsTopic).encode)
}

func (r *DescribeOffsetsRequest) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*DescribeOffsetsTopic).decode)
	d.leave()
}

func (t *DescribeOffsetsTopic) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*DescribeOffsetsPartition).encode)
}

func (t *DescribeOffsetsTopic) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 3}, (*DescribeOffsetsPartition).decode)
	d.leave()
}

func (p *DescribeOffsetsPartition) encode(e *encoder) {
	e.array(2)
	e.int(int64(p.Index))
	e.int(p.Offset)
}

func (p *DescribeOffsetsPartition) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	p.Index = d.index("index")
	p.Offset = d.i64("offset", 0, never)
	d.leave()
}

// API is APIDescribeOffsets.
func (*DescribeOffsetsResponse) API() API { return APIDescribeOffsets }

func (r *DescribeOffsetsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*DescribeOffsetsTopicResult).encode)
}

func (r *DescribeOffsetsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*DescribeOffsetsTopicResult).decode)
	d.leave()
}

func (p *DescribeOffsetsTopicResult) encode(e *encoder) {
	e.array(2)
	e.uint(p.ID)
	encodeList(e, p.Partitions, (*DescribeOffsetsResult).encode)
}

func (p *DescribeOffsetsTopicResult) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	p.ID = d.id("id")
	p.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 6}, (*DescribeOffsetsResult).decode)
	d.leave()
}

func (p *DescribeOffsetsResult) encode(e *encoder) {
	e.array(5)
	e.int(int64(p.Index))
	e.err(p.Error)
	e.int(p.Start)
	e.int(p.End)
	e.int(p.TimestampMs)
}

func (p *DescribeOffsetsResult) decode(d *decoder) {
	if !d.fields(5) {
		return
	}
	p.Index = d.index("index")
	p.Error = d.err("error")
	p.Start = d.i64("start", -1, never)
	p.End = d.i64("end", -1, never)
	p.TimestampMs = d.i64("timestamp_ms", -1, never)
	d.leave()
}
