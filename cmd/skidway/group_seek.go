package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
			p, err := position.Clock{Now: time.Now()}.ParseWords(flags.to)
			if err != nil {
				return failure.BadValue("--to", "%v", err).WithHint("it wants %s", position.Accepted)
			}
			places, err := seekPlaces(flags.topics, p)
			if err != nil {
				return err
			}
			return a.seek(cmd.Context(), args[0], places, p, flags)
		},
	}
	cmd.Flags().StringArrayVar(&flags.topics, "topic", nil, "`TOPIC` or TOPIC:PARTITION; may be given again")
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
		err = busy(ctx, admin, group, &client.Error{Code: wire.CodeGroupBusy, Message: "it has members", Partition: -1})
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

// exported is a line of an export.
type exported struct {
	Group       string `json:"group"`
	Topic       string `json:"topic"`
	Partition   int32  `json:"partition"`
	Offset      int64  `json:"offset"`
	LeaderEpoch int32  `json:"leader_epoch"`
	Metadata    string `json:"metadata"`
}

func (a *app) groupExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "export GROUP",
		Short:             "Write what a consumer group has committed, as JSON lines",
		Example:           "  skidway group export billing > billing.ndjson",
		Args:              exactly(1, "the name of a GROUP"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.aboutGroup(cmd.Context(), args[0], func(ctx context.Context, c *client.Client) error {
				admin := client.NewAdmin(c)
				if _, err := admin.DescribeGroup(ctx, args[0]); err != nil {
					return err
				}
				offsets, err := admin.GroupOffsets(ctx, args[0])
				if err != nil {
					return err
				}
				return a.write(func(w io.Writer) error {
					for _, o := range offsets {
						if o.Topic == "" {
							continue // its topic is being deleted
						}
						if err := failure.EncodeLine(w, exported{args[0], o.Topic, o.Partition, o.Offset.Offset, o.LeaderEpoch,
							o.Metadata}); err != nil {
							return err
						}
					}
					return nil
				})
			})
		},
	}
}

func (a *app) groupImportCommand() *cobra.Command {
	var yes, dry bool
	cmd := &cobra.Command{
		Use:   "import GROUP [FILE]",
		Short: "Commit for a consumer group what an export holds",
		Example: "  skidway group import billing billing.ndjson --dry-run\n" +
			"  skidway group export billing | skidway -s other:7440 group import billing --yes",
		Long: "Commit the offsets of an export, from a file or from standard input, for a group without members; one that\n" +
			"does not exist is made. The group's name in the lines does not count. Nothing is committed if a line is\n" +
			"wrong, or names a topic, partition or offset that is not there.",
		Args: between(1, 2, "the name of a GROUP, and a FILE or nothing for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, name := io.Reader(a.in), "standard input"
			if len(args) == 2 && args[1] != "-" {
				f, err := os.Open(args[1])
				if err != nil {
					return usage(failure.CodeInput, err, "%v", err)
				}
				defer func() { _ = f.Close() }() // it was only read
				in, name = f, args[1]
			}
			moves, err := readExport(in, name)
			if err != nil {
				return err
			}
			return a.importOffsets(cmd.Context(), args[0], moves, yes, dry)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	dryRunFlag(cmd, &dry)
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

const (
	// maxExportLine bounds a line of an import.
	maxExportLine = 64 << 10
	// maxMetadata bounds what is committed with an offset, as docs/format/wire.md has it.
	maxMetadata = 512
)

// readExport reads what export wrote; every line must be right.
func readExport(in io.Reader, name string) ([]move, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxExportLine)
	seen := make(map[placeKey]int)
	var moves []move
	n := 0
	bad := func(format string, args ...any) error {
		return usage(failure.CodeInput, nil, "%s:%d: %s", name, n, fmt.Sprintf(format, args...)).
			WithHint(`a line is {"topic":"orders","partition":0,"offset":42}, as group export writes it`)
	}
	for lines.Scan() {
		n++
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		e := exported{Offset: -1, Partition: -1, LeaderEpoch: -1}
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			return nil, bad("%v", err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return nil, bad("something stands behind the object")
		}
		switch key := (placeKey{e.Topic, e.Partition}); {
		case e.Topic == "" || e.Partition < 0 || e.Offset < 0:
			return nil, bad("topic, partition and offset must be given, and not be negative")
		case e.LeaderEpoch < -1:
			return nil, bad("leader epoch %d is less than -1, which means unknown", e.LeaderEpoch)
		case len(e.Metadata) > maxMetadata:
			return nil, bad("metadata of %d bytes, at most %d are taken", len(e.Metadata), maxMetadata)
		case seen[key] > 0:
			return nil, bad("%s[%d] stands in line %d already", e.Topic, e.Partition, seen[key])
		default:
			seen[key] = n
		}
		moves = append(moves, move{topic: e.Topic, partition: e.Partition, from: -1, to: e.Offset, epoch: e.LeaderEpoch,
			metadata: e.Metadata})
	}
	if err := lines.Err(); err != nil {
		n++
		return nil, bad("%v", err)
	}
	if len(moves) == 0 {
		return nil, usage(failure.CodeInput, nil, "%s holds no offsets", name)
	}
	return moves, nil
}

// importOffsets checks all of it against the topics before any of it is committed.
func (a *app) importOffsets(ctx context.Context, group string, moves []move, yes, dry bool) error {
	err := a.session(ctx, func(ctx context.Context, c *client.Client) error {
		admin := client.NewAdmin(c)
		if err := idle(ctx, admin, group); err != nil && !isCode(err, wire.CodeUnknownGroup) {
			return err
		}
		committed, err := committedOf(ctx, admin, group)
		if err != nil {
			return err
		}
		bounds := make(map[placeKey]place)
		for _, topic := range topicsOf(moves) {
			places, err := locate(ctx, c, topic, nil, position.Position{})
			if err != nil {
				return a.suggestTopic(ctx, c, err)
			}
			for _, pl := range places {
				bounds[placeKey{topic, pl.index}] = pl
			}
		}
		for i := range moves {
			m := &moves[i]
			pl, ok := bounds[placeKey{m.topic, m.partition}]
			if !ok {
				return ofCode(wire.CodeUnknownPartition, fmt.Sprintf("topic %s has no partition %d", m.topic, m.partition), nil)
			}
			if m.to < pl.start || m.to > pl.end {
				return outside(m.topic, pl, m.to)
			}
			if o, ok := committed[placeKey{m.topic, m.partition}]; ok {
				m.from = o.Offset.Offset
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.apply(ctx, group, moves, yes, dry)
}

func topicsOf(moves []move) (topics []string) {
	for _, m := range moves {
		if !slices.Contains(topics, m.topic) {
			topics = append(topics, m.topic)
		}
	}
	return topics
}

// isCode tells whether an error is of a code of the wire.
func isCode(err error, code wire.Code) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Code == code
}
