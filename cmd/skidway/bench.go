package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skidway/skidway/bench"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// benchFlags are what all kinds of runs share beside the load.
type benchFlags struct {
	driver   string
	progress string
	json     string
	report   string
	appends  bool
	strict   bool
	keep     bool
	topic    string
	runs     int
	pids     []int
	metrics  []string
	settings []string
	profile  string
	hdr      string
	disk     string
	kafka    bool // the line of Kafka's tool
}

func (a *app) benchCommand() *cobra.Command {
	load, flags := bench.Load{Mode: bench.ModeE2E}, benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure throughput and latency",
		Example: `  skidway bench --rate 50000 --size 1KiB --duration 60s --producers 4 --consumers 4
  skidway bench produce --partitions 1000 --keys random --batch 16KiB --broker-pid $(pgrep -x skidway)
  skidway bench run full-1000 --runs 5 --json skidway.json
  skidway bench compare before.json after.json`,
		Long: "Write and read records of a topic of its own, which is deleted after, and say how fast that was and\n" +
			"whether every record came through once, in order and whole. With --rate the load is an open loop: latency\n" +
			"counts from the moment at which a record was meant to be sent. Without, it is a closed loop. The result goes\n" +
			"to standard output, progress to standard error. Exit 1 if a record failed, was lost, duplicated, reordered or\n" +
			"damaged; with --strict also on a warning.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.bench(cmd.Context(), []bench.Load{load}, flags) },
	}
	loadFlags(cmd.Flags(), &load)
	runFlags(cmd, &flags)
	cmd.AddCommand(a.benchModeCommand(bench.ModeProduce, "Measure writing"),
		a.benchModeCommand(bench.ModeConsume, "Measure reading of what is written first, or of --topic"),
		a.benchModeCommand(bench.ModeE2E, "Measure writing and reading at the same time"),
		a.benchRunCommand(), a.benchMaxCommand(), a.benchGroupsCommand(), a.benchFailoverCommand(),
		a.benchManyCommand(), a.benchNewcomerCommand(), a.benchCompareCommand(), a.benchReportCommand())
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return nil
	}
	return cmd
}

func (a *app) benchModeCommand(mode, short string) *cobra.Command {
	load, flags := bench.Load{Mode: mode}, benchFlags{}
	cmd := &cobra.Command{
		Use:     mode,
		Short:   short,
		Example: "  skidway bench " + mode + " --partitions 100 --size 1KiB",
		Args:    exactly(0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.bench(cmd.Context(), []bench.Load{load}, flags) },
	}
	loadFlags(cmd.Flags(), &load)
	runFlags(cmd, &flags)
	if mode == bench.ModeConsume {
		cmd.Flags().StringVar(&flags.topic, "topic", "", "read this topic, whoever wrote it, and do not verify it")
	}
	return cmd
}

func (a *app) benchRunCommand() *cobra.Command {
	load, flags := bench.Load{}, benchFlags{}
	cmd := &cobra.Command{
		Use:   "run SCENARIO...",
		Short: "Measure loads that files describe",
		Example: "  skidway bench run full-1000\n  skidway bench run my.toml --runs 5 --json my.json\n" +
			"  skidway bench run full-1000 flight-1000 --duration 60s",
		Long: "Carry out loads, one after another, and all of them --runs times. A SCENARIO is a TOML file with the\n" +
			"settings that are flags of  skidway bench, or one of those that come with the program:\n" +
			strings.Join(bench.Scenarios(), ", ") + ".\nA flag that is given wins over the file.",
		Args:      atLeast(1, "a SCENARIO: "+strings.Join(bench.Scenarios(), ", ")+", or a file"),
		ValidArgs: bench.Scenarios(),
		RunE: func(cmd *cobra.Command, args []string) error {
			loads, err := readScenarios(args, cmd.Flags())
			if err != nil {
				return err
			}
			return a.bench(cmd.Context(), loads, flags)
		},
	}
	loadFlags(cmd.Flags(), &load)
	runFlags(cmd, &flags)
	return cmd
}

