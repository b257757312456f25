package wire

// HelloRequest opens a connection: nothing else is answered before it.
type HelloRequest struct {
	// ClientName and ClientVersion say who calls, for the broker's log: up to 255
	// bytes each.
	ClientName, ClientVersion string
}

// HelloResponse is what a broker says of itself.
type HelloResponse struct {
	// ClusterID and BrokerID tell a client whether it reached whom it meant to.
	ClusterID string
	BrokerID  int32
	// BrokerVersion is the version of the broker's program.
	BrokerVersion string
	// APIs are the request kinds served, with their versions.
	APIs []APIRange
	// Features are names of behaviour beyond versions; unknown ones are ignored.
	Features []string
	// MaxFrameBytes is the largest request frame that the broker takes, without
	// its 4 bytes of length.
	MaxFrameBytes int64
	// MaxBatchBytes is the broker's default for the largest record batch; a topic
	// may have another.
	MaxBatchBytes int64
}

// APIRange is a request kind with the versions served, both included.
type APIRange struct {
	API      API
	Min, Max uint16
}

// API is APIHello.
func (*HelloRequest) API() API { return APIHello }

func (r *HelloRequest) encode(e *encoder) {
	e.array(2)
	e.str(r.ClientName)
	e.str(r.ClientVersion)
}

func (r *HelloRequest) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	r.ClientName = d.str("client_name", maxClientName)
	r.ClientVersion = d.str("client_version", maxClientName)
	d.leave()
}

// API is APIHello.
func (*HelloResponse) API() API { return APIHello }

func (r *HelloResponse) encode(e *encoder) {
	e.array(7)
	e.str(r.ClusterID)
	e.int(int64(r.BrokerID))
	e.str(r.BrokerVersion)
	encodeList(e, r.APIs, (*APIRange).encode)
	e.strs(r.Features)
	e.int(r.MaxFrameBytes)
	e.int(r.MaxBatchBytes)
}

func (r *HelloResponse) decode(d *decoder) {
	if !d.fields(7) {
		return
	}
	r.ClusterID = d.str("cluster_id", maxClientName)
	r.BrokerID = d.index("broker_id")
	r.BrokerVersion = d.str("broker_version", maxClientName)
	r.APIs = decodeList(d, listOf{"apis", maxAPIs, 4}, (*APIRange).decode)
	r.Features = d.strs("features", maxAPIs, maxClientName)
	r.MaxFrameBytes = d.i64("max_frame_bytes", 0, never)
	r.MaxBatchBytes = d.i64("max_batch_bytes", 0, never)
	d.leave()
}

func (a *APIRange) encode(e *encoder) {
	e.array(3)
	e.uint(uint64(a.API))
	e.uint(uint64(a.Min))
	e.uint(uint64(a.Max))
}

func (a *APIRange) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	a.API = API(d.u16("api"))
	a.Min = d.u16("min")
	a.Max = d.u16("max")
	d.leave()
}
