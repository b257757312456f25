package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Print a script that completes commands, flags and topics in a shell",
		Example:   "  skidway completion bash > /etc/bash_completion.d/skidway\n  source <(skidway completion zsh)",
		Args:      exactly(1, "a shell: bash, zsh, fish or powershell"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			return a.write(func(w io.Writer) error {
				switch args[0] {
				case "bash":
					return root.GenBashCompletionV2(w, true)
				case "zsh":
					return root.GenZshCompletion(w)
				case "fish":
					return root.GenFishCompletion(w, true)
				case "powershell":
					return root.GenPowerShellCompletionWithDesc(w)
				}
				return failure.Usage("no completion for %q; there is one for bash, zsh, fish and powershell", args[0])
			})
		},
	}
}

// completeTopics offers the names of topics.
func (a *app) completeTopics(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeNames(cmd, args, topicNames)
}

// completeGroups offers the names of consumer groups.
func (a *app) completeGroups(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeNames(cmd, args, groupNames)
}

// completeFlag makes the completion of a flag that wants a name.
func (a *app) completeFlag(names func(context.Context, *client.Client) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.offer(cmd.Context(), names)
	}
}

// completeNames offers names where the command wants one more.
func (a *app) completeNames(cmd *cobra.Command, args []string,
	names func(context.Context, *client.Client) []string) ([]string, cobra.ShellCompDirective) {
	if cmd.Args != nil && cmd.Args(cmd, append(args, "x")) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.offer(cmd.Context(), names)
}

// offer offers names, when a broker answers soon enough for a person who pressed a key.
func (a *app) offer(ctx context.Context,
	names func(context.Context, *client.Client) []string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	servers, err := a.servers()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := client.Connect(ctx, servers.addresses, client.Options{DialTimeout: time.Second})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer func() { _ = c.Close(ctx) }() // nothing is under way
	return names(ctx, c), cobra.ShellCompDirectiveNoFileComp
}

// topicNames returns the names of all topics, none when they cannot be had: they are only wanted for a suggestion.
func topicNames(ctx context.Context, c *client.Client) []string {
	topics, err := client.NewAdmin(c).ListTopics(ctx)
	if err != nil {
		return nil
	}
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	return names
}
