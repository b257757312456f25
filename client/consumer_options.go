package client

import "time"

// OutOfRange is what a Consumer does when its next offset lies outside the log, or records before the next one are
// missing.
type OutOfRange int8

// The policies for offsets out of range.
const (
	// Poll returns an error (ErrOffsetOutOfRange), and the partition waits for a Seek
	OutOfRangeFail    OutOfRange = iota
	OutOfRangeStart              // go on at the start of the log
	OutOfRangeEnd                // go on at the end of the log
	OutOfRangeNearest            // go on at the start if the offset lies before it, at the end if behind
)

// AddedPartitions is what a Consumer does about partitions that are added to a topic of which it reads all.
type AddedPartitions int8

// The policies for added partitions.
const (
	FollowAdded AddedPartitions = iota // read them from their start; looked for every Options.MetadataMaxAge
	IgnoreAdded                        // read only those that there were when Assign was called
)

// ConsumerOptions are the settings of a Consumer.
type ConsumerOptions struct {
	OutOfRange      OutOfRange
	AddedPartitions AddedPartitions

	MinBytes          int           // the broker answers a fetch once it has this many bytes for it; 1
	MaxBytes          int           // of records in one answer; 8 MiB. One batch is always admitted
	PartitionMaxBytes int           // of records of one partition in one answer; 1 MiB. One batch is always admitted
	MaxWait           time.Duration // how long the broker may wait for MinBytes; 500 ms
	MaxPollRecords    int           // the most records that one Poll returns; 1,000
	// MaxBufferedBytes bounds what is fetched ahead of Poll, as the broker sent it; 32 MiB. It is passed by at most
	// one batch for each connection: two to each broker that leads several of the partitions.
	MaxBufferedBytes int64
	// MaxBatchBytes bounds a batch once it is decompressed; 64 MiB. A larger one is an error of its partition.
	MaxBatchBytes int
}

func (o ConsumerOptions) withDefaults() ConsumerOptions {
	setDefault(&o.MinBytes, 1)
	setDefault(&o.MaxBytes, 8<<20)
	setDefault(&o.PartitionMaxBytes, min(1<<20, o.MaxBytes))
	setDefault(&o.MaxWait, 500*time.Millisecond)
	setDefault(&o.MaxPollRecords, 1000)
	setDefault(&o.MaxBufferedBytes, 32<<20)
	setDefault(&o.MaxBatchBytes, 64<<20)
	return o
}

func (o *ConsumerOptions) validate() error {
	var f faults
	f.check(o.OutOfRange >= OutOfRangeFail && o.OutOfRange <= OutOfRangeNearest, "OutOfRange: %d is unknown",
		int8(o.OutOfRange))
	f.check(o.AddedPartitions == FollowAdded || o.AddedPartitions == IgnoreAdded,
		"AddedPartitions: %d is unknown", int8(o.AddedPartitions))
	f.check(o.MinBytes > 0 && o.MinBytes <= o.MaxBytes, "MinBytes: %d, must be in 1..MaxBytes (%d)", o.MinBytes,
		o.MaxBytes)
	f.check(o.MaxBytes > 0 && o.MaxBytes <= 1<<30, "MaxBytes: %d, must be in 1..1 GiB", o.MaxBytes)
	f.check(o.PartitionMaxBytes > 0 && o.PartitionMaxBytes <= o.MaxBytes,
		"PartitionMaxBytes: %d, must be in 1..MaxBytes (%d)", o.PartitionMaxBytes, o.MaxBytes)
	f.check(o.MaxWait > 0 && o.MaxWait <= 5*time.Minute, "MaxWait: %v, must be in 0..5m", o.MaxWait)
	f.check(o.MaxPollRecords > 0, "MaxPollRecords: %d, must be positive", o.MaxPollRecords)
	f.check(o.MaxBufferedBytes > 0, "MaxBufferedBytes: %d, must be positive", o.MaxBufferedBytes)
	f.check(o.MaxBatchBytes > 0 && o.MaxBatchBytes <= 1<<31-1, "MaxBatchBytes: %d, must be in 1..2 GiB",
		o.MaxBatchBytes)
	return f.err("client.ConsumerOptions")
}
