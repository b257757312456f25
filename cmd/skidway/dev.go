package main

import "github.com/spf13/cobra"

func (a *app) devCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dev",
		Short:   "Run a cluster on this machine, for trying things out",
		Example: "  skidway dev cluster",
	}
	cmd.AddCommand(a.devClusterCommand())
	group(cmd)
	return cmd
}
