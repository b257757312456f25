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
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/wire"
)

func (a *app) clusterStatusCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether the cluster is healthy, and why not; exit 10 if not",
		Example: `  skidway cluster status
  skidway cluster status --wait 5m
  skidway cluster status --format wide`,
		Long: "Exit 0: every partition has a leader and all its replicas in sync, and there is a controller. Exit 10:\n" +
			"not so; the first line says why. Exit 3: no broker answers. With --format wide it lists the partitions\n" +
			"that are not well. With --wait it asks again until the cluster is healthy or the time is over.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wait < 0 {
				return failure.BadValue("--wait", "%v is negative", wait)
			}
			return a.clusterStatus(cmd.Context(), wait)
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "ask again until the cluster is healthy, at most this long")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func (a *app) clusterStatus(ctx context.Context, wait time.Duration) error {
	var v clusterView
	var unwell []unwellPartition
	ask := func(ctx context.Context) (done bool, err error) {
		err = a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
			if v, err = viewCluster(ctx, c); err != nil || a.format != "wide" {
				return err
			}
			unwell, err = findUnwell(ctx, c)
			return err
		})
		return err == nil && len(v.reasons()) == 0, err
	}
	healthy, err := a.repeat(ctx, wait, ask)
	if err != nil {
		return err
	}
	if err := a.write(func(w io.Writer) error { return v.writeStatus(w, a.format, unwell) }); err != nil {
		return err
	}
	if !healthy {
		return failure.Reported{Exit: failure.ExitUnhealthy}
	}
	return nil
}

func (v clusterView) writeStatus(w io.Writer, format string, unwell []unwellPartition) error {
	reasons := v.reasons()
	health, line := "healthy", "healthy"
	if len(reasons) > 0 {
		health, line = "unhealthy", "unhealthy: "+strings.Join(reasons, "; ")
	}
	if format == "json" || format == "tsv" {
		why := table.Cell{Value: reasons}
		if format == "tsv" {
			why.Value = strings.Join(reasons, "; ")
		}
		t := &table.Table{Columns: []table.Column{
			{Name: "health"}, {Name: "reasons"}, {Name: "brokers"}, {Name: "brokers_up"}, {Name: "controller"},
			{Name: "partitions"}, {Name: "offline"}, {Name: "under_replicated"}, {Name: "under_min_in_sync"},
			{Name: "reassignments"}}}
		t.Add(health, why, len(v.Brokers), v.up(), v.Controller, v.Partitions, v.Offline,
			v.UnderReplicated, v.UnderMinInSync, len(v.moves))
		return t.Write(w, format)
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", line); err != nil {
		return err
	}
	err := table.Align(w, [][]string{
		{"BROKERS", fmt.Sprintf("%d of %d up", v.up(), len(v.Brokers)), "CONTROLLER", orNone(v.Controller),
			"REASSIGNMENTS", fmt.Sprint(len(v.moves))},
		{"PARTITIONS", fmt.Sprint(v.Partitions), "OFFLINE", fmt.Sprint(v.Offline), "UNDER-REPLICATED",
			fmt.Sprint(v.UnderReplicated)},
	})
	if err != nil || len(unwell) == 0 {
		return err
	}
	fmt.Fprintln(w)
	return unwellTable(unwell, v).Write(w, "text")
}

// orNone writes a broker's id, or that there is none.
func orNone(id int32) string {
	if id < 0 {
		return "none"
	}
	return fmt.Sprint(id)
}

// unwellPartition is one that has no leader, or not all its replicas in sync.
type unwellPartition struct {
	topic string
	wire.PartitionDescription
}

// findUnwell looks at all partitions.
func findUnwell(ctx context.Context, c *client.Client) (list []unwellPartition, err error) {
	topics, err := client.NewAdmin(c).DescribeTopics(ctx, topicNames(ctx, c)...)
	for _, t := range topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 || len(p.ISR) < len(p.Replicas)-len(p.Adding) {
				list = append(list, unwellPartition{t.Name, p})
			}
		}
	}
	return list, err
}

func unwellTable(list []unwellPartition, v clusterView) *table.Table {
	t := &table.Table{Columns: []table.Column{{Title: "TOPIC"}, {Title: "PARTITION"}, {Title: "LEADER"},
		{Title: "REPLICAS"}, {Title: "IN-SYNC"}, {Title: "NOTE"}}}
	for _, p := range list {
		t.Add(p.topic, p.Index, orNone(p.Leader), brokers(p.Replicas), brokers(p.ISR),
			partitionNote(&p.PartitionDescription, v.present))
	}
	return t
}
