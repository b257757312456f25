package replication

import (
	"math"
	"slices"
	"time"
)

// leading is a leader's own state, anew in each epoch.
type leading struct {
	epochStart int64
	followers  []follower // in order of broker
	waiting    []waiting  // appends in order of offset
	isr        isrChange
	barrier    barrier
}

// follower is what a leader knows of one replica in its own epoch.
type follower struct {
	member     Member
	be         int32
	stream     uint64
	live       bool  // subscribed
	sent       int64 // <= the leader's applied end
	durable    int64 // durable end as acknowledged in this epoch; -1: nothing yet
	caughtUp   time.Duration
	mark       int64 // once durable reaches it, caughtUp is markAt
	markAt     time.Duration
	nextExpand time.Duration
}

// waiting is an append whose producer waits.
type waiting struct {
	id  uint64
	end int64
	all bool
}

func (r *Replica) startLeading() {
	r.role = Leader
	r.lead = leading{epochStart: r.end}
	for _, id := range r.state.Replicas {
		if id != r.opts.Self.Broker {
			r.lead.followers = append(r.lead.followers, follower{
				member: Member{Broker: id}, be: -1, durable: -1, caughtUp: r.now,
			})
		}
	}
	slices.SortFunc(r.lead.followers, func(a, b follower) int { return int(a.member.Broker) - int(b.member.Broker) })
	r.advance()
}

// stopLeading answers all who wait. What they appended may survive (P5).
func (r *Replica) stopLeading() {
	for _, w := range r.lead.waiting {
		r.emit(Reply{ID: w.id, Result: ResultUnknown})
	}
	r.refuseBarriers(ResultNotLeader)
	r.lead = leading{}
}

func (r *Replica) follower(broker int32) *follower {
	for i := range r.lead.followers {
		if r.lead.followers[i].member.Broker == broker {
			return &r.lead.followers[i]
		}
	}
	return nil
}

// stepLeader takes the events that only a leader acts on.
func (r *Replica) stepLeader(ev Event) {
	switch ev := ev.(type) {
	case Produce:
		r.onProduce(ev)
	case Barrier:
		r.onBarrier(ev)
	case Written:
		r.onWritten(ev)
	case Trimmed:
		r.logStart = max(r.logStart, min(ev.LogStart, r.hw))
		r.dataStart = max(r.dataStart, min(ev.DataStart, r.logStart))
		r.dropBehind()
	case Shipped:
		if f := r.follower(ev.To); f != nil && f.live && f.stream == ev.Stream {
			f.sent = max(f.sent, ev.End)
			r.ship(f)
		}
	}
}

// dropBehind ends the streams that the log does not reach back to any more. What does not continue a follower's log
// lets it subscribe again, and begin anew (G22).
func (r *Replica) dropBehind() {
	for i := range r.lead.followers {
		if f := &r.lead.followers[i]; f.live && f.sent < r.dataStart {
			r.unsubscribe(f)
			r.emit(Send{f.member.Broker, Data{
				Epoch: r.epoch, Stream: f.stream, Previous: r.history.At(r.dataStart - 1), Base: r.dataStart, HW: r.hw,
				LogStart: r.logStart,
			}})
		}
	}
}

// Refuses gives what a Produce would be answered with at once, nothing being appended; 0: it would be appended. Who is
// suspect takes nothing unless all follow that might be elected in its place (E1): it would never be committed, and the
// producer would wait for it in vain.
func (r *Replica) Refuses(all bool, records int64) Result {
	switch {
	case r.role != Leader, r.suspect && !(all && r.followed()):
		return ResultNotLeader
	case all && len(r.state.ISR) < int(r.state.MinISR) && !r.opts.Testing.IgnoreMinISR:
		return ResultNotEnoughReplicas
	case records <= 0 || r.end > math.MaxInt64-records:
		return ResultNotLeader // the log is at its end; partitionlog says so first
	}
	return 0
}

