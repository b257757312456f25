package broker

import (
	"sync"
	"sync/atomic"
)

// phase is where a broker is in its life; it only goes forward. In phaseStarting nothing but the phase may be looked
// at.
type phase int32

const (
	phaseStarting phase = iota
	phaseServing
	phaseStopping
)

// check is one line of the health page.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`

	// blocks: while the check fails the broker is not ready. The others make it degraded.
	blocks bool
}

// The words of healthReport.Status.
const (
	statusStarting = "starting" // not serving yet
	statusReady    = "ready"    // every check is fine
	statusDegraded = "degraded" // serves, but an operator should look
	statusNotReady = "not ready"
	statusStopping = "stopping"
)

// healthReport is what /readyz?verbose prints and describe_broker says.
type healthReport struct {
	Status string  `json:"status"`
	Reason string  `json:"reason,omitempty"` // of the first check that fails
	Checks []check `json:"checks"`
}

// ready tells whether clients should be sent here.
func (r healthReport) ready() bool { return r.Status == statusReady || r.Status == statusDegraded }

// health keeps what events have said. Safe for concurrent use.
type health struct {
	phase   atomic.Int32
	stalled atomic.Bool
	fatal   atomic.Pointer[string]
	damages atomic.Int64 // reads that met damage since start

	mu         sync.Mutex // guards what follows
	lastDamage string
}

// damaged notes damage that a read or the store itself has met.
func (h *health) damaged(what string) {
	h.damages.Add(1)
	h.mu.Lock()
	h.lastDamage = what
	h.mu.Unlock()
}

// report is the state of the broker in words.
func (b *Broker) report() healthReport {
	if phase(b.health.phase.Load()) == phaseStarting {
		return healthReport{Status: statusStarting, Reason: "opening the store", Checks: []check{}}
	}
	r := healthReport{Status: statusReady, Checks: []check{b.storageCheck(), b.damageCheck(), b.clockCheck()}}
	if b.replicas != nil {
		r.Checks = append(r.Checks, b.zooKeeperCheck(), b.replicationCheck())
	}
	for _, c := range r.Checks {
		if c.OK {
			continue
		}
		if r.Reason == "" {
			r.Reason = c.Detail
		}
		if c.blocks {
			r.Status = statusNotReady
		} else if r.Status == statusReady {
			r.Status = statusDegraded
		}
	}
	if phase(b.health.phase.Load()) == phaseStopping {
		r.Status, r.Reason = statusStopping, "shutting down"
	}
	return r
}

func (b *Broker) storageCheck() check {
	c := check{Name: "storage", OK: true, blocks: true}
	if msg := b.health.fatal.Load(); msg != nil {
		c.OK, c.Detail = false, "the store failed: "+*msg
	} else if err := b.store.Writable(); err != nil {
		c.OK, c.Detail = false, "read-only: "+err.Error()
	} else if b.health.stalled.Load() {
		c.Detail = "writes wait for compaction"
	}
	return c
}

func (b *Broker) damageCheck() check {
	c := check{Name: "data", OK: true}
	if b.health.damages.Load() > 0 {
		b.health.mu.Lock()
		c.OK, c.Detail = false, "damaged data was read: "+b.health.lastDamage
		b.health.mu.Unlock()
	}
	return c
}

func (b *Broker) clockCheck() check {
	c := check{Name: "clock", OK: true}
	if paused, reason := b.clock.paused(); paused {
		c.OK, c.Detail = false, "retention by time is paused: "+reason
	}
	return c
}
