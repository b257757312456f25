//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/wire"
)

// Config says what a Cluster is made of.
type Config struct {
	Dir     string // of all that it writes; must exist
	Binary  string // the broker program
	Network *Network
	Brokers int // broker i has the id i
	// ZooKeepers is the number of servers: 1 stands alone, 3 are an ensemble.
	ZooKeepers int
	// SessionTimeout is how long a broker may be silent; 1 s to 10 s.
	SessionTimeout time.Duration
	// Env is added to the environment of the brokers.
	Env []string
	// ProxyClients and ProxyPeers put a Proxy before each broker's address for clients, or for other brokers.
	ProxyClients, ProxyPeers bool
}

// Cluster is brokers and ZooKeeper servers, each on a host of its own, and what was done to them. Its methods are safe
// for concurrent use; those of a Broker or Server are so for different ones.
type Cluster struct {
	Brokers    []*Broker
	ZooKeeper  *zkserver.Ensemble
	ZooKeepers []*Host // of the servers, in their order
	Network    *Network

	cfg   Config
	mu    sync.Mutex
	fired map[Fault]int
}

// Fault is a kind of thing that is done to a cluster.
type Fault string

// The faults. Each is counted when it is seen to have happened, not when it was asked for.
const (
	Kill      Fault = "kill"       // SIGKILL
	Pause     Fault = "pause"      // SIGSTOP
	Wipe      Fault = "wipe"       // of a store
	CutLink   Fault = "cut"        // both directions of a link
	CutOneWay Fault = "one-way"    // one direction of a link
	HalfOpen  Fault = "half-open"  // connections stay, and nothing comes
	Slow      Fault = "slow"       // links
	Delay     Fault = "delay"      // on links
	Reset     Fault = "reset"      // of connections
	Replay    Fault = "replay"     // of what was sent last
	KillZK    Fault = "kill-zk"    // SIGKILL to a ZooKeeper server
	PauseZK   Fault = "pause-zk"   // SIGSTOP to a ZooKeeper server
	WipeZK    Fault = "wipe-zk"    // of what a ZooKeeper server has written
	Diverge   Fault = "diverge"    // a leader alone has records where another wrote others
	PowerLoss Fault = "power-loss" // SIGKILL to a broker whose file system then forgets what was not synced
)

// tick is ZooKeeper's: sessions last from 2 to 20 of them.
const tick = 500 * time.Millisecond

// chroot is where the clusters' nodes lie in ZooKeeper.
const chroot = "/chaos"

