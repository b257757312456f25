package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/units"
)

// Kind is how a key's value is written; it chooses the word after a flag's name and how the file writes the value.
type Kind int8

// The kinds of values.
const (
	Text     Kind = iota // quoted in the file
	Number               // bare in the file
	Switch               // true or false, bare in the file; the flag alone means true
	Duration             // "7d", quoted
	Bytes                // "64MiB", quoted, or a bare number
	List                 // ["a", "b"], or "a,b"
)

// String returns the word that stands for a value of this kind in --help.
func (k Kind) String() string {
	return [...]string{"text", "number", "switch", "duration", "size", "list"}[k]
}

// Key is one setting.
type Key struct {
	Name    string // dotted, as in the file: log.retention
	Kind    Kind
	Default string // as a user would write it; empty means not set
	Doc     string // what it does, in one line, without a full stop
	Accepts string // what may stand there, for messages; empty when the kind says it all

	// set puts the value into c, or says what is wrong with the text.
	set func(c *Config, text string) error
}

// Section returns the table of the file that the key is in, "" for the top.
func (k Key) Section() string {
	section, _, ok := strings.Cut(k.Name, ".")
	if !ok {
		return ""
	}
	return section
}

// Leaf returns the key's name within its section.
func (k Key) Leaf() string { return k.Name[strings.LastIndexByte(k.Name, '.')+1:] }

// Flag returns the key's flag without the dashes: log.retention-bytes.
func (k Key) Flag() string { return strings.ReplaceAll(k.Name, "_", "-") }

