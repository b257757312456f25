// Package zkserver runs real ZooKeeper servers as child processes: for tests, and for a
// cluster to try out on one machine. It finds Debian's package (zookeeper, with a Java
// runtime), or what ZOOKEEPER_HOME (an unpacked release) or ZOOKEEPER_CLASSPATH names.
//
// The servers listen on the loopback interface only, unless hosts are given, keep all
// they write below one directory, and end with the process that started them as far as
// that can be had: the caller calls Close.
package zkserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotInstalled says that there is no ZooKeeper, or no Java to run it.
var ErrNotInstalled = errors.New("ZooKeeper is not installed")

// Variables that name another ZooKeeper than Debian's: its classpath, or the directory of an unpacked release.
const (
	classpathVariable = "ZOOKEEPER_CLASSPATH"
	homeVariable      = "ZOOKEEPER_HOME"
)

// debianJar is where Debian's package has ZooKeeper; its manifest names what it needs, but for debianMore.
const debianJar = "/usr/share/java/zookeeper.jar"

// debianMore is what its manifest forgets: two parts of Netty, which TLS needs, and a logger.
const debianMore = ":/usr/share/java/netty-codec.jar:/usr/share/java/netty-resolver.jar" +
	":/usr/share/java/slf4j-simple.jar"

// Config says what to run.
type Config struct {
	Dir     string // of all that the servers write; must exist
	Servers int    // 1 stands alone; 3 or 5 are an ensemble
	// Home is the directory of an unpacked release of ZooKeeper; empty: as Find looks for one.
	Home string
	// Port is the first server's for clients; 0: any that is free.
	Port int
	// Tick is ZooKeeper's tickTime: sessions last from 2 to 20 of them. 0: 2 s.
	Tick time.Duration
	// TLS, if it is not nil, makes the servers listen for TLS too.
	TLS *TLS
	// Hosts are where the servers run, one each. Nil: all on the loopback interface.
	Hosts []Host
}

// Host is a place for a server, such as a network namespace.
type Host struct {
	IP    string                // an address that this process reaches
	Start func(*exec.Cmd) error // starts a process there
}

// TLS names the files, in PEM, with which a server proves who it is.
type TLS struct {
	CertAndKey string // the server's certificate and its key, in one file
	Trusted    string // the authorities of clients' certificates
}

// Ensemble is the running servers.
type Ensemble struct {
	Servers []*Server
}

// Server is one server. Its methods are not safe for concurrent use.
type Server struct {
	// Address is host:port for clients, without TLS.
	Address string
	// TLSAddress is host:port for clients with TLS; empty: none.
	TLSAddress string

	id                   int
	host                 Host
	dir                  string
	classpath            string
	clientPort, tlsPort  int
	quorumPort, votePort int
	process              *exec.Cmd
	exited               chan struct{}
}

// Find returns the classpath of ZooKeeper, or an error that wraps ErrNotInstalled and says what is missing. Home is the
// directory of an unpacked release; empty: what the variables name, else Debian's package.
func Find(home string) (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("%w: there is no java in the PATH (Debian: %s)", ErrNotInstalled, installCommand)
	}
	if home != "" {
		return release(home)
	}
	if classpath := os.Getenv(classpathVariable); classpath != "" {
		return classpath, nil
	}
	if home := os.Getenv(homeVariable); home != "" {
		return release(home)
	}
	if _, err := os.Stat(debianJar); err != nil {
		return "", fmt.Errorf("%w: %w (Debian: %s; or set %s or %s)", ErrNotInstalled, err, installCommand, homeVariable,
			classpathVariable)
	}
	return debianJar + debianMore, nil
}

// installCommand installs what is needed on Debian.
const installCommand = "apt-get install --no-install-recommends zookeeper default-jre-headless"

// release returns the classpath of an unpacked release.
func release(home string) (string, error) {
	jars := filepath.Join(home, "lib", "zookeeper-[0-9]*.jar")
	if found, err := filepath.Glob(jars); err != nil || len(found) == 0 {
		return "", fmt.Errorf("%w in %s: there is no %s", ErrNotInstalled, home, jars)
	}
	return filepath.Join(home, "lib", "*") + string(filepath.ListSeparator) + filepath.Join(home, "conf"), nil
}

