package client

import (
	"context"
	"time"
)

// CommitMode is when a GroupConsumer commits.
type CommitMode int8

// The modes of committing.
const (
	// CommitMarked: what the program has marked is committed every CommitInterval, before a partition is let go,
	// and by Close.
	CommitMarked CommitMode = iota
	CommitManual            // nothing is committed but by Commit and CommitOffsets
)

// NoOffset is where a GroupConsumer begins in a partition for which the group has committed nothing.
type NoOffset int8

// The places to begin without a committed offset.
const (
	NoOffsetStart NoOffset = iota // the first record that the log holds
	NoOffsetEnd                   // behind the last record that is durable when the partition is given
	NoOffsetFail                  // Poll returns an error (ErrNoOffset), and the partition waits for a Seek
)

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// GroupOptions are the settings of a GroupConsumer. The zero value reads each partition from where the group is, or
// from its start, and commits in the background what the program has marked.
//
// The hooks are called on the goroutines of Poll, Records and Close, between records, one at a time; no lock is
// held. They may use the GroupConsumer, but must not call Poll, Records, Close or Leave. For each partition
// OnAssigned comes first, and then exactly one of OnRevoked and OnLost.
type GroupOptions struct {
	// Consumer holds the settings of fetching. AddedPartitions is not used: the coordinator gives added partitions.
	Consumer ConsumerOptions
	// Regex subscribes to the topics whose whole name matches it, too (RE2's syntax); empty: none. It never matches
	// names that start with "__". Topics that come later are picked up.
	Regex string
	// Assignor that this member would have: "range" or "uniform"; empty: any. Most members' wish counts.
	Assignor string
	// InstanceID makes the member a static one: its place is kept while it restarts. At most one living member of
	// the group may have it. Empty: none.
	InstanceID string
	Rack       string // where the member is; shown, and not used yet
	NoOffset   NoOffset

	Commit         CommitMode
	CommitInterval time.Duration // between commits in the background; 5 s

	// MaxProcessing is how long the program may take from one Poll to the next, or for one record of Records; 5 min.
	// If it takes longer, the member leaves the group, for others to go on, and joins again with the next Poll
	// (Kafka's max.poll.interval). Membership does not depend on it otherwise: heartbeats go on meanwhile.
	MaxProcessing time.Duration
	// RebalanceTimeout is how long a partition that is to go elsewhere may take to be let go, the record at hand and
	// OnRevoked included; 1 ms to 1 h; as MaxProcessing. After nine tenths of it the partition is lost.
	RebalanceTimeout time.Duration

	// OnAssigned tells of partitions before their first records come. It may Seek and Pause.
	OnAssigned func(ctx context.Context, g *GroupConsumer, parts []TopicPartition)
	// OnRevoked tells of partitions that go elsewhere. No record of them comes any more, and they are let go only
	// when it has returned: it may commit. ctx ends when they are lost all the same, as RebalanceTimeout says.
	OnRevoked func(ctx context.Context, g *GroupConsumer, parts []TopicPartition)
	// OnLost tells of partitions that are not this member's any more, and may be another's already: it cannot commit
	// for them. why tells how: the member was fenced or its session ended, or it took longer than MaxProcessing or
	// RebalanceTimeout (ErrTooSlow).
	OnLost func(ctx context.Context, g *GroupConsumer, parts []TopicPartition, why error)
	// OnCommit follows each commit that was made in the background or before a partition is let go; a failure is
	// logged besides. It is called on a goroutine of the GroupConsumer or one of those of the other hooks.
	OnCommit func(offsets []Offset, err error)
}

func (o GroupOptions) withDefaults() GroupOptions {
	o.Consumer = o.Consumer.withDefaults()
	setDefault(&o.CommitInterval, 5*time.Second)
	setDefault(&o.MaxProcessing, 5*time.Minute)
	setDefault(&o.RebalanceTimeout, min(o.MaxProcessing, time.Hour))
	return o
}

func (o *GroupOptions) validate() error {
	var f faults
	if err := o.Consumer.validate(); err != nil {
		f = append(f, err)
	}
	f.check(o.Commit == CommitMarked || o.Commit == CommitManual, "Commit: %d is unknown", int8(o.Commit))
	f.check(o.NoOffset >= NoOffsetStart && o.NoOffset <= NoOffsetFail, "NoOffset: %d is unknown", int8(o.NoOffset))
	f.check(o.CommitInterval > 0, "CommitInterval: %v, must be positive", o.CommitInterval)
	f.check(o.MaxProcessing > 0, "MaxProcessing: %v, must be positive", o.MaxProcessing)
	f.check(o.RebalanceTimeout >= time.Millisecond && o.RebalanceTimeout <= time.Hour,
		"RebalanceTimeout: %v, must be in 1ms..1h", o.RebalanceTimeout)
	return f.err("client.GroupOptions")
}
