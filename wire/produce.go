package wire

// When a produce is answered.
const (
	// AcksNone: as soon as it is queued. The answer's BaseOffset is -1.
	AcksNone int8 = 0
	// AcksLeader: when it is durable on the leader.
	AcksLeader int8 = 1
	// AcksAll: when it is durable on every replica in sync.
	AcksAll int8 = -1
)

// ProduceRequest appends record batches.
type ProduceRequest struct {
	// Acks is AcksNone, AcksLeader or AcksAll.
	Acks int8
	// TimeoutMs bounds the wait for the acks, in milliseconds; 0: the broker's
	// default.
	TimeoutMs int32
	Topics    []ProduceTopic
}

// ProduceTopic is one topic of a ProduceRequest.
type ProduceTopic struct {
	ID         uint64
	Partitions []ProducePartition
}

// ProducePartition is what one partition is to append.
type ProducePartition struct {
	Index int32
	// Batch is one whole record batch. It is part of the frame it came in: see
	// Handler. It is not copied when it is sent either, and must not change
	// before the call is done.
	Batch []byte
}

// ProduceResponse answers a ProduceRequest, partition by partition in its order.
type ProduceResponse struct {
	Topics []ProduceTopicResult
}

// ProduceTopicResult is one topic of a ProduceResponse.
type ProduceTopicResult struct {
	ID         uint64
	Partitions []ProduceResult
}

// ProduceResult tells what became of one batch.
type ProduceResult struct {
	Index int32
	Error *Error
	// BaseOffset is the offset of the batch's first record; -1 when unknown.
	BaseOffset int64
	// AppendTimeMs is when the broker appended it, in ms since 1970; -1 when the
	// topic keeps the producer's timestamps.
	AppendTimeMs int64
	// LogStart is the first offset that the partition has.
	LogStart int64
}

// API is APIProduce.
func (*ProduceRequest) API() API { return APIProduce }

func (r *ProduceRequest) encode(e *encoder) {
	e.array(3)
	e.int(int64(r.Acks))
	e.int(int64(r.TimeoutMs))
	encodeList(e, r.Topics, (*ProduceTopic).encode)
}

func (r *ProduceRequest) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	r.Acks = int8(d.i64("acks", -1, 1))
	r.TimeoutMs = d.index("timeout_ms")
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*ProduceTopic).decode)
	d.leave()
}

func (t *ProduceTopic) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*ProducePartition).encode)
}

func (t *ProduceTopic) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 4}, (*ProducePartition).decode)
	d.leave()
}

func (p *ProducePartition) encode(e *encoder) {
	e.array(2)
	e.int(int64(p.Index))
	e.bin(p.Batch)
}

func (p *ProducePartition) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	p.Index = d.index("index")
	p.Batch = d.bin("batch")
	d.leave()
}

// API is APIProduce.
func (*ProduceResponse) API() API { return APIProduce }

func (r *ProduceResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*ProduceTopicResult).encode)
}

func (r *ProduceResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*ProduceTopicResult).decode)
	d.leave()
}

func (t *ProduceTopicResult) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*ProduceResult).encode)
}

func (t *ProduceTopicResult) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 6}, (*ProduceResult).decode)
	d.leave()
}

func (p *ProduceResult) encode(e *encoder) {
	e.array(5)
	e.int(int64(p.Index))
	e.err(p.Error)
	e.int(p.BaseOffset)
	e.int(p.AppendTimeMs)
	e.int(p.LogStart)
}

func (p *ProduceResult) decode(d *decoder) {
	if !d.fields(5) {
		return
	}
	p.Index = d.index("index")
	p.Error = d.err("error")
	p.BaseOffset = d.i64("base_offset", -1, never)
	p.AppendTimeMs = d.i64("append_time_ms", -1, never)
	p.LogStart = d.i64("log_start", -1, never)
	d.leave()
}