func (r *Replica) onProduce(p Produce) {
	if refused := r.Refuses(p.All, p.Records); refused != 0 {
		r.emit(Reply{ID: p.ID, Result: refused})
		return
	}
	end := p.Duplicate
	if end == 0 {
		base := r.end
		end = base + p.Records
		r.leaveCaughtUp()
		r.history.Add(r.epoch, base)
		r.end = end
		r.emit(Append{r.generation, []Batch{{base, end, r.epoch, p.Batch}}})
	}
	i := len(r.lead.waiting)
	for i > 0 && r.lead.waiting[i-1].end > end {
		i--
	}
	r.lead.waiting = slices.Insert(r.lead.waiting, i, waiting{p.ID, end, p.All})
	r.reply()
}

// leaveCaughtUp notes, before the end moves, until when the followers were caught up.
func (r *Replica) leaveCaughtUp() {
	for i := range r.lead.followers {
		if f := &r.lead.followers[i]; f.live && f.durable >= r.end {
			f.caughtUp, f.mark, f.markAt = r.now, r.end, r.now
		}
	}
}

// onFollower takes a message that a follower sends.
func (r *Replica) onFollower(from int32, m Message) {
	switch m := m.(type) {
	case Subscribe:
		if m.From.Broker == from {
			r.onSubscribe(m)
		}
	case Ack:
		r.onAck(from, m)
	case Drop:
		if f := r.follower(from); r.role == Leader && f != nil && m.Epoch == r.epoch && m.Stream == f.stream {
			r.unsubscribe(f)
		}
	case ProbeAck:
		r.onProbeAck(m)
	}
}

func (r *Replica) onSubscribe(m Subscribe) {
	refuse := func() { r.emit(Send{m.From.Broker, Refused{max(r.epoch, r.promised), m.Stream}}) }
	if r.role != Leader || m.Epoch != r.epoch || !slices.Contains(r.state.Replicas, m.From.Broker) {
		refuse()
		return
	}
	f := r.follower(m.From.Broker)
	if f == nil {
		r.lead.followers = append(r.lead.followers, follower{member: m.From, be: -1, durable: -1, caughtUp: r.now})
		f = &r.lead.followers[len(r.lead.followers)-1]
	}
	if m.BrokerEpoch < f.be || m.BrokerEpoch == f.be && f.stream >= m.Stream {
		refuse() // of an earlier registration, or of an earlier subscription
		return
	}
	// What was acknowledged before counts no more: it may be another store (R7), or a log
	// that was rebuilt.
	f.member, f.be, f.stream, f.live, f.durable = m.From, m.BrokerEpoch, m.Stream, false, -1
	switch {
	case m.Void && !r.countsOn(m.From):
		r.emit(Send{m.From.Broker, Released{r.epoch, m.Stream}})
		return
	case m.Void, r.lost(m):
		r.expel(m)
		refuse()
		return
	}
	if answer := r.alignment(m); answer != nil {
		r.emit(Send{m.From.Broker, answer})
		return
	}
	f.live, f.sent = true, m.End
	f.mark, f.markAt = r.end, r.now
	r.emit(Send{m.From.Broker, Subscribed{r.epoch, m.Stream}})
	r.acked(f, m.Durable)
	r.ship(f)
}

// countsOn tells whether the member is in the ISR or the ELR, or may be. If not, it is not in those of any later
// version either, unless a leader whom it followed took it in.
func (r *Replica) countsOn(m Member) bool {
	return slices.Contains(r.maximalISR(), m) || slices.Contains(r.state.ELR, m)
}

// lost tells whether a member that counts has less than was committed with it (G27).
func (r *Replica) lost(m Subscribe) bool {
	member := slices.Contains(r.state.ISR, m.From) || slices.Contains(r.state.ELR, m.From)
	return member && m.End < r.hw
}

// alignment is what a follower has to do before it can follow; nil: nothing.
func (r *Replica) alignment(m Subscribe) Message {
	outOfRange := OutOfRange{
		Epoch: r.epoch, Stream: m.Stream, DataStart: r.dataStart, LogStart: r.logStart, History: r.history.from(r.dataStart),
	}
	switch {
	case m.End < r.dataStart:
		return outOfRange
	case m.LastEpoch == NoEpoch:
		if m.End == r.dataStart {
			return nil
		}
		return outOfRange
	}
	floor, end := r.history.EndOffset(m.LastEpoch, r.end)
	switch {
	case floor == m.LastEpoch && m.End <= end && !r.noFloor(m.LastEpoch):
		return nil
	case floor == NoEpoch, r.noFloor(m.LastEpoch):
		return outOfRange
	}
	return Diverged{r.epoch, m.Stream, floor, end}
}

