package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/bench"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/units"
)

// sloPrefix is the figure that a limit can be set for.
const sloPrefix = "p99="

func (a *app) benchMaxCommand() *cobra.Command {
	load, flags, slo := bench.Load{}, benchFlags{}, ""
	cmd := &cobra.Command{
		Use:   "max [SCENARIO]",
		Short: "Search the highest rate that the broker keeps up with",
		Example: "  skidway bench max --slo p99=20ms --duration 10s\n" +
			"  skidway bench max long --slo p99=50ms --duration 15s",
		Long: "Carry out a load as a closed loop, which tells the most that the broker takes, and then as open loops at\n" +
			"rates that halve the distance to the highest one whose p99 stays within --slo. The last line on standard\n" +
			"output is that rate, in records a second. Without SCENARIO the load is that of  skidway bench.",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: bench.Scenarios(),
		RunE: func(cmd *cobra.Command, args []string) error {
			limit, err := parseSLO(slo)
			if err != nil {
				return err
			}
			loads := []bench.Load{load}
			if len(args) > 0 {
				if loads, err = readScenarios(args, cmd.Flags()); err != nil {
					return err
				}
			}
			return a.benchMax(cmd.Context(), loads[0], limit, flags)
		},
	}
	loadFlags(cmd.Flags(), &load)
	runFlags(cmd, &flags)
	cmd.Flags().StringVar(&slo, "slo", sloPrefix+"20ms", "what a rate has to keep to: p99=TIME")
	return cmd
}

func parseSLO(text string) (time.Duration, error) {
	rest, ok := strings.CutPrefix(text, sloPrefix)
	if !ok {
		return 0, failure.BadValue("--slo", "%q is not p99=TIME, such as p99=20ms", text)
	}
	limit, err := units.ParseDuration(rest)
	if err != nil || limit <= 0 {
		return 0, failure.BadValue("--slo", "%q: %q is no time such as 20ms", text, rest)
	}
	return limit, nil
}

// benchMax searches, with a line on standard error for each step.
func (a *app) benchMax(ctx context.Context, l bench.Load, limit time.Duration, flags benchFlags) error {
	if _, err := flags.complete(&l); err != nil {
		return err
	}
	d, err := a.benchDriver(ctx, flags.driver)
	if err != nil {
		return err
	}
	defer d.Close()
	o := bench.Options{Probe: bench.Probe{PIDs: flags.pids, Metrics: flags.metrics}, Version: readBuild().version}
	step := func(r *bench.Result, v bench.Verdict) {
		p99 := int64(0)
		for _, f := range []*bench.Flow{r.Produce, r.Consume} {
			if f != nil && f.Latency != nil {
				p99 = f.Latency.P99
			}
		}
		_, _ = fmt.Fprintf(a.errOut, "%9.0f records/s  p99 %-8s %s\n", r.Produce.PerSecond, bench.FormatLatency(p99), v)
	}
	rate, err := bench.Max(ctx, d, l, bench.Search{Limit: limit, Step: step}, o)
	if err != nil {
		return err
	}
	return a.write(func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%.0f\n", rate)
		return err
	})
}
