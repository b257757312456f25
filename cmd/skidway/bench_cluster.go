package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skidway/skidway/bench"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// handFlag adds the flag of the command that does things to brokers.
func handFlag(cmd *cobra.Command, hand *string) {
	cmd.Flags().StringVar(hand, "hand", "",
		"`COMMAND` of the shell that does something to a broker: it is run with two more arguments, what (kill, start,\n"+
			"pause, resume, wipe) and the broker's id, and returns when that is done")
	check(cmd, func() error {
		if strings.TrimSpace(*hand) == "" {
			return failure.BadValue("--hand", "a command is needed that kills and starts brokers, such as ./hand.sh")
		}
		return nil
	})
}

// oneLoad is the load of a scenario if one is named, or else that of the flags.
func oneLoad(args []string, flags *pflag.FlagSet, l bench.Load) (bench.Load, error) {
	if len(args) == 0 {
		return l, nil
	}
	loads, err := readScenarios(args, flags)
	if err != nil {
		return l, err
	}
	return loads[0], nil
}

func (a *app) benchFailoverCommand() *cobra.Command {
	load, flags := bench.Load{Name: "failover"}, benchFlags{}
	var hand string
	var f bench.Faults
	cmd := &cobra.Command{
		Use:   "failover [SCENARIO]",
		Short: "Measure how long a cluster stands still when a broker dies",
		Example: "  skidway bench failover cluster-failover --hand ./hand.sh --times 10\n" +
			"  skidway bench failover cluster-failover --hand ./hand.sh --fault pause --times 2",
		Long: "Carry out an open loop on a topic of its own, and have a broker that leads partitions of it killed\n" +
			"meanwhile, or paused until others lead them: --times, each second time the controller. Told are the\n" +
			"longest time without any ack, the longest wait of a record, when others led, and what became of the records.\n" +
			"After each the broker is started again, and all is waited for to be in sync.",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: bench.Scenarios(),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := oneLoad(args, cmd.Flags(), load)
			if err != nil {
				return err
			}
			f.Hand = bench.Command(hand)
			return a.benchCluster(cmd.Context(), l, flags, func(ctx context.Context, r clusterBench) error {
				f.Each = r.keep
				return bench.RunFaults(ctx, r.driver, r.load, f, r.options)
			})
		},
	}
	loadFlags(cmd.Flags(), &load)
	runFlags(cmd, &flags)
	handFlag(cmd, &hand)
	cmd.Flags().StringVar(&f.What, "fault", bench.HandKill, "kill or pause")
	cmd.Flags().IntVar(&f.Times, "times", 10, "how often")
	cmd.Flags().DurationVar(&f.Before, "before", 3*time.Second, "how long the load goes on before the fault")
	cmd.Flags().DurationVar(&f.After, "after", 5*time.Second, "and after others lead")
	check(cmd, func() error {
		if f.What != bench.HandKill && f.What != bench.HandPause {
			return failure.BadValue("--fault", "%q is none of %s, %s", f.What, bench.HandKill, bench.HandPause)
		}
		if f.Times < 1 {
			return failure.BadValue("--times", "%d, must be at least 1", f.Times)
		}
		return nil
	})
	return cmd
}

func (a *app) benchNewcomerCommand() *cobra.Command {
	load, flags := bench.Load{Name: "newcomer"}, benchFlags{}
	var hand string
	var n bench.Newcomer
	cmd := &cobra.Command{
		Use:     "newcomer [SCENARIO]",
		Short:   "Measure how fast a broker with an empty disk catches up, and what that costs others",
		Example: "  skidway bench newcomer cluster-newcomer --hand ./hand.sh --fetch 10GiB",
		Long: "Write a topic, have a broker lose its disk, and measure how fast it fetches the topic again, while an open\n" +
			"loop goes on at a topic of its own, which was measured undisturbed before.",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: bench.Scenarios(),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := oneLoad(args, cmd.Flags(), load)
			if err != nil {
				return err
			}
			n.Hand = bench.Command(hand)
			return a.benchCluster(cmd.Context(), l, flags, func(ctx context.Context, r clusterBench) error {
				one, err := bench.RunNewcomer(ctx, r.driver, r.load, n, r.options)
				if err != nil {
					return err
				}
				return r.keep(one)
			})
		},
	}
	loadFlags(cmd.Flags(), &load)
	runFlags(cmd, &flags)
	handFlag(cmd, &hand)
	n.Bytes = 10 << 30
	cmd.Flags().Var(&n.Bytes, "fetch", "bytes of records that the broker has to fetch")
	cmd.Flags().DurationVar(&n.Quiet, "quiet", 20*time.Second, "how long the load is measured undisturbed")
	return cmd
}

