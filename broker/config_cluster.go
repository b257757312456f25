package broker

import (
	"net"
	"time"

	"github.com/skidway/skidway/metadata"
)

// Cluster says which cluster a broker belongs to, with ModeCluster.
type Cluster struct {
	// ZooKeeper are the servers that hold the cluster's metadata, host:port each; at least one.
	ZooKeeper []string
	// Chroot is the path below which the cluster's nodes lie. Default /skidway.
	Chroot string
	// SessionTimeout is how long the broker may be silent before the cluster takes it for gone. Default 6 s; ZooKeeper
	// accepts 2 to 20 of its ticks.
	SessionTimeout time.Duration
	// Listen is the address for other brokers, host:port. Default: the host of Config.Listen, port 7442.
	Listen string
	// Advertise is the host:port that other brokers are told to dial. Default as for Config.Advertise.
	Advertise string
	// Secret proves to the other brokers that this one is of the cluster: the same on all, at least 16 bytes from a
	// random source.
	Secret []byte
	// Rack is where the broker stands: replicas of a partition are put into different racks. "": not known.
	Rack string
	// CatchUpBytes bounds how many bytes a second this broker ships to followers that are not in sync, all together; a
	// reassignment may be ordered with a rate of its own. Default 0: no bound.
	CatchUpBytes int64
	// PreferredEvery is how often leaderships go back to the first replicas. Default 1 min.
	PreferredEvery time.Duration

	// sessions is the metadata store of a test; nil: ZooKeeper's.
	sessions metadata.Sessions
}

const (
	defaultChroot         = "/skidway"
	defaultSessionTimeout = 6 * time.Second
	defaultPeerPort       = "7442"
	minSecretBytes        = 16
	maxReplicas           = 1024
	maxRackBytes          = 255
)

// withDefaults fills in what is not set; listen is Config.Listen.
func (c Cluster) withDefaults(listen string) Cluster {
	setDefault(&c.Chroot, defaultChroot)
	setDefault(&c.SessionTimeout, defaultSessionTimeout)
	setDefault(&c.PreferredEvery, time.Minute)
	if host, _, err := net.SplitHostPort(listen); err == nil {
		setDefault(&c.Listen, net.JoinHostPort(host, defaultPeerPort))
	}
	return c
}

// validateCluster reports what is wrong with the section.
func (c Config) validateCluster(fault faultFunc) {
	k := c.Cluster
	if c.Mode != ModeCluster {
		if len(k.ZooKeeper) > 0 {
			fault("Cluster.ZooKeeper", "servers are given, and the mode is %s", c.Mode)
		}
		return
	}
	if len(k.ZooKeeper) == 0 && k.sessions == nil {
		fault("Cluster.ZooKeeper", "a broker of a cluster needs at least one ZooKeeper server, host:port")
	}
	for _, address := range k.ZooKeeper {
		if _, _, err := net.SplitHostPort(address); err != nil {
			fault("Cluster.ZooKeeper", "%q is not host:port", address)
		}
	}
	if k.Chroot != "/" {
		if err := metadata.CheckPath(k.Chroot); err != nil {
			fault("Cluster.Chroot", "%v", err)
		}
	}
	if k.SessionTimeout < time.Second || k.SessionTimeout > 10*time.Minute {
		fault("Cluster.SessionTimeout", "%v is outside 1s..10m", k.SessionTimeout)
	}
	if len(k.Secret) < minSecretBytes {
		fault("Cluster.Secret", "it has %d bytes, at least %d are needed; make one with: openssl rand -hex 32",
			len(k.Secret), minSecretBytes)
	}
	if len(k.Rack) > maxRackBytes {
		fault("Cluster.Rack", "it has %d bytes, at most %d are possible", len(k.Rack), maxRackBytes)
	}
	if k.CatchUpBytes < 0 {
		fault("Cluster.CatchUpBytes", "%d bytes a second are below 0", k.CatchUpBytes)
	}
	if k.PreferredEvery < time.Second {
		fault("Cluster.PreferredEvery", "%v is below 1s", k.PreferredEvery)
	}
	c.validateBind(fault, "Cluster.Listen", k.Listen)
	if k.Advertise != "" {
		c.validateAdvertise(fault, "Cluster.Advertise", k.Advertise)
	}
}
