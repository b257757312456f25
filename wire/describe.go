package wire

// ListTopicsRequest asks for a line on every topic.
type ListTopicsRequest struct{}

// ListTopicsResponse answers a ListTopicsRequest, by name.
type ListTopicsResponse struct{ Topics []TopicSummary }

// TopicSummary is a line on one topic.
type TopicSummary struct {
	Name                 string
	ID                   uint64
	Partitions, Replicas int32
	// Records is the number of offsets that the topic's partitions hold; Bytes is
	// the size of their batches as stored.
	Records, Bytes int64
	// InPerSec and OutPerSec are records per second, produced and fetched lately.
	InPerSec, OutPerSec float64
	// Health is "ok", or what is the matter.
	Health string
}

// DescribeTopicsRequest asks for everything about some topics.
type DescribeTopicsRequest struct{ Names []string }

// DescribeTopicsResponse answers a DescribeTopicsRequest, in its order.
type DescribeTopicsResponse struct{ Topics []TopicDescription }

// TopicDescription is everything about one topic.
type TopicDescription struct {
	Error *Error
	Name  string
	ID    uint64
	// CreatedMs is when it was created, in ms since 1970.
	CreatedMs  int64
	Replicas   int32
	Settings   []SettingValue
	Partitions []PartitionDescription
}

// Where the value of a setting comes from.
const (
	OriginDefault = "default" // the program
	OriginBroker  = "broker"  // the broker's configuration
	OriginTopic   = "topic"   // the topic itself
)

// SettingValue is the value that a setting has, and where it comes from.
type SettingValue struct {
	Name, Value string
	// Origin is OriginDefault, OriginBroker or OriginTopic.
	Origin string
}

// PartitionDescription is everything about one partition.
type PartitionDescription struct {
	Index int32
	// Leader is a broker's id, LeaderEpoch its epoch; -1: none.
	Leader, LeaderEpoch int32
	// Replicas are the brokers assigned, ISR those in sync.
	Replicas, ISR []int32
	// Error says why the fields below are unknown.
	Error *Error
	// Start and End bound the offsets held; Bytes is the size of the batches as
	// stored.
	Start, End, Bytes int64
	// HighWatermark is up to where, exclusive, the broker that answers knows the records to be committed; -1: unknown.
	HighWatermark int64
	// LastEpoch is the leader epoch of the last record that the broker that answers holds; -1: none, or unknown.
	LastEpoch int32
	// MinInSync is how many replicas must be in sync for writes with acks=all.
	MinInSync int32
	// ELR are the brokers that are not in sync and yet hold all that is committed; Adding and Removing are those of
	// Replicas that come and go in a reassignment.
	ELR, Adding, Removing []int32
	// Followers tells how far they are, if the broker that answers leads the partition.
	Followers []FollowerLag
}

// FollowerLag is how far a follower is behind its leader.
type FollowerLag struct {
	Broker int32
	// Lag is the number of records that it lacks; -1: unknown.
	Lag int64
	// LagMs is since when, in ms, it has not held all; 0: it does; -1: unknown.
	LagMs int64
}

// API is APIListTopics.
func (*ListTopicsRequest) API() API { return APIListTopics }

func (*ListTopicsRequest) encode(e *encoder) { e.array(0) }
func (*ListTopicsRequest) decode(d *decoder) { d.empty() }

// API is APIListTopics.
func (*ListTopicsResponse) API() API { return APIListTopics }

func (r *ListTopicsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*TopicSummary).encode)
}

func (r *ListTopicsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 10}, (*TopicSummary).decode)
	d.leave()
}

func (t *TopicSummary) encode(e *encoder) {
	e.array(9)
	e.str(t.Name)
	e.uint(t.ID)
	e.int(int64(t.Partitions))
	e.int(int64(t.Replicas))
	e.int(t.Records)
	e.int(t.Bytes)
	e.float(t.InPerSec)
	e.float(t.OutPerSec)
	e.str(t.Health)
}

func (t *TopicSummary) decode(d *decoder) {
	if !d.fields(9) {
		return
	}
	t.Name = d.str("name", maxName)
	t.ID = d.id("id")
	t.Partitions = d.index("partitions")
	t.Replicas = d.index("replicas")
	t.Records = d.i64("records", 0, never)
	t.Bytes = d.i64("bytes", 0, never)
	t.InPerSec = d.float("in_per_sec")
	t.OutPerSec = d.float("out_per_sec")
	t.Health = d.str("health", maxText)
	d.leave()
}

