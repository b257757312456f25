package wire

// ElectLeadersRequest has leaders elected: the preferred ones, or by an operator's order one that may lack records.
type ElectLeadersRequest struct {
	// Unclean elects the brokers that Partitions name. Otherwise leaderships go back to the first of the replicas,
	// wherever that is in sync, and Partitions is empty.
	Unclean bool
	// AcceptDataLoss must be set with Unclean: what was acknowledged and the broker does not hold is lost.
	AcceptDataLoss bool
	Partitions     []UncleanElection
}

// UncleanElection is a partition without a leader, and who is to lead it.
type UncleanElection struct {
	ID    uint64
	Index int32
	// Broker is a replica that is there.
	Broker int32
	// LeaderEpoch is the one that describe_topics told: in another one nothing is done.
	LeaderEpoch int32
}

// ElectLeadersResponse answers an ElectLeadersRequest, in its order: what was ordered is carried out soon.
type ElectLeadersResponse struct{ Partitions []OrderResult }

// OrderResult tells whether something was ordered for a partition.
type OrderResult struct {
	ID    uint64
	Index int32
	Error *Error
}

// API is APIElectLeaders.
func (*ElectLeadersRequest) API() API { return APIElectLeaders }

func (r *ElectLeadersRequest) encode(e *encoder) {
	e.array(3)
	e.bool(r.Unclean)
	e.bool(r.AcceptDataLoss)
	encodeList(e, r.Partitions, (*UncleanElection).encode)
}

func (r *ElectLeadersRequest) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	r.Unclean = d.bool("unclean")
	r.AcceptDataLoss = d.bool("accept_data_loss")
	r.Partitions = decodeList(d, listOf{"partitions", maxPartitions, 5}, (*UncleanElection).decode)
	d.leave()
}

func (p *UncleanElection) encode(e *encoder) {
	e.array(4)
	e.uint(p.ID)
	e.int(int64(p.Index))
	e.int(int64(p.Broker))
	e.int(int64(p.LeaderEpoch))
}

func (p *UncleanElection) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	p.ID = d.id("id")
	p.Index = d.index("index")
	p.Broker = d.index("broker")
	p.LeaderEpoch = d.orMinusOne("leader_epoch")
	d.leave()
}

// API is APIElectLeaders.
func (*ElectLeadersResponse) API() API { return APIElectLeaders }

func (r *ElectLeadersResponse) encode(e *encoder) { encodeOrderResults(e, r.Partitions) }
func (r *ElectLeadersResponse) decode(d *decoder) { r.Partitions = decodeOrderResults(d) }

func encodeOrderResults(e *encoder, results []OrderResult) {
	e.array(1)
	encodeList(e, results, (*OrderResult).encode)
}

func decodeOrderResults(d *decoder) []OrderResult {
	if !d.fields(1) {
		return nil
	}
	results := decodeList(d, listOf{"partitions", maxPartitions, 4}, (*OrderResult).decode)
	d.leave()
	return results
}

func (p *OrderResult) encode(e *encoder) {
	e.array(3)
	e.uint(p.ID)
	e.int(int64(p.Index))
	e.err(p.Error)
}

func (p *OrderResult) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	p.ID = d.id("id")
	p.Index = d.index("index")
	p.Error = d.err("error")
	d.leave()
}
