package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The kinds of a run.
const (
	ModeProduce = "produce" // records are written
	ModeConsume = "consume" // records are written first, uncounted, then read
	ModeE2E     = "e2e"     // records are written and read at the same time
)

// Where records go.
const (
	KeysRandom = "random" // a random key each: by hash over all partitions
	KeysNone   = "none"   // no key: one partition until its batch is full, then another one
)

// The words of a switch.
const (
	On  = "on"
	Off = "off"
)

// Load describes a run in full. The zero value of each field but Mode means its default; Complete fills the defaults
// in. A Load is a value.
type Load struct {
	Name string `toml:"name" json:"name"` // for comparisons and reports; empty: described by its figures
	Note string `toml:"note" json:"note,omitempty"`
	Mode string `toml:"mode" json:"mode"` // ModeProduce, ModeConsume or ModeE2E

	Partitions int `toml:"partitions" json:"partitions"` // of the topic; 12
	// Replicas is the number of copies of each partition; 0: what the brokers take where nobody says.
	Replicas  int `toml:"replicas" json:"replicas,omitempty"`
	Producers int `toml:"producers" json:"producers"` // clients with a connection and a sending goroutine each; 1
	Consumers int `toml:"consumers" json:"consumers"` // clients that share the partitions; 1
	// CatchUp is the number of clients that read the topic from its start, again and again, while it is written: with
	// ModeE2E only; 0.
	CatchUp int    `toml:"catch_up" json:"catch_up,omitempty"`
	Size    Bytes  `toml:"size" json:"size"` // of a value, 40 B..64 MiB; 1 KiB. It does not compress
	Keys    string `toml:"keys" json:"keys"` // KeysRandom or KeysNone; KeysNone

	// Rate is the number of records a second, of all producers together: an open loop, in which the time to send each
	// record is fixed beforehand. 0: a closed loop, in which each answer makes room for the next record.
	Rate float64 `toml:"rate" json:"rate"`
	// Outstanding is the number of records that are sent and not answered, or with ModeE2E not answered or not
	// received, of all producers together. 0: as many as Buffer holds.
	Outstanding int `toml:"outstanding" json:"outstanding"`
	// Buffer bounds the values that are sent and not answered, of all producers together; 32 MiB.
	Buffer Bytes `toml:"buffer" json:"buffer"`

	Batch       Bytes  `toml:"batch" json:"batch"`             // at which a batch of one partition is complete; 128 KiB
	Linger      Span   `toml:"linger" json:"linger"`           // how long a batch waits for more; 0
	InFlight    int    `toml:"in_flight" json:"in_flight"`     // requests without an answer, a connection; 1..5; 5
	Compression string `toml:"compression" json:"compression"` // none, gzip, snappy, lz4, zstd; none
	Acks        string `toml:"acks" json:"acks"`               // all, leader, none; all
	Idempotence string `toml:"idempotence" json:"idempotence"` // On or Off; On

	FetchMin  Bytes `toml:"fetch_min" json:"fetch_min"`   // the broker answers a fetch once it has this; 1
	FetchMax  Bytes `toml:"fetch_max" json:"fetch_max"`   // of records in one answer; 8 MiB
	FetchWait Span  `toml:"fetch_wait" json:"fetch_wait"` // how long the broker may wait for FetchMin; 500 ms

	Duration Span  `toml:"duration" json:"duration"` // that is measured; 60 s, if Bytes is 0. Not with ModeConsume
	Bytes    Bytes `toml:"bytes" json:"bytes"`       // of values to write, warm-up and all; 0: no bound. To read: 1 GiB
	// WarmUp comes before what is measured; a fifth of Duration, at most 10 s; with ModeConsume none. Negative: none.
	WarmUp Span   `toml:"warm_up" json:"warm_up"`
	Verify string `toml:"verify" json:"verify"` // On: a ModeProduce run reads and checks what it wrote; On

	// Settings of the topic, in the words of the broker that is measured.
	Settings map[string]string `toml:"settings" json:"settings,omitempty"`
}

