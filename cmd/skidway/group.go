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
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

func (a *app) groupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "List, describe, move and delete consumer groups",
		Example: `  skidway group list
  skidway group describe billing
  skidway group seek billing --topic orders --to @-1h --dry-run
  skidway group explain billing`,
		Long: "What consumer groups are doing, how far behind they are, and how to move them. A group begins with its\n" +
			"first member or commit:  skidway consume TOPIC --group NAME.",
	}
	cmd.AddCommand(a.groupListCommand(), a.groupDescribeCommand(), a.groupSeekCommand(), a.groupDeleteCommand(),
		a.groupExportCommand(), a.groupImportCommand(), a.groupExplainCommand())
	group(cmd)
	return cmd
}

// aboutGroup runs f like session, and suggests a name for a group that does not exist.
func (a *app) aboutGroup(ctx context.Context, group string,
	f func(ctx context.Context, c *client.Client) error) error {
	return a.session(ctx, func(ctx context.Context, c *client.Client) error {
		err := f(ctx, c)
		if !isCode(err, wire.CodeUnknownGroup) {
			return err
		}
		unknown := ofCode(wire.CodeUnknownGroup, fmt.Sprintf("no group %q", group), err)
		unknown.Hint = "list groups with  skidway group list    a group begins with its first member or commit"
		if near := metadata.Suggest(group, groupNames(ctx, c)); near != "" {
			unknown.Hint = fmt.Sprintf("did you mean %q?  list groups with  skidway group list", near)
		}
		return unknown
	})
}

// groupNames returns the ids of all groups, none when they cannot be had: they are only wanted for a suggestion.
func groupNames(ctx context.Context, c *client.Client) []string {
	groups, err := client.NewAdmin(c).ListGroups(ctx)
	if err != nil {
		return nil
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Group
	}
	return names
}

func (a *app) groupListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List all consumer groups",
		Example: "  skidway group list\n  skidway group list --format json",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.session(cmd.Context(), func(ctx context.Context, c *client.Client) error {
				groups, err := client.NewAdmin(c).ListGroups(ctx)
				if err != nil {
					return err
				}
				t := &table.Table{Columns: []table.Column{{Title: "GROUP", Name: "group"}, {Title: "STATE", Name: "state"},
					{Title: "MEMBERS", Name: "members"}, {Title: "COORDINATOR", Name: "coordinator"}}}
				for _, g := range groups {
					t.Add(g.Group, g.State, g.Members, g.Coordinator)
				}
				return a.write(func(w io.Writer) error { return t.Write(w, a.format) })
			})
		},
	}
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func (a *app) groupExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain GROUP",
		Short: "Tell why a consumer group was rebalanced lately",
		Example: "  skidway group explain billing\n" +
			"  skidway group explain billing --format json",
		Long: "The last rebalances, the newest last: when, in which epoch, why, about whom, how many changes were\n" +
			"gathered in it, how many partitions went from one member to another, and how long it took until all\n" +
			"was settled.",
		Args:              exactly(1, "the name of a GROUP"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.aboutGroup(cmd.Context(), args[0], func(ctx context.Context, c *client.Client) error {
				g, err := client.NewAdmin(c).DescribeGroup(ctx, args[0])
				if err != nil {
					return err
				}
				return a.write(func(w io.Writer) error { return rebalanceTable(g.Rebalances).Write(w, a.format) })
			})
		},
	}
	a.formatFlag(cmd, table.Formats()...)
	return cmd
}

func rebalanceTable(list []wire.GroupRebalance) *table.Table {
	t := &table.Table{Columns: []table.Column{{Title: "TIME", Name: "time"}, {Title: "EPOCH", Name: "epoch"},
		{Title: "REASON", Name: "reason"}, {Title: "ABOUT", Name: "about"}, {Title: "CHANGES", Name: "changes"},
		{Title: "MOVED", Name: "moved"}, {Title: "TOOK", Name: "took_ms"}}}
	for _, r := range list {
		began := time.UnixMilli(r.BeganMs)
		took := table.Cell{Text: "under way"}
		if r.TookMs >= 0 {
			took = table.Cell{Text: (time.Duration(r.TookMs) * time.Millisecond).String(), Value: r.TookMs}
		}
		t.Add(table.Cell{Text: began.Format("2006-01-02 15:04:05"), Value: began.UTC().Format(time.RFC3339Nano)},
			r.GroupEpoch, r.Reason, printable(r.Detail), r.Events, r.Moved, took)
	}
	return t
}

// printable keeps what a client chose from moving the cursor of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func (a *app) groupDeleteCommand() *cobra.Command {
	var topic string
	var yes, dry bool
	cmd := &cobra.Command{
		Use:   "delete GROUP",
		Short: "Delete a consumer group, or what it committed for a topic",
		Example: "  skidway group delete billing\n" +
			"  skidway group delete billing --topic orders --yes",
		Long: "Delete a consumer group that has no members, with all that it committed; or, with --topic, what it\n" +
			"committed for a topic that no member subscribes to. On a terminal it asks for the name; elsewhere it\n" +
			"needs --yes.",
		Args:              exactly(1, "the name of a GROUP"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			what := "group " + args[0] + " with its offsets"
			if topic != "" {
				what = fmt.Sprintf("the offsets of group %s in topic %s", args[0], topic)
			}
			if !dry {
				if err := a.confirm(yes, args[0], "delete "+what); err != nil {
					return err
				}
			}
			return a.aboutGroup(cmd.Context(), args[0], func(ctx context.Context, c *client.Client) error {
				if err := deleteGroup(ctx, c, args[0], topic, dry); err != nil {
					return err
				}
				_, err := fmt.Fprintln(a.errOut, outcome("deleted ", "would delete ", dry)+what)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&topic, "topic", "", "only what was committed for this `TOPIC`")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.completeFlag(topicNames))
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	dryRunFlag(cmd, &dry)
	return cmd
}

func deleteGroup(ctx context.Context, c *client.Client, group, topic string, dry bool) error {
	admin := client.NewAdmin(c)
	if topic == "" {
		return busy(ctx, admin, group, admin.DeleteGroup(ctx, group, mode(dry)))
	}
	if dry {
		if _, err := admin.ListOffsets(ctx, topic, client.OffsetEnd); err != nil {
			return err
		}
		d, err := admin.DescribeGroup(ctx, group)
		if err != nil {
			return err
		}
		for _, m := range d.Members {
			if m.Regex != "" || slices.Contains(m.Topics, topic) {
				return hasMembers(group, d.Members)
			}
		}
		return nil
	}
	return busy(ctx, admin, group, admin.DeleteGroupOffsets(ctx, group, topic))
}

// busy names the members that keep a group from being changed.
func busy(ctx context.Context, admin *client.Admin, group string, err error) error {
	if !isCode(err, wire.CodeGroupBusy) && !isCode(err, wire.CodeUnknownMember) {
		return err
	}
	d, derr := admin.DescribeGroup(ctx, group)
	if derr != nil || len(d.Members) == 0 {
		return err
	}
	return hasMembers(group, d.Members)
}

func hasMembers(group string, members []wire.GroupMember) error {
	var names []string
	for _, m := range members[:min(len(members), 5)] {
		names = append(names, printable(fmt.Sprintf("%s (%s, %s)", m.MemberID, m.ClientID, m.Host)))
	}
	if more := len(members) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	f := ofCode(wire.CodeGroupBusy, fmt.Sprintf("group %q has active members", group), nil)
	return f.WithNote("members", strings.Join(names, ", ")).
		WithHint("stop them first; a member that is gone is forgotten after its session timeout")
}
