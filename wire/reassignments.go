package wire

import "math"

// AlterReassignmentsRequest has partitions moved to other brokers, each for itself.
type AlterReassignmentsRequest struct {
	Partitions []Reassignment
	// ValidateOnly checks everything and moves nothing.
	ValidateOnly bool
	// Throttle bounds the bytes a second that each broker ships to the replicas that are added; all moves that were
	// ordered with the same bound share it. 0: that of the broker's configuration. Live replication is never bounded.
	Throttle int64
}

// Reassignment is a partition, and where it is to be.
type Reassignment struct {
	ID    uint64
	Index int32
	// Replicas are the brokers that are to hold it, the preferred leader first; empty: those that held it before it
	// was moved, which takes a reassignment back.
	Replicas []int32
}

// AlterReassignmentsResponse answers an AlterReassignmentsRequest, in its order: what was ordered is under way.
type AlterReassignmentsResponse struct{ Partitions []OrderResult }

// ListReassignmentsRequest asks which partitions are being moved.
type ListReassignmentsRequest struct{}

// ListReassignmentsResponse answers a ListReassignmentsRequest, by topic name and partition.
type ListReassignmentsResponse struct{ Partitions []PartitionMove }

// PartitionMove is a partition that is being moved.
type PartitionMove struct {
	ID    uint64
	Topic string
	Index int32
	// Replicas hold it now or soon, Adding and Removing those of them that come and go; ISR are in sync.
	Replicas, Adding, Removing, ISR []int32
	// Target are the replicas that an operator asked for; empty: a broker that is being decommissioned is why.
	Target []int32
	// Throttle is that of the order; 0: none.
	Throttle int64
}

// API is APIAlterReassignments.
func (*AlterReassignmentsRequest) API() API { return APIAlterReassignments }

func (r *AlterReassignmentsRequest) encode(e *encoder) {
	e.array(3)
	encodeList(e, r.Partitions, (*Reassignment).encode)
	e.bool(r.ValidateOnly)
	e.int(r.Throttle)
}

func (r *AlterReassignmentsRequest) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	r.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 4}, (*Reassignment).decode)
	r.ValidateOnly = d.bool("validate_only")
	r.Throttle = d.i64("throttle_bytes", 0, math.MaxInt64)
	d.leave()
}

func (p *Reassignment) encode(e *encoder) {
	e.array(3)
	e.uint(p.ID)
	e.int(int64(p.Index))
	e.ints(p.Replicas)
}

func (p *Reassignment) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	p.ID = d.id("id")
	p.Index = d.index("index")
	p.Replicas = d.ints("replicas", maxReplicas)
	d.leave()
}

// API is APIAlterReassignments.
func (*AlterReassignmentsResponse) API() API { return APIAlterReassignments }

func (r *AlterReassignmentsResponse) encode(e *encoder) { encodeOrderResults(e, r.Partitions) }
func (r *AlterReassignmentsResponse) decode(d *decoder) { r.Partitions = decodeOrderResults(d) }

// API is APIListReassignments.
func (*ListReassignmentsRequest) API() API { return APIListReassignments }

func (*ListReassignmentsRequest) encode(e *encoder) { e.array(0) }
func (*ListReassignmentsRequest) decode(d *decoder) { d.empty() }

// API is APIListReassignments.
func (*ListReassignmentsResponse) API() API { return APIListReassignments }

func (r *ListReassignmentsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Partitions, (*PartitionMove).encode)
}

func (r *ListReassignmentsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 10}, (*PartitionMove).decode)
	d.leave()
}

func (p *PartitionMove) encode(e *encoder) {
	e.array(9)
	e.uint(p.ID)
	e.str(p.Topic)
	e.int(int64(p.Index))
	e.ints(p.Replicas)
	e.ints(p.Adding)
	e.ints(p.Removing)
	e.ints(p.ISR)
	e.ints(p.Target)
	e.int(p.Throttle)
}

func (p *PartitionMove) decode(d *decoder) {
	if !d.fields(9) {
		return
	}
	p.ID = d.id("id")
	p.Topic = d.str("topic", maxName)
	p.Index = d.index("index")
	p.Replicas = d.ints("replicas", maxReplicas)
	p.Adding = d.ints("adding", maxReplicas)
	p.Removing = d.ints("removing", maxReplicas)
	p.ISR = d.ints("isr", maxReplicas)
	p.Target = d.ints("target", maxReplicas)
	p.Throttle = d.i64("throttle_bytes", 0, math.MaxInt64)
	d.leave()
}
