package group

import (
	"errors"
	"fmt"
	"time"
)

// Bounds of what a request may hold. They keep every node below metadata.MaxNodeBytes.
const (
	MaxGroupIDBytes      = 255       // of a group id
	MaxMemberIDBytes     = 128       // of a member id
	MaxTextBytes         = 255       // of an instance id, client id, host or rack
	MaxRegexBytes        = 1024      // of a subscription's pattern
	MaxSubscribedTopics  = 10_000    // names in one subscription
	MaxSubscriptionBytes = 128 << 10 // sum of the names of one subscription
	MaxHistory           = 20        // rebalances remembered
	MaxRebalanceTimeout  = time.Hour // that a member may ask for
)

// Options are the settings of a group. The zero value of a field means its default.
type Options struct {
	// SessionTimeout is how long a member may be silent before it is removed; also how long the place of a
	// static member that is away is kept. 1 s to 30 min, default 45 s.
	SessionTimeout time.Duration
	// HeartbeatInterval is how often members are told to send. At most a third of SessionTimeout, default 5 s or that.
	HeartbeatInterval time.Duration
	// RebalanceTimeout is how long a member may take to let go of partitions, when it does not say so itself.
	// 1 ms to MaxRebalanceTimeout, default 60 s.
	RebalanceTimeout time.Duration
	// AssignInterval is the shortest time between two computations of the target assignment. The first change
	// after a quiet time is acted on at once; what follows within the interval is gathered. 0 to 1 min, default
	// 50 ms; negative: none.
	AssignInterval time.Duration
	// MaxMembers bounds the members. 1 to 100,000, default 10,000.
	MaxMembers int
	// Assignor is used unless the members ask for another. Default Uniform.
	Assignor Assignor
	// InitialRebalanceDelay is how long the first members of an empty classic group wait for others. 0 to 5 min, default
	// 3 s; negative: not at all.
	InitialRebalanceDelay time.Duration
}

// WithDefaults returns the options with each unset field at its default.
func (o Options) WithDefaults() Options {
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 45 * time.Second
	}
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval = min(5*time.Second, o.SessionTimeout/3)
	}
	if o.RebalanceTimeout == 0 {
		o.RebalanceTimeout = time.Minute
	}
	switch {
	case o.AssignInterval == 0:
		o.AssignInterval = 50 * time.Millisecond
	case o.AssignInterval < 0:
		o.AssignInterval = -1
	}
	if o.MaxMembers == 0 {
		o.MaxMembers = 10_000
	}
	if o.Assignor == 0 {
		o.Assignor = Uniform
	}
	switch {
	case o.InitialRebalanceDelay == 0:
		o.InitialRebalanceDelay = 3 * time.Second
	case o.InitialRebalanceDelay < 0:
		o.InitialRebalanceDelay = -1
	}
	return o
}

// Validate returns nil, or all that is wrong with the options after WithDefaults.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.SessionTimeout >= time.Second && o.SessionTimeout <= 30*time.Minute,
		"session timeout %v: must be 1s to 30m", o.SessionTimeout)
	check(o.HeartbeatInterval > 0 && o.HeartbeatInterval <= o.SessionTimeout/3,
		"heartbeat interval %v: must be more than 0 and at most a third of the session timeout, %v",
		o.HeartbeatInterval, o.SessionTimeout)
	check(o.RebalanceTimeout >= time.Millisecond && o.RebalanceTimeout <= MaxRebalanceTimeout,
		"rebalance timeout %v: must be 1ms to %v", o.RebalanceTimeout, MaxRebalanceTimeout)
	check(o.AssignInterval <= time.Minute, "assign interval %v: must be at most 1m", o.AssignInterval)
	check(o.MaxMembers >= 1 && o.MaxMembers <= 100_000, "max members %d: must be 1 to 100000", o.MaxMembers)
	check(o.InitialRebalanceDelay <= 5*time.Minute, "initial rebalance delay %v: must be at most 5m",
		o.InitialRebalanceDelay)
	check(o.Assignor == Range || o.Assignor == Uniform, "assignor %v: must be range or uniform", o.Assignor)
	return errors.Join(errs...)
}
