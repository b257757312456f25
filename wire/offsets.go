package wire

// Values of ListOffsetsPartition.At and DeleteRecordsPartition.Before that are
// not a time or an offset.
const (
	// AtEnd is the end of the log: the offset that the next record gets.
	AtEnd int64 = -1
	// AtStart is the first offset that the log has.
	AtStart int64 = -2
)

// ListOffsetsRequest asks for offsets by position or time.
type ListOffsetsRequest struct {
	Topics []ListOffsetsTopic
}

// ListOffsetsTopic is one topic of a ListOffsetsRequest.
type ListOffsetsTopic struct {
	ID         uint64
	Partitions []ListOffsetsPartition
}

// ListOffsetsPartition asks for one offset.
type ListOffsetsPartition struct {
	Index int32
	// At is AtEnd, AtStart, or a time in ms since 1970: then the first record
	// with that timestamp or a later one is meant.
	At int64
}

// ListOffsetsResponse answers a ListOffsetsRequest, in its order.
type ListOffsetsResponse struct {
	Topics []ListOffsetsTopicResult
}

// ListOffsetsTopicResult is one topic of a ListOffsetsResponse.
type ListOffsetsTopicResult struct {
	ID         uint64
	Partitions []ListOffsetsResult
}

// ListOffsetsResult is one offset.
type ListOffsetsResult struct {
	Index int32
	Error *Error
	// Offset is the offset asked for; -1: no record has such a timestamp.
	Offset int64
	// TimestampMs is the timestamp of the record found by time; -1 otherwise.
	TimestampMs int64
}

// API is APIListOffsets.
func (*ListOffsetsRequest) API() API { return APIListOffsets }

func (r *ListOffsetsRequest) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*ListOffsetsTopic).encode)
}

func (r *ListOffsetsRequest) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*ListOffsetsTopic).decode)
	d.leave()
}

func (t *ListOffsetsTopic) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*ListOffsetsPartition).encode)
}

func (t *ListOffsetsTopic) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 3}, (*ListOffsetsPartition).decode)
	d.leave()
}

func (p *ListOffsetsPartition) encode(e *encoder) {
	e.array(2)
	e.int(int64(p.Index))
	e.int(p.At)
}

func (p *ListOffsetsPartition) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	p.Index = d.index("index")
	p.At = d.i64("at", AtStart, never)
	d.leave()
}

// API is APIListOffsets.
func (*ListOffsetsResponse) API() API { return APIListOffsets }

func (r *ListOffsetsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*ListOffsetsTopicResult).encode)
}

func (r *ListOffsetsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*ListOffsetsTopicResult).decode)
	d.leave()
}

func (t *ListOffsetsTopicResult) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*ListOffsetsResult).encode)
}

func (t *ListOffsetsTopicResult) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 5}, (*ListOffsetsResult).decode)
	d.leave()
}

func (p *ListOffsetsResult) encode(e *encoder) {
	e.array(4)
	e.int(int64(p.Index))
	e.err(p.Error)
	e.int(p.Offset)
	e.int(p.TimestampMs)
}

func (p *ListOffsetsResult) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	p.Index = d.index("index")
	p.Error = d.err("error")
	p.Offset = d.i64("offset", -1, never)
	p.TimestampMs = d.i64("timestamp_ms", -1, never)
	d.leave()
}
