package replication

import (
	"slices"
	"time"
)

// barrier finds out whether this replica still leads: every member of the maximal ISR
// says so after the question (section 9). No clock is trusted. The high watermark is then
// no older than the question, once it is no older than the epoch (KIP-207).
type barrier struct {
	round   uint64
	asked   []uint64 // requests of this round
	next    []uint64 // requests that came later
	missing []Member
	retry   time.Duration
}

func (b *barrier) running() bool { return len(b.asked)+len(b.next) > 0 }

func (r *Replica) onBarrier(ev Barrier) {
	if refused := r.refusesBarrier(); refused != 0 {
		r.emit(BarrierReply{ID: ev.ID, Result: refused})
		return
	}
	b := &r.lead.barrier
	b.next = append(b.next, ev.ID)
	if len(b.asked) == 0 {
		r.startRound()
	}
}

// refusesBarrier gives what is answered at once. With an ELR nobody may be left in the ISR to contradict this leader.
func (r *Replica) refusesBarrier() Result {
	switch {
	case r.role != Leader || r.suspect:
		return ResultNotLeader
	case len(r.state.ELR) > 0 || len(r.state.ISR) < int(r.state.MinISR):
		return ResultNotEnoughReplicas
	}
	return 0
}

func (r *Replica) startRound() {
	b := &r.lead.barrier
	b.round++
	b.asked, b.next = b.next, nil
	b.missing = slices.DeleteFunc(slices.Clone(r.maximalISR()), func(m Member) bool { return m == r.opts.Self })
	if r.opts.Testing.TellUnasked {
		b.missing = nil
	}
	r.probe()
	r.endRound()
}

func (r *Replica) probe() {
	b := &r.lead.barrier
	b.retry = r.now + r.opts.RetryEvery
	for _, m := range b.missing {
		r.emit(Send{m.Broker, Probe{r.epoch, b.round}})
	}
}

func (r *Replica) onProbeAck(m ProbeAck) {
	b := &r.lead.barrier
	if r.role != Leader || m.Epoch != r.epoch || m.Round != b.round {
		return
	}
	b.missing = slices.DeleteFunc(b.missing, func(x Member) bool { return x == m.From })
	r.endRound()
}

// endRound answers if nobody is missing. Who left the ISR cannot lead instead, and who joined it was taken in by this
// leader after the question: neither is waited for.
func (r *Replica) endRound() {
	b := &r.lead.barrier
	if len(b.asked) == 0 {
		return
	}
	members := r.maximalISR()
	b.missing = slices.DeleteFunc(b.missing, func(m Member) bool { return !slices.Contains(members, m) })
	if len(b.missing) > 0 || !r.Settled() && !r.opts.Testing.TellBeforeEpochStart {
		return
	}
	for _, id := range b.asked {
		r.emit(BarrierReply{ID: id, Result: ResultOK, End: r.hw})
	}
	b.asked = nil
	if len(b.next) > 0 {
		r.startRound()
	}
}

// barrierCheck refuses what is asked when the ISR fell below its minimum meanwhile.
func (r *Replica) barrierCheck() {
	if refused := r.refusesBarrier(); refused != 0 {
		r.refuseBarriers(refused)
	}
}

func (r *Replica) refuseBarriers(why Result) {
	b := &r.lead.barrier
	for _, id := range slices.Concat(b.asked, b.next) {
		r.emit(BarrierReply{ID: id, Result: why})
	}
	b.asked, b.next, b.missing = nil, nil, nil
}

func (r *Replica) barrierTick() {
	if b := &r.lead.barrier; len(b.asked) > 0 && r.now >= b.retry {
		r.probe()
	}
}
