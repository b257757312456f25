package broker

import (
	"log/slog"
	"time"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/kv"
)

// Config is all that a broker is told. The zero value of each field but DataDir means its default; Start fills the
// defaults in and refuses a Config with faults, naming all of them. A Config is a value: Start keeps its own copy.
type Config struct {
	// DataDir is the directory of the store; required. It is created (mode 0700) when missing.
	DataDir string

	// Listen is the TCP address for clients, host:port; port 0 takes any free port. Default 127.0.0.1:7440.
	// A host that is not loopback needs Insecure = InsecureAllowed.
	Listen string

	// Advertise is the host:port that clients are told to dial. Default: the address listened on, or, when that is
	// a wildcard such as 0.0.0.0, the machine's host name with the port listened on.
	Advertise string

	// HTTPListen is the address of /metrics, /livez and /readyz; "" and "off" mean none.
	// A host that is not loopback needs Insecure = InsecureAllowed.
	HTTPListen string

	// Profiles tells whether HTTPListen serves /debug/pprof/, too; it then has to be a loopback address, whatever
	// Insecure says. Default ProfilesOff.
	Profiles Profiles

	// PartitionMetrics tells whether /metrics has series of single partitions.
	PartitionMetrics bool

	// Kafka is the listener for Kafka's clients.
	Kafka Kafka

	// NodeID is the broker's id, 1 or more. Default 1. A data directory belongs to the id that created it.
	NodeID int32

	// Mode is what the broker is run for. Default ModeStandalone.
	Mode Mode

	// Cluster is the broker's place among others, with ModeCluster.
	Cluster Cluster

	// Fsync is when an append counts as durable. Default kv.FsyncBatch: before every answer.
	Fsync kv.FsyncPolicy

	// FsyncInterval is the time between syncs in the background with kv.FsyncInterval and kv.FsyncOS, 1 ms to 1 min.
	// Default kv.DefaultFsyncInterval.
	FsyncInterval time.Duration

	// TopicDefaults holds what a topic gets that does not say otherwise.
	TopicDefaults TopicDefaults

	// AutoCreate tells whether a topic is created when a client first asks for it. Default AutoCreateByMode.
	AutoCreate AutoCreate

	// Storage is the store's share of memory and disk.
	Storage Storage

	// Limits bounds what clients can make the broker use.
	Limits Limits

	// Groups are the settings of consumer groups.
	Groups Groups

	// Insecure allows addresses that other machines can reach, without encryption or authentication.
	Insecure Insecure

	// Version is what the broker says of itself to clients and in metrics.
	Version Version

	// Logger gets what an operator should know. Default: nothing is logged.
	Logger *slog.Logger

	// OnFatal is called once when the store can no longer keep its promise (an fsync failed, the WAL is damaged).
	// It must end the process; nothing is acknowledged after it is called. Default: log and os.Exit(1).
	OnFatal func(error)

	knobs knobs
}

// Kafka is the listener for clients that speak Kafka's protocol.
type Kafka struct {
	// Listen is its TCP address, host:port; port 0 takes any free port. "": none. A host that is not loopback needs
	// Insecure = InsecureAllowed.
	Listen string
	// Advertise is the host:port that Kafka's clients are told to dial. Default as for Config.Advertise.
	Advertise string
}

// Mode is what a broker is run for.
type Mode int8

const (
	// ModeStandalone is one broker that needs no other.
	ModeStandalone Mode = iota
	// ModeDev is a standalone broker for trying things out: topics are created on first use, and only loopback
	// addresses are accepted, whatever Insecure says.
	ModeDev
	// ModeCluster is one broker of a cluster: see Config.Cluster.
	ModeCluster
)

// String names the mode as a user would.
func (m Mode) String() string {
	switch m {
	case ModeDev:
		return "development"
	case ModeCluster:
		return "cluster"
	}
	return "standalone"
}

// AutoCreate tells whether a topic is created when a client first asks for it.
type AutoCreate int8

const (
	// AutoCreateByMode creates topics on first use in ModeDev only.
	AutoCreateByMode AutoCreate = iota
	// AutoCreateOff never does.
	AutoCreateOff
	// AutoCreateOn does.
	AutoCreateOn
)

// Insecure says whether addresses beyond loopback are accepted while there is no encryption and no authentication.
type Insecure int8

const (
	// InsecureRefused refuses them at start.
	InsecureRefused Insecure = iota
	// InsecureAllowed accepts them: everyone who can reach the address can read, write and delete everything.
	InsecureAllowed
)

// Profiles tells whether the admin address serves /debug/pprof/, which shows what the process has in memory and can be
// made to cost CPU time.
type Profiles int8

const (
	// ProfilesOff serves none.
	ProfilesOff Profiles = iota
	// ProfilesOn serves them, on a loopback address only.
	ProfilesOn
)

// TopicDefaults holds what a topic gets that does not say otherwise.
type TopicDefaults struct {
	// Partitions of a new topic. Default 1.
	Partitions int32
	// Replicas of each partition of a new topic. Default: one for each broker that is there, at most 3.
	Replicas int32
	// Settings by name, as a user writes them ("retention" = "7d"); they hold for every topic that does not
	// override them. The names and their values are metadata's table.
	Settings map[string]string
}

// Storage is the store's share of memory and disk. Zero fields take kv's and partitionlog's defaults.
type Storage struct {
	// CacheBytes is the block cache for reads from disk, in bytes.
	CacheBytes int64
	// MemTableBytes is the size of one memtable; up to four live at a time. It bounds the time a restart takes.
	MemTableBytes int64
	// RecentBytes is the memory for recently appended batches, from which consumers at the end are served.
	RecentBytes int64
	// MaxOpenFiles bounds the store's open files. Default: half of the process's limit, at most 10,000.
	MaxOpenFiles int
	// WALDir, when set, puts the write-ahead log on a disk of its own.
	WALDir string
	// FS replaces the disk in test builds; nil is the disk.
	FS kv.FS
}

// Limits bounds what clients can make the broker use.
type Limits struct {
	// Connections at a time, of Listen and of Kafka.Listen each. Default: what the process's file limit leaves beside
	// the store, at most 20,000; half of that with Kafka.Listen.
	Connections int
	// MemoryBytes bounds the memory of requests and answers under way; one half each. Default 512 MiB,
	// at least 32 MiB.
	MemoryBytes int64
	// FrameBytes is the largest request. Default 8 MiB, 64 KiB to 256 MiB.
	FrameBytes int
	// FetchBytes is the largest answer to a fetch, whatever the client asks for. Default 50 MiB, 1 MiB or more.
	FetchBytes int
	// FetchWait is the longest that a fetch waits for records. Default 30 s.
	FetchWait time.Duration
	// ProduceWait is the longest that a produce waits for its records to be durable. Default 60 s.
	ProduceWait time.Duration
	// Partitions of all topics together. Default 100,000.
	Partitions int
}

// Groups are the settings of consumer groups; each group keeps those that the broker had when it was read.
type Groups struct {
	group.Options

	// OffsetRetention is how long an offset is kept that nobody commits any more, while its group has no members;
	// 0, the default: for ever. 1 min or more.
	OffsetRetention time.Duration
}

// Version is what the broker says of itself.
type Version struct {
	// Number is the release, such as "0.1.0"; Commit is the source's revision. Default "dev", "unknown".
	Number, Commit string
}
