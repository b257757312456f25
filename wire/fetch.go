package wire

// FetchRequest reads record batches. It is held up to MaxWaitMs, and holds up
// every later request of its connection with it: clients fetch on a connection
// of their own.
type FetchRequest struct {
	// MaxWaitMs is how long the broker may wait for MinBytes, in milliseconds.
	MaxWaitMs int32
	// MinBytes of batches end the wait.
	MinBytes int32
	// MaxBytes bounds the batches of the answer, but for the first batch, which
	// is answered whole whatever its size. The broker may answer less.
	MaxBytes int32
	Topics   []FetchTopic
}

// FetchTopic is one topic of a FetchRequest.
type FetchTopic struct {
	ID         uint64
	Partitions []FetchPartition
}

// FetchPartition is where to read in one partition.
type FetchPartition struct {
	Index int32
	// Offset is the first one wanted; the answer's first batch may begin before
	// it.
	Offset int64
	// MaxBytes bounds the partition's batches as FetchRequest.MaxBytes does all.
	MaxBytes int32
	// LeaderEpoch is what the client believes; -1: it does not know.
	LeaderEpoch int32
}

// FetchResponse answers a FetchRequest, in its order. A broker may leave out
// partitions that have nothing new and no error.
type FetchResponse struct {
	Topics []FetchTopicResult
}

// Fetched is the response itself, also where a struct of another package embeds
// it.
func (r *FetchResponse) Fetched() *FetchResponse { return r }

// FetchTopicResult is one topic of a FetchResponse.
type FetchTopicResult struct {
	ID         uint64
	Partitions []FetchResult
}

// FetchResult is what one partition has.
type FetchResult struct {
	Index int32
	Error *Error
	// Start and End are the partition's bounds: the first offset it has and the
	// one after the last that may be read; -1 when unknown.
	Start, End int64
	// Batches are whole record batches, one after the other. They are written to
	// the connection from where they are: see Releaser.
	Batches []byte
}

// API is APIFetch.
func (*FetchRequest) API() API { return APIFetch }

func (r *FetchRequest) encode(e *encoder) {
	e.array(4)
	e.int(int64(r.MaxWaitMs))
	e.int(int64(r.MinBytes))
	e.int(int64(r.MaxBytes))
	encodeList(e, r.Topics, (*FetchTopic).encode)
}

func (r *FetchRequest) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	r.MaxWaitMs = d.index("max_wait_ms")
	r.MinBytes = d.index("min_bytes")
	r.MaxBytes = d.index("max_bytes")
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*FetchTopic).decode)
	d.leave()
}

func (t *FetchTopic) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*FetchPartition).encode)
}

func (t *FetchTopic) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 5}, (*FetchPartition).decode)
	d.leave()
}

func (p *FetchPartition) encode(e *encoder) {
	e.array(4)
	e.int(int64(p.Index))
	e.int(p.Offset)
	e.int(int64(p.MaxBytes))
	e.int(int64(p.LeaderEpoch))
}

func (p *FetchPartition) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	p.Index = d.index("index")
	p.Offset = d.i64("offset", 0, never)
	p.MaxBytes = d.index("max_bytes")
	p.LeaderEpoch = d.orMinusOne("leader_epoch")
	d.leave()
}

// API is APIFetch.
func (*FetchResponse) API() API { return APIFetch }

func (r *FetchResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*FetchTopicResult).encode)
}

func (r *FetchResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*FetchTopicResult).decode)
	d.leave()
}

func (t *FetchTopicResult) encode(e *encoder) {
	e.array(2)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*FetchResult).encode)
}

func (t *FetchTopicResult) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 7}, (*FetchResult).decode)
	d.leave()
}

func (p *FetchResult) encode(e *encoder) {
	e.array(5)
	e.int(int64(p.Index))
	e.err(p.Error)
	e.int(p.Start)
	e.int(p.End)
	e.bin(p.Batches)
}

func (p *FetchResult) decode(d *decoder) {
	if !d.fields(5) {
		return
	}
	p.Index = d.index("index")
	p.Error = d.err("error")
	p.Start = d.i64("start", -1, never)
	p.End = d.i64("end", -1, never)
	p.Batches = d.bin("batches")
	d.leave()
}