// errPortTaken says that another program has taken a port that was free a moment ago.
var errPortTaken = errors.New("a port was taken meanwhile")

// maxStarts bounds how often other ports are tried.
const maxStarts = 3

// Start runs the servers and returns when each answers clients. On an error none is left running.
func Start(cfg Config) (*Ensemble, error) {
	classpath, err := Find(cfg.Home)
	if err != nil {
		return nil, err
	}
	if cfg.Tick == 0 {
		cfg.Tick = 2 * time.Second
	}
	for tries := 1; ; tries++ {
		e, err := start(cfg, classpath)
		if err == nil || !errors.Is(err, errPortTaken) || cfg.Port != 0 || tries == maxStarts {
			return e, err
		}
	}
}

// start is Start on ports of its choice.
func start(cfg Config, classpath string) (*Ensemble, error) {
	e := &Ensemble{}
	if cfg.Hosts != nil && len(cfg.Hosts) != cfg.Servers {
		return nil, fmt.Errorf("zookeeper: %d hosts for %d servers", len(cfg.Hosts), cfg.Servers)
	}
	ports, err := freePorts(4 * cfg.Servers)
	if err != nil {
		return nil, err
	}
	if cfg.Port != 0 && len(ports) > 0 {
		ports[0] = cfg.Port
	}
	for i := range cfg.Servers {
		host := Host{IP: "127.0.0.1", Start: (*exec.Cmd).Start}
		if cfg.Hosts != nil {
			host = cfg.Hosts[i]
		}
		s := &Server{
			id: i + 1, host: host, dir: filepath.Join(cfg.Dir, fmt.Sprint("zk", i+1)), classpath: classpath,
			clientPort: ports[4*i], quorumPort: ports[4*i+1], votePort: ports[4*i+2], tlsPort: ports[4*i+3],
		}
		s.Address = fmt.Sprint(host.IP, ":", s.clientPort)
		if cfg.TLS != nil {
			s.TLSAddress = fmt.Sprint(host.IP, ":", s.tlsPort)
		}
		e.Servers = append(e.Servers, s)
	}
	for _, s := range e.Servers {
		if err := errors.Join(s.configure(cfg, e.Servers), s.spawn()); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	for _, s := range e.Servers {
		if err := s.await(); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	return e, nil
}

// Addresses returns the addresses of all servers.
func (e *Ensemble) Addresses() []string {
	addresses := make([]string, len(e.Servers))
	for i, s := range e.Servers {
		addresses[i] = s.Address
	}
	return addresses
}

// Close kills the servers and waits for their end. Their files stay.
func (e *Ensemble) Close() error {
	var errs []error
	for _, s := range e.Servers {
		errs = append(errs, s.Kill())
	}
	return errors.Join(errs...)
}

// configure writes the server's configuration.
func (s *Server) configure(cfg Config, all []*Server) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("zookeeper: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "dataDir=%s\nclientPort=%d\nclientPortAddress=%s\ntickTime=%d\n",
		s.dir, s.clientPort, s.host.IP, cfg.Tick.Milliseconds())
	fmt.Fprintf(&b, "initLimit=20\nsyncLimit=10\nadmin.enableServer=false\n4lw.commands.whitelist=*\nmaxClientCnxns=0\n")
	if cfg.TLS != nil {
		fmt.Fprintf(&b, "secureClientPort=%d\nsecureClientPortAddress=%s\n", s.tlsPort, s.host.IP)
		fmt.Fprintf(&b, "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n")
		fmt.Fprintf(&b, "ssl.keyStore.location=%s\nssl.keyStore.type=PEM\n", cfg.TLS.CertAndKey)
		fmt.Fprintf(&b, "ssl.trustStore.location=%s\nssl.trustStore.type=PEM\n", cfg.TLS.Trusted)
	}
	if len(all) > 1 {
		for _, o := range all {
			fmt.Fprintf(&b, "server.%d=%s:%d:%d\n", o.id, o.host.IP, o.quorumPort, o.votePort)
		}
		if err := os.WriteFile(filepath.Join(s.dir, "myid"), fmt.Append(nil, s.id), 0o644); err != nil {
			return fmt.Errorf("zookeeper: %w", err)
		}
	}
	if err := os.WriteFile(s.configPath(), []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("zookeeper: %w", err)
	}
	return nil
}

func (s *Server) configPath() string { return filepath.Join(s.dir, "zoo.cfg") }

func (s *Server) logPath() string { return filepath.Join(s.dir, "zookeeper.log") }

// javaOptions keep a server small and quick to start; it is not one to measure.
var javaOptions = []string{"-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"}

// spawn starts the process.
func (s *Server) spawn() error {
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("zookeeper: %w", err)
	}
	defer log.Close()
	args := append([]string{}, javaOptions...)
	args = append(args, "-cp", s.classpath, "org.apache.zookeeper.server.quorum.QuorumPeerMain", s.configPath())
	cmd := exec.Command("java", args...)
	cmd.Stdout, cmd.Stderr = log, log
	EndWithParent(cmd)
	if err := s.host.Start(cmd); err != nil {
		return fmt.Errorf("zookeeper: %w", err)
	}
	exited := make(chan struct{})
	s.process, s.exited = cmd, exited
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	return nil
}

