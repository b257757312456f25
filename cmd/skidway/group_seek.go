package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/position"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/wire"
)

// move is an offset of a group that is to become another one.
type move struct {
	topic     string
	partition int32
	from      int64 // -1: nothing is committed
	to        int64
	epoch     int32
	metadata  string
}

type seekFlags struct {
	topics   []string
	to       string
	yes, dry bool
}

func (a *app) groupSeekCommand() *cobra.Command {
	var flags seekFlags
	cmd := &cobra.Command{
		Use:   "seek GROUP --to POSITION",
		Short: "Move what a consumer group has committed",
		Example: `  skidway group seek billing --to start --dry-run
  skidway group seek billing --topic orders --to @-1h --yes
  skidway group seek billing --topic orders:0 --topic orders:3 --to 181200 --yes`,
		Long: "Set what a group without members has committed to a position: in each partition of the topics that --topic\n" +
			"names, TOPIC or TOPIC:PARTITION, or of all topics that it has committed in. An offset needs TOPIC:PARTITION.\n" +
			"All partitions are committed with one request, and each is durable for itself. On a terminal it asks for the\n" +
			"group's name; elsewhere it needs --yes.",
		Args:              exactly(1, "the name of a GROUP"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.to == "" {
				return failure.Usage("%s wants  --to POSITION", cmd.CommandPath()).WithHint("see  %s --help", cmd.CommandPath())
			}
			p, err := positionOf(position.Clock{Now: time.Now()}, "--to", flags.to)
			if err != nil {
				return err
			}
			places, err := seekPlaces(flags.topics, p)
			if err != nil {
				return err
			}
			return a.seek(cmd.Context(), args[0], places, p, flags)
		},
	}
	cmd.Flags().StringArrayVar(&flags.topics, "topic", nil, "`TOPIC` or TOPIC:PARTITION; may be given again")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.completeFlag(topicNames))
	cmd.Flags().StringVar(&flags.to, "to", "", "where to, a `POSITION`: "+position.Accepted)
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	dryRunFlag(cmd, &flags.dry)
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