func (a *app) benchManyCommand() *cobra.Command {
	load, flags := bench.Load{Name: "many", Partitions: 10_000, Replicas: 3}, benchFlags{}
	var hand string
	var m bench.Many
	cmd := &cobra.Command{
		Use:     "many",
		Short:   "Measure a cluster with many partitions: creation, idle cost, failover",
		Example: "  skidway bench many --partitions 10000 --replicas 3 --hand ./hand.sh --zookeeper localhost:2181",
		Long: "Create a topic of many partitions, look at the idle cluster, and have two brokers killed, one after the\n" +
			"other, the second the controller: how long it takes until others lead what they led, and until all is in\n" +
			"sync when they are back.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m.Hand = bench.Command(hand)
			return a.benchCluster(cmd.Context(), load, flags, func(ctx context.Context, r clusterBench) error {
				m.Topic = bench.NewTopic{Partitions: r.load.Partitions, Replicas: r.load.Replicas, Settings: r.load.Settings}
				m.Probe, m.Version = r.options.Probe, r.options.Version
				m.Each = func(f bench.Figure) {
					// Progress is worth no failure.
					_, _ = fmt.Fprintf(a.errOut, "%s  %s: %s\n", time.Now().Format(time.TimeOnly), f.Name, f)
				}
				one, err := bench.RunMany(ctx, r.driver, m)
				if err != nil {
					return err
				}
				return r.keep(one)
			})
		},
	}
	cmd.Flags().IntVar(&load.Partitions, "partitions", load.Partitions, "of the topic")
	cmd.Flags().IntVar(&load.Replicas, "replicas", load.Replicas, "of each partition")
	cmd.Flags().StringVar(&m.ZooKeeper, "zookeeper", "", "`HOST:PORT` of a ZooKeeper server whose traffic is told")
	cmd.Flags().DurationVar(&m.Idle, "idle", 20*time.Second, "how long the idle cluster is looked at")
	cmd.Flags().DurationVar(&m.Settle, "settle", time.Minute, "how long the cluster is left alone before that")
	runFlags(cmd, &flags)
	handFlag(cmd, &hand)
	return cmd
}

// clusterBench is what a measurement of a cluster is carried out with.
type clusterBench struct {
	driver  bench.Driver
	load    bench.Load
	options bench.Options
	keep    func(*bench.Result) error // prints a result, and adds it to the --json file
}

// benchCluster carries out a measurement that has runs of its own.
func (a *app) benchCluster(
	ctx context.Context, l bench.Load, flags benchFlags, work func(context.Context, clusterBench) error,
) error {
	if _, err := flags.complete(&l); err != nil {
		return err
	}
	d, err := a.benchDriver(ctx, flags.driver)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := flags.emptyJSON(); err != nil {
		return err
	}
	sound := true
	r := clusterBench{driver: d, load: l, options: bench.Options{
		Probe: bench.Probe{PIDs: flags.pids, Metrics: flags.metrics, Disk: flags.disk}, Version: readBuild().version,
	}}
	show := &benchProgress{app: a, load: &r.load, style: flags.progress}
	r.options.Progress = show.tick
	r.keep = func(one *bench.Result) error {
		show.end()
		sound = sound && one.OK()
		return a.keepResult(one, &flags)
	}
	for range flags.runs {
		if err := work(ctx, r); err != nil {
			return err
		}
	}
	if !sound {
		return failure.Reported{Exit: failure.ExitRefused}
	}
	return nil
}
