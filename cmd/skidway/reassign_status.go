package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/units"
	"github.com/skidway/skidway/wire"
)

func (a *app) reassignStatusCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show the partitions that are being moved, and how far they are",
		Example: "  skidway reassign status\n  skidway reassign status --wait 1h",
		Long: "BEHIND is how many records each of those that come still lacks, LEFT about how many bytes that is. WHY is\n" +
			"reassign, an operator's order, or decommission, of a broker that gives all away. With --wait it returns when\n" +
			"nothing is being moved any more, or fails (exit 3) when the time is over.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wait > 0 {
				return a.awaitMoves(cmd.Context(), wait, func(uint64, int32) bool { return true })
			}
			return a.inCluster(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				list, err := progressOf(ctx, c)
				if err != nil {
					return err
				}
				return a.write(func(w io.Writer) error { return moveProgress(list).Write(w, a.format) })
			})
		},
	}
	waitFlag(cmd, &wait, "nothing is being moved")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

// progress is how far a partition is that is being moved.
type progress struct {
	wire.PartitionMove
	lags []wire.FollowerLag // of those that come and are not in sync
	left int64              // bytes, about; -1: not known
}

// progressOf asks what is being moved, and the leaders how far those are that come.
func progressOf(ctx context.Context, c *client.Client) ([]progress, error) {
	list, err := client.NewAdmin(c).ListReassignments(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var names []string
	for _, m := range list {
		if n := len(names); n == 0 || names[n-1] != m.Topic { // the list is in order
			names = append(names, m.Topic)
		}
	}
	topics, err := client.NewAdmin(c).DescribeTopics(ctx, names...)
	if err != nil {
		return nil, err
	}
	parts := make(map[placeKey]*wire.PartitionDescription)
	for i := range topics {
		for j := range topics[i].Partitions {
			p := &topics[i].Partitions[j]
			parts[placeKey{topics[i].Name, p.Index}] = p
		}
	}
	out := make([]progress, len(list))
	for i, m := range list {
		out[i] = progress{PartitionMove: m, left: -1}
		if p := parts[placeKey{m.Topic, m.Index}]; p != nil {
			out[i].measure(p)
		}
	}
	return out, nil
}

// measure takes over what the leader says. A record is taken to be as large as the mean of the partition.
func (m *progress) measure(p *wire.PartitionDescription) {
	left, known := int64(0), p.Bytes >= 0 && p.End >= p.Start
	for _, id := range m.Adding {
		i := slices.IndexFunc(p.Followers, func(f wire.FollowerLag) bool { return f.Broker == id })
		switch {
		case slices.Contains(p.ISR, id):
		case i < 0:
			known = false
		default:
			f := p.Followers[i]
			m.lags = append(m.lags, f)
			known = known && f.Lag >= 0
			if f.Lag > 0 && p.End > p.Start {
				left += int64(float64(p.Bytes) * min(1, float64(f.Lag)/float64(p.End-p.Start)))
			}
		}
	}
	if known {
		m.left = left
	}
}

func moveProgress(list []progress) *table.Table {
	t := &table.Table{Columns: []table.Column{
		{Title: "TOPIC", Name: "topic"}, {Title: "PARTITION", Name: "partition"}, {Title: "REPLICAS", Name: "replicas"},
		{Title: "ADDING", Name: "adding"}, {Title: "REMOVING", Name: "removing"}, {Title: "IN-SYNC", Name: "in_sync"},
		{Title: "BEHIND", Name: "behind"}, {Title: "LEFT", Name: "bytes_left"}, {Title: "WHY", Name: "why"}}}
	for _, m := range list {
		why := "reassign"
		if len(m.Target) == 0 {
			why = "decommission"
		}
		t.Add(m.Topic, m.Index, brokers(m.Replicas), brokers(m.Adding), brokers(m.Removing), brokers(m.ISR),
			followers(m.lags), knownSize(m.left), why)
	}
	return t
}

// awaitMoves waits until none of the partitions that wanted tells is being moved.
func (a *app) awaitMoves(ctx context.Context, wait time.Duration, wanted func(topic uint64, index int32) bool) error {
	return a.await(ctx, wait, "skidway reassign status", func(ctx context.Context) (left string, err error) {
		err = a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
			list, err := progressOf(ctx, c)
			if err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(m progress) bool { return !wanted(m.ID, m.Index) })
			left, err = whatIsLeft(ctx, c, list)
			return err
		})
		return left, err
	})
}

// whatIsLeft says how much is to be moved; empty: nothing.
func whatIsLeft(ctx context.Context, c *client.Client, list []progress) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	words := []string{plural(int64(len(list)), "partition") + " still being moved"}
	var bytes int64
	for _, m := range list {
		bytes += max(m.left, 0)
	}
	if bytes > 0 {
		words = append(words, "about "+units.FormatBytes(bytes)+" left")
	}
	d, err := client.NewAdmin(c).DescribeCluster(ctx)
	if err == nil && d.Controller < 0 {
		words = append(words, "and there is no controller now, which would carry it out")
	}
	return strings.Join(words, ", "), err
}
