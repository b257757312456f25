package broker

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
)

const (
	defaultListen  = "127.0.0.1:7440"
	storeFilesMax  = 10_000
	storeFilesMin  = 64
	connectionsMax = 20_000
	filesSpare     = 128
	minFrameBytes  = 64 << 10
	maxFrameBytes  = 256 << 20
	minMemoryBytes = 32 << 20
	minFetchBytes  = 1 << 20
)

// ConfigError is what Start and Validate return for a Config that cannot be run. It names every fault.
type ConfigError struct {
	Faults []ConfigFault
}

// ConfigFault is one field of Config and what is wrong with its value.
type ConfigFault struct {
	// Field is the path of the field in Config, such as "Limits.FrameBytes".
	Field string
	// Problem is a sentence without a full stop.
	Problem string
}

// Error lists the faults.
func (e *ConfigError) Error() string {
	errs := make([]error, len(e.Faults))
	for i, f := range e.Faults {
		errs[i] = fmt.Errorf("%s: %s", f.Field, f.Problem)
	}
	return "broker: bad configuration: " + errors.Join(errs...).Error()
}

// WithDefaults returns the Config that Start would run: zero fields filled in.
func (c Config) WithDefaults() Config {
	setDefault(&c.Listen, defaultListen)
	setDefault(&c.NodeID, 1)
	setDefault(&c.FsyncInterval, kv.DefaultFsyncInterval)
	setDefault(&c.TopicDefaults.Partitions, 1)
	if c.HTTPListen == "off" {
		c.HTTPListen = ""
	}
	files := fileLimit()
	setDefault(&c.Storage.MaxOpenFiles, min(max(files/2, storeFilesMin), storeFilesMax))
	connections := min(max(files-c.Storage.MaxOpenFiles-filesSpare, 16), connectionsMax)
	if c.Kafka.Listen != "" {
		connections /= 2
	}
	setDefault(&c.Limits.Connections, connections)
	setDefault(&c.Limits.MemoryBytes, 512<<20)
	setDefault(&c.Limits.FrameBytes, 8<<20)
	setDefault(&c.Limits.FetchBytes, 50<<20)
	setDefault(&c.Limits.FetchWait, 30*time.Second)
	setDefault(&c.Limits.ProduceWait, 60*time.Second)
	setDefault(&c.Limits.Partitions, 100_000)
	if c.Mode == ModeDev && c.Groups.InitialRebalanceDelay == 0 {
		c.Groups.InitialRebalanceDelay = -1
	}
	c.Groups.Options = c.Groups.WithDefaults()
	setDefault(&c.Version.Number, "dev")
	setDefault(&c.Version.Commit, "unknown")
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.OnFatal == nil {
		logger := c.Logger
		c.OnFatal = func(err error) {
			logger.Error("the store failed; the process ends before anything more is acknowledged", "error", err)
			os.Exit(1)
		}
	}
	if c.Mode == ModeCluster {
		c.Cluster = c.Cluster.withDefaults(c.Listen)
	}
	c.knobs.defaults()
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports every fault of c, as a *ConfigError, or nil. Zero fields are taken as their defaults.
func (c Config) Validate() error {
	c = c.WithDefaults()
	var e ConfigError
	fault := func(field, format string, args ...any) {
		e.Faults = append(e.Faults, ConfigFault{field, fmt.Sprintf(format, args...)})
	}
	if c.DataDir == "" {
		fault("DataDir", "no data directory is given")
	}
	if c.NodeID < 1 {
		fault("NodeID", "%d is not a node id; they begin at 1", c.NodeID)
	}
	c.validateAddresses(fault)
	if c.Mode < ModeStandalone || c.Mode > ModeCluster {
		fault("Mode", "unknown mode %d", c.Mode)
	}
	c.validateCluster(fault)
	if n := c.TopicDefaults.Replicas; n < 0 || n > maxReplicas {
		fault("TopicDefaults.Replicas", "%d is outside 1..%d", n, maxReplicas)
	}
	if c.FsyncInterval < time.Millisecond || c.FsyncInterval > time.Minute {
		fault("FsyncInterval", "%v is outside 1ms..1m", c.FsyncInterval)
	}
	if n := c.TopicDefaults.Partitions; n < 1 || int(n) > c.Limits.Partitions {
		fault("TopicDefaults.Partitions", "%d is outside 1..%d", n, c.Limits.Partitions)
	}
	if settings, err := brokerSettings(c.TopicDefaults.Settings); err != nil {
		fault("TopicDefaults.Settings", "%v", err)
	} else if settings.MaxBatchBytes > c.Limits.FrameBytes-frameOverhead {
		fault("TopicDefaults.Settings", "max_batch_bytes %d does not fit into Limits.FrameBytes (%d)",
			settings.MaxBatchBytes, c.Limits.FrameBytes)
	}
	if err := c.Groups.Validate(); err != nil {
		fault("Groups", "%v", err)
	}
	if d := c.Groups.OffsetRetention; d != 0 && d < time.Minute {
		fault("Groups.OffsetRetention", "%v is less than 1m; 0 keeps offsets for ever", d)
	}
	c.validateSizes(fault)
	if len(e.Faults) > 0 {
		return &e
	}
	return nil
}

type faultFunc func(field, format string, args ...any)

func (c Config) validateSizes(fault faultFunc) {
	least := func(field string, value, least int64) {
		if value < least {
			fault(field, "%d is below the least value %d", value, least)
		}
	}
	least("Storage.CacheBytes", c.Storage.CacheBytes, 0)
	if n := c.Storage.MemTableBytes; n != 0 && (n < 256<<10 || n > 1<<30) {
		fault("Storage.MemTableBytes", "%d is outside 256 KiB to 1 GiB", n)
	}
	least("Storage.RecentBytes", c.Storage.RecentBytes, 0)
	least("Storage.MaxOpenFiles", int64(c.Storage.MaxOpenFiles), storeFilesMin)
	least("Limits.Connections", int64(c.Limits.Connections), 1)
	least("Limits.MemoryBytes", c.Limits.MemoryBytes, minMemoryBytes)
	least("Limits.FetchBytes", int64(c.Limits.FetchBytes), minFetchBytes)
	least("Limits.FetchWait", int64(c.Limits.FetchWait), 0)
	least("Limits.ProduceWait", int64(c.Limits.ProduceWait), 0)
	least("Limits.Partitions", int64(c.Limits.Partitions), 1)
	if n := c.Limits.FrameBytes; n < minFrameBytes || n > maxFrameBytes {
		fault("Limits.FrameBytes", "%d is outside %d..%d", n, minFrameBytes, maxFrameBytes)
	}
	if int64(c.Limits.FrameBytes) > c.Limits.MemoryBytes/4 {
		fault("Limits.FrameBytes", "%d is more than a quarter of Limits.MemoryBytes (%d)",
			c.Limits.FrameBytes, c.Limits.MemoryBytes)
	}
}

func (c Config) validateAddresses(fault faultFunc) {
	c.validateBind(fault, "Listen", c.Listen)
	if c.HTTPListen != "" {
		c.validateBind(fault, "HTTPListen", c.HTTPListen)
	}
	if c.Kafka.Listen != "" {
		c.validateBind(fault, "Kafka.Listen", c.Kafka.Listen)
	}
	if c.Kafka.Advertise != "" {
		c.validateAdvertise(fault, "Kafka.Advertise", c.Kafka.Advertise)
	}
	c.validateProfiles(fault)
	if c.Advertise == "" {
		return
	}
	c.validateAdvertise(fault, "Advertise", c.Advertise)
}

// validateAdvertise refuses an address that nobody can dial.
func (c Config) validateAdvertise(fault faultFunc, field, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		fault(field, "%q is not host:port: %v", address, err)
	} else if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		fault(field, "%q is no address that a client can dial", address)
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		fault(field, "%q has no port that a client can dial", address)
	}
}