// readScenarios reads the files, and puts over each what was given as a flag.
func readScenarios(names []string, flags *pflag.FlagSet) ([]bench.Load, error) {
	var loads []bench.Load
	for _, name := range names {
		l, err := readScenario(name)
		if err != nil {
			return nil, usage(failure.CodeInput, err, "%v", err)
		}
		over := pflag.NewFlagSet(name, pflag.ContinueOnError)
		loadFlags(over, &l)
		flags.Visit(func(f *pflag.Flag) {
			if target := over.Lookup(f.Name); target != nil && err == nil {
				err = target.Value.Set(f.Value.String())
			}
		})
		if err != nil {
			return nil, err
		}
		loads = append(loads, l)
	}
	return loads, nil
}

func readScenario(name string) (bench.Load, error) {
	if !strings.ContainsAny(name, "./") {
		return bench.Scenario(name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return bench.Load{}, err
	}
	return bench.ParseScenario(filepath.Base(name), text)
}

// loadFlags adds a flag for each setting of a load. Their defaults are those of the load.
func loadFlags(f *pflag.FlagSet, l *bench.Load) {
	f.Float64Var(&l.Rate, "rate", l.Rate,
		"records a second, come what may (open loop); 0: as fast as answers come (closed loop)")
	f.IntVar(&l.Outstanding, "outstanding", l.Outstanding, "records in flight; 0: as many as --buffer holds")
	f.Var(&l.Buffer, "buffer", "bytes of records in flight, of all producers together (default 32MiB)")
	f.IntVar(&l.CatchUp, "catch-up", l.CatchUp, "e2e: clients that read the topic from its start, again and again")
	f.StringVar(&l.Name, "name", l.Name, "name of the load, by which comparisons match results (default: of its figures)")
	f.Var(&l.Size, "size", "size of a record's value (default 1KiB)")
	f.StringVar(&l.Keys, "keys", l.Keys,
		"none: batch after batch to partitions at random; random: a key each (default none)")
	f.IntVar(&l.Partitions, "partitions", l.Partitions, "of the topic (default 12)")
	f.IntVar(&l.Replicas, "replicas", l.Replicas, "of each partition (default: what the brokers take)")
	f.IntVar(&l.Producers, "producers", l.Producers, "clients that write, each with a connection (default 1)")
	f.IntVar(&l.Consumers, "consumers", l.Consumers, "clients that read, each with a connection (default 1)")
	f.Var(&l.Batch, "batch", "size at which a batch is complete (default 128KiB)")
	f.Var(&l.Linger, "linger", "how long a batch that is not complete waits for more (default 0)")
	f.IntVar(&l.InFlight, "in-flight", l.InFlight, "requests without an answer, a connection, 1 to 5 (default 5)")
	f.StringVar(&l.Compression, "compression", l.Compression, "none, gzip, snappy, lz4, zstd (default none)")
	f.StringVar(&l.Acks, "acks", l.Acks, "all, leader, none (default all)")
	f.StringVar(&l.Idempotence, "idempotence", l.Idempotence, "on or off (default on)")
	f.Var(&l.Duration, "duration", "time that is measured (default 1m0s)")
	f.Var(&l.Bytes, "bytes", "bytes of records to write, warm-up included, instead of a time (consume: default 1GiB)")
	f.Var(&l.WarmUp, "warm-up", "time before what is measured (default: a fifth of --duration, at most 10s)")
	f.StringVar(&l.Verify, "verify", l.Verify, "produce: read everything after, and check it: on or off (default on)")
}

func runFlags(cmd *cobra.Command, o *benchFlags) {
	f := cmd.Flags()
	f.StringVar(&o.driver, "driver", "skidway", "skidway, or kafka for a broker of Apache Kafka at --server")
	f.StringVar(&o.progress, "progress", "auto", "auto: a line that changes on a terminal, else one every 5s; plain; none")
	f.StringVar(&o.json, "json", "", "write the results to this file, one a line")
	f.StringVar(&o.report, "report", "", "write a report with charts to this HTML file")
	f.BoolVar(&o.appends, "append", false, "add to the --json file")
	f.BoolVar(&o.strict, "strict", false, "exit 1 on a warning, too")
	f.BoolVar(&o.keep, "keep", false, "do not delete the topic")
	f.IntVar(&o.runs, "runs", 1, "how often")
	f.IntSliceVar(&o.pids, "broker-pid", nil,
		"process id of a broker on this machine, for its CPU, memory and disk; of several, the sums")
	f.StringSliceVar(&o.metrics, "broker-metrics", nil,
		"URL of a broker's /metrics, for its fsyncs and stalls; of several, the sums")
	f.StringArrayVar(&o.settings, "set", nil,
		"setting of the topic, `NAME=VALUE`, in the broker's words; may be given again")
	f.StringVar(&o.profile, "cpu-profile", "", "write a CPU profile of this client to this file")
	f.StringVar(&o.hdr, "hdr", "",
		"write distributions to `PREFIX`.produce.hgrm, .e2e.hgrm and .hlog, for HdrHistogram's tools")
	f.StringVar(&o.disk, "disk", "",
		"a `DIRECTORY` on the broker's disk: write out what the system holds back and time small fsyncs, before and after,"+
			" to tell whether the disk was steady")
	f.BoolVar(&o.kafka, "kafka-line", false, "print the last line of kafka-producer-perf-test, too")
	check(cmd, func() error { return o.check() })
}

func (o *benchFlags) check() error {
	one := func(flag, got string, words ...string) error {
		for _, w := range words {
			if got == w {
				return nil
			}
		}
		return failure.BadValue(flag, "%q is none of %s", got, strings.Join(words, ", "))
	}
	if o.runs < 1 {
		return failure.BadValue("--runs", "%d, must be at least 1", o.runs)
	}
	return cmp.Or(one("--driver", o.driver, "skidway", "kafka"), one("--progress", o.progress, "auto", "plain", "none"))
}

// topicSettings reads --set.
func (o *benchFlags) topicSettings() (map[string]string, error) {
	if len(o.settings) == 0 {
		return nil, nil
	}
	all := map[string]string{}
	for _, s := range o.settings {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, failure.BadValue("--set", "%q is not NAME=VALUE", s)
		}
		all[name] = value
	}
	return all, nil
}