// seekPlaces reads --topic: by topic the partitions named, none for all.
func seekPlaces(topics []string, p position.Position) (map[string][]int32, error) {
	places := make(map[string][]int32)
	whole := make(map[string]bool)
	for _, text := range topics {
		topic, number, one := strings.Cut(text, ":")
		if topic == "" {
			return nil, failure.BadValue("--topic", "%q names no topic", text)
		}
		if !one {
			if p.Kind == position.Offset {
				return nil, failure.Usage("an offset belongs to one partition: --topic %s:PARTITION", topic)
			}
			places[topic], whole[topic] = nil, true
			continue
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil || n < 0 {
			return nil, failure.BadValue("--topic", "%q: %q is no partition", text, number)
		}
		if !whole[topic] {
			places[topic] = append(places[topic], int32(n))
		}
	}
	if len(topics) == 0 && p.Kind == position.Offset {
		return nil, failure.Usage("an offset belongs to one partition: name it with --topic TOPIC:PARTITION")
	}
	return places, nil
}

func (a *app) seek(ctx context.Context, group string, places map[string][]int32, p position.Position,
	flags seekFlags) error {
	var moves []move
	err := a.aboutGroup(ctx, group, func(ctx context.Context, c *client.Client) (err error) {
		moves, err = planSeek(ctx, c, group, places, p)
		return err
	})
	if err != nil {
		return err
	}
	return a.apply(ctx, group, moves, flags.yes, flags.dry)
}

// planSeek looks up where the group is and where the position is.
func planSeek(ctx context.Context, c *client.Client, group string, places map[string][]int32,
	p position.Position) ([]move, error) {
	admin := client.NewAdmin(c)
	if err := idle(ctx, admin, group); err != nil {
		return nil, err
	}
	committed, err := committedOf(ctx, admin, group)
	if err != nil {
		return nil, err
	}
	if len(places) == 0 {
		for key := range committed {
			places[key.topic] = append(places[key.topic], key.partition)
		}
	}
	var moves []move
	for topic, partitions := range places {
		found, err := locate(ctx, c, topic, partitions, p)
		if err != nil {
			return nil, err
		}
		for _, pl := range found {
			if pl.offset < pl.start || pl.offset > pl.end {
				return nil, outside(topic, pl, pl.offset)
			}
			m := move{topic: topic, partition: pl.index, from: -1, to: pl.offset, epoch: -1}
			if o, ok := committed[placeKey{topic, pl.index}]; ok {
				m.from = o.Offset.Offset
			}
			moves = append(moves, m)
		}
	}
	return moves, nil
}

// idle refuses a group that has members, and one that does not exist.
func idle(ctx context.Context, admin *client.Admin, group string) error {
	d, err := admin.DescribeGroup(ctx, group)
	if err == nil && len(d.Members) > 0 {
		err = hasMembers(group, d.Members)
	}
	return err
}

// placeKey names a partition.
type placeKey struct {
	topic     string
	partition int32
}

func committedOf(ctx context.Context, admin *client.Admin, group string) (map[placeKey]client.GroupOffset, error) {
	offsets, err := admin.GroupOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	out := make(map[placeKey]client.GroupOffset, len(offsets))
	for _, o := range offsets {
		if o.Topic != "" {
			out[placeKey{o.Topic, o.Partition}] = o
		}
	}
	return out, nil
}

// apply shows the moves, and carries them out if that is wanted.
func (a *app) apply(ctx context.Context, group string, moves []move, yes, dry bool) error {
	if len(moves) == 0 {
		return failure.Refused(wire.CodeUnknownGroup.String(), "group %q has committed nothing", group).
			WithHint("name topics with --topic TOPIC")
	}
	slices.SortFunc(moves, func(x, y move) int {
		return cmp.Or(cmp.Compare(x.topic, y.topic), cmp.Compare(x.partition, y.partition))
	})
	if !dry {
		if err := a.confirm(yes, group, fmt.Sprintf("move group %s in %s", group,
			plural(int64(len(moves)), "partition"))); err != nil {
			return err
		}
		err := a.aboutGroup(ctx, group, func(ctx context.Context, c *client.Client) error {
			return busy(ctx, client.NewAdmin(c), group, c.CommitOffsets(ctx, group, offsetsOf(moves)...))
		})
		if err != nil {
			return err
		}
	}
	if err := a.write(func(w io.Writer) error { return moveTable(moves).Write(w, a.format) }); err != nil || !dry {
		return err
	}
	_, err := fmt.Fprintln(a.errOut, "dry run: nothing changed. Run again with --yes to apply.")
	return err
}

func offsetsOf(moves []move) []client.Offset {
	list := make([]client.Offset, len(moves))
	for i, m := range moves {
		list[i] = client.Offset{Topic: m.topic, Partition: m.partition, Offset: m.to, LeaderEpoch: m.epoch,
			Metadata: m.metadata}
	}
	return list
}

func moveTable(moves []move) *table.Table {
	t := &table.Table{Columns: []table.Column{{Title: "TOPIC", Name: "topic"}, {Title: "PARTITION", Name: "partition"},
		{Title: "FROM", Name: "from"}, {Title: "TO", Name: "to"}, {Title: "CHANGE", Name: "change"}}}
	for _, m := range moves {
		if m.from < 0 {
			t.Add(m.topic, m.partition, table.Cell{Text: "-"}, m.to, table.Cell{Text: "-"})
			continue
		}
		change := table.Cell{Text: fmt.Sprintf("%+d", m.to-m.from), Value: m.to - m.from}
		if m.to == m.from {
			change.Text = "0"
		}
		t.Add(m.topic, m.partition, m.from, m.to, change)
	}
	return t
}

// isCode tells whether an error is of a code of the wire.
func isCode(err error, code wire.Code) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Code == code
}
