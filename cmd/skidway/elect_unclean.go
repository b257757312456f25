package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/wire"
)

type uncleanFlags struct {
	broker   int32
	yes, dry bool
	wait     time.Duration
}

func (a *app) electUncleanCommand() *cobra.Command {
	var flags uncleanFlags
	cmd := &cobra.Command{
		Use:   "unclean TOPIC PARTITION --broker BROKER",
		Short: "Have a broker lead a partition without a leader, though acknowledged records are lost",
		Example: `  skidway elect unclean orders 3 --dry-run
  skidway elect unclean orders 3 --broker 2`,
		Long: "The last resort, when no broker comes back that holds all that was acknowledged: bring one back if you\n" +
			"can. It first shows the replicas that are there, the one with the most records first: how many another one\n" +
			"that is there holds and it lacks, and how many are lost that are known to have been committed. More may be:\n" +
			"those who are away knew more. The order holds for the state that was shown; when a leader was elected\n" +
			"meanwhile, nothing is done. On a terminal it asks for the topic's name; elsewhere it needs --yes.",
		Args:              exactly(2, "a TOPIC and the number of a PARTITION"),
		ValidArgsFunction: a.completePartition,
		RunE: func(cmd *cobra.Command, args []string) error {
			index, ok := partitionNumber(args[1])
			switch {
			case !ok:
				return failure.Usage("%q is no partition: they are numbered from 0", args[1])
			case !flags.dry && !cmd.Flags().Changed("broker"):
				return failure.Usage("%s wants  --broker BROKER , which is to lead", cmd.CommandPath()).
					WithHint("see what each holds with  skidway elect unclean %s %d --dry-run", args[0], index)
			}
			return a.electUnclean(cmd.Context(), args[0], index, flags)
		},
	}
	cmd.Flags().Int32Var(&flags.broker, "broker", -1, "the `BROKER` that is to lead, one of the replicas")
	_ = cmd.RegisterFlagCompletionFunc("broker", a.completeFlag(brokerNames))
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	dryRunFlag(cmd, &flags.dry)
	waitFlag(cmd, &flags.wait, "the broker leads")
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func (a *app) electUnclean(ctx context.Context, topic string, index int32, flags uncleanFlags) error {
	var e election
	err := a.inCluster(ctx, func(ctx context.Context, c *client.Client) (err error) {
		e, err = lookAtElection(ctx, c, topic, index)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.write(func(w io.Writer) error { return e.table().Write(w, a.format) }); err != nil || flags.dry {
		return err
	}
	loss, err := e.loss(flags.broker)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("elect broker %d to lead %s[%d]: %s", flags.broker, topic, index, loss)
	if err := a.confirm(flags.yes, topic, question); err != nil {
		return err
	}
	err = a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
		results, err := client.NewAdmin(c).ElectUnclean(ctx, []wire.UncleanElection{
			{ID: e.id, Index: index, Broker: flags.broker, LeaderEpoch: e.part.LeaderEpoch}})
		if err != nil {
			return err
		}
		if refusal := results[0].Error; refusal != nil {
			o := order{topic: topic, move: wire.Reassignment{Index: index}, refusal: refusal}
			return o.failure()
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.errOut, "ordered: broker %d is to lead %s[%d]\n", flags.broker, topic, index)
	if flags.wait == 0 {
		return nil
	}
	return a.await(ctx, flags.wait, "skidway topic describe "+topic, func(ctx context.Context) (left string, err error) {
		err = a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
			p, err := describeOne(ctx, c, topic, index)
			if err == nil && p.part.Leader < 0 {
				left = fmt.Sprintf("%s[%d] still has no leader", topic, index)
			} else {
				left = ""
			}
			return err
		})
		return left, err
	})
}

// election is a partition without a leader, and who could lead it.
type election struct {
	topic      string
	id         uint64
	part       wire.PartitionDescription
	candidates []replication.Candidate // that are there and answer, the one with the most first
	lost       []int64                 // of each
	committed  int64                   // as far as those who answer know; -1: nobody answers
	view       clusterView
}

// describeOne describes one partition.
func describeOne(ctx context.Context, c *client.Client, topic string, index int32) (election, error) {
	topics, err := client.NewAdmin(c).DescribeTopics(ctx, topic)
	if err != nil {
		return election{}, err
	}
	t := topics[0]
	switch {
	case t.Error != nil:
		return election{}, &client.Error{Code: t.Error.Code, Message: t.Error.Message, Topic: topic, Partition: -1}
	case int(index) >= len(t.Partitions):
		return election{}, ofTopic(topic, wire.CodeUnknownPartition, fmt.Sprintf("topic %q has no partition %d; it has %d",
			topic, index, len(t.Partitions)), nil)
	}
	return election{topic: topic, id: t.ID, part: t.Partitions[index], committed: -1}, nil
}

// lookAtElection asks the replicas that are there what they hold.
func lookAtElection(ctx context.Context, c *client.Client, topic string, index int32) (election, error) {
	v, err := viewCluster(ctx, c)
	if err != nil {
		return election{}, err
	}
	e, err := describeOne(ctx, c, topic, index)
	if err != nil {
		return e, err
	}
	if e.part.Leader >= 0 {
		return e, failure.Refused(wire.CodeInvalidArgument.String(), "broker %d leads %s[%d]: there is nothing to elect",
			e.part.Leader, topic, index).WithHint("see it with  skidway topic describe %s", topic)
	}
	e.view = v
	var all []replication.Candidate
	for _, id := range e.part.Replicas {
		if !v.present(id) {
			continue
		}
		p, err := copyAt(ctx, c, id, topic, index)
		if err != nil {
			continue // its row says so
		}
		all = append(all, replication.Candidate{Member: replication.Member{Broker: id}, LastEpoch: p.LastEpoch, End: p.End,
			HighWatermark: p.HighWatermark})
		e.committed = max(e.committed, p.HighWatermark)
	}
	e.candidates, e.lost = replication.UncleanCandidates(all)
	return e, nil
}

// copyAt asks one broker what it holds of a partition.
func copyAt(ctx context.Context, c *client.Client, broker int32, topic string, index int32) (
	p wire.PartitionDescription, err error) {
	ctx, cancel := context.WithTimeout(ctx, brokerPatience)
	defer cancel()
	topics, err := client.NewAdmin(c).DescribeTopicsAt(ctx, broker, topic)
	switch {
	case err != nil:
		return p, err
	case topics[0].Error != nil:
		return p, topics[0].Error
	case int(index) >= len(topics[0].Partitions):
		return p, wire.CodeUnknownPartition
	}
	p = topics[0].Partitions[index]
	if p.Error != nil {
		return p, p.Error
	}
	return p, nil
}

func (e *election) table() *table.Table {
	t := &table.Table{Columns: []table.Column{{Title: "BROKER", Name: "broker"}, {Title: "LAST EPOCH", Name: "last_epoch"},
		{Title: "END", Name: "end"}, {Title: "COMMITTED", Name: "high_watermark"}, {Title: "LACKS", Name: "lacks"},
		{Title: "LOST", Name: "lost_at_least"}, {Title: "NOTE", Name: "note"}}}
	most := int64(0)
	for _, k := range e.candidates {
		most = max(most, k.End)
	}
	for i, k := range e.candidates {
		id := k.Member.Broker
		t.Add(id, known(int64(k.LastEpoch)), known(k.End), known(k.HighWatermark), most-k.End,
			table.Cell{Text: atLeastLost(e.lost[i]), Value: e.lost[i]}, e.note(id))
	}
	none := table.Cell{Text: "-"}
	for _, id := range e.part.Replicas {
		if !e.answered(id) {
			t.Add(id, none, none, none, none, none, e.note(id))
		}
	}
	return t
}

// atLeastLost says how many records are lost. That it is none cannot be known.
func atLeastLost(n int64) string {
	if n == 0 {
		return "not known"
	}
	return fmt.Sprintf("at least %d", n)
}

func (e *election) answered(id int32) bool {
	return slices.ContainsFunc(e.candidates, func(k replication.Candidate) bool { return k.Member.Broker == id })
}

// note says of a replica what the numbers do not.
func (e *election) note(id int32) string {
	var words []string
	switch {
	case !e.view.present(id):
		words = append(words, "away")
	case !e.answered(id):
		words = append(words, "there, and does not say what it holds")
	}
	if slices.Contains(slices.Concat(e.part.ISR, e.part.ELR), id) {
		words = append(words, "held all that was acknowledged: no loss if it comes back with its data")
	}
	return strings.Join(words, "; ")
}

// loss says what is lost when the broker leads.
func (e *election) loss(broker int32) (string, error) {
	if !slices.Contains(e.part.Replicas, broker) {
		if _, err := findBroker(e.view.DescribeClusterResponse, broker); err != nil {
			return "", err
		}
		return "", failure.Refused(wire.CodeInvalidArgument.String(), "broker %d is no replica of %s[%d]; %s are", broker,
			e.topic, e.part.Index, listed(e.part.Replicas))
	}
	if !e.view.present(broker) {
		return "", failure.Refused(wire.CodeUnknownBroker.String(), "broker %d is away: it cannot lead %s[%d]", broker,
			e.topic, e.part.Index).WithHint("start it, or choose one that is there")
	}
	i := slices.IndexFunc(e.candidates, func(k replication.Candidate) bool { return k.Member.Broker == broker })
	if i < 0 {
		return "what was acknowledged and it does not hold is lost", nil
	}
	much := "how much nobody knows who is there"
	if n := e.lost[i]; n > 0 {
		much = "at least " + plural(n, "record")
	}
	return fmt.Sprintf("it ends at offset %d, and what was acknowledged beyond is lost (%s)", e.candidates[i].End,
		much), nil
}