// Variable returns the key's environment variable: SKIDWAY_LOG_RETENTION_BYTES.
func (k Key) Variable() string {
	return "SKIDWAY_" + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// Keys returns all settings, in the order of the file: the top first, then section by section.
func Keys() []Key {
	return slices.Concat(topKeys(), kafkaKeys(), clusterKeys(), logKeys(), topicKeys(), groupKeys(), storageKeys(),
		limitKeys(), metricsKeys())
}

func topKeys() []Key {
	return []Key{
		{Name: "node_id", Kind: Number, Default: "1",
			Doc: "id of this broker; a data directory belongs to the id that created it",
			set: func(c *Config, s string) error { return setNumber(&c.NodeID, s, 1) }},
		{Name: "data_dir", Kind: Text,
			Doc: "where records are kept; by default $XDG_DATA_HOME/skidway, else ~/.local/share/skidway",
			set: func(c *Config, s string) error { c.DataDir = s; return nil }},
		{Name: "listen", Kind: Text, Default: "127.0.0.1:7440",
			Doc: "address for clients; port 0 takes any free port", Accepts: "HOST:PORT",
			set: func(c *Config, s string) error { return setAddress(&c.Listen, s) }},
		{Name: "advertise", Kind: Text,
			Doc: "address that clients are told to dial; by default the one listened on", Accepts: "HOST:PORT",
			set: func(c *Config, s string) error { return setAddress(&c.Advertise, s) }},
		{Name: "http", Kind: Text, Default: "127.0.0.1:7441",
			Doc: "address of /metrics, /livez and /readyz", Accepts: "HOST:PORT, or off",
			set: func(c *Config, s string) error { return setOr(&c.HTTP, s, "off", setAddress) }},
		{Name: "pprof", Kind: Switch, Default: "false",
			Doc: "serve /debug/pprof/ at the http address, which must be a loopback one, for go tool pprof",
			set: func(c *Config, s string) error { return setSwitch(&c.Profiles, s) }},
		{Name: "insecure", Kind: Switch, Default: "false",
			Doc: "allow addresses that other machines can reach, though there is no encryption or authentication yet",
			set: func(c *Config, s string) error { return setSwitch(&c.Insecure, s) }},
		{Name: "auto_create_topics", Kind: Switch, Default: "false",
			Doc: "create a topic when a client first asks for it; --dev turns it on",
			set: func(c *Config, s string) error { return setSwitch(&c.AutoCreateTopics, s) }},
		{Name: "log_format", Kind: Text, Default: "auto",
			Doc: "form of the broker's own messages", Accepts: "auto (words on a terminal, else text), text, json",
			set: func(c *Config, s string) error { return setWord(&c.LogFormat, s, "auto", "text", "json") }},
		{Name: "log_level", Kind: Text, Default: "info",
			Doc: "least severe of the broker's own messages to print", Accepts: "debug, info, warn, error",
			set: func(c *Config, s string) error {
				return setWord(&c.LogLevel, s, "debug", "info", "warn", "error")
			}},
	}
}

// kafkaKeys are those of the listener for Kafka's clients.
func kafkaKeys() []Key {
	return []Key{
		{Name: "kafka.enabled", Kind: Switch, Default: "false",
			Doc: "serve clients that speak Kafka's protocol, too; --dev turns it on",
			set: func(c *Config, s string) error { return setSwitch(&c.Kafka.Enabled, s) }},
		{Name: "kafka.listen", Kind: Text, Default: "127.0.0.1:9092",
			Doc: "address for Kafka's clients; port 0 takes any free port", Accepts: "HOST:PORT",
			set: func(c *Config, s string) error { return setAddress(&c.Kafka.Listen, s) }},
		{Name: "kafka.advertise", Kind: Text,
			Doc: "address that Kafka's clients are told to dial; by default the one listened on", Accepts: "HOST:PORT",
			set: func(c *Config, s string) error { return setAddress(&c.Kafka.Advertise, s) }},
	}
}

// clusterKeys are those of a broker that is not alone.
func clusterKeys() []Key {
	return []Key{
		{Name: "cluster.zookeeper", Kind: List,
			Doc:     "ZooKeeper servers that hold the cluster's metadata; without one the broker stands alone",
			Accepts: "HOST:PORT,...", set: func(c *Config, s string) error { return setAddresses(&c.Cluster.ZooKeeper, s) }},
		{Name: "cluster.chroot", Kind: Text, Default: "/skidway",
			Doc: "path in ZooKeeper below which the cluster's nodes lie",
			set: func(c *Config, s string) error { c.Cluster.Chroot = s; return nil }},
		{Name: "cluster.session_timeout", Kind: Duration, Default: "6s",
			Doc: "how long a broker may be silent before others take over its partitions",
			set: func(c *Config, s string) error { return setDuration(&c.Cluster.SessionTimeout, s) }},
		{Name: "cluster.listen", Kind: Text, Default: "127.0.0.1:7442",
			Doc: "address for the other brokers", Accepts: "HOST:PORT",
			set: func(c *Config, s string) error { return setAddress(&c.Cluster.Listen, s) }},
		{Name: "cluster.advertise", Kind: Text,
			Doc: "address that other brokers are told to dial; by default the one listened on", Accepts: "HOST:PORT",
			set: func(c *Config, s string) error { return setAddress(&c.Cluster.Advertise, s) }},
		{Name: "cluster.secret_file", Kind: Text,
			Doc: "file with what proves to other brokers that this one is of the cluster: the same on all, 16 bytes or more",
			set: func(c *Config, s string) error { c.SecretFile = s; return nil }},
		{Name: "cluster.rack", Kind: Text,
			Doc: "where the broker stands; replicas of a partition are put into different racks",
			set: func(c *Config, s string) error { c.Cluster.Rack = s; return nil }},
		{Name: "cluster.catch_up_rate", Kind: Bytes, Default: "none",
			Doc:     "bytes a second that the broker ships to replicas that are not in sync, all together",
			Accepts: "a size such as 50MB, or none",
			set:     func(c *Config, s string) error { return setOr(&c.Cluster.CatchUpBytes, s, "none", setBytes) }},
	}
}

func metricsKeys() []Key {
	return []Key{
		{Name: "metrics.per_partition", Kind: Switch, Default: "false",
			Doc: "show series of single partitions at /metrics, as many as are behind",
			set: func(c *Config, s string) error { return setSwitch(&c.PartitionMetrics, s) }},
	}
}

func logKeys() []Key {
	return []Key{
		topicSetting("log", "retention"),
		topicSetting("log", "retention_bytes"),
		{Name: "log.fsync", Kind: Text, Default: "batch",
			Doc: "when a record counts as stored (batch: synced to disk before every answer)", Accepts: "batch, interval, os",
			set: func(c *Config, s string) (err error) { c.Fsync, err = kv.ParseFsyncPolicy(s); return err }},
		{Name: "log.fsync_interval", Kind: Duration, Default: "50ms",
			Doc: "time between syncs with fsync = \"interval\": the most that a power loss can take",
			set: func(c *Config, s string) error { return setDuration(&c.FsyncInterval, s) }},
	}
}

func topicKeys() []Key {
	return []Key{
		{Name: "topic_defaults.partitions", Kind: Number, Default: "1",
			Doc: "partitions of a topic that is created without a number",
			set: func(c *Config, s string) error { return setNumber(&c.Partitions, s, 1) }},
		{Name: "topic_defaults.replicas", Kind: Number, Default: "auto",
			Doc:     "replicas of a topic that is created without a number; auto: one a broker, at most 3",
			Accepts: "a number, or auto",
			set: func(c *Config, s string) error {
				return setOr(&c.Replicas, s, "auto", func(to *int32, s string) error { return setNumber(to, s, 1) })
			}},
		topicSetting("topic_defaults", "min_in_sync"),
		topicSetting("topic_defaults", "max_batch_bytes"),
		topicSetting("topic_defaults", "timestamps"),
		topicSetting("topic_defaults", "timestamp_before_max"),
		topicSetting("topic_defaults", "timestamp_after_max"),
	}
}

// topicSetting makes the key that is the broker's value of a topic setting: its words, its default and its check are
// metadata's.
func topicSetting(section, name string) Key {
	kinds := map[string]Kind{"duration": Duration, "size": Bytes, "count": Number, "word": Text}
	for _, s := range metadata.SettingTable() {
		if s.Name != name {
			continue
		}
		doc := strings.ToLower(s.Doc[:1]) + strings.TrimSuffix(s.Doc[1:], ".")
		return Key{Name: section + "." + name, Kind: kinds[s.Kind], Default: s.Default, Doc: doc, Accepts: s.Bounds,
			set: func(c *Config, text string) error { return c.setTopicSetting(name, text) }}
	}
	panic("config: metadata has no topic setting " + name)
}

func (c *Config) setTopicSetting(name, text string) error {
	if strings.HasSuffix(text, "%") {
		return fmt.Errorf("%q: a share of the disk is not offered; give a size such as \"500GiB\"", text)
	}
	s := metadata.DefaultSettings()
	if err := s.Set(name, text); err != nil {
		return fmt.Errorf("%q: %w", text, innermost(err))
	}
	if c.TopicSettings == nil {
		c.TopicSettings = make(map[string]string)
	}
	c.TopicSettings[name] = text
	return nil
}

// innermost drops the classes that metadata puts around what is wrong with a value: the message names the key itself.
func innermost(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() []error })
		if !ok || len(u.Unwrap()) == 0 {
			return err
		}
		err = u.Unwrap()[len(u.Unwrap())-1]
	}
}

