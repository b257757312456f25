package client

import (
	"context"

	"github.com/skidway/skidway/wire"
)

// Admin manages topics and consumer groups, and asks about the cluster. Its methods are thin: most take and return the
// structs of package wire. An error of the call is an *Error; an error of one topic or partition stands in its result.
// A call is repeated, within Options.RequestTimeout, while no broker can be reached and as long as it has had no
// effect. Safe for concurrent use.
type Admin struct{ c *Client }

// NewAdmin makes an Admin of a Client, whose connection it uses.
func NewAdmin(c *Client) *Admin { return &Admin{c: c} }

// Mode tells whether a change is carried out.
type Mode int8

// The modes of a change.
const (
	Apply        Mode = iota // carry it out
	ValidateOnly             // check it, change nothing
)

// CreateTopics creates topics.
func (a *Admin) CreateTopics(ctx context.Context, topics []wire.NewTopic, m Mode) ([]wire.TopicResult, error) {
	r, err := request[*wire.CreateTopicsResponse](ctx, a.c,
		&wire.CreateTopicsRequest{Topics: topics, ValidateOnly: m == ValidateOnly})
	if err != nil {
		return nil, err
	}
	return r.Topics, nil
}

// DeleteTopics deletes topics and their records.
func (a *Admin) DeleteTopics(ctx context.Context, names []string, m Mode) ([]wire.TopicResult, error) {
	r, err := request[*wire.DeleteTopicsResponse](ctx, a.c,
		&wire.DeleteTopicsRequest{Names: names, ValidateOnly: m == ValidateOnly})
	if err != nil {
		return nil, err
	}
	return r.Topics, nil
}

// AlterTopics changes settings of topics.
func (a *Admin) AlterTopics(ctx context.Context, changes []wire.TopicChange, m Mode) ([]wire.TopicResult, error) {
	r, err := request[*wire.AlterTopicsResponse](ctx, a.c,
		&wire.AlterTopicsRequest{Topics: changes, ValidateOnly: m == ValidateOnly})
	if err != nil {
		return nil, err
	}
	return r.Topics, nil
}

// AddPartitions raises the numbers of partitions of topics to the totals that are given.
func (a *Admin) AddPartitions(ctx context.Context, totals []wire.PartitionCount, m Mode) ([]wire.TopicResult, error) {
	r, err := request[*wire.AddPartitionsResponse](ctx, a.c,
		&wire.AddPartitionsRequest{Topics: totals, ValidateOnly: m == ValidateOnly})
	if err != nil {
		return nil, err
	}
	return r.Topics, nil
}

// DescribeBroker returns the state of the broker that answers.
func (a *Admin) DescribeBroker(ctx context.Context) (*wire.DescribeBrokerResponse, error) {
	return query[*wire.DescribeBrokerResponse](ctx, a.c, &wire.DescribeBrokerRequest{})
}

// The places that ListOffsets knows beside times.
const (
	OffsetEnd   = wire.AtEnd   // after the last durable record
	OffsetStart = wire.AtStart // the first record that the log holds
)

// ListOffsets looks offsets up in partitions of a topic, all if none are named: that of the first record whose
// timestamp in ms is at or later, or with OffsetStart or OffsetEnd that end of the log. Results are in the order of
// the partitions. Each partition's leader is asked.
func (a *Admin) ListOffsets(ctx context.Context, topic string, at int64,
	partitions ...int32) ([]wire.ListOffsetsResult, error) {
	ids, err := a.topicPartitions(ctx, topic, partitions)
	if err != nil {
		return nil, err
	}
	call := leaderCall[wire.ListOffsetsResult]{
		c: a.c, api: wire.APIListOffsets, ids: ids, again: (*Error).Retriable,
		request: func(ids []partitionID) wire.Request {
			ask := wire.ListOffsetsTopic{ID: ids[0].topic}
			for _, id := range ids {
				ask.Partitions = append(ask.Partitions, wire.ListOffsetsPartition{Index: id.index, At: at})
			}
			return &wire.ListOffsetsRequest{Topics: []wire.ListOffsetsTopic{ask}}
		},
		results: func(r wire.Response) (out []wire.ListOffsetsResult) {
			if r, ok := r.(*wire.ListOffsetsResponse); ok {
				for i := range r.Topics {
					out = append(out, r.Topics[i].Partitions...)
				}
			}
			return out
		},
		refusal: func(r wire.ListOffsetsResult) *wire.Error { return r.Error },
		failed: func(id partitionID, e *wire.Error) wire.ListOffsetsResult {
			return wire.ListOffsetsResult{Index: id.index, Error: e, Offset: -1, TimestampMs: -1}
		},
	}
	return call.run(ctx)
}

// topicPartitions returns the ids of partitions of a topic, all if none are named, in the order in which they are.
func (a *Admin) topicPartitions(ctx context.Context, topic string, partitions []int32) ([]partitionID, error) {
	info, err := a.c.meta.topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	indexes := info.indexes(partitions)
	ids := make([]partitionID, len(indexes))
	for i, index := range indexes {
		ids[i] = partitionID{info.id, index}
	}
	return ids, nil
}

// DeleteRecords deletes the records before an offset in each of the partitions of a topic that are named; OffsetEnd
// deletes all. The results are in ascending order of the partitions. Each partition's leader is asked.
func (a *Admin) DeleteRecords(ctx context.Context, topic string, before map[int32]int64) ([]wire.DeleteRecordsResult,
	error) {
	ids, err := a.topicPartitions(ctx, topic, sortedKeys(before))
	if err != nil || len(before) == 0 {
		return nil, err
	}
	call := leaderCall[wire.DeleteRecordsResult]{
		c: a.c, api: wire.APIDeleteRecords, ids: ids, again: withoutEffect,
		request: func(ids []partitionID) wire.Request {
			ask := wire.DeleteRecordsTopic{ID: ids[0].topic}
			for _, id := range ids {
				ask.Partitions = append(ask.Partitions, wire.DeleteRecordsPartition{Index: id.index, Before: before[id.index]})
			}
			return &wire.DeleteRecordsRequest{Topics: []wire.DeleteRecordsTopic{ask}}
		},
		results: func(r wire.Response) (out []wire.DeleteRecordsResult) {
			if r, ok := r.(*wire.DeleteRecordsResponse); ok {
				for i := range r.Topics {
					out = append(out, r.Topics[i].Partitions...)
				}
			}
			return out
		},
		refusal: func(r wire.DeleteRecordsResult) *wire.Error { return r.Error },
		failed: func(id partitionID, e *wire.Error) wire.DeleteRecordsResult {
			return wire.DeleteRecordsResult{Index: id.index, Error: e}
		},
	}
	return call.run(ctx)
}
