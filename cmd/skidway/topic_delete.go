package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/position"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
)

func (a *app) topicDeleteCommand() *cobra.Command {
	var yes, dry bool
	cmd := &cobra.Command{
		Use:   "delete TOPIC...",
		Short: "Delete topics with all their records",
		Example: `  skidway topic delete orders
  skidway topic delete orders payments --yes`,
		Long: "Delete topics with all their records, for good.\n" +
			"On a terminal it asks for the name; elsewhere it needs --yes.",
		Args:              atLeast(1, "the name of a TOPIC"),
		ValidArgsFunction: a.completeTopics,
		RunE: func(cmd *cobra.Command, names []string) error {
			if !dry {
				name := strings.Join(names, " ")
				if err := a.confirm(yes, name, "delete topic "+name+" with all its records"); err != nil {
					return err
				}
			}
			return a.session(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				r, err := client.NewAdmin(c).DeleteTopics(ctx, names, mode(dry))
				if err != nil {
					return err
				}
				return a.results(r, outcome("deleted", "would be deleted", dry))
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	dryRunFlag(cmd, &dry)
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

type trimFlags struct {
	before     string
	partitions []int32
	yes, dry   bool
}

func (a *app) topicTrimCommand() *cobra.Command {
	var flags trimFlags
	cmd := &cobra.Command{
		Use:   "trim TOPIC --before POSITION",
		Short: "Delete the oldest records of a topic",
		Example: `  skidway topic trim orders --before @-30d
  skidway topic trim orders -p 0 --before 1000 --yes`,
		Long: "Delete all records before a position, for good: an offset (with -p), a time, -1000 (all but the newest\n" +
			"1000 of each partition), or end (all). On a terminal it asks for the name; elsewhere it needs --yes.",
		Args:              exactly(1, "the name of a TOPIC"),
		ValidArgsFunction: a.completeTopics,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.before == "" {
				return failure.Usage("%s wants  --before POSITION", cmd.CommandPath()).WithHint("see  %s --help", cmd.CommandPath())
			}
			p, err := positionOf(position.Clock{Now: time.Now()}, "--before", flags.before)
			if err != nil {
				return err
			}
			if p.Kind == position.Offset && len(flags.partitions) == 0 {
				return failure.Usage("an offset belongs to one partition: name it with -p")
			}
			return a.trim(cmd.Context(), args[0], p, flags)
		},
	}
	cmd.Flags().StringVar(&flags.before, "before", "", "first record to keep, a `POSITION`: "+position.Accepted)
	cmd.Flags().Int32SliceVarP(&flags.partitions, "partitions", "p", nil,
		"`NUMBERS` of partitions, with commas; all without")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	dryRunFlag(cmd, &flags.dry)
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func (a *app) trim(ctx context.Context, topic string, p position.Position, flags trimFlags) error {
	var places []place
	err := a.session(ctx, func(ctx context.Context, c *client.Client) (err error) {
		places, err = locate(ctx, c, topic, flags.partitions, p)
		return err
	})
	if err != nil {
		return err
	}
	what := trimming{topic: topic, places: places, before: make(map[int32]int64, len(places))}
	var gone int64
	for _, pl := range places {
		if pl.offset < 0 || pl.offset > pl.end {
			return outside(topic, pl, pl.offset)
		}
		what.before[pl.index] = pl.offset
		gone += max(0, pl.offset-pl.start)
	}
	if flags.dry {
		t := trimTable()
		for _, pl := range places {
			t.Add(pl.index, pl.start, max(pl.start, pl.offset), max(0, pl.offset-pl.start), "would be deleted")
		}
		return a.write(func(w io.Writer) error { return t.Write(w, a.format) })
	}
	if err := a.confirm(flags.yes, topic, fmt.Sprintf("delete %s of topic %s", plural(gone, "record"),
		topic)); err != nil {
		return err
	}
	return a.session(ctx, func(ctx context.Context, c *client.Client) error { return a.carryOut(ctx, c, what) })
}

func trimTable() *table.Table {
	return &table.Table{Columns: []table.Column{{Title: "PARTITION", Name: "partition"}, {Title: "FROM", Name: "from"},
		{Title: "TO", Name: "to"}, {Title: "RECORDS", Name: "records"}, {Title: "RESULT", Name: "result"}}}
}

// trimming is what is to be deleted.
type trimming struct {
	topic  string
	places []place
	before map[int32]int64
}

func (a *app) carryOut(ctx context.Context, c *client.Client, what trimming) error {
	results, err := client.NewAdmin(c).DeleteRecords(ctx, what.topic, what.before)
	if err != nil {
		return err
	}
	start := make(map[int32]int64)
	for _, pl := range what.places {
		start[pl.index] = pl.start
	}
	t := trimTable()
	failed := false
	for _, r := range results {
		if r.Error != nil {
			failed = true
			f := ofTopic(what.topic, r.Error.Code, r.Error.Message, r.Error)
			t.Add(r.Index, start[r.Index], start[r.Index], 0, table.Cell{
				Text: fmt.Sprintf("error: %s   [%s]", f.Message, f.Code), Value: table.Object{{Name: "error", Value: f}}})
			continue
		}
		t.Add(r.Index, start[r.Index], r.Start, max(0, r.Start-start[r.Index]), "deleted")
	}
	if err := a.write(func(w io.Writer) error { return t.Write(w, a.format) }); err != nil {
		return err
	}
	if failed {
		return failure.Reported{Exit: failure.ExitRefused}
	}
	return nil
}
