package wire

// DescribeClusterRequest asks which brokers there are.
type DescribeClusterRequest struct{}

// DescribeClusterResponse answers a DescribeClusterRequest.
type DescribeClusterResponse struct {
	ClusterID string
	// Controller is a broker's id; -1: none now.
	Controller int32
	Brokers    []Broker
}

// DescribeBrokerRequest asks the broker reached about itself.
type DescribeBrokerRequest struct{}

// DescribeBrokerResponse answers a DescribeBrokerRequest.
type DescribeBrokerResponse struct {
	BrokerID int32
	// Version is the program's, Go that of the compiler.
	Version, Go string
	// StartedMs is when the program started, in ms since 1970.
	StartedMs int64
	// DataDir is where the store lies, Fsync the policy of making it durable.
	DataDir, Fsync string
	// Topics and Partitions are counted as this broker holds them; Connections
	// as open now.
	Topics, Partitions, Connections int32
	// DiskTotal and DiskFree are the file system's bytes, LogBytes those of the
	// store.
	DiskTotal, DiskFree, LogBytes int64
	// Ready tells whether all Checks are fine.
	Ready  bool
	Checks []Check
}

// Check is one thing that must be right for a broker to serve.
type Check struct {
	Name string
	OK   bool
	// Detail says what is the matter, or how it is.
	Detail string
}

// API is APIDescribeCluster.
func (*DescribeClusterRequest) API() API { return APIDescribeCluster }

func (*DescribeClusterRequest) encode(e *encoder) { e.array(0) }
func (*DescribeClusterRequest) decode(d *decoder) { d.empty() }

// API is APIDescribeCluster.
func (*DescribeClusterResponse) API() API { return APIDescribeCluster }

func (r *DescribeClusterResponse) encode(e *encoder) {
	e.array(3)
	e.str(r.ClusterID)
	e.int(int64(r.Controller))
	encodeList(e, r.Brokers, (*Broker).encode)
}

func (r *DescribeClusterResponse) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	r.ClusterID = d.str("cluster_id", maxClientName)
	r.Controller = d.orMinusOne("controller")
	r.Brokers = decodeList(d, listOf{"brokers", maxReplicas, 4}, (*Broker).decode)
	d.leave()
}

// API is APIDescribeBroker.
func (*DescribeBrokerRequest) API() API { return APIDescribeBroker }

func (*DescribeBrokerRequest) encode(e *encoder) { e.array(0) }
func (*DescribeBrokerRequest) decode(d *decoder) { d.empty() }

// API is APIDescribeBroker.
func (*DescribeBrokerResponse) API() API { return APIDescribeBroker }

func (r *DescribeBrokerResponse) encode(e *encoder) {
	e.array(14)
	e.int(int64(r.BrokerID))
	e.str(r.Version)
	e.str(r.Go)
	e.int(r.StartedMs)
	e.str(r.DataDir)
	e.str(r.Fsync)
	e.int(int64(r.Topics))
	e.int(int64(r.Partitions))
	e.int(int64(r.Connections))
	e.int(r.DiskTotal)
	e.int(r.DiskFree)
	e.int(r.LogBytes)
	e.bool(r.Ready)
	encodeList(e, r.Checks, (*Check).encode)
}

func (r *DescribeBrokerResponse) decode(d *decoder) {
	if !d.fields(14) {
		return
	}
	r.BrokerID = d.index("broker_id")
	r.Version = d.str("version", maxClientName)
	r.Go = d.str("go", maxClientName)
	r.StartedMs = d.i64("started_ms", 0, never)
	r.DataDir = d.str("data_dir", maxText)
	r.Fsync = d.str("fsync", maxText)
	r.Topics = d.index("topics")
	r.Partitions = d.index("partitions")
	r.Connections = d.index("connections")
	r.DiskTotal = d.i64("disk_total", 0, never)
	r.DiskFree = d.i64("disk_free", 0, never)
	r.LogBytes = d.i64("log_bytes", 0, never)
	r.Ready = d.bool("ready")
	r.Checks = decodeList(d, listOf{"checks", maxAPIs, 4}, (*Check).decode)
	d.leave()
}

func (c *Check) encode(e *encoder) {
	e.array(3)
	e.str(c.Name)
	e.bool(c.OK)
	e.str(c.Detail)
}

func (c *Check) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	c.Name = d.str("name", maxName)
	c.OK = d.bool("ok")
	c.Detail = d.str("detail", maxText)
	d.leave()
}
