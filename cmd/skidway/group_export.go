package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/position"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	groups "github.com/skidway/skidway/group"
	"github.com/skidway/skidway/wire"
)

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
		ValidArgsFunction: func(cmd *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return a.completeGroups(cmd, args, to)
		},
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
	// maxMetadata bounds what is committed with an offset.
	maxMetadata = groups.MaxOffsetMetadataBytes
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
				return ofTopic(m.topic, wire.CodeUnknownPartition,
					fmt.Sprintf("topic %s has no partition %d", m.topic, m.partition), nil)
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
