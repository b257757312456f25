package wire

// Setting is a topic setting's name and value, as people write them.
type Setting struct{ Name, Value string }

// CreateTopicsRequest creates topics, each for itself: one may fail while others
// are created.
type CreateTopicsRequest struct {
	Topics []NewTopic
	// ValidateOnly checks everything and creates nothing.
	ValidateOnly bool
}

// NewTopic is a topic to create.
type NewTopic struct {
	Name string
	// Partitions and Replicas: 0 takes the broker's default.
	Partitions, Replicas int32
	// Settings differ from the broker's defaults.
	Settings []Setting
}

// TopicResult tells what became of one topic.
type TopicResult struct {
	Name  string
	Error *Error
	// ID, Partitions and Replicas describe the topic; 0 with an Error.
	ID                   uint64
	Partitions, Replicas int32
}

// CreateTopicsResponse answers a CreateTopicsRequest, in its order.
type CreateTopicsResponse struct{ Topics []TopicResult }

// DeleteTopicsRequest deletes topics with all their records.
type DeleteTopicsRequest struct {
	Names []string
	// ValidateOnly checks everything and deletes nothing.
	ValidateOnly bool
}

// DeleteTopicsResponse answers a DeleteTopicsRequest, in its order.
type DeleteTopicsResponse struct{ Topics []TopicResult }

// AlterTopicsRequest changes settings of topics.
type AlterTopicsRequest struct {
	Topics []TopicChange
	// ValidateOnly checks everything and changes nothing.
	ValidateOnly bool
}

// TopicChange is what to change in one topic; all of it or, on an error, nothing.
type TopicChange struct {
	Name string
	Set  []Setting
	// Unset names settings that go back to the broker's default.
	Unset []string
}

// AlterTopicsResponse answers an AlterTopicsRequest, in its order.
type AlterTopicsResponse struct{ Topics []TopicResult }

// AddPartitionsRequest gives topics more partitions.
type AddPartitionsRequest struct {
	Topics []PartitionCount
	// ValidateOnly checks everything and adds nothing.
	ValidateOnly bool
}

// PartitionCount is how many partitions a topic is to have.
type PartitionCount struct {
	Name string
	// Total is the number afterwards, not the number to add.
	Total int32
}

// AddPartitionsResponse answers an AddPartitionsRequest, in its order.
type AddPartitionsResponse struct{ Topics []TopicResult }

// API is APICreateTopics.
func (*CreateTopicsRequest) API() API { return APICreateTopics }

func (r *CreateTopicsRequest) encode(e *encoder) {
	e.array(2)
	encodeList(e, r.Topics, (*NewTopic).encode)
	e.bool(r.ValidateOnly)
}

func (r *CreateTopicsRequest) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 5}, (*NewTopic).decode)
	r.ValidateOnly = d.bool("validate_only")
	d.leave()
}

func (t *NewTopic) encode(e *encoder) {
	e.array(4)
	e.str(t.Name)
	e.int(int64(t.Partitions))
	e.int(int64(t.Replicas))
	encodeList(e, t.Settings, (*Setting).encode)
}

func (t *NewTopic) decode(d *decoder) {
	if !d.fields(4) {
		return
	}
	t.Name = d.str("name", maxName)
	t.Partitions = d.index("partitions")
	t.Replicas = d.index("replicas")
	t.Settings = decodeSettings(d, "settings")
	d.leave()
}

func (s *Setting) encode(e *encoder) {
	e.array(2)
	e.str(s.Name)
	e.str(s.Value)
}

func (s *Setting) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	s.Name = d.str("name", maxName)
	s.Value = d.str("value", maxText)
	d.leave()
}

func decodeSettings(d *decoder, name string) []Setting {
	return decodeList(d, listOf{name, maxSettings, 3}, (*Setting).decode)
}

func (t *TopicResult) encode(e *encoder) {
	e.array(5)
	e.str(t.Name)
	e.err(t.Error)
	e.uint(t.ID)
	e.int(int64(t.Partitions))
	e.int(int64(t.Replicas))
}

