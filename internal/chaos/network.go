//go:build linux

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoNamespaces says that this process may not make network namespaces, so that no link can be cut.
var ErrNoNamespaces = errors.New("network namespaces cannot be had here")

// Network is hosts that reach each other through the namespace of this process, which routes between them: a rule of
// the routing table drops what one host sends to another, in that direction alone, and nobody is told. All of it goes
// with this process. Safe for concurrent use.
type Network struct {
	isolated bool
	number   int

	mu    sync.Mutex
	hosts []*Host
	cuts  map[Cut]bool
}

// Host is a place where processes run: a network namespace with one address; or, where namespaces cannot be had, the
// loopback interface.
type Host struct {
	// IP is where it listens.
	IP string

	near      string   // the end of its link in the router; "": on the loopback interface
	namespace *os.File // nil: that of this process
}

// Router is an address of this process that the host reaches, as all others do.
func (h *Host) Router() string {
	if h.namespace == nil {
		return h.IP
	}
	return strings.TrimSuffix(h.IP, ".2") + ".1"
}

// Cut is one direction of a link that passes nothing.
type Cut struct{ From, To *Host }

// NewNetwork makes a network without hosts. Isolated tells whether hosts are to have namespaces of their own; the
// process must then be inside one itself, see Isolate. Networks that are there at the same time need different numbers,
// 1 to 250.
func NewNetwork(isolated bool, number int) *Network {
	return &Network{isolated: isolated, number: number, cuts: map[Cut]bool{}}
}

// AddHost makes a host, which reaches all others.
func (n *Network) AddHost() (*Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.isolated {
		h := &Host{IP: "127.0.0.1"}
		n.hosts = append(n.hosts, h)
		return h, nil
	}
	i := len(n.hosts) + 1
	if i > 250 {
		return nil, fmt.Errorf("network: %d hosts are too many", i)
	}
	namespace, err := newNamespace()
	if err != nil {
		return nil, fmt.Errorf("network: %w: %w", ErrNoNamespaces, err)
	}
	h := &Host{IP: fmt.Sprintf("10.%d.%d.2", n.number, i), near: fmt.Sprintf("n%dh%d", n.number, i), namespace: namespace}
	link := exec.Command("ip", "link", "add", h.near, "type", "veth", "peer", "name", "eth0", "netns", "/proc/self/fd/3")
	link.ExtraFiles = []*os.File{namespace}
	err = errors.Join(run(link),
		ip(fmt.Sprintf("addr add %s/30 dev %s", h.Router(), h.near), fmt.Sprintf("link set %s up", h.near)))
	if err == nil {
		err = h.Do(func() error {
			return ip("link set lo up", fmt.Sprintf("addr add %s/30 dev eth0", h.IP), "link set eth0 up",
				"route add default via "+h.Router())
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("network: %w", err), namespace.Close())
	}
	n.hosts = append(n.hosts, h)
	return h, nil
}

// Cut drops from now on what goes in these directions, established connections included. A cut that is there already
// stays.
func (n *Network) Cut(cuts ...Cut) error { return n.change("add", cuts) }

// Mend lets the directions pass again.
func (n *Network) Mend(cuts ...Cut) error { return n.change("del", cuts) }

// Heal lets everything pass again.
func (n *Network) Heal() error {
	n.mu.Lock()
	var all []Cut
	for c := range n.cuts {
		all = append(all, c)
	}
	n.mu.Unlock()
	return n.change("del", all)
}

func (n *Network) change(verb string, cuts []Cut) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.isolated {
		return ErrNoNamespaces
	}
	var rules []string
	for _, c := range cuts {
		if n.cuts[c] == (verb == "add") {
			continue
		}
		rules = append(rules, fmt.Sprintf("rule %s pref 10 from %s to %s blackhole", verb, c.From.IP, c.To.IP))
		if verb == "add" {
			n.cuts[c] = true
		} else {
			delete(n.cuts, c)
		}
	}
	if len(rules) == 0 {
		return nil
	}
	return ip(rules...)
}

// Both returns both directions between a host and others.
func Both(h *Host, others ...*Host) (cuts []Cut) {
	for _, o := range others {
		cuts = append(cuts, Cut{h, o}, Cut{o, h})
	}
	return cuts
}

// Close heals the network and removes its links. Processes that still run in it keep their namespaces.
func (n *Network) Close() error {
	if !n.isolated {
		return nil
	}
	errs := []error{n.Heal()}
	for _, h := range n.hosts {
		errs = append(errs, ip("link del "+h.near), h.namespace.Close())
	}
	n.hosts = nil
	return errors.Join(errs...)
}

// Start starts a process on the host. It ends with this one, however that ends.
func (h *Host) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	return h.Do(cmd.Start)
}

// Dial connects from the host, as a process there would.
func (h *Host) Dial(address string, timeout time.Duration) (conn net.Conn, err error) {
	err = h.Do(func() error {
		conn, err = net.DialTimeout("tcp", address, timeout)
		return err
	})
	return conn, err
}

// Do calls a function on a thread that is in the host's namespace: sockets and processes that it makes belong there.
func (h *Host) Do(f func() error) error {
	if h.namespace == nil {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := currentNamespace()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := unix.Setns(int(h.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("network: enter the host %s: %w", h.IP, err)
	}
	defer goHome(home)
	return f()
}

// newNamespace makes a network namespace, which lasts as long as the file is open or processes are in it.
func newNamespace() (*os.File, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := currentNamespace()
	if err != nil {
		return nil, err
	}
	defer home.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("unshare: %w", err)
	}
	defer goHome(home)
	return currentNamespace()
}

func currentNamespace() (*os.File, error) { return os.Open("/proc/thread-self/ns/net") }

// goHome puts the thread back. One that is lost would do anybody's work in the wrong namespace, and the processes that
// it started would end with it.
func goHome(home *os.File) {
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(fmt.Sprintf("network: go back to the own namespace: %v", err))
	}
}

// ip gives commands to iproute2, in the namespace of the calling thread.
func ip(commands ...string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	return run(cmd)
}

func run(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// becomeRouter prepares the namespace of this process, a fresh one, for hosts. Where the kernel's settings may not be
// written, as in containers, it may still route: a namespace begins with what the machine's own has.
func becomeRouter() error {
	const forward = "/proc/sys/net/ipv4/ip_forward"
	if err := ip("link set lo up"); err != nil {
		return err
	}
	if now, err := os.ReadFile(forward); err == nil && strings.TrimSpace(string(now)) == "1" {
		return nil
	}
	return os.WriteFile(forward, []byte("1"), 0o644)
}

// tryNetwork makes a network of two hosts, cuts it, and tells whether a cut is one.
func tryNetwork(ctx context.Context) (err error) {
	n := NewNetwork(true, 1)
	defer func() { err = errors.Join(err, n.Close()) }()
	a, err := n.AddHost()
	if err != nil {
		return err
	}
	b, err := n.AddHost()
	if err != nil {
		return err
	}
	var l net.Listener
	if err := b.Do(func() error {
		l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(b.IP, "0"))
		return err
	}); err != nil {
		return err
	}
	defer l.Close()
	conn, err := a.Dial(l.Addr().String(), 10*time.Second)
	if err != nil {
		return fmt.Errorf("network: hosts do not reach each other: %w", err)
	}
	_ = conn.Close()
	if err := n.Cut(Cut{a, b}); err != nil {
		return err
	}
	if conn, err := a.Dial(l.Addr().String(), 200*time.Millisecond); err == nil {
		_ = conn.Close()
		return errors.New("network: a cut link still passes")
	}
	return n.Heal()
}
