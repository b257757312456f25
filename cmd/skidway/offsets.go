package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/position"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/wire"
)

func (a *app) offsetsCommand() *cobra.Command {
	var at string
	var partitions []int32
	cmd := &cobra.Command{
		Use:   "offsets TOPIC",
		Short: "Show where the partitions of a topic begin and end, and where a time is in them",
		Example: `  skidway offsets orders
  skidway offsets orders --at @-1h
  skidway offsets orders --at @2026-11-22 -p 0,1 --format json`,
		Args:              exactly(1, "the name of a TOPIC"),
		ValidArgsFunction: a.completeTopics,
		RunE: func(cmd *cobra.Command, args []string) error {
			var p position.Position
			if at != "" {
				var err error
				if p, err = positionOf(position.Clock{Now: time.Now()}, "--at", at); err != nil {
					return err
				}
			}
			return a.session(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				places, err := locate(ctx, c, args[0], partitions, p)
				if err != nil {
					return err
				}
				return a.write(func(w io.Writer) error { return placeTable(places, p).Write(w, a.format) })
			})
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "also show the offset of a `POSITION`: a time such as @-1h, or +3, -3")
	cmd.Flags().Int32SliceVarP(&partitions, "partitions", "p", nil, "`NUMBERS` of partitions, with commas; all without")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func placeTable(places []place, p position.Position) *table.Table {
	t := &table.Table{Columns: []table.Column{{Title: "PARTITION", Name: "partition"}, {Title: "START", Name: "start"},
		{Title: "END", Name: "end"}, {Title: "RECORDS", Name: "records"}}}
	if p.Kind != position.None {
		t.Columns = append(t.Columns, table.Column{Title: "AT", Name: "at"}, table.Column{Title: "TIMESTAMP",
			Name: "timestamp"})
	}
	for _, pl := range places {
		cells := []any{pl.index, pl.start, pl.end, pl.end - pl.start}
		if p.Kind != position.None {
			stamp := table.Cell{Text: "-"}
			if pl.stamp >= 0 {
				text := time.UnixMilli(pl.stamp).UTC().Format("2006-01-02T15:04:05.000Z")
				stamp = table.Cell{Text: text, Value: text}
			}
			cells = append(cells, pl.offset, stamp)
		}
		t.Add(cells...)
	}
	return t
}

// place is a partition's bounds, and the offset of a position in it.
type place struct {
	index      int32
	start, end int64
	offset     int64 // of the position; the end when none was asked for
	stamp      int64 // of the record found by a time, in ms; -1: none
}

// locate asks for the bounds of partitions, all if none are named, and for a position in each, in ascending order.
func locate(ctx context.Context, c *client.Client, topic string, partitions []int32, p position.Position) ([]place,
	error) {
	partitions = slices.Compact(slices.Sorted(slices.Values(partitions)))
	admin := client.NewAdmin(c)
	ask := func(at int64) ([]wire.ListOffsetsResult, error) {
		r, err := admin.ListOffsets(ctx, topic, at, partitions...)
		if err != nil {
			return nil, err
		}
		for _, one := range r {
			if one.Error != nil {
				return nil, &client.Error{Code: one.Error.Code, Message: one.Error.Message, Topic: topic, Partition: one.Index}
			}
		}
		return r, nil
	}
	starts, err := ask(client.OffsetStart)
	if err != nil {
		return nil, err
	}
	ends, err := ask(client.OffsetEnd)
	if err != nil {
		return nil, err
	}
	var times []wire.ListOffsetsResult
	if p.Kind == position.Time {
		if times, err = ask(p.N); err != nil {
			return nil, err
		}
	}
	if len(ends) != len(starts) || times != nil && len(times) != len(starts) {
		return nil, fmt.Errorf("topic %s got partitions while they were asked for; run the command again", topic)
	}
	places := make([]place, len(starts))
	for i := range starts {
		pl := place{index: starts[i].Index, start: starts[i].Offset, end: ends[i].Offset, stamp: -1}
		found := int64(-1)
		if times != nil {
			found, pl.stamp = times[i].Offset, times[i].TimestampMs
		}
		pl.offset = p.Resolve(position.Bounds{Start: pl.start, End: pl.end}, found)
		places[i] = pl
	}
	return places, nil
}

// outside is the failure of an offset that a partition does not have.
func outside(topic string, pl place, offset int64) *failure.Failure {
	return ofTopic(topic, wire.CodeOffsetOutOfRange, fmt.Sprintf("offset %d of %s[%d] is out of range (valid %d..%d)",
		offset, topic, pl.index, pl.start, pl.end), nil)
}
