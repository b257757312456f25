package wire

// DeleteRecordsRequest deletes the oldest records of partitions.
type DeleteRecordsRequest struct {
	Topics []DeleteRecordsTopic
}

// DeleteRecordsTopic is one topic of a DeleteRecordsRequest.
type DeleteRecordsTopic struct {
	ID         uint64
	Partitions []DeleteRecordsPartition
}

// DeleteRecordsPartition tells what one partition is to delete.
type DeleteRecordsPartition struct {
	Index int32
	// Before is the first offset that stays; AtEnd: none stays.
	Before int64
}

// DeleteRecordsResponse answers a DeleteRecordsRequest, in its order, once the
// deletion is durable.
type DeleteRecordsResponse struct {
	Topics []DeleteRecordsTopicResult
}

// DeleteRecordsTopicResult is one topic of a DeleteRecordsResponse.
type DeleteRecordsTopicResult struct {
	ID         uint64
	Partitions []DeleteRecordsResult
}

// DeleteRecordsResult tells where a partition begins now.
type DeleteRecordsResult struct {
	Index int32
	Error *Error
	// Start is the first offset that the partition has; -1 when unknown.
	Start int64
}

// API is APIDeleteRecords.
func (*DeleteRecordsRequest) API() API { return APIDeleteRecords }

func (r *DeleteRecordsRequest) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*DeleteRecordsTopic).encode)
}

func (r *DeleteRecordsRequest) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*DeleteRecordsTopic).decode)
	d.leave()
}

func (t *DeleteRecordsTopic) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*DeleteRecordsPartition).encode)
}

func (t *DeleteRecordsTopic) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 3}, (*DeleteRecordsPartition).decode)
	d.leave()
}

func (p *DeleteRecordsPartition) encode(e *encoder) {
	e.array(2)
	e.int(int64(p.Index))
	e.int(p.Before)
}

func (p *DeleteRecordsPartition) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	p.Index = d.index("index")
	p.Before = d.i64("before", AtEnd, never)
	d.leave()
}

// API is APIDeleteRecords.
func (*DeleteRecordsResponse) API() API { return APIDeleteRecords }

func (r *DeleteRecordsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*DeleteRecordsTopicResult).encode)
}

func (r *DeleteRecordsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*DeleteRecordsTopicResult).decode)
	d.leave()
}

func (t *DeleteRecordsTopicResult) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*DeleteRecordsResult).encode)
}

func (t *DeleteRecordsTopicResult) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 4}, (*DeleteRecordsResult).decode)
	d.leave()
}

func (p *DeleteRecordsResult) encode(e *encoder) {
	e.array(3)
	e.int(int64(p.Index))
	e.err(p.Error)
	e.int(p.Start)
}

func (p *DeleteRecordsResult) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	p.Index = d.index("index")
	p.Error = d.err("error")
	p.Start = d.i64("start", -1, never)
	d.leave()
}
