package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/cmd/skidway/internal/config"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/readyfile"
)

// drainTime is how long a broker that was told to stop may take to answer what it has begun.
const drainTime = 30 * time.Second

type serveFlags struct {
	dev       bool
	readyFile string
}

func (a *app) serveCommand() *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a broker",
		Example: `  skidway serve --dev
  skidway serve -c /etc/skidway/skidway.toml
  skidway serve --data-dir /srv/skidway --log.retention 30d`,
		Long: "Run a broker until SIGTERM or Ctrl-C: it then answers what it has begun, and exits 0. A second signal\n" +
			"ends it at once. Every setting is a flag, a variable (SKIDWAY_LOG_RETENTION) and a key of the file that\n" +
			"`skidway config init` writes; a flag wins over a variable, a variable over the file.\n" +
			"No file is read unless -c or SKIDWAY_CONFIG names one.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd, flags) },
	}
	a.configFlags(cmd, &flags.dev)
	cmd.Flags().StringVar(&flags.readyFile, "ready-file", "",
		"write the addresses and the process id to this file, as json, once clients can connect; removed at the end")
	return cmd
}

// configFlags adds the flags of a command that reads the broker's settings.
func (a *app) configFlags(cmd *cobra.Command, dev *bool) {
	cmd.Flags().StringP("config", "c", "", "file of settings (or SKIDWAY_CONFIG); none is read by default")
	_ = cmd.MarkFlagFilename("config", "toml")
	cmd.Flags().BoolVar(dev, "dev", false,
		"for trying things out: topics are created on first use, Kafka's clients served, loopback only, own data directory")
	config.AddFlags(cmd.Flags())
}

// loadConfig reads the settings from all places and checks them as a whole, as the broker would, which takes the second
// of the results.
func (a *app) loadConfig(cmd *cobra.Command, dev bool) (c *config.Config, bc broker.Config, err error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, bc, err
	}
	if path == "" {
		path = a.getenv("SKIDWAY_CONFIG")
	}
	s := config.Sources{Path: path, Env: a.env, Flags: cmd.Flags()}
	if dev {
		s.Mode = config.Development
	}
	if c, err = config.Load(s); err != nil {
		return nil, bc, err
	}
	secret, err := readSecret(c)
	if err != nil {
		return nil, bc, err
	}
	bc = brokerConfig(c, secret, dev)
	return c, bc, ofConfig(bc.Validate(), c)
}

// brokerConfig writes the settings as the broker takes them.
func brokerConfig(c *config.Config, secret []byte, dev bool) broker.Config {
	b := readBuild()
	bc := broker.Config{
		DataDir: c.DataDir, Listen: c.Listen, Advertise: c.Advertise, HTTPListen: c.HTTP, NodeID: c.NodeID,
		Fsync: c.Fsync, FsyncInterval: c.FsyncInterval, AutoCreate: broker.AutoCreateOff,
		TopicDefaults: broker.TopicDefaults{
			Partitions: c.Partitions, Replicas: c.Replicas, Settings: c.TopicSettings,
		},
		Storage: broker.Storage{CacheBytes: c.CacheBytes, MemTableBytes: c.MemTableBytes, WALDir: c.WALDir},
		Groups:  broker.Groups{Options: c.Groups, OffsetRetention: c.OffsetRetention},
		Limits: broker.Limits{Connections: c.Connections, MemoryBytes: c.MemoryBytes,
			FrameBytes: int(c.RequestBytes)},
		Version: broker.Version{Number: b.version, Commit: b.commit},
	}
	if c.Kafka.Enabled {
		bc.Kafka = broker.Kafka{Listen: c.Kafka.Listen, Advertise: c.Kafka.Advertise}
	}
	switch k := c.Cluster; {
	case dev:
		bc.Mode = broker.ModeDev
	case len(k.ZooKeeper) > 0:
		bc.Mode = broker.ModeCluster
		bc.Cluster = broker.Cluster{
			ZooKeeper: k.ZooKeeper, Chroot: k.Chroot, SessionTimeout: k.SessionTimeout, Listen: k.Listen,
			Advertise: k.Advertise, Rack: k.Rack, Secret: secret, CatchUpBytes: k.CatchUpBytes,
		}
	}
	if c.AutoCreateTopics {
		bc.AutoCreate = broker.AutoCreateOn
	}
	bc.PartitionMetrics = c.PartitionMetrics
	if c.Profiles {
		bc.Profiles = broker.ProfilesOn
	}
	if c.Insecure {
		bc.Insecure = broker.InsecureAllowed
	}
	return bc
}

// maxSecretBytes bounds the file of the cluster's secret.
const maxSecretBytes = 4096

