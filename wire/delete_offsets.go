package wire

// DeleteOffsetsRequest forgets how far a group has come. A partition that a member
// subscribes to is refused.
type DeleteOffsetsRequest struct {
	Group  string
	Topics []GroupPartitions
}

// DeleteOffsetsResponse answers a DeleteOffsetsRequest, in its order.
type DeleteOffsetsResponse struct {
	Topics []CommitTopicResult
}

// API is APIDeleteOffsets.
func (*DeleteOffsetsRequest) API() API { return APIDeleteOffsets }

func (r *DeleteOffsetsRequest) encode(e *encoder) {
	e.array(2)
	e.str(r.Group)
	encodeList(e, r.Topics, (*GroupPartitions).encode)
}

func (r *DeleteOffsetsRequest) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	r.Group = d.str("group", maxName)
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*GroupPartitions).decode)
	d.leave()
}

// API is APIDeleteOffsets.
func (*DeleteOffsetsResponse) API() API { return APIDeleteOffsets }

func (r *DeleteOffsetsResponse) encode(e *encoder) {
	e.array(1)
	encodeList(e, r.Topics, (*CommitTopicResult).encode)
}

func (r *DeleteOffsetsResponse) decode(d *decoder) {
	if !d.fields(1) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*CommitTopicResult).decode)
	d.leave()
}