// Start starts the ZooKeeper servers, then the brokers, and returns when every broker knows of all. On an error
// nothing is left running.
func Start(ctx context.Context, cfg Config) (c *Cluster, err error) {
	c = &Cluster{Network: cfg.Network, cfg: cfg, fired: map[Fault]int{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := c.startZooKeeper(); err != nil {
		return c, err
	}
	secret := filepath.Join(cfg.Dir, "secret")
	if err := os.WriteFile(secret, []byte("a secret of thirty-two bytes and"), 0o600); err != nil {
		return c, err
	}
	for i := range cfg.Brokers {
		b, err := newBroker(c, int32(i+1), fmt.Sprint("broker", i+1))
		if err != nil {
			return c, err
		}
		c.Brokers = append(c.Brokers, b)
		if err := b.Launch(); err != nil {
			return c, err
		}
	}
	return c, c.AwaitBrokers(ctx)
}

func (c *Cluster) startZooKeeper() (err error) {
	var places []zkserver.Host
	for range c.cfg.ZooKeepers {
		h, err := c.Network.AddHost()
		if err != nil {
			return err
		}
		c.ZooKeepers = append(c.ZooKeepers, h)
		places = append(places, zkserver.Host{IP: h.IP, Start: h.Start})
	}
	c.ZooKeeper, err = zkserver.Start(zkserver.Config{
		Dir: c.cfg.Dir, Servers: c.cfg.ZooKeepers, Tick: tick, Hosts: places,
	})
	return err
}

// AwaitZooKeeper returns when most ZooKeeper servers answer clients. The last one may take its time: after an election
// under load it was seen to look for its leader for a minute.
func (c *Cluster) AwaitZooKeeper(ctx context.Context) error {
	return Await(ctx, func(context.Context) error {
		answering := 0
		for _, s := range c.ZooKeeper.Servers {
			if s.Mode() != "" {
				answering++
			}
		}
		if all := len(c.ZooKeeper.Servers); answering <= all/2 {
			return fmt.Errorf("%d of %d ZooKeeper servers answer", answering, all)
		}
		return nil
	})
}

// AwaitBrokers returns when every broker that runs knows of all others that run, and none of any other.
func (c *Cluster) AwaitBrokers(ctx context.Context) error {
	running := 0
	for _, b := range c.Brokers {
		if b.Running() {
			running++
		}
	}
	for _, b := range c.Brokers {
		if !b.Running() {
			continue
		}
		if err := Await(ctx, func(ctx context.Context) error {
			d, err := b.DescribeCluster(ctx)
			if err != nil {
				return err
			}
			present := 0
			for _, o := range d.Brokers {
				if o.Present {
					present++
				}
			}
			if present != running || d.Controller < 0 {
				return fmt.Errorf("broker %d sees %d of %d brokers, controller %d", b.ID, present, running, d.Controller)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// Await tries until there is no error, and returns the last one, with what it was about, when the context ends. A try
// has 2 s.
func Await(ctx context.Context, try func(context.Context) error) error {
	for {
		one, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := try(one)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the last try: %w", context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Servers returns the addresses of all brokers, for clients.
func (c *Cluster) Servers() (list []string) {
	for _, b := range c.Brokers {
		list = append(list, b.Advertised())
	}
	return list
}

// Stores returns where the brokers keep their records, by id.
func (c *Cluster) Stores() map[int32]string {
	dirs := make(map[int32]string)
	for _, b := range c.Brokers {
		dirs[b.ID] = b.dataDir()
	}
	return dirs
}

// KillZooKeeper ends a ZooKeeper server with SIGKILL.
func (c *Cluster) KillZooKeeper(s *zkserver.Server) error {
	if !s.Running() {
		return errors.New("chaos: a ZooKeeper server does not run, and was to be killed")
	}
	if err := s.Kill(); err != nil {
		return err
	}
	c.Count(KillZK)
	return nil
}

// PauseZooKeeper stops a ZooKeeper server as SIGSTOP does.
func (c *Cluster) PauseZooKeeper(s *zkserver.Server) error {
	if err := s.Pause(); err != nil {
		return err
	}
	c.Count(PauseZK)
	return nil
}

// Twin starts a process on a host and a store of its own that says it is a broker which there is. Close it.
func (c *Cluster) Twin(of *Broker) (*Broker, error) {
	b, err := newBroker(c, of.ID, fmt.Sprint("twin", of.ID))
	if err != nil {
		return nil, err
	}
	return b, b.Launch()
}

// Broker returns the broker with that id.
func (c *Cluster) Broker(id int32) *Broker { return c.Brokers[id-1] }

// Others returns all brokers but these.
func (c *Cluster) Others(but ...*Broker) (list []*Broker) {
next:
	for _, b := range c.Brokers {
		for _, o := range but {
			if b == o {
				continue next
			}
		}
		list = append(list, b)
	}
	return list
}

// Count counts faults that have happened.
func (c *Cluster) Count(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fired[f]++
}

// Fired returns how often each fault has happened.
func (c *Cluster) Fired() map[Fault]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	fired := make(map[Fault]int)
	for f, n := range c.fired {
		fired[f] = n
	}
	return fired
}

// Cut cuts links, and counts it as what it is once dialling has shown that none of them passes.
func (c *Cluster) Cut(f Fault, cuts ...Cut) error {
	if err := c.Network.Cut(cuts...); err != nil {
		return err
	}
	listens := make(map[*Host]string)
	for _, b := range c.Brokers {
		listens[b.Host] = b.address
	}
	for i, h := range c.ZooKeepers {
		listens[h] = c.ZooKeeper.Servers[i].Address
	}
	for _, cut := range cuts {
		if conn, err := cut.From.Dial(listens[cut.To], 50*time.Millisecond); err == nil {
			_ = conn.Close()
			return fmt.Errorf("chaos: the link from %s to %s is cut, and passes", cut.From.IP, cut.To.IP)
		}
	}
	c.Count(f)
	return nil
}

// Heal undoes what can be undone: links pass, proxies are plain, processes that were paused go on, those that were
// killed are started. It returns when all answer.
func (c *Cluster) Heal(ctx context.Context) error {
	var errs []error
	if c.Network.isolated {
		errs = append(errs, c.Network.Heal())
	}
	for i, s := range c.ZooKeeper.Servers {
		if s.Running() {
			errs = append(errs, s.Resume())
		} else if err := s.Launch(); err != nil {
			errs = append(errs, fmt.Errorf("server %d: %w", i+1, err))
		}
	}
	errs = append(errs, c.AwaitZooKeeper(ctx))
	for _, b := range c.Brokers {
		b.Bend(Line{}, Line{})
		switch {
		case b.Running():
			errs = append(errs, b.Resume())
		case !b.meant:
			errs = append(errs, fmt.Errorf("chaos: broker %d has ended by itself: %v", b.ID, b.cmd.ProcessState))
		default:
			errs = append(errs, b.Launch())
		}
	}
	return errors.Join(append(errs, c.AwaitBrokers(ctx))...)
}

// Stop stops the brokers in good order, and waits for their end.
func (c *Cluster) Stop(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make([]error, len(c.Brokers))
	for i, b := range c.Brokers {
		all.Go(func() { errs[i] = b.Stop(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Close ends all processes and proxies. Files stay, and the network does.
func (c *Cluster) Close() error {
	var errs []error
	for _, b := range c.Brokers {
		errs = append(errs, b.Close())
	}
	if c.ZooKeeper != nil {
		errs = append(errs, c.ZooKeeper.Close())
	}
	return errors.Join(errs...)
}

// Leader returns who leads a partition and in which epoch, as a broker knows it that is asked.
func (c *Cluster) Leader(ctx context.Context, ask *Broker, topic string, partition int) (*Broker, int32, error) {
	p, err := ask.Partition(ctx, topic, partition)
	if err != nil {
		return nil, 0, err
	}
	if p.Leader < 1 || int(p.Leader) > len(c.Brokers) {
		return nil, 0, fmt.Errorf("chaos: %s[%d] has no leader", topic, partition)
	}
	return c.Broker(p.Leader), p.LeaderEpoch, nil
}

// Logs returns the ends of what the processes wrote, for a test that failed.
func (c *Cluster) Logs(lines int) string {
	var b strings.Builder
	for _, o := range c.Brokers {
		text, _ := os.ReadFile(o.logPath())
		all := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&b, "--- broker %d, the end of %s\n", o.ID, o.logPath())
		b.WriteString(strings.Join(all[max(0, len(all)-lines):], "\n") + "\n")
	}
	return b.String()
}

// ask sends one request to a broker over a connection of its own, and goes nowhere else.
func ask[T wire.Response](ctx context.Context, b *Broker, q wire.Request) (answer T, err error) {
	conn, err := wire.Dial(ctx, b.address, wire.DialOptions{ClientName: "chaos"})
	if err != nil {
		return answer, err
	}
	defer func() { _ = conn.Close() }()
	r, err := conn.Do(ctx, q)
	if err != nil {
		return answer, err
	}
	answer, ok := r.(T)
	if !ok {
		return answer, fmt.Errorf("chaos: broker %d answers %T", b.ID, r)
	}
	return answer, nil
}

// freePort returns a port that was free on the host a moment ago.
func freePort(h *Host) (port int, err error) {
	err = h.Do(func() error {
		l, err := net.Listen("tcp", net.JoinHostPort(h.IP, "0"))
		if err != nil {
			return err
		}
		port = l.Addr().(*net.TCPAddr).Port
		return l.Close()
	})
	return port, err
}
