package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/wire"
)

func (a *app) groupDescribeCommand() *cobra.Command {
	var members bool
	cmd := &cobra.Command{
		Use:   "describe GROUP",
		Short: "Show a consumer group: its members, what they hold, and how far behind it is",
		Example: "  skidway group describe billing\n  skidway group describe billing --members\n" +
			"  skidway group describe billing --format json",
		Long: "LAG is the number of records that the group has not committed; LAG-TIME is the age of the oldest of them.\n" +
			"A partition with - under COMMITTED has no offset yet; all of its records count as lag.",
		Args:              exactly(1, "the name of a GROUP"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.aboutGroup(cmd.Context(), args[0], func(ctx context.Context, c *client.Client) error {
				v, err := viewGroup(ctx, c, args[0])
				if err != nil {
					return err
				}
				return a.write(func(w io.Writer) error { return v.write(w, a.format, members) })
			})
		},
	}
	cmd.Flags().BoolVar(&members, "members", false, "a line a member instead of a line a partition")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

// groupView is a group as a person sees it.
type groupView struct {
	group   *wire.GroupDescription
	offsets []client.GroupOffset
	now     time.Time
}

func viewGroup(ctx context.Context, c *client.Client, group string) (groupView, error) {
	admin := client.NewAdmin(c)
	d, err := admin.DescribeGroup(ctx, group)
	if err != nil {
		return groupView{}, err
	}
	names := make(map[uint64]string)
	for _, t := range d.Topics {
		names[t.ID] = t.Name
	}
	var also []wire.GroupPartitions
	for _, m := range d.Members {
		for _, p := range m.Partitions {
			also = append(also, wire.GroupPartitions{ID: p.ID, Partitions: []int32{p.Index}})
		}
	}
	offsets, err := admin.GroupOffsets(ctx, group, also...)
	if err != nil {
		return groupView{}, err
	}
	for i := range offsets {
		if offsets[i].Topic == "" {
			offsets[i].Topic = names[offsets[i].TopicID]
		}
	}
	slices.SortStableFunc(offsets, func(x, y client.GroupOffset) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.TopicID, y.TopicID),
			cmp.Compare(x.Partition, y.Partition))
	})
	return groupView{d, offsets, time.Now()}, nil
}

// owner finds the member that a partition is with.
func (v groupView) owner(o *client.GroupOffset) (m *wire.GroupMember, note string) {
	for i := range v.group.Members {
		m := &v.group.Members[i]
		for _, p := range m.Partitions {
			if p.ID != o.TopicID || p.Index != o.Partition || p.State == wire.PartitionAwaited {
				continue
			}
			if p.State == wire.PartitionRevoking {
				return m, " (revoking)"
			}
			return m, ""
		}
	}
	return nil, ""
}

// age is how old the oldest unread record is.
func (v groupView) age(o *client.GroupOffset) table.Cell {
	switch {
	case o.Err != nil:
		return table.Cell{Text: "?"}
	case o.UnreadSinceMs < 0:
		return table.Cell{Text: "0s", Value: 0.0}
	}
	return ageCell(v.now.Sub(time.UnixMilli(o.UnreadSinceMs)))
}

func ageCell(d time.Duration) table.Cell {
	d = max(d, 0)
	unit := 100 * time.Millisecond
	if d > 10*time.Minute {
		unit = time.Second
	}
	return table.Cell{Text: d.Round(unit).String(), Value: float64(d.Milliseconds()) / 1000}
}

// totals sums the lag up; -1: some of it is unknown.
func (v groupView) totals() (lag int64, oldest table.Cell) {
	since := int64(-1)
	for i := range v.offsets {
		o := &v.offsets[i]
		if n := o.Lag(); n < 0 || lag < 0 {
			lag = -1
		} else {
			lag += n
		}
		if o.UnreadSinceMs >= 0 && (since < 0 || o.UnreadSinceMs < since) {
			since = o.UnreadSinceMs
		}
	}
	if since < 0 {
		return lag, table.Cell{Text: "-"}
	}
	return lag, ageCell(v.now.Sub(time.UnixMilli(since)))
}

