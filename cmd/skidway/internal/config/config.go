package config

import (
	"time"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/kv"
)

// Config holds the settings of one broker, read and checked one by one. Zero means "the broker's own default" where
// a key's default is auto, off or empty.
type Config struct {
	NodeID           int32  // 1 or more
	DataDir          string // as given, or Environment's default; ~ is not expanded, the shell does that
	Listen           string // host:port
	Advertise        string // host:port, or empty: the address listened on
	HTTP             string // host:port, or empty: off
	PartitionMetrics bool
	Profiles         bool // /debug/pprof/ is served at HTTP
	Insecure         bool // addresses beyond loopback are allowed
	AutoCreateTopics bool
	LogFormat        string // auto, text or json
	LogLevel         string // debug, info, warn or error

	Fsync         kv.FsyncPolicy
	FsyncInterval time.Duration

	Kafka Kafka

	Cluster    Cluster
	SecretFile string // empty: none

	Partitions    int32             // of a topic created without a number
	Replicas      int32             // likewise; 0: by the number of brokers
	TopicSettings map[string]string // topic setting's name -> text, for topics that do not override it

	Groups          group.Options
	OffsetRetention time.Duration // 0: for ever

	CacheBytes    int64 // 0: the store's default
	MemTableBytes int64 // 0: the store's default
	WALDir        string

	Connections  int // 0: from the file limit
	MemoryBytes  int64
	RequestBytes int64

	values map[string]Value
}

// Kafka is the listener for Kafka's clients.
type Kafka struct {
	Enabled           bool
	Listen, Advertise string // host:port; Advertise empty: the address listened on
}

// Cluster is the place of a broker that is not alone.
type Cluster struct {
	ZooKeeper                       []string // none: the broker stands alone
	Chroot, Listen, Advertise, Rack string
	SessionTimeout                  time.Duration
	CatchUpBytes                    int64 // a second; 0: no bound
}

// Layer is one of the places that a value comes from, the weakest first.
type Layer int8

// The layers.
const (
	Default Layer = iota
	File
	Variable
	Flag
)

// String names the layer.
func (l Layer) String() string { return [...]string{"default", "file", "variable", "flag"}[l] }

// Value is the text of one setting and where it comes from.
type Value struct {
	Text  string
	Layer Layer
	Where string // "skidway.toml:5", "SKIDWAY_LOG_RETENTION", "--log.retention", "default"

	line, column, width int // of the text in the file; 0 elsewhere
}

// Value returns the text and the origin of the key with the given name; every key of Keys has one.
func (c *Config) Value(name string) Value { return c.values[name] }