// validateProfiles refuses to show the process's memory to other machines (I-24).
func (c Config) validateProfiles(fault faultFunc) {
	if c.Profiles == ProfilesOff {
		return
	}
	if c.HTTPListen == "" {
		fault("Profiles", "profiles are served at the admin address, which is off; give http a loopback address")
		return
	}
	if host, _, err := net.SplitHostPort(c.HTTPListen); err == nil && !isLoopback(host) {
		fault("Profiles", "profiles show what is in memory, and %q can be reached from other machines;"+
			" give http a loopback address such as 127.0.0.1:7441", c.HTTPListen)
	}
}

// validateBind refuses an address that other machines can reach unless the operator said so (J4).
func (c Config) validateBind(fault faultFunc, field, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		fault(field, "%q is not host:port: %v", addr, err)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		fault(field, "%q has no port number from 0 to 65535", addr)
		return
	}
	if isLoopback(host) {
		return
	}
	if c.Mode == ModeDev {
		fault(field, "%q can be reached from other machines, and development mode listens on loopback only;"+
			" use 127.0.0.1, or leave development mode", addr)
	} else if c.Insecure != InsecureAllowed {
		fault(field, "%q can be reached from other machines, and there is no encryption or authentication yet:"+
			" anyone who reaches it can read, write and delete every topic;"+
			" listen on 127.0.0.1, or allow this with insecure", addr)
	}
}

// isLoopback is true for addresses that only this machine can reach. A name other than localhost may resolve to
// anything, so it is not.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// fileLimit is the number of files that the process may open.
func fileLimit() int {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 1024
	}
	return int(min(lim.Cur, 1<<20))
}

// brokerSettings are the settings of a topic that overrides nothing.
func brokerSettings(overrides map[string]string) (metadata.Settings, error) {
	return metadata.ResolveSettings(metadata.DefaultSettings(), overrides)
}
