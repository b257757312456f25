package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/moves"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

type applyFlags struct {
	yes, dry bool
	wait     time.Duration
}

func (a *app) reassignApplyCommand() *cobra.Command {
	var flags applyFlags
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Have partitions moved as a file says",
		Example: `  skidway reassign apply moves.toml --dry-run
  skidway reassign apply moves.toml --yes --wait 1h`,
		Long: "Everything is checked before anything is moved, and what is wrong is told with its line. An order takes\n" +
			"the place of an earlier one about the same partition. On a terminal it asks; elsewhere it needs --yes.",
		Args: exactly(1, "a FILE, as  skidway reassign plan -o FILE  writes it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := moves.Read(args[0])
			if err != nil {
				return err
			}
			return a.applyMoves(cmd.Context(), list, flags)
		},
	}
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	dryRunFlag(cmd, &flags.dry)
	waitFlag(cmd, &flags.wait, "all are moved")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func (a *app) applyMoves(ctx context.Context, list *moves.List, flags applyFlags) error {
	var all orders
	err := a.inCluster(ctx, func(ctx context.Context, c *client.Client) (err error) {
		all, err = checkMoves(ctx, c, list)
		return err
	})
	if err != nil {
		return err
	}
	if len(all) > 0 && !flags.dry {
		if err := a.confirm(flags.yes, "yes", fmt.Sprintf("move %s", plural(int64(len(all)), "partition"))); err != nil {
			return err
		}
	}
	err = a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
		if flags.dry {
			return nil // checked already
		}
		return all.send(ctx, c, client.Apply)
	})
	if err != nil {
		return err
	}
	if err := a.write(func(w io.Writer) error {
		return all.table(outcome("ordered", "would be moved", flags.dry)).Write(w, a.format)
	}); err != nil {
		return err
	}
	switch {
	case all.failed():
		return failure.Reported{Exit: failure.ExitRefused}
	case flags.wait > 0 && !flags.dry:
		return a.awaitMoves(ctx, flags.wait, all.about)
	}
	return nil
}

// order is a partition that is to be moved, and what became of the order.
type order struct {
	topic    string
	move     wire.Reassignment
	refusal  *wire.Error
	replicas []int32 // that it has
}

type orders []order

// ordersAtOnce bounds the orders of one request: each is a write of its own.
const ordersAtOnce = 200

// send has the moves checked, or ordered, and notes what was refused.
func (o orders) send(ctx context.Context, c *client.Client, m client.Mode) error {
	for chunk := range slices.Chunk(o, ordersAtOnce) {
		ask := make([]wire.Reassignment, len(chunk))
		for i := range chunk {
			ask[i] = chunk[i].move
		}
		results, err := client.NewAdmin(c).Reassign(ctx, ask, m)
		if err != nil {
			return err
		}
		for i := range results[:min(len(results), len(chunk))] {
			chunk[i].refusal = results[i].Error
		}
	}
	return nil
}

func (o orders) failed() bool {
	return slices.ContainsFunc(o, func(one order) bool { return one.refusal != nil })
}

// about tells whether an order is about a partition.
func (o orders) about(id uint64, index int32) bool {
	return slices.ContainsFunc(o, func(one order) bool { return one.move.ID == id && one.move.Index == index })
}

func (o orders) table(done string) *table.Table {
	t := &table.Table{Columns: []table.Column{{Title: "TOPIC", Name: "topic"}, {Title: "PARTITION", Name: "partition"},
		{Title: "FROM", Name: "from"}, {Title: "TO", Name: "to"}, {Title: "RESULT", Name: "result"}}}
	for i := range o {
		one := &o[i]
		result := table.Cell{Text: done, Value: done}
		if one.refusal != nil {
			f := one.failure()
			result = table.Cell{Text: fmt.Sprintf("error: %s   [%s]", f.Message, f.Code),
				Value: table.Object{{Name: "error", Value: f}}}
		}
		to := brokers(one.move.Replicas)
		if len(one.move.Replicas) == 0 {
			to.Text = "back"
		}
		t.Add(one.topic, one.move.Index, brokers(one.replicas), to, result)
	}
	return t
}

