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

// ListTopics returns every topic in few words.
func (a *Admin) ListTopics(ctx context.Context) ([]wire.TopicSummary, error) {
	r, err := query[*wire.ListTopicsResponse](ctx, a.c, &wire.ListTopicsRequest{})
	if err != nil {
		return nil, err
	}
	return r.Topics, nil
}

// DescribeTopics returns all about the topics that are named, in that order.
func (a *Admin) DescribeTopics(ctx context.Context, names ...string) ([]wire.TopicDescription, error) {
	r, err := query[*wire.DescribeTopicsResponse](ctx, a.c, &wire.DescribeTopicsRequest{Names: names})
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

// DescribeCluster returns the cluster's id, its brokers and which of them controls it.
func (a *Admin) DescribeCluster(ctx context.Context) (*wire.DescribeClusterResponse, error) {
	return query[*wire.DescribeClusterResponse](ctx, a.c, &wire.DescribeClusterRequest{})
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
// the partitions.
func (a *Admin) ListOffsets(ctx context.Context, topic string, at int64,
	partitions ...int32) ([]wire.ListOffsetsResult, error) {
	return onLeaders(ctx, a.c, topic, partitions, leaderCall[wire.ListOffsetsResult]{
		ask: func(id uint64, indexes []int32) wire.Request {
			ask := wire.ListOffsetsTopic{ID: id}
			for _, index := range indexes {
				ask.Partitions = append(ask.Partitions, wire.ListOffsetsPartition{Index: index, At: at})
			}
			return &wire.ListOffsetsRequest{Topics: []wire.ListOffsetsTopic{ask}}
		},
		results: func(r wire.Response) []wire.ListOffsetsResult {
			if r, ok := r.(*wire.ListOffsetsResponse); ok && len(r.Topics) == 1 {
				return r.Topics[0].Partitions
			}
			return nil
		},
		of:    func(r wire.ListOffsetsResult) (int32, *wire.Error) { return r.Index, r.Error },
		again: (*Error).Retriable,
	})
}

// DeleteRecords deletes the records before an offset in each of the partitions of a topic that are named; OffsetEnd
// deletes all. The results are in ascending order of the partitions.
func (a *Admin) DeleteRecords(ctx context.Context, topic string, before map[int32]int64) ([]wire.DeleteRecordsResult,
	error) {
	if len(before) == 0 {
		return nil, nil
	}
	return onLeaders(ctx, a.c, topic, sortedKeys(before), leaderCall[wire.DeleteRecordsResult]{
		ask: func(id uint64, indexes []int32) wire.Request {
			ask := wire.DeleteRecordsTopic{ID: id}
			for _, index := range indexes {
				ask.Partitions = append(ask.Partitions, wire.DeleteRecordsPartition{Index: index, Before: before[index]})
			}
			return &wire.DeleteRecordsRequest{Topics: []wire.DeleteRecordsTopic{ask}}
		},
		results: func(r wire.Response) []wire.DeleteRecordsResult {
			if r, ok := r.(*wire.DeleteRecordsResponse); ok && len(r.Topics) == 1 {
				return r.Topics[0].Partitions
			}
			return nil
		},
		of:    func(r wire.DeleteRecordsResult) (int32, *wire.Error) { return r.Index, r.Error },
		again: withoutEffect,
	})
}
