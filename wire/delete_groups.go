package wire

// DeleteGroupsRequest deletes groups that have no members, with their offsets.
type DeleteGroupsRequest struct {
	Groups []string
	// ValidateOnly checks everything and deletes nothing.
	ValidateOnly bool
}

// DeleteGroupsResponse answers a DeleteGroupsRequest, in its order.
type DeleteGroupsResponse struct {
	Groups []GroupResult
}

// GroupResult tells what became of one group.
type GroupResult struct {
	Group string
	Error *Error
}

// API is APIDeleteGroups.
func (*DeleteGroupsRequest) API() API { return APIDeleteGroups }

func (r *DeleteGroupsRequest) encode(e *encoder) {
	e.array(2)
	e.strs(r.Groups)
	e.bool(r.ValidateOnly)
}

func (r *DeleteGroupsRequest) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	r.Groups = d.strs("groups", maxGroups, maxName)
	r.ValidateOnly = d.bool("validate_only")
	d.leave()
}

// API is APIDeleteGroups.
func (*DeleteGroupsResponse) API() API { return APIDeleteGroups }

func (r *DeleteGroupsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Groups, (*GroupResult).encode)
}

func (r *DeleteGroupsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Groups = decodeList(d, listOf{"groups", maxGroups, 3}, (*GroupResult).decode)
	d.leave()
}

func (g *GroupResult) encode(e *encoder) {
	e.array(2)
	e.str(g.Group)
	e.err(g.Error)
}

func (g *GroupResult) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	g.Group = d.str("group", maxName)
	g.Error = d.err("error")
	d.leave()
}
