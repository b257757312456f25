package wire

// FindCoordinatorsRequest asks which brokers coordinate groups. Any broker answers
// it.
type FindCoordinatorsRequest struct {
	Groups []string
}

// FindCoordinatorsResponse answers a FindCoordinatorsRequest, in its order.
type FindCoordinatorsResponse struct {
	Coordinators []Coordinator
}

// Coordinator is the broker to which requests about a group go.
type Coordinator struct {
	Group string
	Error *Error
	// BrokerID is -1 with an Error.
	BrokerID int32
	// Address is HOST:PORT to dial.
	Address string
}

// API is APIFindCoordinators.
func (*FindCoordinatorsRequest) API() API { return APIFindCoordinators }

func (r *FindCoordinatorsRequest) encode(e *encoder) {
	e.array(1)
	e.strs(r.Groups)
}

func (r *FindCoordinatorsRequest) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Groups = d.strs("groups", maxGroups, maxName)
	d.leave()
}

// API is APIFindCoordinators.
func (*FindCoordinatorsResponse) API() API { return APIFindCoordinators }

func (r *FindCoordinatorsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Coordinators, (*Coordinator).encode)
}

func (r *FindCoordinatorsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Coordinators = decodeList(d, listOf{"coordinators", maxGroups, 5}, (*Coordinator).decode)
	d.leave()
}

func (c *Coordinator) encode(e *encoder) {
	e.array(4)
	e.str(c.Group)
	e.err(c.Error)
	e.int(int64(c.BrokerID))
	e.str(c.Address)
}

func (c *Coordinator) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	c.Group = d.str("group", maxName)
	c.Error = d.err("error")
	c.BrokerID = d.orMinusOne("broker_id")
	c.Address = d.str("address", maxText)
	d.leave()
}
