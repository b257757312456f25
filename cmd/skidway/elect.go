package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/wire"
)

func (a *app) electCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "elect",
		Short: "Give leaderships back, or have a broker lead that lacks records",
		Example: `  skidway elect preferred
  skidway elect unclean orders 3 --dry-run`,
	}
	cmd.AddCommand(a.electPreferredCommand(), a.electUncleanCommand())
	group(cmd)
	return cmd
}

func (a *app) electPreferredCommand() *cobra.Command {
	var dry bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:     "preferred",
		Short:   "Give leaderships back to the first of the replicas, wherever that is in sync",
		Example: "  skidway elect preferred\n  skidway elect preferred --wait 1m",
		Long: "A cluster does that by itself from time to time; this does it now. It lists the partitions that another\n" +
			"replica leads than the first. No record is lost with it.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.electPreferred(cmd.Context(), dry, wait)
		},
	}
	dryRunFlag(cmd, &dry)
	waitFlag(cmd, &wait, "all are back that can be")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

// displaced is a partition that another replica leads than the first.
type displaced struct {
	topic string
	wire.PartitionDescription
	able bool // the first could lead
}

func (a *app) electPreferred(ctx context.Context, dry bool, wait time.Duration) error {
	var list []displaced
	look := func(ctx context.Context, c *client.Client) (err error) {
		list, err = findDisplaced(ctx, c)
		return err
	}
	err := a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
		if err := look(ctx, c); err != nil || dry {
			return err
		}
		return client.NewAdmin(c).ElectPreferred(ctx)
	})
	if err != nil {
		return err
	}
	t := &table.Table{Columns: []table.Column{{Title: "TOPIC", Name: "topic"}, {Title: "PARTITION", Name: "partition"},
		{Title: "LEADER", Name: "leader"}, {Title: "PREFERRED", Name: "preferred"}, {Title: "RESULT", Name: "result"}}}
	for _, p := range list {
		result := outcome("ordered", "would be ordered", dry)
		if !p.able {
			result = "stays: the preferred replica is not in sync, or is being drained"
		}
		t.Add(p.topic, p.Index, p.Leader, p.Replicas[0], result)
	}
	if err := a.write(func(w io.Writer) error { return t.Write(w, a.format) }); err != nil || wait == 0 || dry {
		return err
	}
	return a.await(ctx, wait, "skidway elect preferred --dry-run", func(ctx context.Context) (string, error) {
		err := a.inCluster(ctx, look)
		list = slices.DeleteFunc(list, func(p displaced) bool { return !p.able })
		if len(list) == 0 {
			return "", err
		}
		return plural(int64(len(list)), "leadership") + " still to go back", err
	})
}

// findDisplaced looks at all partitions.
func findDisplaced(ctx context.Context, c *client.Client) (list []displaced, err error) {
	v, err := viewCluster(ctx, c)
	if err != nil {
		return nil, err
	}
	topics, err := describeEach(ctx, c, nil)
	for _, t := range topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 || len(p.Replicas) == 0 || p.Leader == p.Replicas[0] {
				continue
			}
			first := slices.IndexFunc(v.Brokers, func(b wire.BrokerState) bool { return b.ID == p.Replicas[0] })
			able := slices.Contains(p.ISR, p.Replicas[0]) && first >= 0 && stateOf(&v.Brokers[first]) == "active"
			list = append(list, displaced{t.Name, p, able})
		}
	}
	return list, err
}

// partitionNumber reads a partition's number.
func partitionNumber(text string) (int32, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil && n >= 0
}

// completePartition offers topics, and then the partitions of the one that is named.
func (a *app) completePartition(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.offer(cmd.Context(), topicNames)
	case 1:
	default:
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.offer(cmd.Context(), func(ctx context.Context, c *client.Client) (numbers []string) {
		topics, err := client.NewAdmin(c).DescribeTopics(ctx, args[0])
		if err != nil || topics[0].Error != nil {
			return nil
		}
		for _, p := range topics[0].Partitions {
			numbers = append(numbers, fmt.Sprint(p.Index))
		}
		return numbers
	})
}
