package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/internal/failpoint"
)

// app is what every command shares: the process's streams, its environment, and the flags that most commands have.
type app struct {
	args        []string
	env         []string
	in          *os.File
	out, errOut *os.File

	server  string        // --server, or empty
	format  string        // --format
	timeout time.Duration // --timeout
}

func newApp() *app {
	return &app{args: os.Args[1:], env: os.Environ(), in: os.Stdin, out: os.Stdout, errOut: os.Stderr}
}

// otherVariables are the SKIDWAY_* variables that are no setting of the broker.
func otherVariables() []string {
	return []string{"SKIDWAY_SERVER", "SKIDWAY_CONFIG", "SKIDWAY_FAULTFS", failpoint.Variable}
}

// getenv returns a variable of the environment, empty when it is not set.
func (a *app) getenv(name string) string {
	for _, e := range slices.Backward(a.env) {
		if n, v, ok := strings.Cut(e, "="); ok && n == name {
			return v
		}
	}
	return ""
}

// isTerminal tells whether a person is at the other end of the stream.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// errorStyle says how an error is printed. It looks at the arguments and not at the parsed flags: the error may be
// that they cannot be parsed.
func (a *app) errorStyle() failure.Style {
	for i, arg := range a.args {
		name, value, joined := strings.Cut(arg, "=")
		if arg == "--" {
			break
		}
		if !joined && i+1 < len(a.args) {
			value = a.args[i+1]
		}
		if (name == "--format" || name == "-f") && value == "json" || arg == "-fjson" {
			return failure.JSON
		}
	}
	if isTerminal(a.errOut) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" {
		return failure.Coloured
	}
	return failure.Text
}

// errInterrupted is the cause of a context that Ctrl-C or SIGTERM ended.
var errInterrupted = errors.New("interrupted")

// interruptible returns a context that ends at the first SIGINT or SIGTERM; the second one ends the process at once.
// A reader of standard output that goes away is an error of the write and no signal.
func interruptible() (context.Context, func()) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		cancel(errInterrupted)
		<-signals
		os.Exit(failure.ExitInterrupted)
	}()
	return ctx, func() { cancel(nil) }
}

// interrupted tells whether the context was ended by a signal.
func interrupted(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errInterrupted) }

// bounded gives the context the time that --timeout allows.
func (a *app) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.timeout)
}

// write writes an answer to standard output. A reader that went away had enough: that is no failure.
func (a *app) write(f func(w io.Writer) error) error {
	return quietPipe(f(a.out))
}

func quietPipe(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// clientFlags adds to the root the flags of all commands that talk to a broker, so that they may stand before or after
// the command: skidway -s HOST:PORT topic list.
func (a *app) clientFlags(root *cobra.Command) {
	root.PersistentFlags().StringVarP(&a.server, "server", "s", "",
		"broker's `ADDRESS`, HOST[:PORT], or several with commas (or SKIDWAY_SERVER; default "+defaultServer+")")
	root.PersistentFlags().DurationVar(&a.timeout, "timeout", 10*time.Second, "longest time to wait for the broker")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if a.timeout <= 0 {
			return failure.BadValue("--timeout", "%v is no time to wait", a.timeout)
		}
		return nil
	}
}

// formatFlag adds --format with the words that a list can be written in.
func (a *app) formatFlag(cmd *cobra.Command, words ...string) {
	cmd.Flags().StringVarP(&a.format, "format", "f", words[0], "form of the answer: "+strings.Join(words, ", "))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	check(cmd, func() error {
		if !slices.Contains(words, a.format) {
			return failure.BadValue("--format", "%q is none of %s", a.format, strings.Join(words, ", "))
		}
		return nil
	})
}

// check adds a test of the flags that runs before the command, after those added before it.
func check(cmd *cobra.Command, f func() error) {
	before := cmd.PreRunE
	cmd.PreRunE = func(c *cobra.Command, args []string) error {
		if before != nil {
			if err := before(c, args); err != nil {
				return err
			}
		}
		return f()
	}
}
