package wire

// ListGroupsRequest asks for the groups that there are.
type ListGroupsRequest struct{}

// ListGroupsResponse answers a ListGroupsRequest, by group id.
type ListGroupsResponse struct {
	Groups []GroupSummary
}

// GroupSummary is one group in a list.
type GroupSummary struct {
	Group string
	// State is "empty", "assigning", "reconciling" or "stable".
	State   string
	Members int32
	// Coordinator is a broker's id; -1: none now.
	Coordinator int32
}

// API is APIListGroups.
func (*ListGroupsRequest) API() API { return APIListGroups }

func (*ListGroupsRequest) encode(e *encoder) { e.array(0) }
func (*ListGroupsRequest) decode(d *decoder) { d.empty() }

// API is APIListGroups.
func (*ListGroupsResponse) API() API { return APIListGroups }

func (r *ListGroupsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Groups, (*GroupSummary).encode)
}

func (r *ListGroupsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Groups = decodeList(d, listOf{"groups", maxGroups, 5}, (*GroupSummary).decode)
	d.leave()
}

func (g *GroupSummary) encode(e *encoder) {
	e.array(4)
	e.str(g.Group)
	e.str(g.State)
	e.int(int64(g.Members))
	e.int(int64(g.Coordinator))
}

func (g *GroupSummary) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	g.Group = d.str("group", maxName)
	g.State = d.str("state", maxClientName)
	g.Members = d.index("members")
	g.Coordinator = d.orMinusOne("coordinator")
	d.leave()
}
