package wire

// MetadataRequest asks which topics and partitions there are and who leads them.
type MetadataRequest struct {
	// Topics names the topics, each once; empty: none, unless All.
	Topics []string
	// All asks for every topic.
	All bool
	// CreateMissing creates the topics of Topics that do not exist, with the
	// broker's defaults, where the broker allows that.
	CreateMissing bool
}

// MetadataResponse answers a MetadataRequest.
type MetadataResponse struct {
	ClusterID string
	Brokers   []Broker
	// Topics are in the order asked for; for All, by name.
	Topics []TopicMetadata
	// Stale tells that the broker is out of touch with the cluster: it may no longer lead what it says it leads. Another
	// broker may know better.
	Stale bool
}

// Broker is one broker of a cluster.
type Broker struct {
	ID int32
	// Address is HOST:PORT to dial.
	Address string
	// Rack is where it stands; "" when nobody said.
	Rack string
}

// TopicMetadata is one topic, or the reason why there is none.
type TopicMetadata struct {
	Error *Error
	Name  string
	// ID is the topic's id, never reused: a topic deleted and created again has
	// another. 1 to 2^63-1; 0 with an Error.
	ID         uint64
	Partitions []PartitionMetadata
}

// PartitionMetadata tells who leads a partition.
type PartitionMetadata struct {
	Index int32
	// Leader is a broker's id; -1: none now.
	Leader int32
	// LeaderEpoch grows with every change of leader; -1: unknown.
	LeaderEpoch int32
}

// API is APIMetadata.
func (*MetadataRequest) API() API { return APIMetadata }

func (r *MetadataRequest) encode(e *encoder) {
	e.array(3)
	e.strs(r.Topics)
	e.bool(r.All)
	e.bool(r.CreateMissing)
}

func (r *MetadataRequest) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	r.Topics = d.strs("topics", maxTopics, maxName)
	r.All = d.bool("all")
	r.CreateMissing = d.bool("create_missing")
	d.leave()
}

// API is APIMetadata.
func (*MetadataResponse) API() API { return APIMetadata }

func (r *MetadataResponse) encode(e *encoder) {
	e.array(4)
	e.str(r.ClusterID)
	encodeList(e, r.Brokers, (*Broker).encode)
	encodeList(e, r.Topics, (*TopicMetadata).encode)
	e.bool(r.Stale)
}

func (r *MetadataResponse) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	r.ClusterID = d.str("cluster_id", maxClientName)
	r.Brokers = decodeList(d, listOf{"brokers", maxReplicas, 4}, (*Broker).decode)
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 5}, (*TopicMetadata).decode)
	r.Stale = d.bool("stale")
	d.leave()
}

func (b *Broker) encode(e *encoder) {
	e.array(3)
	e.int(int64(b.ID))
	e.str(b.Address)
	e.str(b.Rack)
}

func (b *Broker) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	b.ID = d.index("id")
	b.Address = d.str("address", maxText)
	b.Rack = d.str("rack", maxClientName)
	d.leave()
}

func (t *TopicMetadata) encode(e *encoder) {
	e.array(4)
	e.err(t.Error)
	e.str(t.Name)
	e.uint(t.ID)
	encodeList(e, t.Partitions, (*PartitionMetadata).encode)
}

func (t *TopicMetadata) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	t.Error = d.err("error")
	t.Name = d.str("name", maxName)
	t.ID = d.id("id")
	t.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 4}, (*PartitionMetadata).decode)
	d.leave()
}

func (p *PartitionMetadata) encode(e *encoder) {
	e.array(3)
	e.int(int64(p.Index))
	e.int(int64(p.Leader))
	e.int(int64(p.LeaderEpoch))
}

func (p *PartitionMetadata) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	p.Index = d.index("index")
	p.Leader = d.orMinusOne("leader")
	p.LeaderEpoch = d.orMinusOne("leader_epoch")
	d.leave()
}