func groupKeys() []Key {
	return []Key{
		{Name: "groups.session_timeout", Kind: Duration, Default: "45s",
			Doc: "how long a member of a consumer group may be silent before its partitions go to others",
			set: func(c *Config, s string) error { return setDuration(&c.Groups.SessionTimeout, s) }},
		{Name: "groups.heartbeat_interval", Kind: Duration, Default: "auto",
			Doc:     "how often members are to be heard of; auto: 5s, or a third of the session timeout",
			Accepts: `a time such as "5s", or "auto"`,
			set:     func(c *Config, s string) error { return setOr(&c.Groups.HeartbeatInterval, s, "auto", setDuration) }},
		{Name: "groups.rebalance_timeout", Kind: Duration, Default: "60s",
			Doc: "how long a member that does not say so itself may take to let go of partitions",
			set: func(c *Config, s string) error { return setDuration(&c.Groups.RebalanceTimeout, s) }},
		{Name: "groups.assignor", Kind: Text, Default: "uniform",
			Doc: "how partitions are shared out in a group whose members do not ask otherwise", Accepts: "uniform, range",
			set: func(c *Config, s string) (err error) { c.Groups.Assignor, err = group.ParseAssignor(s); return err }},
		{Name: "groups.max_members", Kind: Number, Default: "10000",
			Doc: "members of one group at a time",
			set: func(c *Config, s string) error { return setCount(&c.Groups.MaxMembers, s) }},
		{Name: "groups.initial_rebalance_delay", Kind: Duration, Default: "auto",
			Doc:     "how long the first of a group of Kafka's consumers wait for others; auto: 3s, none in development mode",
			Accepts: `a time such as "3s", "none", or "auto"`,
			set: func(c *Config, s string) error {
				if s == "none" {
					c.Groups.InitialRebalanceDelay = -1
					return nil
				}
				return setOr(&c.Groups.InitialRebalanceDelay, s, "auto", setDuration)
			}},
		{Name: "groups.offset_retention", Kind: Duration, Default: "forever",
			Doc:     "how long an offset is kept that nobody commits any more, while its group has no members",
			Accepts: `a time such as "30d", or "forever"`,
			set:     func(c *Config, s string) error { return setOr(&c.OffsetRetention, s, "forever", setDuration) }},
	}
}

