package client

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// DefaultAddress is where a broker listens unless it is told otherwise, and where Connect looks when it gets no
// address.
const DefaultAddress = "127.0.0.1:7440"

// Options are the settings of a Client. The zero value is right for a broker that is near.
type Options struct {
	ClientName    string        // shown in the broker's log, 1..255 bytes; "skidway-go" if empty
	ClientVersion string        // shown in the broker's log, at most 255 bytes; may be empty
	DialTimeout   time.Duration // for one address, hello included; 3 s
	// one request of an Admin or for metadata, its repetitions included; one try of a produce; 10 s
	RequestTimeout time.Duration
	MetadataMaxAge time.Duration // what is known of topics is asked for again when it is this old; 5 min
	RetryMin       time.Duration // the first pause before a repetition; 20 ms. It doubles, with jitter
	RetryMax       time.Duration // the longest pause before a repetition; 1 s
	Logger         *slog.Logger  // reconnections, skipped records; nil: nowhere
	Hooks          Hooks         // for metrics
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	setDefault(&o.ClientName, "skidway-go")
	setDefault(&o.DialTimeout, 3*time.Second)
	setDefault(&o.RequestTimeout, 10*time.Second)
	setDefault(&o.MetadataMaxAge, 5*time.Minute)
	setDefault(&o.RetryMin, 20*time.Millisecond)
	setDefault(&o.RetryMax, max(time.Second, o.RetryMin))
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// validate reports every fault.
func (o *Options) validate() error {
	var f faults
	f.check(len(o.ClientName) <= 255, "ClientName: %d bytes, at most 255 allowed", len(o.ClientName))
	f.check(len(o.ClientVersion) <= 255, "ClientVersion: %d bytes, at most 255 allowed", len(o.ClientVersion))
	f.check(o.DialTimeout > 0, "DialTimeout: %v, must be positive", o.DialTimeout)
	f.check(o.RequestTimeout > 0, "RequestTimeout: %v, must be positive", o.RequestTimeout)
	f.check(o.MetadataMaxAge > 0, "MetadataMaxAge: %v, must be positive", o.MetadataMaxAge)
	f.check(o.RetryMin > 0, "RetryMin: %v, must be positive", o.RetryMin)
	f.check(o.RetryMax >= o.RetryMin, "RetryMax: %v, must not be below RetryMin (%v)", o.RetryMax, o.RetryMin)
	return f.err("client.Options")
}

// pauses makes the sequence of pauses between repetitions.
func (o *Options) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = o.RetryMin, o.RetryMax, 2, 0.3
	b.Reset()
	return b
}

// setDefault sets what is zero.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// faults gathers what is wrong with an options struct.
type faults []error

func (f *faults) check(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

func (f faults) err(what string) error {
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", what, errors.Join(f...))
}
