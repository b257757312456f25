package replication

import (
	"slices"
	"time"
)

// isrChange is the one change of the state that a leader has under way.
type isrChange struct {
	active   bool
	state    State // as proposed
	checks   []Check
	unknown  bool // an attempt had no result: it may be applied yet
	inFlight bool
	rewrite  bool // writes the state as it is, only to move the version
	seq      int64
	retry    time.Duration
}

// propose writes a new state on top of the one that was read.
func (r *Replica) propose(next State, checks ...Check) {
	c := &r.lead.isr
	*c = isrChange{active: true, state: next, checks: checks}
	r.attempt()
	if r.opts.Testing.ShrinkBeforeResult && len(next.ISR) < len(r.state.ISR) {
		r.state.ISR = next.ISR
		r.advance()
	}
}

// attempt issues the write. However often it is issued with one version, one succeeds
// at most.
func (r *Replica) attempt() {
	c := &r.lead.isr
	c.inFlight, c.retry = true, r.now+r.opts.RetryEvery
	c.seq = r.nextSeq()
	r.emit(WriteState{Seq: c.seq, State: r.attempted(), Version: r.version, Checks: c.checks})
}

// nextSeq numbers the writes of this replica, so that no late result is taken for
// another's.
func (r *Replica) nextSeq() int64 {
	r.seq = max(r.seq, r.state.Change.Seq) + 1
	return r.seq
}

// attempted is the state that the newest attempt wrote.
func (r *Replica) attempted() State {
	c := &r.lead.isr
	next := c.state.Clone()
	if c.rewrite {
		next = r.state.Clone()
	}
	next.Change = Change{r.opts.Self.Broker, r.be, c.seq}
	return next
}

func (r *Replica) onWritten(ev Written) {
	c := &r.lead.isr
	if !c.active || ev.Seq != c.seq {
		return
	}
	c.inFlight = false
	outcome := ev.Outcome
	if outcome == OutcomeUnknown && r.opts.Testing.UnknownIsFailed {
		outcome = OutcomeCheckFailed
	}
	switch outcome {
	case OutcomeOK:
		next := r.attempted()
		c.active = false
		r.adopt(next, r.version+1)
	case OutcomeBadVersion:
		r.emit(ReadState{}) // until that is answered, the larger ISR counts (R5)
	case OutcomeFenced:
		r.stop()
		r.be = -1
	case OutcomeCheckFailed:
		if !c.unknown {
			c.active = false
			r.advance()
			return
		}
		// An earlier attempt may be applied yet, and its members count until the version
		// moves. A write of what is there moves it.
		c.rewrite, c.checks = true, nil
		r.attempt()
	case OutcomeUnknown:
		c.unknown = true
	}
}

// adoptISR takes over a state of the same epoch: a version above the one that the
// change was based on settles it.
func (r *Replica) adoptISR() {
	c := &r.lead.isr
	if c.active {
		c.active, c.inFlight = false, false
	}
	for i := range r.lead.followers {
		f := &r.lead.followers[i]
		if f.live && !slices.Contains(r.state.Replicas, f.member.Broker) {
			f.live = false
		}
	}
	r.barrierCheck()
	r.advance()
	r.considerISR()
}

// expel takes a member that lost its data out of the ISR and the ELR.
func (r *Replica) expel(m Subscribe) {
	reason := AlarmNotDurable
	if m.Void {
		reason = AlarmVoid
	}
	in := slices.Contains(r.state.ISR, m.From)
	if !in && !slices.Contains(r.state.ELR, m.From) || r.lead.isr.active {
		return
	}
	r.emit(Alarm{reason, m.From.Broker})
	isr := without(r.state.ISR, m.From.Broker)
	if in && len(isr) == 0 {
		return
	}
	next := r.state.withISR(isr, m.From)
	next.ELR = slices.DeleteFunc(next.ELR, func(e Member) bool { return e == m.From })
	r.propose(next)
}

// considerISR proposes the next change, shrinks before expands.
func (r *Replica) considerISR() {
	if r.role != Leader || r.lead.isr.active {
		return
	}
	keep := make([]Member, 0, len(r.state.ISR))
	for _, m := range r.state.ISR {
		if m == r.opts.Self || !r.lagging(m) {
			keep = append(keep, m)
		}
	}
	if len(keep) < len(r.state.ISR) && slices.Contains(keep, r.opts.Self) {
		r.propose(r.state.withISR(keep))
		return
	}
	for i := range r.lead.followers {
		f := &r.lead.followers[i]
		if !r.mayJoin(f) {
			continue
		}
		f.nextExpand = r.now + r.opts.ExpandEvery
		isr := append(without(r.state.ISR, f.member.Broker), f.member)
		r.propose(r.state.withISR(isr), Check{f.member.Broker, f.be})
		return
	}
}

func (r *Replica) lagging(m Member) bool {
	f := r.follower(m.Broker)
	if f == nil {
		return true
	}
	if f.member == m && f.live && f.durable >= r.end {
		return false
	}
	return r.now-f.caughtUp > r.opts.LagMax
}

// mayJoin tells whether the follower holds all that is committed, and all that was
// there when the epoch began (G8).
func (r *Replica) mayJoin(f *follower) bool {
	if !f.live || slices.Contains(r.state.ISR, f.member) || !slices.Contains(r.state.Replicas, f.member.Broker) {
		return false
	}
	least := max(r.hw, r.lead.epochStart)
	if r.opts.Testing.IgnoreEpochStart {
		least = 0
	}
	return f.durable >= least && r.now >= f.nextExpand
}

// resign gives the leadership back: this replica cannot serve the partition.
func (r *Replica) resign() {
	isr := without(r.state.ISR, r.opts.Self.Broker)
	if len(isr) == 0 {
		isr = without(r.state.ELR, r.opts.Self.Broker) // who hold all that is committed, too
	}
	if len(isr) == 0 {
		isr = r.state.ISR
	}
	next := r.state.withISR(isr, r.opts.Self)
	next.ELR = without(next.ELR, r.opts.Self.Broker)
	next.Leader, next.LastLeader = NoLeader, r.opts.Self.Broker
	next.Change = Change{r.opts.Self.Broker, r.be, r.nextSeq()}
	r.resignRetry = r.now + r.opts.RetryEvery
	r.emit(WriteState{Seq: next.Change.Seq, State: next, Version: r.version})
}

func (r *Replica) leaderIdle() bool {
	if r.lead.isr.active || r.lead.barrier.running() {
		return false
	}
	for i := range r.lead.followers {
		f := &r.lead.followers[i]
		if !f.live || f.durable < r.end || !slices.Contains(r.state.ISR, f.member) {
			return false
		}
	}
	return true
}

func (r *Replica) leaderTick() {
	c := &r.lead.isr
	if c.active && !c.inFlight && r.now >= c.retry {
		r.attempt()
	}
	r.barrierTick()
	r.shipAll()
	r.considerISR()
}
