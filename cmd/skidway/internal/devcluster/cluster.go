// Package devcluster runs a cluster on this machine, for trying things out: ZooKeeper, and brokers that are processes
// of their own and may be killed. All it keeps lies below one directory, which only one cluster uses at a time; all it
// started ends with it, and nothing else.
//
// It is what `skidway dev cluster` does; its errors are the command line's failures. It may import internal/zkserver.
package devcluster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/readyfile"
	"github.com/skidway/skidway/internal/zkserver"
)

// Bounds of a Config.
const (
	MaxBrokers = 16
	maxPort    = 65_535 - MaxBrokers*portsOfBroker
)

// Program says what is run as a broker.
type Program struct {
	Path string   // the executable
	Name string   // what it takes itself to be called
	Env  []string // NAME=value
}

// Config says what cluster to run.
type Config struct {
	// Dir is the directory of all that the cluster keeps; made when it is missing.
	Dir string
	// Fresh deletes what is there first.
	Fresh bool
	// Brokers is how many there are, 1 to MaxBrokers.
	Brokers int
	// Port is the first broker's for clients; its others, and those of the others, lie above it.
	Port int
	// ZooKeeper are servers that run already, host:port; empty: one is started.
	ZooKeeper []string
	// ZooKeeperHome is where an unpacked release is; empty: Debian's package, or what the environment names.
	ZooKeeperHome string
	// Program is this program.
	Program Program
	// ReadyFile, if not empty, gets the addresses and processes, as json, when all are ready, and again with each
	// process that is started anew.
	ReadyFile string
}

// Cluster is a running cluster. Its methods are not safe for concurrent use.
type Cluster struct {
	Dir       string
	ZooKeeper []string // its servers
	Brokers   []*Broker

	cfg    Config
	dir    *directory
	zk     *zkserver.Ensemble // nil: it is not ours
	events chan Event
	closed chan struct{} // closed when nobody reads events any more
}

// Event says what became of a process.
type Event struct {
	Broker *Broker // nil: ZooKeeper
	PID    int
	Ready  bool   // it was started again, and clients can connect; else it has ended, though nobody here told it to
	How    string // it has ended: "signal: killed", "exit status 1"
}

// Start runs the cluster, and returns when clients can connect. On an error nothing is left running. The errors are
// failures, or the cause of ctx's end.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	dir, err := openDirectory(cfg.Dir, cfg.Fresh)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir.path, cfg: cfg, dir: dir, events: make(chan Event), closed: make(chan struct{})}
	for i := range cfg.Brokers {
		c.Brokers = append(c.Brokers, newBroker(dir, i+1, cfg.Port))
	}
	if err := c.start(ctx); err != nil {
		_, stopErr := c.Stop(0)
		return nil, errors.Join(err, stopErr)
	}
	return c, nil
}

func (cfg Config) check() error {
	switch {
	case cfg.Brokers < 1 || cfg.Brokers > MaxBrokers:
		return failure.BadValue("--brokers", "%d is outside 1..%d", cfg.Brokers, MaxBrokers)
	case cfg.Port < 1 || cfg.Port > maxPort:
		return failure.BadValue("--port", "%d is outside 1..%d", cfg.Port, maxPort)
	case len(cfg.ZooKeeper) > 0 && cfg.ZooKeeperHome != "":
		return failure.Usage("--zookeeper is of servers that run, --zookeeper-home of one to start: give one of them")
	}
	return nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := c.startZooKeeper(ctx); err != nil {
		return err
	}
	k := clusterSettings{ZooKeeper: c.ZooKeeper, Chroot: "/skidway"}
	var err error
	if k.SecretFile, err = c.dir.secret(); err != nil {
		return err
	}
	if c.zk == nil { // which others may use, and this cluster was started in before
		k.Chroot, err = c.dir.remember("chroot", "/skidway-dev-"+hex.EncodeToString(random(4)))
		if err != nil {
			return err
		}
	}
	for _, b := range c.Brokers {
		if err := errors.Join(b.configure(k), b.start(c.cfg.Program)); err != nil {
			return err
		}
	}
	for _, b := range c.Brokers {
		if err := b.await(ctx, b.newest); err != nil {
			return err
		}
		c.watch(b, b.newest)
	}
	return c.writeReadyFile()
}

// startZooKeeper runs a server, or looks whether those that were named answer. What can be refused is, before anything
// runs.
func (c *Cluster) startZooKeeper(ctx context.Context) error {
	ports := make(map[string]string)
	var order []string
	add := func(address, what string) { order = append(order, address); ports[address] = what }
	for _, b := range c.Brokers {
		what := fmt.Sprintf("broker %d", b.ID)
		add(b.Listen, what+", for clients")
		add(b.HTTP, what+", for metrics")
		add(b.peer, what+", for brokers")
	}
	if len(c.cfg.ZooKeeper) > 0 {
		c.ZooKeeper = c.cfg.ZooKeeper
		return errors.Join(checkPorts(order, ports), checkAnswers(ctx, c.ZooKeeper))
	}
	if _, err := zkserver.Find(c.cfg.ZooKeeperHome); err != nil {
		f := failure.Usage("%v", err)
		f.Code, f.Err = failure.CodeMissing, err
		return f.WithHint("install it, or use one that runs: --zookeeper HOST:PORT, or an unpacked release: " +
			"--zookeeper-home DIR")
	}
	zkPort := c.cfg.Port + portsOfBroker - 1
	add(loopback(zkPort), "ZooKeeper")
	if err := checkPorts(order, ports); err != nil {
		return err
	}
	dir := c.dir.join("zookeeper")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return badDir(err)
	}
	zk, err := zkserver.Start(zkserver.Config{Dir: dir, Servers: 1, Home: c.cfg.ZooKeeperHome, Port: zkPort})
	if err != nil {
		return failure.Refused(failure.CodeInternal, "%v", err)
	}
	c.zk, c.ZooKeeper = zk, zk.Addresses()
	c.watchZooKeeper()
	return nil
}

