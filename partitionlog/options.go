package partitionlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/skidway/skidway/kv"
)

const (
	// DefaultRecentBytes is the memory kept for recent batches of all logs.
	DefaultRecentBytes = 64 << 20
	// DefaultTimeRowBytes is the grain of the time index in bytes.
	DefaultTimeRowBytes = 64 << 10
	// DefaultTimeRowInterval is the grain of the time index in append time.
	DefaultTimeRowInterval = 500 * time.Millisecond
	// DefaultMaxProducers bounds the producers that one log remembers.
	DefaultMaxProducers = 1000
	// DefaultMaxProducersTotal bounds the producers held in memory by all logs.
	DefaultMaxProducersTotal = 250_000
	// DefaultProducerExpiry is how long a silent producer is remembered.
	DefaultProducerExpiry = 7 * 24 * time.Hour
)

// Options configure Logs. The zero value of each field is the default.
type Options struct {
	// RecentBytes bounds the memory for recent batches of all logs together;
	// readers at the end are served from it. Negative: none is kept.
	RecentBytes int64
	// TimeRowBytes and TimeRowInterval are the grain of the time index: a row
	// each so many bytes or so much append time of a log, whichever comes
	// first. 1 KiB to 64 MiB; 1 ms to 1 s.
	TimeRowBytes    int64
	TimeRowInterval time.Duration
	// MaxProducers bounds the idempotent producers that one log remembers, at
	// least 5. The one that was silent longest is forgotten first: a retry of
	// its last batches is refused then, not appended twice.
	MaxProducers int
	// MaxProducersTotal bounds, softly, the producers held in memory by all
	// logs: beyond it each log is cut down to 16.
	MaxProducersTotal int
	// ProducerExpiry is how long a producer that appends nothing is
	// remembered; at least a minute, and longer than any client retries.
	ProducerExpiry time.Duration
	// LeaderEpoch is stamped on what is appended: kv.Identity.LeaderEpoch.
	LeaderEpoch int32
	// Events are called as things happen; each may be nil.
	Events Events
}

// Events tell what an operator should hear of. They are called without any
// lock held and must not block.
type Events struct {
	// IndexRebuilt is called when rows of the time index were missing between
	// two offsets and have been made anew from the records there.
	IndexRebuilt func(p kv.Partition, from, to int64)
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	if o.RecentBytes == 0 {
		o.RecentBytes = DefaultRecentBytes
	}
	if o.TimeRowBytes == 0 {
		o.TimeRowBytes = DefaultTimeRowBytes
	}
	if o.TimeRowInterval == 0 {
		o.TimeRowInterval = DefaultTimeRowInterval
	}
	if o.MaxProducers == 0 {
		o.MaxProducers = DefaultMaxProducers
	}
	if o.MaxProducersTotal == 0 {
		o.MaxProducersTotal = DefaultMaxProducersTotal
	}
	if o.ProducerExpiry == 0 {
		o.ProducerExpiry = DefaultProducerExpiry
	}
	return o
}

// Validate reports every fault of the options at once, defaults filled in.
func (o Options) Validate() error {
	o = o.withDefaults()
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("partitionlog: "+format, args...))
		}
	}
	check(o.TimeRowBytes >= 1<<10 && o.TimeRowBytes <= 64<<20,
		"TimeRowBytes is %d, not within 1 KiB to 64 MiB", o.TimeRowBytes)
	check(o.TimeRowInterval >= time.Millisecond && o.TimeRowInterval <= time.Second,
		"TimeRowInterval is %v, not within 1ms to 1s", o.TimeRowInterval)
	check(o.MaxProducers >= 5, "MaxProducers is %d, less than 5", o.MaxProducers)
	check(o.MaxProducersTotal >= o.MaxProducers,
		"MaxProducersTotal is %d, less than MaxProducers, %d", o.MaxProducersTotal, o.MaxProducers)
	check(o.ProducerExpiry >= time.Minute, "ProducerExpiry is %v, less than a minute", o.ProducerExpiry)
	check(o.LeaderEpoch >= 0, "LeaderEpoch is %d, negative", o.LeaderEpoch)
	return errors.Join(faults...)
}