func (v groupView) write(w io.Writer, format string, members bool) error {
	t := v.partitionTable()
	if members {
		t = v.memberTable()
	}
	lag, oldest := v.totals()
	switch format {
	case "tsv":
		return t.Write(w, format)
	case "json":
		return failure.EncodeLine(w, table.Object{
			{Name: "group", Value: v.group.Group}, {Name: "state", Value: v.group.State},
			{Name: "coordinator", Value: v.group.Coordinator}, {Name: "assignor", Value: v.group.Assignor},
			{Name: "epoch", Value: v.group.GroupEpoch}, {Name: "lag", Value: lag},
			{Name: "oldest_unread_seconds", Value: oldest.Value},
			{Name: "members", Value: v.memberTable().Objects()}, {Name: "partitions", Value: v.partitionTable().Objects()},
		})
	}
	total := "?"
	if lag >= 0 {
		total = fmt.Sprint(lag)
	}
	err := table.Align(w, [][]string{
		{"GROUP", v.group.Group, "STATE", v.group.State, "COORDINATOR", fmt.Sprint(v.group.Coordinator),
			"ASSIGNOR", v.group.Assignor},
		{"MEMBERS", fmt.Sprint(len(v.group.Members)), "TOTAL LAG", total, "OLDEST UNREAD", oldest.Text},
	})
	if err != nil || t.Len() == 0 {
		return err
	}
	fmt.Fprintln(w)
	return t.Write(w, format)
}

func (v groupView) partitionTable() *table.Table {
	t := &table.Table{Columns: []table.Column{
		{Title: "TOPIC", Name: "topic"}, {Title: "PARTITION", Name: "partition"}, {Title: "COMMITTED", Name: "committed"},
		{Title: "END", Name: "end"}, {Title: "LAG", Name: "lag"}, {Title: "LAG-TIME", Name: "lag_seconds"},
		{Title: "MEMBER", Name: "member"}, {Title: "HOST", Name: "host"}, {Title: "CLIENT", Name: "client"},
		{Title: "METADATA", Name: "metadata", Show: table.OnlyWide}}}
	for i := range v.offsets {
		o := &v.offsets[i]
		topic := table.Cell{Text: o.Topic, Value: o.Topic}
		if o.Topic == "" {
			topic.Text = fmt.Sprintf("(deleted, id %s)", topicID(o.TopicID))
		}
		member, host, clientID := "-", "-", "-"
		if m, note := v.owner(o); m != nil {
			member, host, clientID = printable(m.MemberID)+note, printable(m.Host), printable(m.ClientID)
		}
		t.Add(topic, o.Partition, known(o.Offset.Offset), known(o.End), known(o.Lag()), v.age(o), member, host, clientID,
			printable(o.Metadata))
	}
	return t
}

func (v groupView) memberTable() *table.Table {
	t := &table.Table{Columns: []table.Column{
		{Title: "MEMBER", Name: "member"}, {Title: "INSTANCE", Name: "instance"}, {Title: "HOST", Name: "host"},
		{Title: "CLIENT", Name: "client"}, {Title: "EPOCH", Name: "epoch"}, {Title: "PARTITIONS", Name: "partitions"},
		{Title: "HEARD", Name: "heard_seconds_ago"}, {Title: "NOTE", Name: "note"}}}
	for i := range v.group.Members {
		m := &v.group.Members[i]
		held, revoking, awaited := 0, 0, 0
		for _, p := range m.Partitions {
			switch p.State {
			case wire.PartitionAssigned:
				held++
			case wire.PartitionRevoking:
				revoking++
			default:
				awaited++
			}
		}
		note := ""
		switch {
		case m.Away:
			note = "away, its place is kept"
		case revoking > 0:
			note = fmt.Sprintf("to let go of %d", revoking)
		case awaited > 0:
			note = fmt.Sprintf("waits for %d", awaited)
		case held == 0:
			note = "idle"
		}
		instance := m.InstanceID
		if instance == "" {
			instance = "-"
		}
		t.Add(printable(m.MemberID), printable(instance), printable(m.Host), printable(m.ClientID), m.MemberEpoch, held,
			ageCell(v.now.Sub(time.UnixMilli(m.HeardMs))), note)
	}
	return t
}
