package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/cmd/skidway/internal/config"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Write, check and show the broker's settings",
		Example: `  skidway config init > skidway.toml
  skidway config check skidway.toml
  skidway config show --origin`,
	}
	cmd.AddCommand(a.configInitCommand(), a.configCheckCommand(), a.configShowCommand())
	group(cmd)
	return cmd
}

func (a *app) configInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "init [FILE]",
		Short:   "Write a configuration file with every setting, its default and what it does",
		Example: "  skidway config init > skidway.toml\n  skidway config init /etc/skidway/skidway.toml",
		Long:    "Writes to standard output, or to a new FILE: one that exists is not touched.",
		Args:    between(0, 1, "at most one FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.write(config.Write)
			}
			f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, os.ErrExist) {
				return failure.Usage("%s exists and is not overwritten", args[0]).WithHint("skidway config init > %s", args[0])
			}
			if err != nil {
				return failure.BadValue("FILE", "%v", err)
			}
			if err := errors.Join(config.Write(f), f.Close()); err != nil {
				return failure.Refused(failure.CodeInput, "writing %s: %v", args[0], err)
			}
			fmt.Fprintf(a.errOut, "wrote %s\n", args[0])
			return nil
		},
	}
}

func (a *app) configCheckCommand() *cobra.Command {
	var dev bool
	cmd := &cobra.Command{
		Use:     "check [FILE]",
		Short:   "Check a configuration file, and what variables add to it, as serve would",
		Example: "  skidway config check skidway.toml",
		Args:    between(0, 1, "at most one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := cmd.Flags().Set("config", args[0]); err != nil {
					return err
				}
			}
			if _, _, err := a.loadConfig(cmd, dev); err != nil {
				return err
			}
			for _, w := range config.UnknownVariables(a.env, otherVariables()) {
				fmt.Fprintln(a.errOut, "warning:", w)
			}
			return a.write(func(w io.Writer) error { _, err := fmt.Fprintln(w, "ok"); return err })
		},
	}
	a.configFlags(cmd, &dev)
	return cmd
}

func (a *app) configShowCommand() *cobra.Command {
	var dev, origins bool
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Print the settings that serve would run with",
		Example: "  skidway config show\n  skidway config show -c skidway.toml --origin",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := a.loadConfig(cmd, dev)
			if err != nil {
				return err
			}
			t := &table.Table{Columns: []table.Column{{Title: "SETTING", Name: "setting"}, {Title: "VALUE", Name: "value"}}}
			if origins {
				t.Columns = append(t.Columns, table.Column{Title: "ORIGIN", Name: "origin"})
			}
			for _, k := range config.Keys() {
				v := c.Value(k.Name)
				cells := []any{k.Name, v.Text}
				if origins {
					cells = append(cells, v.Where)
				}
				t.Add(cells...)
			}
			return a.write(func(w io.Writer) error { return t.Write(w, a.format) })
		},
	}
	a.configFlags(cmd, &dev)
	cmd.Flags().BoolVar(&origins, "origin", false, "tell where each value comes from")
	a.formatFlag(cmd, "text", "json", "tsv")
	return cmd
}