// readSecret reads the cluster's secret; nil where the broker stands alone. A newline at the end is not part of it.
func readSecret(c *config.Config) ([]byte, error) {
	if len(c.Cluster.ZooKeeper) == 0 || c.SecretFile == "" {
		return nil, nil
	}
	f, err := os.Open(c.SecretFile)
	if err != nil {
		return nil, failure.BadValue(origin(c, "cluster.secret_file"), "%v", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	switch {
	case err != nil:
		return nil, failure.BadValue(origin(c, "cluster.secret_file"), "%v", err)
	case len(text) > maxSecretBytes:
		return nil, failure.BadValue(origin(c, "cluster.secret_file"), "%s has more than %d bytes", c.SecretFile,
			maxSecretBytes)
	}
	return bytes.TrimRight(text, "\r\n"), nil
}

func (a *app) serve(cmd *cobra.Command, flags serveFlags) error {
	began := time.Now()
	raiseFileLimit()
	boundHeap(a)
	c, bc, err := a.loadConfig(cmd, flags.dev)
	if err != nil {
		return err
	}
	log := newLogger(a, c)
	for _, w := range config.UnknownVariables(a.env, otherVariables()) {
		log.Warn(w)
	}
	bc.Logger = log
	bc.OnFatal = func(err error) {
		log.Error("the store failed; the process ends before anything more is acknowledged", "error", err)
		os.Exit(failure.ExitRefused)
	}
	if bc.Storage.FS, err = storeFS(c.DataDir); err != nil {
		return err
	}
	b, err := broker.Start(cmd.Context(), bc)
	if err != nil {
		return ofStart(err, c)
	}
	if err := readyfile.Write(flags.readyFile, readyOf(b)); err != nil {
		return errors.Join(err, stopBroker(b))
	}
	a.announce(announcement{config: c, broker: b, dev: flags.dev, log: log, took: time.Since(began)})
	err = a.untilStopped(cmd.Context(), b, log)
	if flags.readyFile != "" {
		_ = os.Remove(flags.readyFile) // a stale one names a process that is gone, which a reader can see
	}
	return err
}

// untilStopped waits for a signal, or for the broker to end by itself.
func (a *app) untilStopped(ctx context.Context, b *broker.Broker, log *slog.Logger) error {
	ended := make(chan error, 1)
	go func() { ended <- b.Wait() }()
	select {
	case err := <-ended:
		return ofStart(err, nil)
	case <-ctx.Done():
	}
	log.Info("stopping: answering what has begun; a second signal ends at once")
	began := time.Now()
	if err := stopBroker(b); err != nil {
		return failure.Refused(failure.CodeInternal, "stopping the broker: %v", err)
	}
	log.Info("stopped", "took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

func stopBroker(b *broker.Broker) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	return b.Shutdown(ctx)
}

// ready is what --ready-file holds.
type ready struct {
	PID    int    `json:"pid"`
	Listen string `json:"listen"`
	HTTP   string `json:"http,omitempty"`
	Kafka  string `json:"kafka,omitempty"`
}

// readyOf is a broker as the file tells of it.
func readyOf(b *broker.Broker) ready {
	r := ready{PID: os.Getpid(), Listen: b.Addr().String()}
	if h := b.HTTPAddr(); h != nil {
		r.HTTP = h.String()
	}
	if k := b.KafkaAddr(); k != nil {
		r.Kafka = k.String()
	}
	return r
}

// raiseFileLimit takes as many open files as the system allows the process: connections and tables need them.
func raiseFileLimit() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur >= limit.Max {
		return
	}
	limit.Cur = limit.Max
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) // the broker measures what it got and fits itself into it
}

// heapGrowth is how far, in percent of what lives, the heap may grow before it is collected. What lives are memtables,
// caches and frames, large and without pointers, so a collection costs little, and Go's default of 100 doubles them.
const heapGrowth = 50

// boundHeap keeps the broker's memory near what it uses, unless the user has a GOGC.
func boundHeap(a *app) {
	if a.getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}

// announcement is what a broker that is ready tells.
type announcement struct {
	config *config.Config
	broker *broker.Broker
	dev    bool
	log    *slog.Logger
	took   time.Duration
}

// announce prints the banner for a person, or one line of the log.
func (a *app) announce(n announcement) {
	if !a.readable(n.config) {
		args := []any{"listen", n.broker.Addr().String(), "data_dir", n.config.DataDir, "fsync", n.config.Fsync.String(),
			"took", n.took.Round(time.Millisecond).String(), "version", readBuild().version}
		if h := n.broker.HTTPAddr(); h != nil {
			args = append(args, "http", h.String())
		}
		if k := n.broker.KafkaAddr(); k != nil {
			args = append(args, "kafka", k.String())
		}
		n.log.Info("ready", args...)
		return
	}
	fmt.Fprint(a.errOut, a.banner(n))
}
