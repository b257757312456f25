package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/moves"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/units"
	"github.com/skidway/skidway/wire"
)

func (a *app) reassignCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reassign",
		Short: "Move partitions to other brokers",
		Example: `  skidway reassign plan -o moves.toml
  skidway reassign apply moves.toml --yes
  skidway reassign status --wait 1h`,
		Long: "Partitions are served all the while: who is to go goes when all that are to stay are in sync.",
	}
	cmd.AddCommand(a.reassignPlanCommand(), a.reassignApplyCommand(), a.reassignStatusCommand(),
		a.reassignCancelCommand())
	group(cmd)
	return cmd
}

type planFlags struct {
	topics  []string
	brokers []int32
	factor  int
	out     string
}

func (a *app) reassignPlanCommand() *cobra.Command {
	var flags planFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Propose where partitions are to be, in a file that can be edited; change nothing",
		Example: `  skidway reassign plan
  skidway reassign plan --topics orders,payments -o moves.toml
  skidway reassign plan --brokers 1,2,3,4 --replication-factor 3 -o moves.toml`,
		Long: "The replicas of each partition go to as many racks as there are; then brokers get the same number of\n" +
			"replicas, and of preferred leaders, of each topic and in all. As few replicas are moved as that takes.\n" +
			"Without --brokers all take part that are there and are neither draining nor being decommissioned. Only\n" +
			"partitions that are to be moved stand in the proposal.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("replication-factor") && flags.factor < 1 {
				return failure.BadValue("--replication-factor", "%d is no number of replicas", flags.factor)
			}
			return a.planMoves(cmd.Context(), flags)
		},
	}
	cmd.Flags().StringSliceVar(&flags.topics, "topics", nil, "`TOPICS`, with commas; all without")
	_ = cmd.RegisterFlagCompletionFunc("topics", a.completeFlag(topicNames))
	cmd.Flags().Int32SliceVar(&flags.brokers, "brokers", nil, "`BROKERS` that may hold them, with commas; all without")
	_ = cmd.RegisterFlagCompletionFunc("brokers", a.completeFlag(brokerNames))
	cmd.Flags().IntVar(&flags.factor, "replication-factor", 0, "copies of each partition; as many as it has without")
	cmd.Flags().StringVarP(&flags.out, "out", "o", "", "new `FILE` to write; standard output without")
	_ = cmd.MarkFlagFilename("out", "toml")
	a.formatFlag(cmd, "text", "json", "tsv")
	return cmd
}

func (a *app) planMoves(ctx context.Context, flags planFlags) error {
	var p proposal
	err := a.inCluster(ctx, func(ctx context.Context, c *client.Client) error {
		v, err := viewCluster(ctx, c)
		if err != nil {
			return err
		}
		p.cluster = v.ClusterID
		racks, err := racksOf(v.DescribeClusterResponse, flags.brokers)
		if err != nil {
			return err
		}
		topics, err := describeEach(ctx, c, flags.topics)
		if err != nil {
			return err
		}
		return p.make(racks, topics, flags)
	})
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return p.write(w, a.format) }
	if flags.out == "" {
		err = a.write(write)
	} else {
		err = writeNew(flags.out, write)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.errOut, strings.Join(append([]string{p.summary()}, p.notes...), "\nnote: "))
	return err
}

// racksOf are the brokers that may hold replicas: those that are named, or all that are able to.
func racksOf(d *wire.DescribeClusterResponse, named []int32) (map[int32]string, error) {
	racks := make(map[int32]string)
	if len(named) == 0 {
		for _, b := range d.Brokers {
			if b.Present && !b.Draining && !b.Decommissioning {
				racks[b.ID] = b.Rack
			}
		}
		return racks, nil
	}
	for _, id := range named {
		i := slices.IndexFunc(d.Brokers, func(b wire.BrokerState) bool { return b.ID == id })
		switch {
		case i < 0:
			return nil, noBroker(d, id).WithNote("broker from", "--brokers")
		case stateOf(&d.Brokers[i]) != "active":
			return nil, failure.Refused(wire.CodeInvalidArgument.String(), "--brokers: broker %d is %s, and takes no replicas",
				id, stateOf(&d.Brokers[i])).WithHint("see  skidway cluster brokers")
		}
		racks[id] = d.Brokers[i].Rack
	}
	return racks, nil
}

// describeEach describes all topics, after it has made sure that those which are named exist.
func describeEach(ctx context.Context, c *client.Client, named []string) ([]wire.TopicDescription, error) {
	admin := client.NewAdmin(c)
	if len(named) > 0 {
		topics, err := admin.DescribeTopics(ctx, named...)
		if err != nil {
			return nil, err
		}
		for _, t := range topics {
			if t.Error != nil {
				return nil, &client.Error{Code: t.Error.Code, Message: t.Error.Message, Topic: t.Name, Partition: -1}
			}
		}
	}
	list, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.Name
	}
	topics, err := admin.DescribeTopics(ctx, names...)
	return slices.DeleteFunc(topics, func(t wire.TopicDescription) bool {
		return t.Error != nil // deleted meanwhile
	}), err
}

// proposal is what a plan proposes.
type proposal struct {
	cluster string
	moves   []moves.Move
	looked  int64   // at so many partitions
	copies  int64   // replicas that are to be copied
	bytes   []int64 // of each move; -1: not known
	notes   []string
}