// API is APIDescribeTopics.
func (*DescribeTopicsRequest) API() API { return APIDescribeTopics }

func (r *DescribeTopicsRequest) encode(e *encoder) {
	e.array(1)
	e.strs(r.Names)
}

func (r *DescribeTopicsRequest) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Names = d.strs("names", maxTopics, maxName)
	d.leave()
}

// API is APIDescribeTopics.
func (*DescribeTopicsResponse) API() API { return APIDescribeTopics }

func (r *DescribeTopicsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*TopicDescription).encode)
}

func (r *DescribeTopicsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 8}, (*TopicDescription).decode)
	d.leave()
}

func (t *TopicDescription) encode(e *encoder) {
	e.array(7)
	e.err(t.Error)
	e.str(t.Name)
	e.uint(t.ID)
	e.int(t.CreatedMs)
	e.int(int64(t.Replicas))
	encodeList(e, t.Settings, (*SettingValue).encode)
	encodeList(e, t.Partitions, (*PartitionDescription).encode)
}

func (t *TopicDescription) decode(d *decoder) {
	if !d.fields(7) {
		return
	}
	t.Error = d.err("error")
	t.Name = d.str("name", maxName)
	t.ID = d.id("id")
	t.CreatedMs = d.i64("created_ms", 0, never)
	t.Replicas = d.index("replicas")
	t.Settings = decodeList(d, listOf{"settings", maxSettings, 4}, (*SettingValue).decode)
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 17}, (*PartitionDescription).decode)
	d.leave()
}

func (s *SettingValue) encode(e *encoder) {
	e.array(3)
	e.str(s.Name)
	e.str(s.Value)
	e.str(s.Origin)
}

func (s *SettingValue) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	s.Name = d.str("name", maxName)
	s.Value = d.str("value", maxText)
	s.Origin = d.str("origin", maxClientName)
	d.leave()
}

func (p *PartitionDescription) encode(e *encoder) {
	e.array(16)
	e.int(int64(p.Index))
	e.int(int64(p.Leader))
	e.int(int64(p.LeaderEpoch))
	e.ints(p.Replicas)
	e.ints(p.ISR)
	e.err(p.Error)
	e.int(p.Start)
	e.int(p.End)
	e.int(p.Bytes)
	e.int(p.HighWatermark)
	e.int(int64(p.LastEpoch))
	e.int(int64(p.MinInSync))
	e.ints(p.ELR)
	e.ints(p.Adding)
	e.ints(p.Removing)
	encodeList(e, p.Followers, (*FollowerLag).encode)
}

func (p *PartitionDescription) decode(d *decoder) {
	if !d.fields(16) {
		return
	}
	p.Index = d.index("index")
	p.Leader = d.orMinusOne("leader")
	p.LeaderEpoch = d.orMinusOne("leader_epoch")
	p.Replicas = d.ints("replicas", maxReplicas)
	p.ISR = d.ints("isr", maxReplicas)
	p.Error = d.err("error")
	p.Start = d.i64("start", -1, never)
	p.End = d.i64("end", -1, never)
	p.Bytes = d.i64("bytes", -1, never)
	p.HighWatermark = d.i64("high_watermark", -1, never)
	p.LastEpoch = d.orMinusOne("last_epoch")
	p.MinInSync = d.index("min_in_sync")
	p.ELR = d.ints("elr", maxReplicas)
	p.Adding = d.ints("adding", maxReplicas)
	p.Removing = d.ints("removing", maxReplicas)
	p.Followers = decodeList(d, listOf{"followers", maxReplicas, 4}, (*FollowerLag).decode)
	d.leave()
}

func (f *FollowerLag) encode(e *encoder) {
	e.array(3)
	e.int(int64(f.Broker))
	e.int(f.Lag)
	e.int(f.LagMs)
}

func (f *FollowerLag) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	f.Broker = d.index("broker")
	f.Lag = d.i64("lag", -1, never)
	f.LagMs = d.i64("lag_ms", -1, never)
	d.leave()
}
