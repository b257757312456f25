package client

import (
	"time"

	"github.com/skidway/skidway/record"
)

// Acks is what a producer waits for before it takes a record as written.
type Acks int8

// What a producer can wait for.
const (
	AcksAll    Acks = iota // durable on every in-sync replica
	AcksLeader             // durable on the leader
	AcksNone               // taken by the leader, not yet durable; offsets are not told
)

// wire returns the number that a produce request carries.
func (a Acks) wire() int8 { return [...]int8{AcksAll: -1, AcksLeader: 1, AcksNone: 0}[a] }

// String returns "all", "leader" or "none".
func (a Acks) String() string {
	return [...]string{AcksAll: "all", AcksLeader: "leader", AcksNone: "none"}[a]
}

// Idempotence tells whether a producer numbers its batches, so that the broker keeps one copy of each, in order,
// however often it is sent.
type Idempotence int8

// The policies of repetition.
const (
	// IdempotenceOn: a batch is repeated until its delivery time is over; the log holds one copy, in order (KIP-98).
	IdempotenceOn Idempotence = iota
	// IdempotenceOff: a batch that may have reached the broker is not repeated but fails with OutcomeUnknown. One
	// that the broker refused for the moment is repeated, and may then come after a later batch unless MaxInFlight is
	// 1.
	IdempotenceOff
)

// MissingTopics is what a producer does about a topic that does not exist.
type MissingTopics int8

// The policies for missing topics.
const (
	FailMissing   MissingTopics = iota // the record fails with ErrUnknownTopic
	CreateMissing                      // the broker is asked to create it, which it does if it is configured to
)

// ProducerOptions are the settings of a Producer. The zero value is a safe producer: AcksAll, idempotent.
type ProducerOptions struct {
	Acks        Acks
	Idempotence Idempotence
	Compression record.Codec  // of batches; None
	Partitioner Partitioner   // KeyHash if nil
	Missing     MissingTopics // what to do about topics that do not exist

	// Linger is how long a batch that is not full may wait for more records. 0: it goes as soon as a request may be
	// sent, so that under load batches still grow while requests are under way. Flush, Close and a full buffer cut it
	// short.
	Linger time.Duration
	// BatchBytes is the size at which a batch is complete, before compression; 128 KiB. It is lowered to what the
	// broker accepts. A record that is larger by itself is sent alone, if the broker accepts it.
	BatchBytes int
	// MaxInFlight is the number of unanswered requests a connection; 1..5; 5.
	MaxInFlight int
	// MaxRequestBytes bounds the batches of one request; 0: as much as fits the broker's largest frame. One batch is
	// always admitted.
	MaxRequestBytes int
	// MaxBufferedBytes bounds the records that are accepted and not yet answered; 64 MiB. Send and SendAsync block
	// while it is reached.
	MaxBufferedBytes int64
	// DeliveryTimeout is how long a record may take from SendAsync to its answer, repetitions included; 2 min. It is
	// looked at every twentieth of it, but at least once a second and at most every 5 ms.
	DeliveryTimeout time.Duration
}

func (o ProducerOptions) withDefaults() ProducerOptions {
	if o.Partitioner == nil {
		o.Partitioner = KeyHash
	}
	setDefault(&o.BatchBytes, 128<<10)
	setDefault(&o.MaxInFlight, 5)
	setDefault(&o.MaxBufferedBytes, 64<<20)
	setDefault(&o.DeliveryTimeout, 2*time.Minute)
	return o
}

func (o *ProducerOptions) validate() error {
	var f faults
	f.check(o.Acks >= AcksAll && o.Acks <= AcksNone, "Acks: %d is none of AcksAll, AcksLeader, AcksNone", int8(o.Acks))
	f.check(o.Idempotence == IdempotenceOn || o.Idempotence == IdempotenceOff, "Idempotence: %d is unknown",
		int8(o.Idempotence))
	f.check(o.Missing == FailMissing || o.Missing == CreateMissing, "Missing: %d is unknown", int8(o.Missing))
	f.check(o.Compression >= record.None && o.Compression <= record.Zstd, "Compression: %d is unknown",
		int8(o.Compression))
	f.check(o.Linger >= 0, "Linger: %v, must not be negative", o.Linger)
	f.check(o.BatchBytes > 0 && o.BatchBytes <= 1<<30, "BatchBytes: %d, must be in 1..1 GiB", o.BatchBytes)
	f.check(o.MaxInFlight >= 1 && o.MaxInFlight <= 5, "MaxInFlight: %d, must be in 1..5", o.MaxInFlight)
	f.check(o.MaxRequestBytes >= 0, "MaxRequestBytes: %d, must not be negative", o.MaxRequestBytes)
	f.check(o.MaxBufferedBytes > 0, "MaxBufferedBytes: %d, must be positive", o.MaxBufferedBytes)
	f.check(o.DeliveryTimeout > 0, "DeliveryTimeout: %v, must be positive", o.DeliveryTimeout)
	return f.err("client.ProducerOptions")
}
