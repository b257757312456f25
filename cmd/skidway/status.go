package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/units"
	"github.com/skidway/skidway/wire"
)

func (a *app) statusCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether the broker is well; exit 10 if not",
		Example: `  skidway status
  skidway status --wait 30s`,
		Long: "Ask the broker how it is. Exit 0: ready. Exit 10: it answers, and is not well. Exit 3: it does not answer.\n" +
			"With --wait it asks again until it is ready or the time is over: for scripts and health checks.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wait < 0 {
				return failure.BadValue("--wait", "%v is negative", wait)
			}
			return a.status(cmd.Context(), wait)
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "ask again until the broker is ready, at most this long")
	a.formatFlag(cmd, "text", "json")
	return cmd
}

func (a *app) status(ctx context.Context, wait time.Duration) error {
	var s *wire.DescribeBrokerResponse
	ready, err := a.repeat(ctx, wait, func(ctx context.Context) (done bool, err error) {
		err = a.session(ctx, func(ctx context.Context, c *client.Client) error {
			s, err = client.NewAdmin(c).DescribeBroker(ctx)
			return err
		})
		return err == nil && s.Ready, err
	})
	if err != nil {
		return err
	}
	if err := a.write(func(w io.Writer) error { return a.printStatus(w, s) }); err != nil {
		return err
	}
	if !ready {
		return failure.Reported{Exit: failure.ExitUnhealthy}
	}
	return nil
}

func (a *app) printStatus(w io.Writer, s *wire.DescribeBrokerResponse) error {
	if a.format == "json" {
		return failure.EncodeLine(w, statusObject(s))
	}
	state := "ready"
	if !s.Ready {
		state = "not ready"
	}
	up := time.Since(time.UnixMilli(s.StartedMs)).Round(time.Second)
	lines := [][]string{
		{"BROKER", fmt.Sprint(s.BrokerID), "STATE", state, "UP", max(up, 0).String()},
		{"VERSION", s.Version, "FSYNC", s.Fsync, "CONNECTIONS", fmt.Sprint(s.Connections)},
		{"TOPICS", fmt.Sprint(s.Topics), "PARTITIONS", fmt.Sprint(s.Partitions), "SIZE", units.FormatBytes(s.LogBytes)},
		{"DATA", s.DataDir, "DISK", units.FormatBytes(s.DiskTotal), "FREE", units.FormatBytes(s.DiskFree)},
	}
	if err := table.Align(w, lines); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return checkTable(s.Checks).Write(w, "text")
}

func checkTable(checks []wire.Check) *table.Table {
	t := &table.Table{Columns: []table.Column{{Title: "CHECK", Name: "name"}, {Title: "STATE", Name: "ok"},
		{Title: "DETAIL", Name: "detail"}}}
	for _, c := range checks {
		state := table.Cell{Text: "ok", Value: true}
		if !c.OK {
			state = table.Cell{Text: "fail", Value: false}
		}
		t.Add(c.Name, state, c.Detail)
	}
	return t
}

func statusObject(s *wire.DescribeBrokerResponse) table.Object {
	return table.Object{
		{Name: "broker", Value: s.BrokerID}, {Name: "ready", Value: s.Ready}, {Name: "version", Value: s.Version},
		{Name: "go", Value: s.Go},
		{Name: "started", Value: time.UnixMilli(s.StartedMs).UTC().Format(time.RFC3339)},
		{Name: "fsync", Value: s.Fsync}, {Name: "data_dir", Value: s.DataDir}, {Name: "topics", Value: s.Topics},
		{Name: "partitions", Value: s.Partitions}, {Name: "connections", Value: s.Connections}, {Name: "log_bytes",
			Value: s.LogBytes},
		{Name: "disk_bytes", Value: s.DiskTotal}, {Name: "disk_free_bytes", Value: s.DiskFree}, {Name: "checks",
			Value: checkTable(s.Checks).Objects()},
	}
}
