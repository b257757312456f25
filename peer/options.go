package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options configures a Transport. Zero fields take the default named; fields without one are
// required.
type Options struct {
	// Listen is the address for other brokers, "host:port"; port 0 takes any.
	Listen string
	// Secret is the cluster's: the same on all brokers, at least 16 bytes from a random
	// source. It is never sent, logged, or part of an error.
	Secret []byte
	// Cluster is the cluster's id, 1 to 64 bytes.
	Cluster string
	// Self is this broker. Its Epoch is Unregistered or that of a registration, and is
	// changed by Transport.Renew.
	Self Incarnation
	// Logger gets what an operator should know; default: nothing is logged. What strangers
	// can cause is logged at most once a second.
	Logger *slog.Logger

	// WindowBytes is the credit of a link: the bytes of Data that are sent and not yet
	// released. The smaller one of both ends counts. 64 KiB to 1 GiB, default 8 MiB.
	WindowBytes int
	// QueueBytes bounds what waits to be sent on all links together; beyond it Data is
	// refused with ErrNoCredit. At least WindowBytes, default 256 MiB.
	QueueBytes int
	// MaxLinks is the most links that peers may have dialled; default 256.
	MaxLinks int

	// Heartbeat is how long a link may send nothing before it sends a heartbeat; default
	// 150 ms.
	Heartbeat time.Duration
	// Silence is how long a link may be silent, or take nothing of what is sent, before it is
	// cut: at least three heartbeats, default 3 s.
	Silence time.Duration
	// HandshakeTimeout bounds dialling, and the handshake that follows; default 5 s.
	HandshakeTimeout time.Duration
	// MaxBackoff bounds the pause between two attempts to dial a peer; default 2 s. The first
	// attempt after a link of some age breaks comes at once, the next after 50 ms or so.
	MaxBackoff time.Duration
}

const (
	minSecret   = 16
	maxCluster  = 64
	minWindow   = 64 << 10
	maxWindow   = 1 << 30
	firstPause  = 50 * time.Millisecond
	maxLinksTop = 100_000
)

func (o Options) withDefaults() Options {
	setDefault(&o.WindowBytes, 8<<20)
	setDefault(&o.QueueBytes, max(256<<20, o.WindowBytes))
	setDefault(&o.MaxLinks, 256)
	setDefault(&o.Heartbeat, 150*time.Millisecond)
	setDefault(&o.Silence, 3*time.Second)
	setDefault(&o.HandshakeTimeout, 5*time.Second)
	setDefault(&o.MaxBackoff, 2*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// validate reports every fault at once. It never shows the secret.
func (o Options) validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("peer: "+format, args...))
		}
	}
	check(len(o.Secret) >= minSecret, "Secret has %d bytes, at least %d are needed", len(o.Secret), minSecret)
	check(len(o.Cluster) > 0 && len(o.Cluster) <= maxCluster,
		"Cluster has %d bytes, 1 to %d are accepted", len(o.Cluster), maxCluster)
	check(o.Self.Broker >= 0, "Self.Broker is %d, it must not be negative", o.Self.Broker)
	check(o.Self.Epoch >= Unregistered, "Self.Epoch is %d, at least %d is accepted", o.Self.Epoch, Unregistered)
	check(o.WindowBytes >= minWindow && o.WindowBytes <= maxWindow,
		"WindowBytes is %d, %d to %d are accepted", o.WindowBytes, minWindow, maxWindow)
	check(o.QueueBytes >= o.WindowBytes, "QueueBytes is %d, at least WindowBytes (%d) is needed",
		o.QueueBytes, o.WindowBytes)
	check(o.MaxLinks > 0 && o.MaxLinks <= maxLinksTop, "MaxLinks is %d, 1 to %d are accepted", o.MaxLinks, maxLinksTop)
	check(o.Heartbeat > 0, "Heartbeat is %v, it must be positive", o.Heartbeat)
	check(o.Silence >= 3*o.Heartbeat, "Silence is %v, at least three Heartbeats (%v) are needed", o.Silence, o.Heartbeat)
	check(o.HandshakeTimeout > 0, "HandshakeTimeout is %v, it must be positive", o.HandshakeTimeout)
	check(o.MaxBackoff >= firstPause, "MaxBackoff is %v, at least %v is needed", o.MaxBackoff, firstPause)
	return errors.Join(faults...)
}