// make finds out which partitions are to be moved where.
func (p *proposal) make(racks map[int32]string, topics []wire.TopicDescription, flags planFlags) error {
	s := replication.Spreading{Racks: racks, Replicas: flags.factor}
	var before []replication.Placement
	var at []*wire.PartitionDescription
	names := make(map[uint64]string)
	for _, t := range topics {
		names[t.ID] = t.Name
		wanted := len(flags.topics) == 0 || slices.Contains(flags.topics, t.Name)
		if wanted && flags.factor > 0 {
			if err := p.checkFactor(&t, flags.factor); err != nil {
				return err
			}
		}
		for i := range t.Partitions {
			part := &t.Partitions[i]
			now := without(part.Replicas, part.Removing)
			switch {
			case len(now) == 0: // it is only being made
			case !wanted:
				s.Fixed = append(s.Fixed, now)
			default:
				before = append(before, replication.Placement{Topic: t.ID, Index: part.Index, Replicas: now})
				at = append(at, part)
			}
		}
	}
	after, err := s.Spread(before)
	if err != nil {
		return failure.Refused(wire.CodeNotEnoughBrokers.String(), "%v", strings.TrimPrefix(err.Error(), "replication: ")).
			WithHint("ask for fewer with  --replication-factor , or start more brokers;  skidway cluster brokers")
	}
	p.looked = int64(len(before))
	for i, is := range after {
		was := before[i].Replicas
		if slices.Equal(was, is.Replicas) {
			continue
		}
		adding := int64(len(without(is.Replicas, was)))
		p.copies += adding
		bytes := int64(-1)
		if at[i].Bytes >= 0 {
			bytes = at[i].Bytes * adding
		}
		p.bytes = append(p.bytes, bytes)
		p.moves = append(p.moves, moves.Move{Topic: names[is.Topic], Partition: is.Index, Replicas: is.Replicas, Was: was})
	}
	return nil
}

// checkFactor refuses a number of replicas with which nothing could be written, and notes what does not follow it.
func (p *proposal) checkFactor(t *wire.TopicDescription, factor int) error {
	for i := range t.Partitions {
		if least := int(t.Partitions[i].MinInSync); factor < least {
			return failure.Refused(wire.CodeInvalidArgument.String(),
				"topic %q: %s too few, since min_in_sync is %d: nothing could be written", t.Name,
				areReplicas(factor), least).
				WithHint("lower it first:  skidway topic alter %s --set min_in_sync=%d", t.Name, factor)
		}
	}
	i := slices.IndexFunc(t.Settings, func(s wire.SettingValue) bool { return s.Name == "min_in_sync" })
	made := int(t.Replicas)
	if i >= 0 && t.Settings[i].Value == "auto" && factor/2 != made/2 {
		p.notes = append(p.notes, fmt.Sprintf("min_in_sync of %s stays %d; it is the majority of %s, and %d of %d:  "+
			"skidway topic alter %[1]s --set min_in_sync=%[4]d", t.Name, made/2+1, plural(int64(made), "replica"), factor/2+1,
			factor))
	}
	return nil
}

func areReplicas(n int) string {
	if n == 1 {
		return "1 replica is"
	}
	return fmt.Sprintf("%d replicas are", n)
}

// without are the ids that are not among others.
func without(ids, others []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(ids), func(id int32) bool { return slices.Contains(others, id) })
}

func (p *proposal) summary() string {
	if len(p.moves) == 0 {
		return fmt.Sprintf("nothing to move: %s lie well", plural(p.looked, "partition"))
	}
	var sum int64
	for _, n := range p.bytes {
		sum += max(n, 0)
	}
	return fmt.Sprintf("%d of %s to be moved: %s to be copied, about %s", len(p.moves), plural(p.looked, "partition"),
		plural(p.copies, "replica"), units.FormatBytes(sum))
}

func (p *proposal) write(w io.Writer, format string) error {
	if format == "text" {
		list := moves.List{Cluster: p.cluster, Moves: p.moves}
		return list.Write(w, "Where partitions are to be: "+p.summary()+".",
			"Each line is a partition and the brokers that are to hold it, the preferred leader first. Edit it, then run",
			"  skidway reassign apply FILE", "")
	}
	t := &table.Table{Columns: []table.Column{{Title: "TOPIC", Name: "topic"}, {Title: "PARTITION", Name: "partition"},
		{Title: "WAS", Name: "was"}, {Title: "REPLICAS", Name: "replicas"}, {Title: "TO COPY", Name: "bytes"}}}
	for i, m := range p.moves {
		t.Add(m.Topic, m.Partition, brokers(m.Was), brokers(m.Replicas), knownSize(p.bytes[i]))
	}
	return t.Write(w, format)
}

// writeNew writes a file that must not exist yet.
func writeNew(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return failure.Usage("%s exists and is not overwritten", path).WithHint("remove it, or name another file")
	}
	if err != nil {
		return failure.BadValue("FILE", "%v", err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return failure.Refused(failure.CodeInput, "writing %s: %v", path, err)
	}
	return nil
}

// brokerNames returns the ids of all brokers, for completion.
func brokerNames(ctx context.Context, c *client.Client) []string {
	d, err := client.NewAdmin(c).DescribeCluster(ctx)
	if err != nil {
		return nil
	}
	names := make([]string, len(d.Brokers))
	for i, b := range d.Brokers {
		names[i] = fmt.Sprintf("%d\t%s", b.ID, cmp.Or(b.Address, stateOf(&b)))
	}
	return names
}