// Complete returns the load with its defaults filled in. The error names every fault.
func (l Load) Complete() (Load, error) {
	fill(&l.Mode, ModeE2E)
	fill(&l.Partitions, 12)
	fill(&l.Producers, 1)
	fill(&l.Consumers, 1)
	fill(&l.Size, 1<<10)
	fill(&l.Keys, KeysNone)
	fill(&l.Buffer, 32<<20)
	fill(&l.Batch, 128<<10)
	fill(&l.InFlight, 5)
	fill(&l.Compression, "none")
	fill(&l.Acks, "all")
	fill(&l.Idempotence, On)
	fill(&l.FetchMin, 1)
	fill(&l.FetchMax, 8<<20)
	fill(&l.FetchWait, Span(500*time.Millisecond))
	fill(&l.Verify, On)
	if l.Mode == ModeConsume {
		fill(&l.Bytes, 1<<30)
	}
	if l.Bytes == 0 {
		fill(&l.Duration, Span(time.Minute))
	}
	if l.WarmUp == 0 {
		l.WarmUp = min(l.Duration/5, Span(10*time.Second))
	}
	l.WarmUp = max(l.WarmUp, 0)
	return l, l.check()
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// check reports every fault of a completed load.
func (l *Load) check() error {
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	word := func(name, got string, words ...string) {
		want(slices.Contains(words, got), "%s: %q is none of %s", name, got, strings.Join(words, ", "))
	}
	word("mode", l.Mode, ModeProduce, ModeConsume, ModeE2E)
	word("keys", l.Keys, KeysRandom, KeysNone)
	word("compression", l.Compression, "none", "gzip", "snappy", "lz4", "zstd")
	word("acks", l.Acks, "all", "leader", "none")
	word("idempotence", l.Idempotence, On, Off)
	word("verify", l.Verify, On, Off)
	want(l.Partitions >= 1, "partitions: %d, must be at least 1", l.Partitions)
	want(l.Replicas >= 0 && l.Replicas <= 100, "replicas: %d, must be in 0..100", l.Replicas)
	want(l.Producers >= 1 && l.Producers <= 1000, "producers: %d, must be in 1..1000", l.Producers)
	want(l.Consumers >= 1 && l.Consumers <= 1000, "consumers: %d, must be in 1..1000", l.Consumers)
	want(l.CatchUp >= 0 && l.CatchUp <= 100, "catch_up: %d, must be in 0..100", l.CatchUp)
	want(l.CatchUp == 0 || l.Mode == ModeE2E, "catch_up: goes only with mode e2e")
	want(l.Size >= HeaderBytes && l.Size <= 64<<20, "size: %d, must be in %d bytes..64 MiB", l.Size, HeaderBytes)
	want(l.Rate >= 0, "rate: %g, must not be negative", l.Rate)
	want(l.Outstanding == 0 || l.Outstanding >= l.Producers, "outstanding: %d, must be at least the %d producers",
		l.Outstanding, l.Producers)
	want(l.Buffer >= l.Size*Bytes(l.Producers), "buffer: %v, must hold a record of each producer", l.Buffer)
	want(l.Batch >= 1<<10 && l.Batch <= 1<<30, "batch: %v, must be in 1 KiB..1 GiB", l.Batch)
	want(l.Linger >= 0, "linger: %v, must not be negative", l.Linger)
	want(l.InFlight >= 1 && l.InFlight <= 5, "in_flight: %d, must be in 1..5", l.InFlight)
	want(l.FetchMin >= 1 && l.FetchMin <= l.FetchMax, "fetch_min: %v, must be in 1..fetch_max (%v)", l.FetchMin,
		l.FetchMax)
	want(l.FetchMax <= 1<<30, "fetch_max: %v, must be at most 1 GiB", l.FetchMax)
	want(l.FetchWait > 0, "fetch_wait: %v, must be positive", l.FetchWait)
	want(l.Duration >= 0, "duration: %v, must not be negative", l.Duration)
	want(l.Bytes >= 0, "bytes: %v, must not be negative", l.Bytes)
	want(l.Acks == "all" || l.Idempotence == Off, "acks: %s goes only with idempotence off", l.Acks)
	want(l.Mode != ModeConsume || l.Duration == 0, "duration: a consume run ends when all is read; give bytes")
	return errors.Join(faults...)
}

// topic is the load's topic under a name.
func (l *Load) topic(name string) NewTopic {
	return NewTopic{Name: name, Partitions: l.Partitions, Replicas: l.Replicas, Settings: l.Settings}
}

// Slots is the number of records that a producer may have outstanding.
func (l *Load) Slots() int {
	n := l.Outstanding
	if n == 0 {
		n = int(l.Buffer / l.Size)
	}
	return max(n/l.Producers, 1)
}

// String describes the load in a line.
func (l *Load) String() string {
	var b strings.Builder
	switch {
	case l.Rate > 0:
		fmt.Fprintf(&b, "open loop %g rec/s x %v", l.Rate, l.Size)
	case l.Mode == ModeConsume:
		fmt.Fprintf(&b, "read %v of %v records", l.Bytes, l.Size)
	case l.Outstanding > 0:
		fmt.Fprintf(&b, "closed loop, %d records of %v in flight", l.Outstanding, l.Size)
	default:
		fmt.Fprintf(&b, "closed loop, buffer of %v kept full with records of %v", l.Buffer, l.Size)
	}
	fmt.Fprintf(&b, ", %d partitions", l.Partitions)
	if l.Replicas > 0 {
		fmt.Fprintf(&b, " of %d replicas", l.Replicas)
	}
	fmt.Fprintf(&b,
		", keys %s, acks=%s, batch %v / linger %v, %d requests in flight, compression %s, idempotence %s",
		l.Keys, l.Acks, l.Batch, l.Linger, l.InFlight, l.Compression, l.Idempotence)
	return b.String()
}