// failure is the refusal, without the place that stands beside it.
func (o *order) failure() *failure.Failure {
	message := strings.TrimPrefix(o.refusal.Message, fmt.Sprintf("topic %q partition %d: ", o.topic, o.move.Index))
	message = strings.TrimPrefix(message, "refused: ")
	return ofTopic(o.topic, o.refusal.Code, strings.TrimPrefix(message, "no such broker: "), o.refusal)
}

// checkMoves finds the partitions of a list, and has the cluster check the moves. What lies already as it is to lie is
// left out. The error tells all that is wrong, with the lines.
func checkMoves(ctx context.Context, c *client.Client, list *moves.List) (orders, error) {
	v, err := viewCluster(ctx, c)
	if err != nil {
		return nil, err
	}
	if list.Cluster != "" && list.Cluster != v.ClusterID {
		return nil, failure.Usage("the file is for cluster %s, and this one is %s", list.Cluster, v.ClusterID).
			WithHint("name a broker of the other one with  --server , or make a new file with  skidway reassign plan")
	}
	topics, err := topicsInList(ctx, c, list)
	if err != nil {
		return nil, err
	}
	known := topicNames(ctx, c)
	var all orders
	var at []*moves.Move // where each of the orders stands
	var faults failure.List
	for i := range list.Moves {
		m := &list.Moves[i]
		one, fault := findMove(m, topics[m.Topic], known)
		switch {
		case fault != nil:
			faults = append(faults, list.Fault(m, fault))
		case slices.Equal(one.replicas, m.Replicas) && !v.moving(one.move.ID, m.Partition):
		default:
			all, at = append(all, one), append(at, m)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	if err := all.send(ctx, c, client.ValidateOnly); err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].refusal == nil {
			continue
		}
		f := list.Fault(at[i], all[i].failure())
		if all[i].refusal.Code == wire.CodeUnknownBroker {
			f.Hint = fmt.Sprintf("there are %s;  skidway cluster brokers", listed(brokerIDs(v.DescribeClusterResponse)))
		}
		faults = append(faults, f)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return all, nil
}

// topicsInList describes the topics of a list.
func topicsInList(ctx context.Context, c *client.Client, list *moves.List) (map[string]*wire.TopicDescription, error) {
	var names []string
	seen := make(map[string]bool)
	for _, m := range list.Moves {
		if !seen[m.Topic] {
			seen[m.Topic] = true
			names = append(names, m.Topic)
		}
	}
	found, err := client.NewAdmin(c).DescribeTopics(ctx, names...)
	topics := make(map[string]*wire.TopicDescription, len(found))
	for i := range found {
		topics[found[i].Name] = &found[i]
	}
	return topics, err
}

// findMove finds the partition of a move.
func findMove(m *moves.Move, t *wire.TopicDescription, known []string) (order, *failure.Failure) {
	switch {
	case t == nil || t.Error != nil:
		f := ofTopic(m.Topic, wire.CodeUnknownTopic, fmt.Sprintf("no topic %q", m.Topic), nil)
		if near := metadata.Suggest(m.Topic, known); near != "" {
			f.Hint = fmt.Sprintf("did you mean %q?  list them with  skidway topic list", near)
		}
		return order{}, f
	case int(m.Partition) >= len(t.Partitions):
		return order{}, ofTopic(m.Topic, wire.CodeUnknownPartition, fmt.Sprintf("topic %q has no partition %d; it has %d",
			m.Topic, m.Partition, len(t.Partitions)), nil)
	}
	return order{topic: m.Topic, replicas: t.Partitions[m.Partition].Replicas,
		move: wire.Reassignment{ID: t.ID, Index: m.Partition, Replicas: m.Replicas}}, nil
}

// moving tells whether a partition is being moved.
func (v clusterView) moving(topic uint64, index int32) bool {
	return slices.ContainsFunc(v.moves, func(m wire.PartitionMove) bool { return m.ID == topic && m.Index == index })
}

func (a *app) reassignCancelCommand() *cobra.Command {
	var all bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:     "cancel TOPIC[:PARTITION]...",
		Short:   "Have partitions that are being moved go back to where they were",
		Example: "  skidway reassign cancel orders:3\n  skidway reassign cancel --all --wait 10m",
		Args: func(cmd *cobra.Command, args []string) error {
			if all {
				return exactly(0, "")(cmd, args)
			}
			return atLeast(1, "a TOPIC or TOPIC:PARTITION, or  --all")(cmd, args)
		},
		ValidArgsFunction: a.completeTopics,
		RunE: func(cmd *cobra.Command, args []string) error {
			places, err := placesOf(args)
			if err != nil {
				return err
			}
			return a.cancelMoves(cmd.Context(), places, wait)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that are being moved")
	waitFlag(cmd, &wait, "they are back")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

// placesOf reads TOPIC and TOPIC:PARTITION; partition -1 stands for all.
func placesOf(args []string) (places []placeKey, err error) {
	for _, text := range args {
		topic, number, one := strings.Cut(text, ":")
		n := int64(-1)
		if one {
			if n, err = strconv.ParseInt(number, 10, 32); err != nil || n < 0 {
				return nil, failure.Usage("%q: %q is no partition", text, number)
			}
		}
		if topic == "" {
			return nil, failure.Usage("%q names no topic", text)
		}
		places = append(places, placeKey{topic, int32(n)})
	}
	return places, nil
}

// cancelMoves takes back what is being moved: of the places, or, without one, all.
func (a *app) cancelMoves(ctx context.Context, places []placeKey, wait time.Duration) error {
	var back orders
	err := a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
		v, err := viewCluster(ctx, c)
		if err != nil {
			return err
		}
		if back, err = findMoving(v.moves, places); err != nil {
			return a.orUnknown(ctx, c, err, places)
		}
		return back.send(ctx, c, client.Apply)
	})
	if err != nil {
		return err
	}
	if err := a.write(func(w io.Writer) error { return back.table("goes back").Write(w, a.format) }); err != nil {
		return err
	}
	switch {
	case back.failed():
		return failure.Reported{Exit: failure.ExitRefused}
	case wait > 0:
		return a.awaitMoves(ctx, wait, back.about)
	}
	return nil
}

// findMoving finds what is being moved of the places; without one, all.
func findMoving(list []wire.PartitionMove, places []placeKey) (orders, error) {
	var out orders
	met := make([]bool, len(places))
	for _, m := range list {
		wanted := len(places) == 0
		for i, p := range places {
			if p.topic == m.Topic && (p.partition < 0 || p.partition == m.Index) {
				wanted, met[i] = true, true
			}
		}
		if wanted {
			out = append(out, order{topic: m.Topic, replicas: m.Replicas, move: wire.Reassignment{ID: m.ID, Index: m.Index}})
		}
	}
	i := slices.Index(met, false)
	if i < 0 {
		return out, nil
	}
	what := "no partition of topic " + places[i].topic + " is"
	if n := places[i].partition; n >= 0 {
		what = fmt.Sprintf("partition %d of topic %s is not", n, places[i].topic)
	}
	return nil, failure.Refused(wire.CodeInvalidArgument.String(), "%s being moved", what).
		WithHint("see what is with  skidway reassign status")
}

// orUnknown is err, or that one of the places does not exist, which says more.
func (a *app) orUnknown(ctx context.Context, c *client.Client, err error, places []placeKey) error {
	for _, p := range places {
		if topics, derr := client.NewAdmin(c).DescribeTopics(ctx, p.topic); derr == nil && topics[0].Error != nil {
			return &client.Error{Code: topics[0].Error.Code, Message: topics[0].Error.Message, Topic: p.topic, Partition: -1}
		}
	}
	return err
}