// noFloor tells whether the leader's log has no epoch at or below the given one.
func (r *Replica) noFloor(epoch int32) bool { return len(r.history) == 0 || r.history[0].Epoch > epoch }

func (r *Replica) unsubscribe(f *follower) {
	if f.live && f.durable >= r.end {
		f.caughtUp = r.now
	}
	f.live = false
}

// onAck counts a durable end only from the stream, and thereby the store and the
// registration, that it was said on, and only in this epoch (G7).
func (r *Replica) onAck(from int32, m Ack) {
	f := r.follower(from)
	if r.role != Leader || f == nil {
		return
	}
	current := m.Epoch == r.epoch && f.live && m.Stream == f.stream
	if current || r.opts.Testing.IgnoreAckEpoch {
		r.acked(f, m.Durable)
	}
}

func (r *Replica) acked(f *follower, durable int64) {
	f.durable = max(f.durable, min(durable, r.end))
	switch {
	case f.durable >= r.end:
		f.caughtUp = r.now
	case f.durable >= f.mark:
		f.caughtUp, f.mark, f.markAt = f.markAt, r.end, r.now
	}
	r.advance()
	r.considerISR()
}

// ship asks for what the follower lacks to be read and sent.
func (r *Replica) ship(f *follower) {
	if f.live && f.sent < r.applied {
		r.emit(Ship{
			To: f.member.Broker, Stream: f.stream, Epoch: r.epoch, Base: f.sent, Previous: r.history.At(f.sent - 1),
			HW: r.hw, LogStart: r.logStart, End: r.applied,
		})
	}
}

func (r *Replica) shipAll() {
	for i := range r.lead.followers {
		r.ship(&r.lead.followers[i])
	}
}

// followed tells whether all who might be elected in place of this leader follow it now. Then records are committed
// whether or not the metadata store is there (section 9), and nobody is better to be asked.
func (r *Replica) followed() bool {
	return len(r.state.ELR) == 0 && !slices.ContainsFunc(r.maximalISR(), func(m Member) bool {
		f := r.follower(m.Broker)
		return m != r.opts.Self && (f == nil || f.member != m || !f.live)
	})
}

// maximalISR is who must hold a record before it counts as committed: the ISR, and
// whoever may have joined it without the leader knowing (R5).
func (r *Replica) maximalISR() []Member {
	if r.lead.isr.active && !r.opts.Testing.IgnorePendingExpand {
		return union(r.state.ISR, r.lead.isr.state.ISR)
	}
	return r.state.ISR
}

// advance moves the high watermark to what every member of the maximal ISR holds durably.
func (r *Replica) advance() {
	hw := r.durable
	for _, m := range r.maximalISR() {
		if m == r.opts.Self {
			continue
		}
		f := r.follower(m.Broker)
		if f == nil || f.member != m {
			hw = -1
			break
		}
		hw = min(hw, f.durable)
	}
	if hw > r.hw && (len(r.state.ISR) >= int(r.state.MinISR) || r.opts.Testing.IgnoreMinISR) {
		r.hw = hw
		r.tellHW()
	}
	r.reply()
	r.endRound()
}

// tellHW tells followers that nothing else is on its way to.
func (r *Replica) tellHW() {
	for i := range r.lead.followers {
		if f := &r.lead.followers[i]; f.live && f.sent == r.end {
			r.emit(Send{f.member.Broker, Data{
				Epoch: r.epoch, Stream: f.stream, Previous: r.history.At(f.sent - 1), Base: f.sent, HW: r.hw,
				LogStart: r.logStart,
			}})
		}
	}
}

// reply answers the producers whose records are where they asked for.
func (r *Replica) reply() {
	keep := r.lead.waiting[:0]
	for _, w := range r.lead.waiting {
		if w.all && w.end <= r.hw || !w.all && w.end <= r.durable {
			r.emit(Reply{ID: w.id, Result: ResultOK, End: w.end})
			continue
		}
		keep = append(keep, w)
	}
	r.lead.waiting = keep
}
