package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/adopt"
	"github.com/skidway/skidway/cmd/skidway/internal/config"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
)

func (a *app) clusterAdoptCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Make a broker that stood alone the first one of a cluster",
		Example: `  skidway cluster adopt -c /etc/skidway/skidway.toml --dry-run
  skidway cluster adopt -c /etc/skidway/skidway.toml`,
		Long: "Stop the broker, add [cluster] to its settings, and run this with them: topics, consumer groups, offsets\n" +
			"and ids go to ZooKeeper, where nothing may be below cluster.chroot; records stay where they are. Then start\n" +
			"the broker again, and others with data directories of their own. If it is interrupted, run it again: until\n" +
			"it is done the broker can be started alone, or by nobody, but never as both.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.clusterAdopt(cmd, dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, and change nothing")
	cmd.Flags().StringP("config", "c", "", "file of settings (or SKIDWAY_CONFIG); none is read by default")
	_ = cmd.MarkFlagFilename("config", "toml")
	config.AddFlags(cmd.Flags())
	a.formatFlag(cmd, "text", "json")
	return cmd
}

func (a *app) clusterAdopt(cmd *cobra.Command, dryRun bool) error {
	c, bc, err := a.loadConfig(cmd, false)
	if err != nil {
		return err
	}
	if len(c.Cluster.ZooKeeper) == 0 {
		return failure.BadValue("cluster.zookeeper", "a cluster needs ZooKeeper, and none is configured").
			WithHint("add [cluster] to the file given with -c, or give  --cluster.zookeeper HOST:PORT")
	}
	fs, err := storeFS(c.DataDir)
	if err != nil {
		return err
	}
	connecting, cancel := a.bounded(cmd.Context())
	defer cancel()
	log := newLogger(a, c)
	r, err := adopt.Run(cmd.Context(), adopt.Config{
		Store: kv.Options{Dir: c.DataDir, WALDir: c.WALDir, FS: fs, CacheBytes: c.CacheBytes,
			MemTableBytes: c.MemTableBytes, BrokerID: c.NodeID, Logger: log},
		ZooKeeper: zk.Config{Servers: bc.Cluster.ZooKeeper, Chroot: bc.Cluster.Chroot,
			SessionTimeout: bc.Cluster.SessionTimeout},
		DryRun: dryRun, Connecting: connecting,
	})
	switch {
	case interrupted(cmd.Context()):
		return context.Cause(cmd.Context())
	case err != nil:
		return ofAdopt(err, c)
	}
	return a.write(func(w io.Writer) error { return a.printAdopted(w, r, c) })
}

// ofAdopt turns the error of an adoption into a failure.
func ofAdopt(err error, c *config.Config) error {
	where := strings.Join(c.Cluster.ZooKeeper, ",") + c.Cluster.Chroot
	again := "nothing is lost: run the same command again"
	switch {
	case errors.Is(err, adopt.ErrNoStore):
		return usage(failure.CodeBadValue, err, "data directory %s holds no store: there is nothing to adopt", c.DataDir).
			WithNote("data_dir from", whereData(c))
	case errors.Is(err, adopt.ErrMember):
		return usage(failure.CodeForeignData, err, "data directory %s is of a cluster already, and there is none at %s",
			c.DataDir, where).WithHint("check  cluster.zookeeper  and  cluster.chroot")
	case errors.Is(err, adopt.ErrCopied):
		return usage(failure.CodeForeignData, err,
			"the cluster at %s came of another copy of data directory %s, and has gone on without this one", where, c.DataDir).
			WithHint("start a broker with an empty data directory to join it")
	case errors.Is(err, metadata.ErrOccupied):
		return usage(failure.CodeForeignData, err, "nothing was changed at %s: %v", where, err).
			WithHint("choose a place where nothing is with  --cluster.chroot /NAME")
	case errors.Is(err, metadata.ErrUnavailable):
		f := failure.Refused(failure.CodeUnreachable, "%v", err)
		f.Exit, f.Retriable, f.Err = failure.ExitUnreachable, true, err
		return f.WithHint("%s", again)
	case errors.Is(err, metadata.ErrUnknown), errors.Is(err, metadata.ErrSessionEnded),
		errors.Is(err, metadata.ErrContention):
		f := failure.Refused(failure.CodeUnreachable, "the adoption was interrupted: %v", err)
		f.Exit, f.Retriable, f.Err = failure.ExitUnreachable, true, err
		return f.WithHint("%s", again)
	}
	return ofStart(err, c)
}

// adoptWords are the results as programs read them.
func adoptWords(r adopt.Result) string {
	return [...]string{"adopted", "already adopted", "would be adopted"}[r]
}

func (a *app) printAdopted(w io.Writer, r adopt.Report, c *config.Config) error {
	where := strings.Join(c.Cluster.ZooKeeper, ",") + c.Cluster.Chroot
	if a.format == "json" {
		return failure.EncodeLine(w, table.Object{
			{Name: "result", Value: adoptWords(r.Result)}, {Name: "cluster", Value: r.ClusterID},
			{Name: "broker", Value: r.Broker}, {Name: "zookeeper", Value: where}, {Name: "data_dir", Value: c.DataDir},
			{Name: "topics", Value: len(r.Topics)}, {Name: "partitions", Value: r.Partitions()},
			{Name: "groups", Value: r.Groups},
		})
	}
	err := table.Align(w, [][]string{
		{"CLUSTER", r.ClusterID, "BROKER", fmt.Sprint(r.Broker), "ZOOKEEPER", where},
		{"TOPICS", fmt.Sprint(len(r.Topics)), "PARTITIONS", fmt.Sprint(r.Partitions()), "GROUPS", fmt.Sprint(r.Groups)},
	})
	switch r.Result {
	case adopt.WouldAdopt:
		fmt.Fprintf(a.errOut, "dry run: nothing changed. Run again without --dry-run to apply.\n")
	case adopt.AlreadyAdopted:
		fmt.Fprintf(a.errOut, "already adopted: nothing was to be done\n")
	case adopt.Adopted:
		fmt.Fprintf(a.errOut, "adopted. Start the broker again, and others beside it; then move partitions to them.\n")
	}
	return err
}