// checkPorts refuses a port that is taken, before anything is started.
func checkPorts(addresses []string, what map[string]string) error {
	var faults failure.List
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err == nil {
			err = l.Close()
		}
		if err == nil {
			continue
		}
		f := failure.Usage("cannot listen on %s (%s): %v", address, what[address], err)
		if errors.Is(err, syscall.EADDRINUSE) {
			f = failure.Usage("address %s (%s) is in use by another process", address, what[address])
			f.Code = failure.CodePortInUse
		}
		faults = append(faults, f.WithHint("choose other ports with  --port PORT"))
	}
	if len(faults) == 0 {
		return nil
	}
	return faults
}

// checkAnswers wants one of the servers to take a connection.
func checkAnswers(ctx context.Context, servers []string) error {
	var why []string
	for _, server := range servers {
		d := net.Dialer{Timeout: 3 * time.Second}
		conn, err := d.DialContext(ctx, "tcp", server)
		if err == nil {
			return conn.Close()
		}
		why = append(why, err.Error())
	}
	f := failure.Refused(failure.CodeUnreachable, "no ZooKeeper answers: %s", strings.Join(why, "; "))
	f.Exit, f.Retriable = failure.ExitUnreachable, true
	return f.WithNote("address from", "--zookeeper")
}

// Events tells of processes that ended by themselves, or were killed by others, and of those that are ready again.
func (c *Cluster) Events() <-chan Event { return c.events }

// watch tells when the process ends.
func (c *Cluster) watch(b *Broker, run *process) {
	go func() {
		<-run.exited
		c.tell(Event{Broker: b, PID: run.cmd.Process.Pid, How: run.cmd.ProcessState.String()})
	}()
}

func (c *Cluster) watchZooKeeper() {
	s := c.zk.Servers[0]
	exited, pid := s.Exited(), s.PID()
	go func() {
		select {
		case <-exited:
			c.tell(Event{PID: pid, How: "its log is " + filepath.Join(c.dir.join("zookeeper"), "zk1", "zookeeper.log")})
		case <-c.closed:
		}
	}()
}

func (c *Cluster) tell(e Event) {
	select {
	case c.events <- e:
	case <-c.closed:
	}
}

// ZooKeeperPID is the process of the ZooKeeper that was started; 0: none was.
func (c *Cluster) ZooKeeperPID() int {
	if c.zk == nil {
		return 0
	}
	return c.zk.Servers[0].PID()
}

// StartBroker starts a broker again that has ended. An event tells when clients can connect; ctx ends the waiting for
// it. The errors are failures.
func (c *Cluster) StartBroker(ctx context.Context, id int) error {
	if id < 1 || id > len(c.Brokers) {
		return failure.Usage("there is no broker %d: they are 1 to %d", id, len(c.Brokers))
	}
	b := c.Brokers[id-1]
	if b.newest.running() {
		return failure.Usage("broker %d runs: process %d", id, b.PID)
	}
	if err := b.start(c.cfg.Program); err != nil {
		return err
	}
	run := b.newest
	go func() {
		if b.await(ctx, run) == nil {
			c.tell(Event{Broker: b, PID: run.cmd.Process.Pid, Ready: true})
		}
	}()
	c.watch(b, run)
	return c.writeReadyFile()
}

// StartZooKeeper starts ZooKeeper again after it has ended. The errors are failures.
func (c *Cluster) StartZooKeeper() error {
	if c.zk == nil {
		return failure.Usage("ZooKeeper was not started here")
	}
	s := c.zk.Servers[0]
	select {
	case <-s.Exited():
	default:
		return failure.Usage("ZooKeeper runs: process %d", s.PID())
	}
	_ = s.Kill() // it has ended, and is told so
	if err := s.Restart(); err != nil {
		return failure.Refused(failure.CodeInternal, "%v", err)
	}
	c.watchZooKeeper()
	return c.writeReadyFile()
}

// Stop stops the brokers, all at once, and then ZooKeeper. A broker that has not stopped after the limit is killed,
// and returned.
func (c *Cluster) Stop(limit time.Duration) (killed []*Broker, err error) {
	close(c.closed)
	for _, b := range c.Brokers {
		b.ask()
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, b := range c.Brokers {
		if b.end(timer.C) {
			killed = append(killed, b)
			timer.Reset(0) // the time is over for the others, too
		}
	}
	if c.zk != nil {
		err = c.zk.Close()
	}
	if c.cfg.ReadyFile != "" {
		_ = os.Remove(c.cfg.ReadyFile) // it may never have been made
	}
	return killed, errors.Join(err, c.dir.close())
}

// ready is what the ready file holds.
type ready struct {
	PID          int           `json:"pid"`
	ZooKeeper    []string      `json:"zookeeper"`
	ZooKeeperPID int           `json:"zookeeper_pid,omitempty"`
	Brokers      []readyBroker `json:"brokers"`
}

type readyBroker struct {
	ID     int    `json:"id"`
	PID    int    `json:"pid"`
	Listen string `json:"listen"`
	HTTP   string `json:"http"`
}

// writeReadyFile tells whoever waits for the cluster of its parts.
func (c *Cluster) writeReadyFile() error {
	r := ready{PID: os.Getpid(), ZooKeeper: c.ZooKeeper, ZooKeeperPID: c.ZooKeeperPID()}
	for _, b := range c.Brokers {
		r.Brokers = append(r.Brokers, readyBroker{b.ID, b.PID, b.Listen, b.HTTP})
	}
	return readyfile.Write(c.cfg.ReadyFile, r)
}
