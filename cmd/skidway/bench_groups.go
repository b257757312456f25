package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/bench"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

func (a *app) benchGroupsCommand() *cobra.Command {
	var load bench.GroupLoad
	var out string
	cmd := &cobra.Command{
		Use:   "groups",
		Short: "Measure commits and rebalances of consumer groups",
		Example: "  skidway bench groups\n" +
			"  skidway bench groups --groups 100 --partitions 100 --duration 10s",
		Long: "Have many groups commit all partitions of a topic, and let a member join, leave and die while records\n" +
			"flow: how many commits a second are made durable, how long it takes until the last partition that moved\n" +
			"flows again, and how long any other one stood still. The topic is deleted after.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.servers()
			if err != nil {
				return err
			}
			r, err := bench.Groups(cmd.Context(), s.addresses, load)
			if err != nil {
				return a.unreachable(cmd.Context(), err, s)
			}
			if out != "" {
				if err := writeFile(out, func(w io.Writer) error { return failure.EncodeLine(w, r) }); err != nil {
					return err
				}
			}
			return a.write(func(w io.Writer) error { return r.WriteScreen(w) })
		},
	}
	f := cmd.Flags()
	f.IntVar(&load.Groups, "groups", 100, "groups that commit at the same time")
	f.IntVar(&load.Partitions, "partitions", 100, "of the topic")
	f.IntVar(&load.Members, "members", 4, "of the group that is rebalanced")
	f.DurationVar(&load.Duration, "duration", 5*time.Second, "of committing, and of each watch over a rebalance")
	f.StringVar(&out, "json", "", "write the result to this file, too")
	return cmd
}
