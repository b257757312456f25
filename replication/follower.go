package replication

import (
	"slices"
	"time"
)

// following is a follower's own state.
type following struct {
	stream   uint64 // of the newest subscription; never used twice
	retry    time.Duration
	leaderHW int64
}

// startFollowing takes up the epoch of the state: its promise first, unless it is
// promised already.
func (r *Replica) startFollowing() {
	r.follow.leaderHW = 0
	if r.state.LeaderEpoch > r.promised || r.settling {
		r.promise(r.state.LeaderEpoch, false)
		return
	}
	r.epoch = r.state.LeaderEpoch
	r.subscribe()
}

func (r *Replica) subscribe() {
	r.phase = phaseSubscribing
	r.follow.stream++
	r.follow.retry = r.now + r.opts.RetryEvery
	r.emit(Send{r.state.Leader, Subscribe{
		From: r.opts.Self, BrokerEpoch: r.be, Stream: r.follow.stream, Epoch: r.epoch, End: r.end, Durable: r.durable,
		LastEpoch: r.history.At(r.end - 1), Void: r.void,
	}})
}

// onLeader takes a message that a leader sends. It counts only if it was said in the
// follower's own epoch (KIP-320), to its newest subscription.
func (r *Replica) onLeader(from int32, m Message) {
	if p, ok := m.(Probe); ok {
		if r.promised == p.Epoch && r.phase != phasePromising && r.role == Follower {
			r.emit(Send{from, ProbeAck{r.opts.Self, p.Epoch, p.Round}})
		}
		return
	}
	if r.role != Follower || from != r.state.Leader {
		return
	}
	current := func(epoch int32, stream uint64, p phase) bool {
		return epoch == r.epoch && r.promised == r.epoch && stream == r.follow.stream && r.phase == p
	}
	switch m := m.(type) {
	case Subscribed:
		if current(m.Epoch, m.Stream, phaseSubscribing) && !r.void {
			r.phase = phaseStreaming
			r.emit(Send{from, Ack{Epoch: r.epoch, Stream: r.follow.stream, Durable: r.durable}})
		}
	case Diverged:
		if current(m.Epoch, m.Stream, phaseSubscribing) && !r.void {
			r.onDiverged(m)
		}
	case OutOfRange:
		if current(m.Epoch, m.Stream, phaseSubscribing) && !r.void {
			r.onOutOfRange(m)
		}
	case Refused: // the retry is under way
	case Released:
		// Nobody counts on this log any more, which the leader alone can say: the state may be an old one.
		if current(m.Epoch, m.Stream, phaseSubscribing) && r.void {
			r.void = false
			r.reset(OutOfRange{})
		}
	case Data:
		if current(m.Epoch, m.Stream, phaseStreaming) {
			r.onData(m)
		}
	}
}

// onRejected leaves the stream: where the log ends is to be found out, which a promise of the same epoch does. It waits
// before that, since what is in the way (a full disk) may last.
func (r *Replica) onRejected(ev Rejected) {
	if r.role != Follower || ev.Generation != r.generation || r.phase != phaseStreaming {
		return
	}
	r.emit(Send{r.state.Leader, Drop{r.epoch, r.follow.stream}})
	r.settling, r.phase = true, phaseRejected
	r.follow.retry = r.now + r.opts.RetryEvery
}

// onDiverged cuts to where both logs agree for certain, and asks again (KIP-279).
func (r *Replica) onDiverged(m Diverged) {
	floor, end := r.history.EndOffset(m.Floor, r.end)
	switch {
	case floor == NoEpoch:
		end = min(m.End, r.end)
	case floor == m.Floor:
		end = min(m.End, end)
	default:
		end = min(end, r.end)
	}
	if end >= r.end {
		return // nothing to cut: the retry asks again
	}
	if end < r.dataStart {
		r.cutTo(end, func() { r.reset(OutOfRange{DataStart: end, LogStart: end}) })
		return
	}
	r.cutTo(end, func() {
		r.generation++
		r.settling = true
		r.phase = phaseCutting
		r.emit(Truncate{r.generation, end})
	})
}

// cutTo cuts unless that would take away what was committed (G9).
func (r *Replica) cutTo(end int64, cut func()) {
	if end < r.hw && !r.uncleanSince(r.history.At(end)) {
		r.phase = phaseQuarantined
		r.emit(Alarm{AlarmQuarantined, r.opts.Self.Broker})
		return
	}
	cut()
}

// uncleanSince tells whether an election after the epoch was unclean.
func (r *Replica) uncleanSince(epoch int32) bool {
	return slices.ContainsFunc(r.state.UncleanEpochs, func(e int32) bool { return e > epoch && e <= r.epoch })
}

// onOutOfRange begins anew at the leader's data start, never with less than it held (G22).
func (r *Replica) onOutOfRange(m OutOfRange) {
	r.cutTo(max(m.DataStart, 0), func() { r.reset(m) })
}

func (r *Replica) reset(to OutOfRange) {
	r.generation++
	r.settling = true
	r.phase = phaseCutting
	r.dataStart, r.logStart, r.hw = to.DataStart, to.LogStart, to.LogStart
	r.emit(Reset{r.generation, to.DataStart, to.LogStart, slices.Clone(to.History), to.Producers})
}

func (r *Replica) onCut(ev Cut) {
	removed := r.phase == phaseRemoving
	if ev.Generation != r.generation || r.phase != phaseCutting && !removed {
		return
	}
	r.settling = false
	r.setLog(ev.End, ev.History)
	if removed {
		r.void = false
		return
	}
	r.phase = phaseNone
	if r.state.LeaderEpoch > r.promised {
		r.promise(r.state.LeaderEpoch, false)
		return
	}
	r.subscribe()
}

// onData appends what continues the log without a gap, and leaves the stream otherwise:
// nothing is repaired in place.
func (r *Replica) onData(m Data) {
	last := r.history.At(r.end - 1)
	good := m.Base == r.end && m.Previous == last
	next := m.Base
	for _, b := range m.Batches {
		good = good && b.Base == next && b.End > b.Base && b.Epoch >= last && b.Epoch <= r.epoch
		next, last = b.End, b.Epoch
	}
	if !good {
		r.emit(Send{r.state.Leader, Drop{r.epoch, m.Stream}})
		r.subscribe()
		return
	}
	r.follow.leaderHW = max(r.follow.leaderHW, m.HW)
	r.hw = max(r.hw, min(m.HW, r.durable))
	r.logStart = max(r.logStart, min(m.LogStart, r.hw))
	if len(m.Batches) == 0 {
		return
	}
	for _, b := range m.Batches {
		r.history.Add(b.Epoch, b.Base)
	}
	r.end = next
	r.emit(Append{r.generation, slices.Clone(m.Batches)})
}
