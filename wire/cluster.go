package wire

// DescribeClusterRequest asks which brokers there are.
type DescribeClusterRequest struct{}

// DescribeClusterResponse answers a DescribeClusterRequest.
type DescribeClusterResponse struct {
	ClusterID string
	// Controller is a broker's id; -1: none now.
	Controller int32
	// Brokers are those that are there, and those that only hold something.
	Brokers []BrokerState
	// Partitions counts all; Offline those without a leader, UnderReplicated those with fewer replicas in sync than
	// they have, UnderMinInSync those that take no writes with acks=all, Moving those that are being moved.
	Partitions, Offline, UnderReplicated, UnderMinInSync, Moving int32
}

// BrokerState is one broker, and what it has of a cluster's partitions.
type BrokerState struct {
	ID int32
	// Address is HOST:PORT to dial; "" of one that is not there.
	Address string
	// Rack is where it stands; "" when nobody said.
	Rack string
	// Present tells whether it is there.
	Present bool
	// Epoch is that of its registration, which grows with every start; -1 of one that is not there, or stands alone.
	Epoch int32
	// Draining brokers give their leaderships away and take none; Decommissioning ones give away all they hold.
	Draining, Decommissioning bool
	// Leaders counts the partitions that it leads, Replicas those of which it has a copy, InSync those of these
	// that are in sync.
	Leaders, Replicas, InSync int32
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
	e.array(8)
	e.str(r.ClusterID)
	e.int(int64(r.Controller))
	encodeList(e, r.Brokers, (*BrokerState).encode)
	e.int(int64(r.Partitions))
	e.int(int64(r.Offline))
	e.int(int64(r.UnderReplicated))
	e.int(int64(r.UnderMinInSync))
	e.int(int64(r.Moving))
}

func (r *DescribeClusterResponse) decode(d *decoder) {
	if !d.fields(8) {
		return
	}
	r.ClusterID = d.str("cluster_id", maxClientName)
	r.Controller = d.orMinusOne("controller")
	r.Brokers = decodeList(d, listOf{"brokers", maxReplicas, 11}, (*BrokerState).decode)
	r.Partitions = d.index("partitions")
	r.Offline = d.index("offline")
	r.UnderReplicated = d.index("under_replicated")
	r.UnderMinInSync = d.index("under_min_in_sync")
	r.Moving = d.index("moving")
	d.leave()
}

func (b *BrokerState) encode(e *encoder) {
	e.array(10)
	e.int(int64(b.ID))
	e.str(b.Address)
	e.str(b.Rack)
	e.bool(b.Present)
	e.int(int64(b.Epoch))
	e.bool(b.Draining)
	e.bool(b.Decommissioning)
	e.int(int64(b.Leaders))
	e.int(int64(b.Replicas))
	e.int(int64(b.InSync))
}

func (b *BrokerState) decode(d *decoder) {
	if !d.fields(10) {
		return
	}
	b.ID = d.index("id")
	b.Address = d.str("address", maxText)
	b.Rack = d.str("rack", maxText)
	b.Present = d.bool("present")
	b.Epoch = d.orMinusOne("epoch")
	b.Draining = d.bool("draining")
	b.Decommissioning = d.bool("decommissioning")
	b.Leaders = d.index("leaders")
	b.Replicas = d.index("replicas")
	b.InSync = d.index("in_sync")
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