// How long a server may take to answer, and how often it is asked.
const (
	startLimit = 2 * time.Minute
	askEvery   = 50 * time.Millisecond
)

// await returns when the server answers clients.
func (s *Server) await() error {
	deadline := time.Now().Add(startLimit)
	for time.Now().Before(deadline) {
		if s.Mode() != "" {
			return nil
		}
		select {
		case <-s.exited:
			return s.endedError()
		case <-time.After(askEvery):
		}
	}
	return fmt.Errorf("zookeeper: server %d does not answer within %v; its log ends with:\n%s",
		s.id, startLimit, s.logTail())
}

// endedError says why a server has ended that was to start.
func (s *Server) endedError() error {
	tail := s.logTail()
	err := fmt.Errorf("zookeeper: server %d has ended; its log ends with:\n%s", s.id, tail)
	if strings.Contains(tail, "Address already in use") {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}

const tailBytes = 2000

func (s *Server) logTail() string {
	b, _ := os.ReadFile(s.logPath())
	return string(b[max(0, len(b)-tailBytes):])
}

// Mode returns "standalone", "leader" or "follower", or "" while the server does not answer clients.
func (s *Server) Mode() string {
	conn, err := net.DialTimeout("tcp", s.Address, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("srvr")); err != nil {
		return ""
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if mode, ok := strings.CutPrefix(lines.Text(), "Mode: "); ok {
			return mode
		}
	}
	return ""
}

// PID is the server's process; 0 while it was not started.
func (s *Server) PID() int {
	if s.process == nil {
		return 0
	}
	return s.process.Process.Pid
}

// Exited is closed when the process that runs now has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Running tells whether the server was started, and not killed.
func (s *Server) Running() bool { return s.process != nil }

// Kill ends the server as a crash would, and waits for its end. One that does not run is no error.
func (s *Server) Kill() error {
	if s.process == nil {
		return nil
	}
	err := s.process.Process.Kill()
	<-s.exited
	s.process = nil
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("zookeeper: kill server %d: %w", s.id, err)
	}
	return nil
}

// Restart starts a server that was killed, and returns when it answers clients; in an
// ensemble that needs a majority.
func (s *Server) Restart() error {
	if err := s.Launch(); err != nil {
		return err
	}
	return s.await()
}

// DataDir is where the server keeps what clients have written: without it, a server starts as one that is new.
func (s *Server) DataDir() string { return filepath.Join(s.dir, "version-2") }

// Launch starts a server that was ended with Kill, and does not wait.
func (s *Server) Launch() error {
	if s.process != nil {
		return fmt.Errorf("zookeeper: server %d runs", s.id)
	}
	return s.spawn()
}

// freePorts returns ports that were free a moment ago.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("zookeeper: %w", err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
