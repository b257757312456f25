package wire

// DrainBrokerRequest has a broker lead nothing and take nothing, until that is cancelled: before it is stopped for a
// while. It keeps what it holds.
type DrainBrokerRequest struct {
	Broker int32
	// Cancel lets it take leaderships again.
	Cancel bool
}

// DrainBrokerResponse answers a DrainBrokerRequest with what the broker leads and holds as yet; describe_cluster tells
// how that goes on.
type DrainBrokerResponse struct{ Leaders, Replicas int32 }

// DecommissionBrokerRequest has all that a broker holds moved to others, before it is stopped for good. It may be gone
// already.
type DecommissionBrokerRequest struct {
	Broker int32
	// Cancel ends it: what was moved stays where it is, and what is being moved is moved to the end.
	Cancel bool
	// ValidateOnly checks everything and moves nothing.
	ValidateOnly bool
}

// DecommissionBrokerResponse answers a DecommissionBrokerRequest with what the broker leads and holds as yet;
// describe_cluster tells how that goes on.
type DecommissionBrokerResponse struct{ Leaders, Replicas int32 }

// API is APIDrainBroker.
func (*DrainBrokerRequest) API() API { return APIDrainBroker }

func (r *DrainBrokerRequest) encode(e *encoder) {
	e.array(2)
	e.int(int64(r.Broker))
	e.bool(r.Cancel)
}

func (r *DrainBrokerRequest) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	r.Broker = d.index("broker")
	r.Cancel = d.bool("cancel")
	d.leave()
}

// API is APIDrainBroker.
func (*DrainBrokerResponse) API() API { return APIDrainBroker }

func (r *DrainBrokerResponse) encode(e *encoder) { encodeHeld(e, r.Leaders, r.Replicas) }
func (r *DrainBrokerResponse) decode(d *decoder) { r.Leaders, r.Replicas = decodeHeld(d) }

func encodeHeld(e *encoder, leaders, replicas int32) {
	e.array(2)
	e.int(int64(leaders))
	e.int(int64(replicas))
}

func decodeHeld(d *decoder) (leaders, replicas int32) {
	if !d.fields(2) {
		return 0, 0
	}
	leaders, replicas = d.index("leaders"), d.index("replicas")
	d.leave()
	return leaders, replicas
}

// API is APIDecommissionBroker.
func (*DecommissionBrokerRequest) API() API { return APIDecommissionBroker }

func (r *DecommissionBrokerRequest) encode(e *encoder) {
	e.array(3)
	e.int(int64(r.Broker))
	e.bool(r.Cancel)
	e.bool(r.ValidateOnly)
}

func (r *DecommissionBrokerRequest) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	r.Broker = d.index("broker")
	r.Cancel = d.bool("cancel")
	r.ValidateOnly = d.bool("validate_only")
	d.leave()
}

// API is APIDecommissionBroker.
func (*DecommissionBrokerResponse) API() API { return APIDecommissionBroker }

func (r *DecommissionBrokerResponse) encode(e *encoder) { encodeHeld(e, r.Leaders, r.Replicas) }
func (r *DecommissionBrokerResponse) decode(d *decoder) { r.Leaders, r.Replicas = decodeHeld(d) }
