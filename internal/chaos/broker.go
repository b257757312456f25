//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skidway/skidway/wire"
)

// Broker is one broker process, and what it leaves behind.
type Broker struct {
	ID   int32
	Host *Host
	// Clients and Peers stand before its addresses; nil: nothing does.
	Clients, Peers *Proxy

	cluster       *Cluster
	dir           string // of all that it writes
	address, peer string // where it listens
	cmd           *exec.Cmd
	exited        chan struct{}
	meant         bool // its end was
}

func newBroker(c *Cluster, id int32, name string) (*Broker, error) {
	b := &Broker{ID: id, cluster: c, dir: filepath.Join(c.cfg.Dir, name)}
	var err error
	if b.Host, err = c.Network.AddHost(); err != nil {
		return nil, err
	}
	for _, address := range []*string{&b.address, &b.peer} {
		port, err := freePort(b.Host)
		if err != nil {
			return nil, err
		}
		*address = net.JoinHostPort(b.Host.IP, strconv.Itoa(port))
	}
	listen := net.JoinHostPort(b.Host.Router(), "0")
	if c.cfg.ProxyClients {
		if b.Clients, err = StartProxy(listen, b.address); err != nil {
			return nil, err
		}
	}
	if c.cfg.ProxyPeers {
		if b.Peers, err = StartProxy(listen, b.peer); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

// Advertised is the address that clients are told to dial.
func (b *Broker) Advertised() string {
	if b.Clients != nil {
		return b.Clients.Address()
	}
	return b.address
}

func (b *Broker) dataDir() string { return filepath.Join(b.dir, "data") }
func (b *Broker) logPath() string { return filepath.Join(b.dir, "log") }

// Launch starts the process, and does not wait until it answers.
func (b *Broker) Launch() error {
	if b.Running() {
		return fmt.Errorf("chaos: broker %d runs", b.ID)
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(b.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has it
	args := []string{
		"serve", "--node-id", fmt.Sprint(b.ID), "--data-dir", b.dataDir(), "--http", "off", "--insecure",
		"--listen", b.address, "--advertise", b.Advertised(), "--log-format", "text",
		"--cluster.zookeeper", strings.Join(b.cluster.ZooKeeper.Addresses(), ","), "--cluster.chroot", chroot,
		"--cluster.listen", b.peer, "--cluster.session-timeout", b.cluster.cfg.SessionTimeout.String(),
		"--cluster.secret-file", filepath.Join(b.cluster.cfg.Dir, "secret"), "--storage.cache", "8MiB",
	}
	if b.Peers != nil {
		args = append(args, "--cluster.advertise", b.Peers.Address())
	}
	cmd := exec.Command(b.cluster.cfg.Binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SKIDWAY_") })
	cmd.Env = append(cmd.Env, b.cluster.cfg.Env...)
	if err := b.Host.Start(cmd); err != nil {
		return fmt.Errorf("chaos: broker %d: %w", b.ID, err)
	}
	exited := make(chan struct{})
	b.cmd, b.exited, b.meant = cmd, exited, false
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	return nil
}

// Running tells whether there is a process that has not ended.
func (b *Broker) Running() bool {
	if b.cmd == nil {
		return false
	}
	select {
	case <-b.exited:
		return false
	default:
		return true
	}
}

// Exited is closed when the process that was launched last has ended.
func (b *Broker) Exited() <-chan struct{} { return b.exited }

// Kill ends the process with SIGKILL. One that has ended by itself is an error: a fault that did not happen.
func (b *Broker) Kill() error {
	if !b.Running() {
		return fmt.Errorf("chaos: broker %d does not run, and was to be killed", b.ID)
	}
	if err := b.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("chaos: kill broker %d: %w", b.ID, err)
	}
	<-b.exited
	b.meant = true
	if status := b.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("chaos: broker %d ended by itself: %v", b.ID, b.cmd.ProcessState)
	}
	b.cluster.Count(Kill)
	return nil
}

// Pause stops the process as SIGSTOP does, and returns when it stands still.
func (b *Broker) Pause() error {
	if !b.Running() {
		return fmt.Errorf("chaos: broker %d does not run, and was to be paused", b.ID)
	}
	if err := b.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("chaos: pause broker %d: %w", b.ID, err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.cmd.Process.Pid))
		if err != nil {
			return fmt.Errorf("chaos: pause broker %d: %w", b.ID, err)
		}
		if _, state, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(state, "T") {
			b.cluster.Count(Pause)
			return nil
		}
	}
	return fmt.Errorf("chaos: broker %d does not stand still", b.ID)
}

// Resume lets a paused process go on; one that was not paused goes on as well.
func (b *Broker) Resume() error {
	if err := b.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return fmt.Errorf("chaos: resume broker %d: %w", b.ID, err)
	}
	return nil
}

// Wipe removes the store of a broker that does not run: a new disk in the same machine.
func (b *Broker) Wipe() error {
	if b.Running() {
		return fmt.Errorf("chaos: broker %d runs", b.ID)
	}
	if _, err := os.Stat(b.dataDir()); err != nil {
		return fmt.Errorf("chaos: broker %d has nothing to wipe: %w", b.ID, err)
	}
	if err := os.RemoveAll(b.dataDir()); err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	b.cluster.Count(Wipe)
	return nil
}

// Bend sets what the links to the broker are like, from all who dial it, where it has proxies.
func (b *Broker) Bend(forward, backward Line) {
	for _, p := range []*Proxy{b.Clients, b.Peers} {
		if p != nil {
			p.Set(forward, backward)
		}
	}
}

// Stop asks the process to end, with SIGTERM, and waits until it has. One that does not run is no error; one that ends
// otherwise than with 0 is.
func (b *Broker) Stop(ctx context.Context) error {
	if !b.Running() {
		return nil
	}
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("chaos: stop broker %d: %w", b.ID, err)
	}
	select {
	case <-b.exited:
	case <-ctx.Done():
		return fmt.Errorf("chaos: broker %d does not stop: %w", b.ID, context.Cause(ctx))
	}
	b.meant = true
	if !b.cmd.ProcessState.Success() {
		return fmt.Errorf("chaos: broker %d was told to stop: %v", b.ID, b.cmd.ProcessState)
	}
	return nil
}

// Close ends the process, if it runs, and the proxies.
func (b *Broker) Close() error {
	var errs []error
	if b.Running() {
		errs = append(errs, b.cmd.Process.Kill())
		<-b.exited
	}
	for _, p := range []*Proxy{b.Clients, b.Peers} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// DescribeCluster returns what this broker knows of the cluster.
func (b *Broker) DescribeCluster(ctx context.Context) (*wire.DescribeClusterResponse, error) {
	return ask[*wire.DescribeClusterResponse](ctx, b, &wire.DescribeClusterRequest{})
}

// Topic returns what this broker knows of a topic.
func (b *Broker) Topic(ctx context.Context, name string) (*wire.TopicDescription, error) {
	r, err := ask[*wire.DescribeTopicsResponse](ctx, b, &wire.DescribeTopicsRequest{Names: []string{name}})
	if err != nil {
		return nil, err
	}
	if t := &r.Topics[0]; t.Error == nil {
		return t, nil
	}
	return nil, r.Topics[0].Error
}

// Partition returns what this broker knows of a partition.
func (b *Broker) Partition(ctx context.Context, topic string, index int) (*wire.PartitionDescription, error) {
	t, err := b.Topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	for i := range t.Partitions {
		if p := &t.Partitions[i]; p.Index == int32(index) {
			return p, nil
		}
	}
	return nil, fmt.Errorf("chaos: broker %d knows no partition %d of %s", b.ID, index, topic)
}
