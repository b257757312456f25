package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/cmd/skidway/internal/config"
	"github.com/skidway/skidway/cmd/skidway/internal/devcluster"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
)

func (a *app) devClusterCommand() *cobra.Command {
	var cfg devcluster.Config
	var zookeeper []string
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Run ZooKeeper and some brokers, each a process of its own",
		Example: `  skidway dev cluster
  skidway dev cluster -n 5 --port 17440 --dir /tmp/five
  skidway dev cluster --zookeeper zk1:2181 --fresh`,
		Long: "Run ZooKeeper and brokers on this machine until Ctrl-C or SIGTERM, which stop them in order; a second one\n" +
			"ends all at once. Each broker is a process that may be killed: which ended and how is told, and its number\n" +
			"and Enter start it again. Topics are created on first use. What was written is there the next time.\n" +
			"Broker 1 listens at --port for clients, at the port above for metrics and at the one above that for\n" +
			"brokers; the next broker 10 ports further, and so on. ZooKeeper listens at --port + 9.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.ZooKeeper = zookeeper
			return a.devCluster(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.IntVarP(&cfg.Brokers, "brokers", "n", 3, "how many brokers")
	f.StringVar(&cfg.Dir, "dir", "", "where all is kept; default dev-cluster below the data directory of serve")
	_ = cmd.MarkFlagDirname("dir")
	f.BoolVar(&cfg.Fresh, "fresh", false, "delete what an earlier run left first")
	f.IntVar(&cfg.Port, "port", 7440, "port of the first broker; the others follow from it")
	f.StringSliceVar(&zookeeper, "zookeeper", nil, "`HOST:PORT,...` of a ZooKeeper that runs; without it one is started")
	f.StringVar(&cfg.ZooKeeperHome, "zookeeper-home", "",
		"`DIR` of an unpacked release of ZooKeeper; default ZOOKEEPER_HOME, else Debian's package")
	_ = cmd.MarkFlagDirname("zookeeper-home")
	f.StringVar(&cfg.ReadyFile, "ready-file", "",
		"write addresses and process ids to this file, as json, once clients can connect; removed at the end")
	return cmd
}

// stopMargin is what a broker gets beyond the time that it gives itself to stop.
const stopMargin = 10 * time.Second

func (a *app) devCluster(ctx context.Context, cfg devcluster.Config) error {
	began := time.Now()
	if cfg.Dir == "" {
		home := config.DataHome(a.env)
		if home == "" {
			return failure.BadValue("--dir", "there is no home directory: give one")
		}
		cfg.Dir = filepath.Join(home, "dev-cluster")
	}
	executable, err := os.Executable()
	if err != nil {
		return failure.Refused(failure.CodeInternal, "this program does not find itself: %v", err)
	}
	cfg.Program = devcluster.Program{Path: executable, Name: os.Args[0],
		Env: slices.DeleteFunc(slices.Clone(a.env), func(e string) bool { return strings.HasPrefix(e, "SKIDWAY_") })}
	fmt.Fprintf(a.errOut, "starting ZooKeeper and %s ...\n", plural(int64(cfg.Brokers), "broker"))
	c, err := devcluster.Start(ctx, cfg)
	if interrupted(ctx) {
		return nil
	}
	if err != nil {
		return err
	}
	a.announceCluster(c, time.Since(began))
	a.tendCluster(ctx, c)
	fmt.Fprintf(a.errOut, "stopping; a second Ctrl-C ends all at once\n")
	killed, err := c.Stop(drainTime + stopMargin)
	for _, b := range killed {
		fmt.Fprintf(a.errOut, "broker %d did not stop in time and was killed\n", b.ID)
	}
	if err != nil {
		return failure.Refused(failure.CodeInternal, "stopping: %v", err)
	}
	fmt.Fprintf(a.errOut, "stopped\n")
	return nil
}

// announceCluster tells what runs, and what to do with it.
func (a *app) announceCluster(c *devcluster.Cluster, took time.Duration) {
	w := a.errOut
	t := &table.Table{Columns: []table.Column{{Title: "BROKER"}, {Title: "PID"}, {Title: "CLIENTS"}, {Title: "METRICS"},
		{Title: "LOG"}}}
	var servers []string
	for _, b := range c.Brokers {
		t.Add(b.ID, b.PID, b.Listen, "http://"+b.HTTP+"/metrics", config.Abbreviate(b.Log, a.env))
		servers = append(servers, b.Listen)
	}
	fmt.Fprintf(w, "%s  cluster for trying things out\n\n", versionText())
	_ = t.Write(w, "text") // nothing is left to be told of an error of standard error
	zk := "runs already"
	if pid := c.ZooKeeperPID(); pid > 0 {
		zk = fmt.Sprintf("process %d", pid)
	}
	fmt.Fprintf(w, "\nzookeeper  %s, %s\n", strings.Join(c.ZooKeeper, ","), zk)
	fmt.Fprintf(w, "data       %s (--fresh starts over)\n\n", config.Abbreviate(c.Dir, a.env))
	fmt.Fprintf(w, "try     export SKIDWAY_SERVER=%s\n", strings.Join(servers, ","))
	for _, line := range []string{
		"echo hello | skidway produce demo",
		"skidway consume demo --from start",
		"skidway topic describe demo      which brokers have it, and which leads",
		"skidway cluster status",
		fmt.Sprintf("kill -9 %-24d and produce again: another broker leads", c.Brokers[0].PID),
	} {
		fmt.Fprintf(w, "        %s\n", line)
	}
	fmt.Fprintf(w, "\nready in %.1fs   (Ctrl-C stops all)\n", took.Seconds())
}

// tendCluster tells of processes that end, and starts those again that it is asked for, until ctx ends.
func (a *app) tendCluster(ctx context.Context, c *devcluster.Cluster) {
	lines := readLines(a.in)
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-c.Events():
			a.tellEvent(e)
		case line := <-lines:
			if err := startAgain(ctx, c, strings.TrimSpace(line)); err != nil {
				failure.Print(a.errOut, err, a.errorStyle())
			}
		}
	}
}

func (a *app) tellEvent(e devcluster.Event) {
	switch {
	case e.Broker == nil:
		fmt.Fprintf(a.errOut, "ZooKeeper (process %d) has ended; %s\n  type zk and Enter to start it again\n", e.PID, e.How)
	case e.Ready:
		fmt.Fprintf(a.errOut, "broker %d (process %d) is ready\n", e.Broker.ID, e.PID)
	default:
		fmt.Fprintf(a.errOut, "broker %d (process %d) has ended: %s; its log is %s\n"+
			"  type %d and Enter to start it again, or run  skidway serve -c %s\n", e.Broker.ID, e.PID, e.How,
			config.Abbreviate(e.Broker.Log, a.env), e.Broker.ID, config.Abbreviate(e.Broker.Config, a.env))
	}
}

// startAgain does what a line that was typed asks for.
func startAgain(ctx context.Context, c *devcluster.Cluster, line string) error {
	id, err := strconv.Atoi(line)
	switch {
	case line == "":
		return nil
	case line == "zk":
		return c.StartZooKeeper()
	case err != nil:
		return failure.Usage("%q is neither a broker's number nor zk", line)
	}
	return c.StartBroker(ctx, id)
}

// readLines returns what is typed. In the background nothing can be: a read then fails, and does not stop the process.
func readLines(in io.Reader) <-chan string {
	signal.Ignore(syscall.SIGTTIN)
	lines := make(chan string)
	go func() {
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}
