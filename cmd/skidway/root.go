package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/metadata"
)

// helpTemplate begins with examples: they are what most people look for.
const helpTemplate = `{{if .HasExample}}{{.Example}}

{{end}}{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}usage: {{.UseLine}}{{if .HasAvailableSubCommands}} COMMAND{{end}}
{{if .HasAvailableSubCommands}}
commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }}  {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
flags of all commands:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "skidway",
		Short: "A durable, partitioned commit log",
		Example: `  skidway serve --dev
  echo hello | skidway produce demo
  skidway consume demo --from start`,
		Long: "Skidway keeps partitioned logs of records on disk: a record is synced before its producer hears \"ok\".\n" +
			"Data goes to standard output, everything else to standard error.\n" +
			"Exit codes: 0 fine, 1 refused or an item failed, 2 usage or configuration, 3 unreachable or timed out,\n" +
			"10 unhealthy (status), 130 interrupted.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Version:           versionText(),
	}
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(helpTemplate)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(a.flagError)
	a.clientFlags(root)
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	root.SetGlobalNormalizationFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-")) // --data_dir, as the file says it
	})
	root.AddCommand(a.serveCommand(), a.produceCommand(), a.consumeCommand(), a.topicCommand(), a.offsetsCommand(),
		a.groupCommand(), a.clusterCommand(), a.reassignCommand(), a.brokerCommand(), a.electCommand(),
		a.configCommand(), a.devCommand(), a.benchCommand(), a.statusCommand(), a.doctorCommand(), a.versionCommand(),
		a.completionCommand())
	group(root)
	return root
}

// group makes a command that only has commands below it: alone it prints its help, and what it does not know it
// refuses.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return unknownCommand(c, args[0])
	}
}

func unknownCommand(c *cobra.Command, name string) error {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	f := failure.Usage("no command %q in %s", name, c.CommandPath())
	if near := metadata.Suggest(name, names); near != "" {
		return f.WithHint("did you mean  %s %s ?", c.CommandPath(), near)
	}
	return f.WithHint("there are %s; see  %s --help", strings.Join(names, ", "), c.CommandPath())
}

// words returns the arguments up to the first flag: the command, as far as it can be told.
func (a *app) words() []string {
	for i, arg := range a.args {
		if strings.HasPrefix(arg, "-") {
			return a.args[:i]
		}
	}
	return a.args
}

// flagError turns pflag's errors into failures that suggest a flag. Where the command itself is not known, that is what
// is wrong, and not its flags.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	if words := a.words(); cmd.HasSubCommands() && len(words) >= len(strings.Fields(cmd.CommandPath())) {
		return unknownCommand(cmd, words[len(strings.Fields(cmd.CommandPath()))-1])
	}
	var missing *pflag.NotExistError
	if errors.As(err, &missing) {
		f := failure.Usage("%s has no flag %s", cmd.CommandPath(), flagName(missing))
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := metadata.Suggest(strings.ReplaceAll(missing.GetSpecifiedName(), "_", "-"), names); near != "" {
			return f.WithHint("did you mean --%s?", near)
		}
		return f.WithHint("see  %s --help", cmd.CommandPath())
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return failure.BadValue("--"+invalid.GetFlag().Name, "%q: %v", invalid.GetValue(), errors.Unwrap(invalid)).
			WithHint("see  %s --help", cmd.CommandPath())
	}
	return failure.Usage("%s: %v", cmd.CommandPath(), err).WithHint("see  %s --help", cmd.CommandPath())
}

func flagName(e *pflag.NotExistError) string {
	if s := e.GetSpecifiedShortnames(); s != "" {
		return fmt.Sprintf("-%s", e.GetSpecifiedName())
	}
	return "--" + e.GetSpecifiedName()
}

// atLeast checks the number of arguments; what names them for the message: "TOPIC".
func atLeast(n int, what string) cobra.PositionalArgs { return between(n, -1, what) }

// exactly checks the number of arguments.
func exactly(n int, what string) cobra.PositionalArgs { return between(n, n, what) }

func between(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return failure.Usage("%s wants %s", cmd.CommandPath(), what).WithHint("see  %s --help", cmd.CommandPath())
		case most >= 0 && len(args) > most:
			return failure.Usage("%s does not take %q", cmd.CommandPath(), args[most]).
				WithHint("see  %s --help", cmd.CommandPath())
		}
		return nil
	}
}