func storageKeys() []Key {
	return []Key{
		{Name: "storage.cache", Kind: Bytes, Default: "auto",
			Doc: "memory for reads of what lies on disk", Accepts: `a size such as "1GiB", or "auto"`,
			set: func(c *Config, s string) error { return setOr(&c.CacheBytes, s, "auto", setBytes) }},
		{Name: "storage.memtable", Kind: Bytes, Default: "auto",
			Doc:     "memory for what is not yet sorted onto disk; up to four of it, and a restart reads them back",
			Accepts: `a size such as "64MiB", or "auto"`,
			set:     func(c *Config, s string) error { return setOr(&c.MemTableBytes, s, "auto", setBytes) }},
		{Name: "storage.wal_dir", Kind: Text,
			Doc: "directory of the write-ahead log, to put it on a disk of its own; by default in data_dir",
			set: func(c *Config, s string) error { c.WALDir = s; return nil }},
	}
}

func limitKeys() []Key {
	return []Key{
		{Name: "limits.connections", Kind: Number, Default: "auto",
			Doc: "clients connected at a time; auto: what the process's file limit allows", Accepts: "a number, or auto",
			set: func(c *Config, s string) error { return setOr(&c.Connections, s, "auto", setCount) }},
		{Name: "limits.memory", Kind: Bytes, Default: "512MiB",
			Doc: "memory for requests and answers under way",
			set: func(c *Config, s string) error { return setBytes(&c.MemoryBytes, s) }},
		{Name: "limits.request", Kind: Bytes, Default: "8MiB",
			Doc: "largest request that is accepted; of Kafka's clients up to 100 MiB",
			set: func(c *Config, s string) error { return setBytes(&c.RequestBytes, s) }},
	}
}

func setNumber(to *int32, text string, least int64) error {
	n, err := strconv.ParseInt(text, 0, 32)
	if err != nil || n < least {
		return fmt.Errorf("%q is not a whole number from %d to 2147483647", text, least)
	}
	*to = int32(n)
	return nil
}

func setCount(to *int, text string) error {
	var n int32
	err := setNumber(&n, text, 1)
	*to = int(n)
	return err
}

func setSwitch(to *bool, text string) error {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		*to = true
	case "false", "no", "off", "0":
		*to = false
	default:
		return fmt.Errorf("%q is neither true nor false", text)
	}
	return nil
}

func setAddress(to *string, text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port number from 0 to 65535", text)
	}
	if strings.ContainsAny(host, " \t\n/") {
		return fmt.Errorf("%q has no host name", text)
	}
	*to = text
	return nil
}

func setAddresses(to *[]string, text string) error {
	*to = nil
	if text == "" {
		return nil
	}
	for _, part := range strings.Split(text, ",") {
		var address string
		if err := setAddress(&address, strings.TrimSpace(part)); err != nil {
			return err
		}
		*to = append(*to, address)
	}
	return nil
}

func setWord(to *string, text string, words ...string) error {
	if err := checkWord(text, words...); err != nil {
		return err
	}
	*to = text
	return nil
}

func setDuration(to *time.Duration, text string) error {
	d, err := units.ParseDuration(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%q is not more than nothing", text)
	}
	*to = d
	return err
}

func setBytes(to *int64, text string) error {
	n, err := units.ParseBytes(text)
	if err == nil && n <= 0 {
		err = fmt.Errorf("%q is not more than nothing", text)
	}
	*to = n
	return err
}

// setOr leaves the zero value when the text is the word for "not set here".
func setOr[T any](to *T, text, word string, set func(*T, string) error) error {
	if text == word {
		var zero T
		*to = zero
		return nil
	}
	return set(to, text)
}

func checkWord(text string, words ...string) error {
	if !slices.Contains(words, text) {
		return fmt.Errorf("%q is none of %s", text, strings.Join(words, ", "))
	}
	return nil
}
