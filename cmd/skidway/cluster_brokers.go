package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/units"
	"github.com/skidway/skidway/wire"
)

func (a *app) clusterBrokersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "brokers",
		Short:   "List the brokers of the cluster, and what each has",
		Example: "  skidway cluster brokers\n  skidway cluster brokers --format json",
		Long: "STATE is active, draining (leads nothing), decommissioning (gives all away that it holds), or dead. EPOCH\n" +
			"grows with every start. A broker that is dead and holds nothing is not listed.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.inCluster(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				v, err := viewCluster(ctx, c)
				if err != nil {
					return err
				}
				about := askBrokers(ctx, c, v)
				return a.write(func(w io.Writer) error { return v.brokerTable(about).Write(w, a.format) })
			})
		},
	}
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func (a *app) clusterDescribeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "describe",
		Short:   "Show the cluster: its id, brokers and sums",
		Example: "  skidway cluster describe\n  skidway cluster describe --format json",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.inCluster(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				v, err := viewCluster(ctx, c)
				if err != nil {
					return err
				}
				topics, err := client.NewAdmin(c).ListTopics(ctx)
				if err != nil {
					return err
				}
				about := askBrokers(ctx, c, v)
				return a.write(func(w io.Writer) error { return v.describe(w, a.format, topics, about) })
			})
		},
	}
	a.formatFlag(cmd, "text", "wide", "json")
	return cmd
}

// brokerPatience is how long a broker is asked about itself that is there and does not answer: the rest is told
// without it.
const brokerPatience = 2 * time.Second

// askBrokers asks all brokers that are there about themselves; who does not answer is missing.
func askBrokers(ctx context.Context, c *client.Client, v clusterView) map[int32]*wire.DescribeBrokerResponse {
	ctx, cancel := context.WithTimeout(ctx, brokerPatience)
	defer cancel()
	about := make(map[int32]*wire.DescribeBrokerResponse)
	var mu sync.Mutex // guards about
	var wg sync.WaitGroup
	for _, b := range v.Brokers {
		if !b.Present {
			continue
		}
		wg.Go(func() {
			if d, err := client.NewAdmin(c).DescribeBrokerAt(ctx, b.ID); err == nil {
				mu.Lock()
				defer mu.Unlock()
				about[b.ID] = d
			}
		})
	}
	wg.Wait()
	return about
}

// stateOf says how a broker is.
func stateOf(b *wire.BrokerState) string {
	var words []string
	if !b.Present {
		words = append(words, "dead")
	}
	if b.Draining {
		words = append(words, "draining")
	}
	if b.Decommissioning {
		words = append(words, "decommissioning")
	}
	if len(words) == 0 {
		return "active"
	}
	return strings.Join(words, ", ")
}

func (v clusterView) brokerTable(about map[int32]*wire.DescribeBrokerResponse) *table.Table {
	t := &table.Table{Columns: []table.Column{
		{Title: "BROKER", Name: "broker"}, {Title: "ADDRESS", Name: "address"}, {Title: "RACK", Name: "rack"},
		{Title: "VERSION", Name: "version"}, {Title: "EPOCH", Name: "epoch"}, {Title: "STATE", Name: "state"},
		{Title: "LEADERS", Name: "leaders"}, {Title: "REPLICAS", Name: "replicas"}, {Title: "IN-SYNC", Name: "in_sync"},
		{Title: "SIZE", Name: "bytes"}, {Title: "FREE", Name: "disk_free_bytes", Show: table.OnlyWide},
		{Title: "FSYNC", Name: "fsync", Show: table.OnlyWide}, {Title: "STARTED", Name: "started", Show: table.OnlyWide},
		{Title: "CONTROLLER", Name: "controller"}}}
	for i := range v.Brokers {
		b := &v.Brokers[i]
		none := table.Cell{Text: "-"}
		cells := []any{b.ID, word(b.Address), word(b.Rack), none, none, stateOf(b), b.Leaders, b.Replicas, b.InSync, none,
			none, none, none, table.Cell{Value: false}}
		if b.Epoch >= 0 {
			cells[4] = b.Epoch
		}
		if d := about[b.ID]; d != nil {
			started := time.UnixMilli(d.StartedMs)
			cells[3], cells[9], cells[10], cells[11] = d.Version, size(d.LogBytes), size(d.DiskFree), d.Fsync
			cells[12] = table.Cell{Text: started.Format("2006-01-02 15:04:05"), Value: started.UTC().Format(time.RFC3339)}
		}
		if b.ID == v.Controller {
			cells[13] = table.Cell{Text: "*", Value: true}
		}
		t.Add(cells...)
	}
	return t
}

// word is a text that may be absent.
func word(s string) table.Cell {
	if s == "" {
		return table.Cell{Text: "-"}
	}
	return table.Cell{Text: printable(s), Value: s}
}

func (v clusterView) describe(w io.Writer, format string, topics []wire.TopicSummary,
	about map[int32]*wire.DescribeBrokerResponse) error {
	var records, bytes int64
	for _, t := range topics {
		records, bytes = records+t.Records, bytes+t.Bytes
	}
	t := v.brokerTable(about)
	if format == "json" {
		return failure.EncodeLine(w, table.Object{
			{Name: "cluster", Value: v.ClusterID}, {Name: "controller", Value: v.Controller},
			{Name: "topics", Value: len(topics)}, {Name: "partitions", Value: v.Partitions}, {Name: "records", Value: records},
			{Name: "bytes", Value: bytes}, {Name: "offline", Value: v.Offline},
			{Name: "under_replicated", Value: v.UnderReplicated}, {Name: "under_min_in_sync", Value: v.UnderMinInSync},
			{Name: "reassignments", Value: len(v.moves)}, {Name: "brokers", Value: t.Objects()},
		})
	}
	err := table.Align(w, [][]string{
		{"CLUSTER", v.ClusterID, "CONTROLLER", orNone(v.Controller), "BROKERS",
			fmt.Sprintf("%d of %d up", v.up(), len(v.Brokers))},
		{"TOPICS", fmt.Sprint(len(topics)), "PARTITIONS", fmt.Sprint(v.Partitions), "RECORDS", fmt.Sprint(records)},
		{"SIZE", units.FormatBytes(bytes) + " once", "UNDER-REPLICATED", fmt.Sprint(v.UnderReplicated), "OFFLINE",
			fmt.Sprint(v.Offline)},
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	return t.Write(w, format)
}
