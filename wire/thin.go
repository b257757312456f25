package wire

// ThinProduceRequest appends records that the broker makes a batch of: for
// clients that know msgpack and nothing else.
type ThinProduceRequest struct {
	Topic string
	// Partition is its number; -1: by the first record's key, else spread.
	Partition int32
	// Acks is AcksNone, AcksLeader or AcksAll.
	Acks    int8
	Records []ThinRecord
}

// ThinRecord is one record to append.
type ThinRecord struct {
	// Key and Value may be nil, which is not the same as empty. Clients may send
	// them as str, too. They are part of the frame they came in: see Handler.
	Key, Value []byte
	Headers    []ThinHeader
	// TimestampMs is in ms since 1970; 0: now.
	TimestampMs int64
}

// ThinHeader is a header of a record.
type ThinHeader struct {
	Key string
	// Value may be nil.
	Value []byte
}

// ThinProduceResponse answers a ThinProduceRequest.
type ThinProduceResponse struct {
	Partition int32
	// BaseOffset is the offset of the first record, the others follow it; -1 for
	// AcksNone.
	BaseOffset int64
}

// ThinFetchRequest reads records of one partition.
type ThinFetchRequest struct {
	Topic     string
	Partition int32
	// Offset is the first one wanted; AtEnd and AtStart mean the log's bounds.
	Offset int64
	// MaxRecords and MaxBytes bound the answer, but for its first record; 0: the
	// broker's default. MaxWaitMs is how long to wait for a first record.
	MaxRecords, MaxBytes, MaxWaitMs int32
}

// ThinFetchResponse answers a ThinFetchRequest.
type ThinFetchResponse struct {
	// Start and End are the partition's bounds: the first offset it has and the
	// one after the last that may be read.
	Start, End int64
	// Next is the offset to ask for next.
	Next    int64
	Records []FetchedRecord
}

// FetchedRecord is one record as it is read.
type FetchedRecord struct {
	Offset, TimestampMs int64
	// Key and Value may be nil.
	Key, Value []byte
	Headers    []ThinHeader
}

// API is APIThinProduce.
func (*ThinProduceRequest) API() API { return APIThinProduce }

func (r *ThinProduceRequest) encode(e *encoder) {
	e.array(4)
	e.str(r.Topic)
	e.int(int64(r.Partition))
	e.int(int64(r.Acks))
	encodeList(e, r.Records, (*ThinRecord).encode)
}

func (r *ThinProduceRequest) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	r.Topic = d.str("topic", maxName)
	r.Partition = d.orMinusOne("partition")
	r.Acks = int8(d.i64("acks", -1, 1))
	r.Records = decodeList(d, listOf{"records", maxRecords, 5}, (*ThinRecord).decode)
	d.leave()
}

func (r *ThinRecord) encode(e *encoder) {
	e.array(4)
	e.optBin(r.Key)
	e.optBin(r.Value)
	encodeList(e, r.Headers, (*ThinHeader).encode)
	e.int(r.TimestampMs)
}

func (r *ThinRecord) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	r.Key = d.optBytes("key")
	r.Value = d.optBytes("value")
	r.Headers = decodeHeaders(d)
	r.TimestampMs = d.i64("timestamp_ms", 0, never)
	d.leave()
}

func (h *ThinHeader) encode(e *encoder) {
	e.array(2)
	e.str(h.Key)
	e.optBin(h.Value)
}

func (h *ThinHeader) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	h.Key = d.str("key", maxText)
	h.Value = d.optBytes("value")
	d.leave()
}

func decodeHeaders(d *decoder) []ThinHeader {
	return decodeList(d, listOf{"headers", maxHeaders, 3}, (*ThinHeader).decode)
}

// API is APIThinProduce.
func (*ThinProduceResponse) API() API { return APIThinProduce }

func (r *ThinProduceResponse) encode(e *encoder) {
	e.array(2)
	e.int(int64(r.Partition))
	e.int(r.BaseOffset)
}

func (r *ThinProduceResponse) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	r.Partition = d.index("partition")
	r.BaseOffset = d.i64("base_offset", -1, never)
	d.leave()
}

// API is APIThinFetch.
func (*ThinFetchRequest) API() API { return APIThinFetch }

func (r *ThinFetchRequest) encode(e *encoder) {
	e.array(6)
	e.str(r.Topic)
	e.int(int64(r.Partition))
	e.int(r.Offset)
	e.int(int64(r.MaxRecords))
	e.int(int64(r.MaxBytes))
	e.int(int64(r.MaxWaitMs))
}

func (r *ThinFetchRequest) decode(d *decoder) {
	if !d.fields(6) {
		return
	}
	r.Topic = d.str("topic", maxName)
	r.Partition = d.index("partition")
	r.Offset = d.i64("offset", AtStart, never)
	r.MaxRecords = d.index("max_records")
	r.MaxBytes = d.index("max_bytes")
	r.MaxWaitMs = d.index("max_wait_ms")
	d.leave()
}

// API is APIThinFetch.
func (*ThinFetchResponse) API() API { return APIThinFetch }

func (r *ThinFetchResponse) encode(e *encoder) {
	e.array(4)
	e.int(r.Start)
	e.int(r.End)
	e.int(r.Next)
	encodeList(e, r.Records, (*FetchedRecord).encode)
}

func (r *ThinFetchResponse) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	r.Start = d.i64("start", 0, never)
	r.End = d.i64("end", 0, never)
	r.Next = d.i64("next", 0, never)
	r.Records = decodeList(d, listOf{"records", maxRecords, 6}, (*FetchedRecord).decode)
	d.leave()
}

func (r *FetchedRecord) encode(e *encoder) {
	e.array(5)
	e.int(r.Offset)
	e.int(r.TimestampMs)
	e.optBin(r.Key)
	e.optBin(r.Value)
	encodeList(e, r.Headers, (*ThinHeader).encode)
}

func (r *FetchedRecord) decode(d *decoder) {
	if !d.fields(5) {
		return
	}
	r.Offset = d.i64("offset", 0, never)
	r.TimestampMs = d.i64("timestamp_ms", -never-1, never)
	r.Key = d.optBytes("key")
	r.Value = d.optBytes("value")
	r.Headers = decodeHeaders(d)
	d.leave()
}
