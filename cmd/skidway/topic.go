package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

func (a *app) topicCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topic",
		Short: "Create, list, describe, change and delete topics",
		Example: `  skidway topic create orders payments -p 6 --set retention=30d
  skidway topic list
  skidway topic describe orders`,
	}
	cmd.AddCommand(a.topicCreateCommand(), a.topicListCommand(), a.topicDescribeCommand(), a.topicAlterCommand(),
		a.topicDeleteCommand(), a.topicAddPartitionsCommand(), a.topicTrimCommand())
	group(cmd)
	return cmd
}

// dryRunFlag adds --dry-run.
func dryRunFlag(cmd *cobra.Command, dry *bool) {
	cmd.Flags().BoolVar(dry, "dry-run", false, "check, and say what would be done; change nothing")
}

func mode(dry bool) client.Mode {
	if dry {
		return client.ValidateOnly
	}
	return client.Apply
}

// settings reads NAME=VALUE pairs and checks them before anything is sent: a wrong name is an error of usage.
func settings(flag string, pairs []string) ([]wire.Setting, error) {
	var l failure.List
	var out []wire.Setting
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			l = append(l, failure.BadValue(flag, "%q is not NAME=VALUE", pair))
			continue
		}
		s := metadata.DefaultSettings()
		if err := s.Set(name, value); err != nil {
			l = append(l, ofSetting(err, name))
		}
		out = append(out, wire.Setting{Name: name, Value: value})
	}
	if len(l) > 0 {
		return nil, l
	}
	return out, nil
}

func ofSetting(err error, name string) *failure.Failure {
	var unknown *metadata.UnknownSettingError
	if !errors.As(err, &unknown) {
		return usage(wire.CodeInvalidSetting.String(), err, "%s", strings.TrimPrefix(err.Error(), "metadata: "))
	}
	m := fmt.Sprintf("unknown topic setting %q", name)
	if unknown.Suggestion != "" {
		m += fmt.Sprintf(" (did you mean %q?)", unknown.Suggestion)
	}
	return usage(wire.CodeUnknownSetting.String(), err, "%s", m).
		WithHint("there are %s", strings.Join(metadata.SettingNames(), ", "))
}

// setFlag adds --set, with completion of the names.
func setFlag(cmd *cobra.Command, pairs *[]string) {
	cmd.Flags().StringArrayVar(pairs, "set", nil, "a topic setting, `NAME=VALUE`; may be given several times ("+
		strings.Join(metadata.SettingNames(), ", ")+")")
	var names []string
	for _, n := range metadata.SettingNames() {
		names = append(names, n+"=")
	}
	_ = cmd.RegisterFlagCompletionFunc("set", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoSpace))
}

// results writes what became of each topic of a change; done is the word for success.
func (a *app) results(topics []wire.TopicResult, done string) error {
	t := &table.Table{Columns: []table.Column{{Title: "TOPIC", Name: "topic"}, {Title: "PARTITIONS", Name: "partitions"},
		{Title: "REPLICAS", Name: "replicas"}, {Title: "RESULT", Name: "result"}}}
	failed := false
	for _, r := range topics {
		if r.Error == nil {
			t.Add(r.Name, r.Partitions, r.Replicas, done)
			continue
		}
		failed = true
		f := ofTopic(r.Name, r.Error.Code, r.Error.Message, r.Error)
		t.Add(r.Name, dash(r.Partitions), dash(r.Replicas), table.Cell{
			Text:  fmt.Sprintf("error: %s   [%s]", f.Message, f.Code),
			Value: table.Object{{Name: "error", Value: f}}})
	}
	if err := a.write(func(w io.Writer) error { return t.Write(w, a.format) }); err != nil {
		return err
	}
	if failed {
		return failure.Reported{Exit: failure.ExitRefused}
	}
	return nil
}

// dash stands for a number that there is none of.
func dash(n int32) any {
	if n == 0 {
		return table.Cell{Text: "-", Value: nil}
	}
	return n
}

type createFlags struct {
	partitions, replicas int32
	set                  []string
	dry                  bool
}

