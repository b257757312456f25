package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/wire"
)

func (a *app) clusterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Show how a cluster and its brokers are, and make one of a broker that stands alone",
		Example: `  skidway cluster status
  skidway cluster brokers
  skidway cluster describe
  skidway cluster adopt -c /etc/skidway/skidway.toml`,
	}
	cmd.AddCommand(a.clusterStatusCommand(), a.clusterBrokersCommand(), a.clusterDescribeCommand(),
		a.clusterAdoptCommand())
	group(cmd)
	return cmd
}

// inCluster runs f like session. The error of a broker that stands alone says so, and that of a broker which does not
// exist says which do.
func (a *app) inCluster(ctx context.Context, f func(ctx context.Context, c *client.Client) error) error {
	return a.session(ctx, func(ctx context.Context, c *client.Client) error {
		err := f(ctx, c)
		var ce *client.Error
		if !errors.As(err, &ce) {
			return err
		}
		switch ce.Code {
		case wire.CodeUnsupported:
			return standsAlone(c, err)
		case wire.CodeUnknownBroker:
			unknown := a.ofClient(ce)
			if d, err := client.NewAdmin(c).DescribeCluster(ctx); err == nil {
				unknown.Hint = fmt.Sprintf("there are %s;  skidway cluster brokers", listed(brokerIDs(d)))
			}
			return unknown
		}
		return err
	})
}

// standsAlone is what a command fails with that needs a cluster.
func standsAlone(c *client.Client, err error) *failure.Failure {
	f := ofCode(wire.CodeUnsupported, "", err)
	f.Message = fmt.Sprintf("broker %d at %s stands alone: there is no cluster", c.Hello().BrokerID, c.Address())
	f.Hint = "it leads and holds all partitions itself;  skidway status  tells how it is.  " +
		"Several brokers need  [cluster]  in their configuration"
	return f
}

// brokerIDs are those of all brokers that a cluster knows, in order.
func brokerIDs(d *wire.DescribeClusterResponse) []int32 {
	ids := make([]int32, len(d.Brokers))
	for i := range d.Brokers {
		ids[i] = d.Brokers[i].ID
	}
	return ids
}

// listed writes numbers for a sentence: "1, 2 and 3".
func listed(ids []int32) string {
	text := ""
	for i, id := range ids {
		switch {
		case i == 0:
		case i == len(ids)-1:
			text += " and "
		default:
			text += ", "
		}
		text += fmt.Sprint(id)
	}
	return text
}

// clusterView is a cluster as a person sees it: its brokers and sums, and what is being moved.
type clusterView struct {
	*wire.DescribeClusterResponse
	moves []wire.PartitionMove
}

// viewCluster asks how a cluster is; a broker that stands alone refuses that.
func viewCluster(ctx context.Context, c *client.Client) (clusterView, error) {
	admin := client.NewAdmin(c)
	moves, err := admin.ListReassignments(ctx) // first: it tells a broker that stands alone
	if err != nil {
		return clusterView{}, err
	}
	d, err := admin.DescribeCluster(ctx)
	return clusterView{d, moves}, err
}

// up counts the brokers that are there.
func (v clusterView) up() (n int) {
	for _, b := range v.Brokers {
		if b.Present {
			n++
		}
	}
	return n
}

// reasons says what is not well, the worst first; empty: the cluster is healthy.
func (v clusterView) reasons() []string {
	list := []string{}
	add := func(n int32, one, many string) {
		switch {
		case n == 1:
			list = append(list, "1 partition "+one)
		case n > 1:
			list = append(list, fmt.Sprintf("%d partitions %s", n, many))
		}
	}
	add(v.Offline, "has no leader", "have no leader")
	if v.Controller < 0 {
		list = append(list, "there is no controller, which would replace what fails and carry out orders")
	}
	add(v.UnderMinInSync, "takes no writes with acks=all", "take no writes with acks=all")
	add(v.UnderReplicated, "is under-replicated", "are under-replicated")
	for _, b := range v.Brokers {
		if !b.Present && b.Replicas > 0 {
			list = append(list, fmt.Sprintf("broker %d is away, which holds %s", b.ID,
				plural(int64(b.Replicas), "replica")))
		}
	}
	return list
}

// present tells whether a broker is there.
func (v clusterView) present(id int32) bool {
	return slices.ContainsFunc(v.Brokers, func(b wire.BrokerState) bool { return b.ID == id && b.Present })
}
