package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skidway/skidway/internal/zkserver"
)

// testCluster is a cluster of real broker processes on one real ZooKeeper server. Not safe for concurrent use.
type testCluster struct {
	bin string // the program
	dir string
	env []string

	zk      *zkserver.Ensemble
	brokers []*testBroker // broker i+1
}

// testBroker is one broker of a testCluster, or none while its process is nil.
type testBroker struct {
	id      int
	rack    string
	listen  string // the same after a restart
	process *exec.Cmd
}

// skipWithout skips the test where there is no ZooKeeper, but for CI's sake fails there.
func skipWithout(t *testing.T) {
	t.Helper()
	if _, err := zkserver.Find(""); err != nil && os.Getenv("CI") == "" {
		t.Skipf("the test needs a ZooKeeper: %v", err)
	}
}

// startCluster starts ZooKeeper and a broker in each of the racks, "-" for none, below dir, and waits until all know of
// all.
func startCluster(bin, dir string, env []string, racks []string) (*testCluster, error) {
	c := &testCluster{bin: bin, dir: dir, env: env}
	if err := errors.Join(os.MkdirAll(dir, 0o700),
		os.WriteFile(c.path("secret"), []byte("a secret of thirty-two bytes and\n"), 0o600)); err != nil {
		return nil, err
	}
	var err error
	if c.zk, err = zkserver.Start(zkserver.Config{Dir: dir, Servers: 1, Tick: 250 * time.Millisecond}); err != nil {
		return nil, err
	}
	ports := freePorts(len(racks))
	for i, rack := range racks {
		listen := fmt.Sprint("127.0.0.1:", ports+i)
		c.brokers = append(c.brokers, &testBroker{id: i + 1, rack: strings.TrimPrefix(rack, "-"), listen: listen})
	}
	for _, b := range c.brokers {
		if err := c.start(b); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	for _, b := range c.brokers {
		if err := c.awaitHealthy(b); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// awaitHealthy waits until a broker knows of all, and of a controller.
func (c *testCluster) awaitHealthy(b *testBroker) error {
	healthy := fmt.Sprintf(`{"health":"healthy","reasons":[],"brokers":%d,"brokers_up":%[1]d,`, len(c.brokers))
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		cmd := exec.Command(c.bin, "cluster", "status", "-s", b.listen, "-f", "json")
		cmd.Env = c.env
		out, err := cmd.Output()
		if err == nil && strings.HasPrefix(string(out), healthy) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("broker %d does not get to know a healthy cluster: %w: %s", b.id, err, out)
		}
	}
}

func (c *testCluster) path(name string) string { return filepath.Join(c.dir, name) }

// start starts a broker's process and waits until clients can connect.
func (c *testCluster) start(b *testBroker) error {
	name := fmt.Sprint("broker", b.id)
	log, err := os.OpenFile(c.path(name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	readyFile := c.path(name + ".ready")
	_ = os.Remove(readyFile) // of a process that was killed
	cmd := exec.Command(c.bin, "serve", "--node-id", strconv.Itoa(b.id), "--data-dir", c.path(name), "--listen", b.listen,
		"--http", "off", "--ready-file", readyFile, "--cluster.zookeeper", strings.Join(c.zk.Addresses(), ","),
		"--cluster.session-timeout", "2s", "--cluster.listen", "127.0.0.1:0", "--cluster.secret-file", c.path("secret"),
		"--cluster.rack", b.rack)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	b.process = cmd
	var r ready
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(readyFile)
		if err == nil && json.Unmarshal(text, &r) == nil {
			b.listen = r.Listen
			return nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(c.path(name + ".log"))
			return fmt.Errorf("broker %d does not get ready; its log:\n%s", b.id, text)
		}
	}
}

// stop sends a broker a signal and waits for the end of its process.
func (c *testCluster) stop(b *testBroker, sig os.Signal) error {
	if b.process == nil {
		return fmt.Errorf("broker %d does not run", b.id)
	}
	err := b.process.Process.Signal(sig)
	ended := b.process.Wait()
	b.process = nil
	if sig == syscall.SIGKILL {
		return err // it cannot end well
	}
	return errors.Join(err, ended)
}

// close kills all processes.
func (c *testCluster) close() error {
	var errs []error
	for _, b := range c.brokers {
		if b.process != nil {
			errs = append(errs, c.stop(b, syscall.SIGKILL))
		}
	}
	return errors.Join(append(errs, c.zk.Close())...)
}

// addresses are those of all brokers, with commas.
func (c *testCluster) addresses() string {
	list := make([]string, len(c.brokers))
	for i, b := range c.brokers {
		list[i] = b.listen
	}
	return strings.Join(list, ",")
}

// clusterKey is under which a script's environment keeps its cluster.
type clusterKey struct{}

// clusterSlot holds the cluster of one script, once it has one.
type clusterSlot struct{ cluster *testCluster }

func slotOf(ts *testscript.TestScript) *clusterSlot { return ts.Value(clusterKey{}).(*clusterSlot) }

// cluster RACK... starts a cluster with a broker in each of the racks, "-" for none, and sets SKIDWAY_SERVER to all
// addresses and B1, B2 and so on to one each.
func cmdCluster(ts *testscript.TestScript, neg bool, args []string) {
	slot := slotOf(ts)
	if neg || len(args) == 0 || slot.cluster != nil {
		ts.Fatalf("usage: cluster RACK...")
	}
	bin, err := exec.LookPath("skidway")
	ts.Check(err)
	env := append(os.Environ(), "HOME="+ts.Getenv("HOME"))
	slot.cluster, err = startCluster(bin, ts.MkAbs("cluster"), env, args)
	ts.Check(err)
	ts.Defer(func() { ts.Check(slot.cluster.close()) })
	ts.Setenv("SKIDWAY_SERVER", slot.cluster.addresses())
	for _, b := range slot.cluster.brokers {
		ts.Setenv(fmt.Sprint("B", b.id), b.listen)
	}
}

// stopbroker TERM|KILL ID stops a broker and waits for its end.
func cmdStopBroker(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	if neg || len(args) != 2 || signals[args[0]] == nil {
		ts.Fatalf("usage: stopbroker TERM|KILL ID")
	}
	ts.Check(slotOf(ts).cluster.stop(brokerOfScript(ts, args[1]), signals[args[0]]))
}

// startbroker ID starts a broker again that was stopped.
func cmdStartBroker(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: startbroker ID")
	}
	ts.Check(slotOf(ts).cluster.start(brokerOfScript(ts, args[0])))
}

func brokerOfScript(ts *testscript.TestScript, id string) *testBroker {
	c := slotOf(ts).cluster
	n, err := strconv.Atoi(id)
	if err != nil || c == nil || n < 1 || n > len(c.brokers) {
		ts.Fatalf("there is no broker %q", id)
	}
	return c.brokers[n-1]
}
