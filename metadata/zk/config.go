package zk

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	zookeeper "github.com/go-zookeeper/zk"

	"github.com/skidway/skidway/metadata"
)

// DefaultSessionTimeout is how long a silent session lasts if Config says nothing: ZooKeeper grants from 2 to 20 of its
// ticks, 4 s to 40 s as it comes.
const DefaultSessionTimeout = 6 * time.Second

// defaultPort is where ZooKeeper listens as it comes.
const defaultPort = "2181"

// Bounds of a Config.
const (
	maxServers     = 64
	maxChrootBytes = 256 // it stands before each path of a multi
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = 10 * time.Minute
)

// Config says which ZooKeeper is used, and how.
type Config struct {
	// Servers of the ensemble, as host or host:port; the port is 2181 unless it is given. A host is looked up at each
	// connect.
	Servers []string
	// Chroot is the node below which everything is kept, as "/skidway"; empty: ZooKeeper's root. It must be there:
	// CreateChroot makes it.
	Chroot string
	// SessionTimeout is after what silence ZooKeeper ends a session, from 100 ms to 10 min; 0: DefaultSessionTimeout.
	// ZooKeeper may grant another. It is also the time that a request gets whose context has no deadline.
	SessionTimeout time.Duration
	// User and Password are for ZooKeeper's digest scheme. With a user only it can read and change what is created;
	// with none, everybody who reaches ZooKeeper can.
	User, Password string
	// TLS, if it is not nil, is how servers are spoken to. Without a ServerName each server's own is expected.
	TLS *tls.Config
	// Logger gets to know when servers are lost and found. It must not be nil.
	Logger *slog.Logger
}

// checked returns the configuration with defaults filled in, or what is wrong with it.
func (c Config) checked() (Config, error) {
	servers, err := serverAddresses(c.Servers)
	if err != nil {
		return c, fmt.Errorf("zookeeper: %w", err)
	}
	c.Servers = servers
	if c.SessionTimeout == 0 {
		c.SessionTimeout = DefaultSessionTimeout
	}
	switch {
	case c.Logger == nil:
		return c, errors.New("zookeeper: no logger is given")
	case c.SessionTimeout < minTimeout || c.SessionTimeout > maxTimeout:
		return c, fmt.Errorf("zookeeper: session timeout %v: from %v to %v are taken",
			c.SessionTimeout, minTimeout, maxTimeout)
	case c.User == "" && c.Password != "":
		return c, errors.New("zookeeper: a password is given, and no user")
	case strings.Contains(c.User, ":"):
		return c, fmt.Errorf("zookeeper: user %q: it must not hold a colon", c.User)
	case c.Chroot == "/":
		c.Chroot = ""
	case len(c.Chroot) > maxChrootBytes:
		return c, fmt.Errorf("zookeeper: chroot of %d bytes, at most %d are taken", len(c.Chroot), maxChrootBytes)
	}
	if c.Chroot != "" {
		if err := metadata.CheckPath(c.Chroot); err != nil {
			return c, fmt.Errorf("zookeeper: chroot: %w", err)
		}
	}
	return c, nil
}

// serverAddresses returns each server as host:port.
func serverAddresses(servers []string) ([]string, error) {
	if len(servers) == 0 || len(servers) > maxServers {
		return nil, fmt.Errorf("%d servers are given, from 1 to %d are taken", len(servers), maxServers)
	}
	addresses := make([]string, len(servers))
	for i, server := range servers {
		address := server
		if !strings.Contains(server, ":") {
			address = net.JoinHostPort(server, defaultPort)
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("server %q: it must be host or host:port: %w", server, err)
		}
		if n, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || n == 0 {
			return nil, fmt.Errorf("server %q: it must be host or host:port, the port from 1 to 65535", server)
		}
		addresses[i] = address
	}
	return addresses, nil
}

// acl is what nodes are created with.
func (c Config) acl() []zookeeper.ACL {
	if c.User == "" {
		return zookeeper.WorldACL(zookeeper.PermAll)
	}
	return zookeeper.DigestACL(zookeeper.PermAll, c.User, c.Password)
}

// greetLimit is how long a server may take from the first packet to the end of its greeting: so short that a session
// outlives a server that does not answer.
func (c Config) greetLimit() time.Duration { return max(c.SessionTimeout/3, 500*time.Millisecond) }