func (t *TopicResult) decode(d *decoder) {
	if !d.fields(5) {
		return
	}
	t.Name = d.str("name", maxName)
	t.Error = d.err("error")
	t.ID = d.id("id")
	t.Partitions = d.index("partitions")
	t.Replicas = d.index("replicas")
	d.leave()
}

func encodeResults(e *encoder, results []TopicResult) {
	e.array(1)
	encodeList(e, results, (*TopicResult).encode)
}

func decodeResults(d *decoder) []TopicResult {
	if !d.fields(1) {
		return nil
	}
	results := decodeList(d, listOf{"topics", maxTopics, 6}, (*TopicResult).decode)
	d.leave()
	return results
}

// API is APICreateTopics.
func (*CreateTopicsResponse) API() API { return APICreateTopics }

func (r *CreateTopicsResponse) encode(e *encoder) { encodeResults(e, r.Topics) }
func (r *CreateTopicsResponse) decode(d *decoder) { r.Topics = decodeResults(d) }

// API is APIDeleteTopics.
func (*DeleteTopicsRequest) API() API { return APIDeleteTopics }

func (r *DeleteTopicsRequest) encode(e *encoder) {
	e.array(2)
	e.strs(r.Names)
	e.bool(r.ValidateOnly)
}

func (r *DeleteTopicsRequest) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	r.Names = d.strs("names", maxTopics, maxName)
	r.ValidateOnly = d.bool("validate_only")
	d.leave()
}

// API is APIDeleteTopics.
func (*DeleteTopicsResponse) API() API { return APIDeleteTopics }

func (r *DeleteTopicsResponse) encode(e *encoder) { encodeResults(e, r.Topics) }
func (r *DeleteTopicsResponse) decode(d *decoder) { r.Topics = decodeResults(d) }

// API is APIAlterTopics.
func (*AlterTopicsRequest) API() API { return APIAlterTopics }

func (r *AlterTopicsRequest) encode(e *encoder) {
	e.array(2)
	encodeList(e, r.Topics, (*TopicChange).encode)
	e.bool(r.ValidateOnly)
}

func (r *AlterTopicsRequest) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 4}, (*TopicChange).decode)
	r.ValidateOnly = d.bool("validate_only")
	d.leave()
}

func (t *TopicChange) encode(e *encoder) {
	e.array(3)
	e.str(t.Name)
	encodeList(e, t.Set, (*Setting).encode)
	e.strs(t.Unset)
}

func (t *TopicChange) decode(d *decoder) {
	if !d.fields(3) {
		return
	}
	t.Name = d.str("name", maxName)
	t.Set = decodeSettings(d, "set")
	t.Unset = d.strs("unset", maxSettings, maxName)
	d.leave()
}

// API is APIAlterTopics.
func (*AlterTopicsResponse) API() API { return APIAlterTopics }

func (r *AlterTopicsResponse) encode(e *encoder) { encodeResults(e, r.Topics) }
func (r *AlterTopicsResponse) decode(d *decoder) { r.Topics = decodeResults(d) }

// API is APIAddPartitions.
func (*AddPartitionsRequest) API() API { return APIAddPartitions }

func (r *AddPartitionsRequest) encode(e *encoder) {
	e.array(2)
	encodeList(e, r.Topics, (*PartitionCount).encode)
	e.bool(r.ValidateOnly)
}

func (r *AddPartitionsRequest) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	r.Topics = decodeList(d, listOf{"topics", maxTopics, 3}, (*PartitionCount).decode)
	r.ValidateOnly = d.bool("validate_only")
	d.leave()
}

func (t *PartitionCount) encode(e *encoder) {
	e.array(2)
	e.str(t.Name)
	e.int(int64(t.Total))
}

func (t *PartitionCount) decode(d *decoder) {
	if !d.fields(2) {
		return
	}
	t.Name = d.str("name", maxName)
	t.Total = d.index("total")
	d.leave()
}

// API is APIAddPartitions.
func (*AddPartitionsResponse) API() API { return APIAddPartitions }

func (r *AddPartitionsResponse) encode(e *encoder) { encodeResults(e, r.Topics) }
func (r *AddPartitionsResponse) decode(d *decoder) { r.Topics = decodeResults(d) }