func (a *app) topicCreateCommand() *cobra.Command {
	var flags createFlags
	cmd := &cobra.Command{
		Use:   "create TOPIC...",
		Short: "Create topics",
		Example: `  skidway topic create orders payments -p 6
  skidway topic create audit --set retention=forever --set max_batch_bytes=4MiB`,
		Args: atLeast(1, "the name of a TOPIC"),
		RunE: func(cmd *cobra.Command, names []string) error {
			set, err := settings("--set", flags.set)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("partitions") && flags.partitions < 1 {
				return failure.BadValue("--partitions", "%d is no number of partitions", flags.partitions)
			}
			if cmd.Flags().Changed("replicas") && flags.replicas < 1 {
				return failure.BadValue("--replicas", "%d is no number of replicas", flags.replicas)
			}
			return a.createTopics(cmd.Context(), names, set, flags)
		},
	}
	cmd.Flags().Int32VarP(&flags.partitions, "partitions", "p", 0, "number of partitions; the broker's default without")
	cmd.Flags().Int32VarP(&flags.replicas, "replicas", "r", 0, "copies of each partition; a standalone broker keeps 1")
	setFlag(cmd, &flags.set)
	dryRunFlag(cmd, &flags.dry)
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func (a *app) createTopics(ctx context.Context, names []string, set []wire.Setting, flags createFlags) error {
	topics := make([]wire.NewTopic, len(names))
	for i, name := range names {
		topics[i] = wire.NewTopic{Name: name, Partitions: flags.partitions, Replicas: flags.replicas, Settings: set}
	}
	return a.session(ctx, func(ctx context.Context, c *client.Client) error {
		r, err := client.NewAdmin(c).CreateTopics(ctx, topics, mode(flags.dry))
		if err != nil {
			return err
		}
		return a.results(r, outcome("created", "would be created", flags.dry))
	})
}

func outcome(done, would string, dry bool) string {
	if dry {
		return would
	}
	return done
}

func (a *app) topicAlterCommand() *cobra.Command {
	var set, unset []string
	var dry bool
	cmd := &cobra.Command{
		Use:   "alter TOPIC...",
		Short: "Change settings of topics",
		Example: `  skidway topic alter orders --set retention=30d
  skidway topic alter orders --unset retention`,
		Args:              atLeast(1, "the name of a TOPIC"),
		ValidArgsFunction: a.completeTopics,
		RunE: func(cmd *cobra.Command, names []string) error {
			pairs, err := settings("--set", set)
			if err != nil {
				return err
			}
			if len(pairs)+len(unset) == 0 {
				return failure.Usage("nothing to change").WithHint("give  --set NAME=VALUE  or  --unset NAME")
			}
			for _, name := range unset {
				if !slices.Contains(metadata.SettingNames(), name) {
					return ofSetting(&metadata.UnknownSettingError{Name: name,
						Suggestion: metadata.Suggest(name, metadata.SettingNames())}, name)
				}
			}
			changes := make([]wire.TopicChange, len(names))
			for i, name := range names {
				changes[i] = wire.TopicChange{Name: name, Set: pairs, Unset: unset}
			}
			return a.session(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				r, err := client.NewAdmin(c).AlterTopics(ctx, changes, mode(dry))
				if err != nil {
					return err
				}
				return a.results(r, outcome("changed", "would be changed", dry))
			})
		},
	}
	setFlag(cmd, &set)
	cmd.Flags().StringArrayVar(&unset, "unset", nil,
		"`NAME` of a setting to go back to the broker's default; may be given several times")
	_ = cmd.RegisterFlagCompletionFunc("unset", cobra.FixedCompletions(metadata.SettingNames(),
		cobra.ShellCompDirectiveNoFileComp))
	dryRunFlag(cmd, &dry)
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func (a *app) topicAddPartitionsCommand() *cobra.Command {
	var total int32
	var dry bool
	cmd := &cobra.Command{
		Use:     "add-partitions TOPIC... --total N",
		Short:   "Raise the number of partitions of topics",
		Example: "  skidway topic add-partitions orders --total 12",
		Long: "Raise the number of partitions to a total. Records stay where they are, and a key may belong to another\n" +
			"partition from then on. There is no way back.",
		Args:              atLeast(1, "the name of a TOPIC"),
		ValidArgsFunction: a.completeTopics,
		RunE: func(cmd *cobra.Command, names []string) error {
			if total < 1 {
				return failure.Usage("%s wants  --total N , the number of partitions that there shall be", cmd.CommandPath())
			}
			totals := make([]wire.PartitionCount, len(names))
			for i, name := range names {
				totals[i] = wire.PartitionCount{Name: name, Total: total}
			}
			return a.session(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				r, err := client.NewAdmin(c).AddPartitions(ctx, totals, mode(dry))
				if err != nil {
					return err
				}
				return a.results(r, outcome("changed", "would be changed", dry))
			})
		},
	}
	cmd.Flags().Int32Var(&total, "total", 0, "number of partitions that there shall be")
	dryRunFlag(cmd, &dry)
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

// confirm lets a command that destroys records go on: with --yes, or when a person types the topic's name.
func (a *app) confirm(yes bool, name, question string) error {
	if yes {
		return nil
	}
	if !isTerminal(a.in) {
		return failure.Usage("%s: this needs --yes where nobody can be asked", question).
			WithHint("--dry-run shows what would be done")
	}
	fmt.Fprintf(a.errOut, "%s: type %s to go on: ", question, strconv.Quote(name))
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return failure.Refused(failure.CodeInput, "reading the answer: %v", err)
	}
	if answer := strings.TrimSpace(line); answer != name && answer != strconv.Quote(name) {
		return failure.Refused(failure.CodeUsage, "%q is not %q: nothing was changed", answer, name)
	}
	return nil
}