// complete gives the load the settings of --set, if there are any, and returns it with its defaults, checked.
func (o *benchFlags) complete(l *bench.Load) (bench.Load, error) {
	settings, err := o.topicSettings()
	if err != nil {
		return bench.Load{}, err
	}
	if settings != nil {
		l.Settings = settings
	}
	whole, err := l.Complete()
	if err != nil {
		err = usage(failure.CodeBadValue, err, "the load: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return whole, err
}

// emptyJSON makes the file of --json anew, unless results are to be added to it.
func (o *benchFlags) emptyJSON() error {
	if o.json == "" || o.appends {
		return nil
	}
	if err := os.WriteFile(o.json, nil, 0o644); err != nil {
		return usage(failure.CodeInput, err, "%v", err)
	}
	return nil
}

// bench carries out loads, each as often as was asked for, and prints what they came to.
func (a *app) bench(ctx context.Context, loads []bench.Load, flags benchFlags) error {
	for i := range loads {
		var err error
		if loads[i], err = flags.complete(&loads[i]); err != nil {
			return err
		}
	}
	d, err := a.benchDriver(ctx, flags.driver)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := flags.emptyJSON(); err != nil {
		return err
	}
	stop, err := startProfile(flags.profile)
	if err != nil {
		return err
	}
	all, err := a.benchAll(ctx, d, loads, &flags)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	if flags.report != "" {
		if err := writeReport(flags.report, all); err != nil {
			return err
		}
	}
	for _, r := range all {
		if !r.OK() || flags.strict && len(r.Warnings) > 0 {
			return failure.Reported{Exit: failure.ExitRefused}
		}
	}
	return nil
}

// startProfile starts a profile of this process, if a file is named, and returns what ends it.
func startProfile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, usage(failure.CodeInput, err, "%v", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// benchAll carries out the loads, and all of them as often as was asked for.
func (a *app) benchAll(
	ctx context.Context, d bench.Driver, loads []bench.Load, flags *benchFlags,
) (all []*bench.Result, err error) {
	for range flags.runs {
		for _, l := range loads {
			hdr, err := openHDR(flags.hdr, len(all)+1)
			if err != nil {
				return nil, err
			}
			r, err := a.benchOnce(ctx, d, l, benchRun{flags, hdr})
			if err := errors.Join(err, hdr.close(r)); err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	return all, nil
}

func (a *app) benchDriver(ctx context.Context, name string) (bench.Driver, error) {
	s, err := a.servers()
	if err != nil {
		return nil, err
	}
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	if name == "kafka" {
		d, err := bench.Kafka(ctx, s.addresses)
		if err != nil {
			return nil, &failure.Failure{Code: failure.CodeUnreachable, Message: err.Error(), Exit: failure.ExitUnreachable,
				Retriable: true,
				Notes:     []failure.Note{{Label: "address from", Text: s.from}}, Err: err}
		}
		return d, nil
	}
	d, err := bench.Skidway(ctx, s.addresses)
	if err != nil {
		return nil, a.unreachable(ctx, err, s)
	}
	return d, nil
}

// benchRun is one of the runs that were asked for.
type benchRun struct {
	flags *benchFlags
	hdr   *hdrFiles
}

// benchOnce carries out one load, prints its result and keeps it.
func (a *app) benchOnce(ctx context.Context, d bench.Driver, l bench.Load, run benchRun) (*bench.Result, error) {
	flags := run.flags
	asking, cancel := a.bounded(ctx)
	about, err := d.About(asking)
	cancel()
	if err != nil {
		return nil, err
	}
	if err := bench.WriteHead(a.errOut, d, about, &l); err != nil {
		return nil, err
	}
	show := &benchProgress{app: a, load: &l, style: flags.progress}
	o := bench.Options{Probe: bench.Probe{PIDs: flags.pids, Metrics: flags.metrics, Disk: flags.disk}, Progress: show.tick,
		Topic:   flags.topic,
		Version: readBuild().version, Intervals: run.hdr.intervals()}
	if flags.keep {
		o.Keep = bench.KeepTopic
	}
	r, err := bench.Run(ctx, d, l, o)
	show.end()
	if err != nil {
		return nil, err
	}
	if err := a.keepResult(r, flags); err != nil {
		return nil, err
	}
	if line := r.KafkaLine(); flags.kafka && line != "" {
		if err := a.write(func(w io.Writer) error { _, err := fmt.Fprintln(w, line); return err }); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// keepResult prints a result, and adds it to the file of results if there is one.
func (a *app) keepResult(r *bench.Result, flags *benchFlags) error {
	if err := a.write(r.WriteScreen); err != nil || flags.json == "" {
		return err
	}
	f, err := os.OpenFile(flags.json, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return usage(failure.CodeInput, err, "%v", err)
	}
	return errors.Join(bench.WriteResults(f, r), f.Close())
}

// benchProgress shows the seconds of a run.
type benchProgress struct {
	app   *app
	load  *bench.Load
	style string
	drawn bool
	last  time.Time
}

// plainPause is how often a line is written where none can be redrawn.
const plainPause = 5 * time.Second

func (p *benchProgress) tick(t bench.Tick) {
	switch {
	case p.style == "none":
	case p.style == "auto" && isTerminal(p.app.errOut):
		p.drawn = true
		_, _ = fmt.Fprintf(p.app.errOut, "\r%s\x1b[K", t.Line(p.load)) // progress is worth no failure
	case time.Since(p.last) >= plainPause-plainPause/10:
		p.last = time.Now()
		_, _ = fmt.Fprintln(p.app.errOut, t.Line(p.load))
	}
}

func (p *benchProgress) end() {
	if p.drawn {
		_, _ = fmt.Fprint(p.app.errOut, "\r\x1b[K")
	}
}

func (a *app) benchCompareCommand() *cobra.Command {
	var markdown bool
	var plot, save string
	cmd := &cobra.Command{
		Use:   "compare BEFORE... AFTER",
		Short: "Compare results",
		Example: "  skidway bench compare before.json after.json\n" +
			"  skidway bench compare kafka.json kafka-fsync.json skidway.json --markdown",
		Long: "Print the medians of files that --json wrote, and the ratio of the last file to each other one, with the\n" +
			"interval that holds it with 95% confidence. Loads are matched by their names. An interval that\n" +
			"holds 1 shows no difference.",
		Args: atLeast(2, "two files of results or more"),
		RunE: func(_ *cobra.Command, args []string) error {
			var columns []bench.Column
			for _, name := range args {
				results, err := readResults(name)
				if err != nil {
					return err
				}
				columns = append(columns, bench.Column{Name: strings.TrimSuffix(filepath.Base(name), ".json"), Results: results})
			}
			style := bench.Plain
			if markdown {
				style = bench.Markdown
			}
			if save != "" {
				if err := saveBrief(save, columns); err != nil {
					return err
				}
			}
			if plot != "" {
				if err := writeFile(plot, func(w io.Writer) error { return bench.WriteRatioPlot(w, columns) }); err != nil {
					return err
				}
			}
			return a.write(func(w io.Writer) error { return bench.WriteComparison(w, columns, style) })
		},
	}
	cmd.Flags().StringVar(&plot, "plot", "",
		"write the ratios of throughput and of CPU as a picture to this SVG file, too")
	cmd.Flags().StringVar(&save, "save", "",
		"write what is compared to this `DIRECTORY`, too, without seconds and histograms, to be kept with a table")
	cmd.Flags().BoolVar(&markdown, "markdown", false, "write a table in Markdown")
	return cmd
}

// saveBrief writes each column to a file of its name.
func saveBrief(dir string, columns []bench.Column) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return usage(failure.CodeInput, err, "%v", err)
	}
	for _, c := range columns {
		brief := make([]*bench.Result, len(c.Results))
		for i, r := range c.Results {
			brief[i] = r.Brief()
		}
		write := func(w io.Writer) error { return bench.WriteResults(w, brief...) }
		if err := writeFile(filepath.Join(dir, c.Name+".json"), write); err != nil {
			return err
		}
	}
	return nil
}

func readResults(name string) ([]*bench.Result, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usage(failure.CodeInput, err, "%v", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	results, err := bench.ReadResults(f)
	if err != nil {
		return nil, usage(failure.CodeInput, err, "%s: %v", name, err)
	}
	return results, nil
}

func (a *app) benchReportCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "report RESULTS... REPORT.html",
		Short:   "Draw the charts of results",
		Example: "  skidway bench report run.json run.html",
		Long:    "Write one HTML file that needs no network, with charts, figures and settings of files that --json wrote.",
		Args:    atLeast(2, "files of results and the name of the report"),
		RunE: func(_ *cobra.Command, args []string) error {
			var all []*bench.Result
			for _, name := range args[:len(args)-1] {
				results, err := readResults(name)
				if err != nil {
					return err
				}
				all = append(all, results...)
			}
			return writeReport(args[len(args)-1], all)
		},
	}
}

func writeReport(name string, all []*bench.Result) error {
	return writeFile(name, func(w io.Writer) error { return bench.WriteReport(w, all) })
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return usage(failure.CodeInput, err, "%v", err)
	}
	return errors.Join(write(f), f.Close())
}
