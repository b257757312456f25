package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/wire"
)

func (a *app) brokerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Take a broker of a cluster out of service, for a while or for good",
		Example: `  skidway broker drain 2 --wait 5m
  skidway broker drain 2 --undo
  skidway broker decommission 3 --dry-run`,
	}
	cmd.AddCommand(a.brokerDrainCommand(), a.brokerDecommissionCommand())
	group(cmd)
	return cmd
}

func (a *app) brokerDrainCommand() *cobra.Command {
	var undo bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "drain BROKER",
		Short: "Have a broker lead nothing, before it is stopped for a while",
		Example: `  skidway broker drain 2 --wait 5m
  skidway broker drain 2 --undo`,
		Long: "The broker gives its leaderships away and takes none, nor new replicas, until --undo. It keeps what it\n" +
			"holds and goes on to copy, so that it is in sync when it is back. What no other replica is in sync with, it\n" +
			"goes on to lead.",
		Args:              exactly(1, "the id of a BROKER"),
		ValidArgsFunction: a.completeBrokers,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := brokerID(args[0])
			if err != nil {
				return err
			}
			o := brokerOrder{id: id, result: "draining", wait: wait, left: ledBy,
				give: func(ctx context.Context, admin *client.Admin) error {
					_, _, err := admin.DrainBroker(ctx, id)
					return err
				}}
			if undo {
				o.result, o.left = "takes leaderships again", nil
				o.give = func(ctx context.Context, admin *client.Admin) error { return admin.UndrainBroker(ctx, id) }
			}
			return a.orderBroker(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "let it take leaderships again;  skidway elect preferred  gives them back")
	waitFlag(cmd, &wait, "it leads nothing")
	excluding(cmd, "undo", "wait")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func (a *app) brokerDecommissionCommand() *cobra.Command {
	var dry, cancel bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "decommission BROKER",
		Short: "Have all that a broker holds moved to others, before it is stopped for good",
		Example: `  skidway broker decommission 3 --dry-run
  skidway broker decommission 3 --wait 2h
  skidway broker decommission 3 --cancel`,
		Long: "The broker may be gone already: the others then copy from each other. Partitions are moved some at a time\n" +
			"and served all the while;  skidway reassign status  tells how far each is. The broker takes nothing anew\n" +
			"until --cancel, which leaves where it is what was moved.",
		Args:              exactly(1, "the id of a BROKER"),
		ValidArgsFunction: a.completeBrokers,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := brokerID(args[0])
			if err != nil {
				return err
			}
			o := brokerOrder{id: id, wait: wait, left: heldBy,
				result: outcome("decommissioning", "would be decommissioned", dry),
				give: func(ctx context.Context, admin *client.Admin) error {
					_, _, err := admin.DecommissionBroker(ctx, id, mode(dry))
					return err
				}}
			if dry {
				o.left = nil
			}
			if cancel {
				o.result, o.left = "keeps what it holds", nil
				o.give = func(ctx context.Context, admin *client.Admin) error { return admin.CancelDecommission(ctx, id) }
			}
			return a.orderBroker(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&cancel, "cancel", false, "let it keep what it holds, and take more")
	dryRunFlag(cmd, &dry)
	waitFlag(cmd, &wait, "it holds nothing")
	excluding(cmd, "cancel", "dry-run", "wait")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

// brokerID reads a broker's id.
func brokerID(text string) (int32, error) {
	id, err := strconv.ParseInt(text, 10, 32)
	if err != nil || id < 0 {
		return 0, failure.Usage("%q is no broker's id", text).WithHint("see them with  skidway cluster brokers")
	}
	return int32(id), nil
}

// brokerOrder is something that a broker is to do.
type brokerOrder struct {
	id     int32
	result string // what is told of it
	give   func(ctx context.Context, admin *client.Admin) error
	// left says what it is that is waited for; nil: nothing.
	left func(b *wire.BrokerState) string
	wait time.Duration
}

func ledBy(b *wire.BrokerState) string {
	if b.Leaders == 0 {
		return ""
	}
	return fmt.Sprintf("broker %d still leads %s", b.ID, plural(int64(b.Leaders), "partition"))
}

func heldBy(b *wire.BrokerState) string {
	if b.Replicas == 0 {
		return ""
	}
	return fmt.Sprintf("broker %d still holds %s", b.ID, plural(int64(b.Replicas), "replica"))
}

func (a *app) orderBroker(ctx context.Context, o brokerOrder) error {
	var state wire.BrokerState
	look := func(ctx context.Context, c *client.Client) error {
		d, err := client.NewAdmin(c).DescribeCluster(ctx)
		if err != nil {
			return err
		}
		state, err = findBroker(d, o.id)
		return err
	}
	err := a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
		if _, err := client.NewAdmin(c).ListReassignments(ctx); err != nil {
			return err // it stands alone
		}
		if err := look(ctx, c); err != nil {
			return err
		}
		return o.give(ctx, client.NewAdmin(c))
	})
	if err != nil {
		return err
	}
	if o.wait > 0 && o.left != nil {
		err = a.await(ctx, o.wait, "skidway cluster brokers", func(ctx context.Context) (string, error) {
			err := a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
				err := look(ctx, c)
				var f *failure.Failure
				if errors.As(err, &f) && f.Code == wire.CodeUnknownBroker.String() {
					state, err = wire.BrokerState{ID: o.id, Epoch: -1}, nil // it is gone, and holds nothing
				}
				return err
			})
			return o.left(&state), err
		})
		o.result = "done"
	}
	if err != nil {
		return err
	}
	t := &table.Table{Columns: []table.Column{{Title: "BROKER", Name: "broker"}, {Title: "LEADERS", Name: "leaders"},
		{Title: "REPLICAS", Name: "replicas"}, {Title: "RESULT", Name: "result"}}}
	t.Add(state.ID, state.Leaders, state.Replicas, o.result)
	return a.write(func(w io.Writer) error { return t.Write(w, a.format) })
}

// findBroker finds a broker of a cluster.
func findBroker(d *wire.DescribeClusterResponse, id int32) (wire.BrokerState, error) {
	i := slices.IndexFunc(d.Brokers, func(b wire.BrokerState) bool { return b.ID == id })
	if i < 0 {
		return wire.BrokerState{}, noBroker(d, id)
	}
	return d.Brokers[i], nil
}

// noBroker is what a command fails with that names a broker which does not exist.
func noBroker(d *wire.DescribeClusterResponse, id int32) *failure.Failure {
	return failure.Refused(wire.CodeUnknownBroker.String(), "there is no broker %d", id).
		WithHint("there are %s;  skidway cluster brokers", listed(brokerIDs(d)))
}

// completeBrokers offers the ids of brokers.
func (a *app) completeBrokers(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeNames(cmd, args, brokerNames)
}
