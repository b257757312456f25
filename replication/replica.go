package replication

import (
	"math"
	"slices"
	"time"
)

// Role is what a replica does for its partition.
type Role int8

// The roles.
const (
	Offline Role = iota // neither: waits for a state that gives it a role
	Leader
	Follower
)

// String returns the role's name.
func (r Role) String() string { return [...]string{"offline", "leader", "follower"}[r] }

// Options configure a Replica. A zero duration takes its default.
type Options struct {
	Self        Member
	LagMax      time.Duration // a follower behind for longer leaves the ISR; 10 s
	ExpandEvery time.Duration // at most one expand a follower; 1 s
	RetryEvery  time.Duration // between attempts at what got no answer; 500 ms
	Testing     Testing
}

// Testing plants bugs, so that tests can show that they would be found. Zero outside tests.
type Testing struct {
	IgnorePendingExpand bool // M6
	IgnoreAckEpoch      bool // M7
	IgnoreEpochStart    bool // M8
	ShrinkBeforeResult  bool // M9
	IgnoreMinISR        bool // M13
	UnknownIsFailed     bool // M19

	TellBeforeEpochStart bool // M18
	TellUnasked          bool // M22
}

// Stored is what a replica's store holds of it when the broker starts.
type Stored struct {
	Generation    uint64 // the newest that the log was given; the next is above
	Promised      int32  // the highest leader epoch promised; NoEpoch: none
	LogStart      int64
	DataStart     int64
	End           int64 // all of it durable
	HighWatermark int64 // a hint
	History       History
	Void          bool // the log is damaged
}

// phase is how far a replica has got in taking up its role.
type phase int8

const (
	phaseNone        phase = iota
	phasePromising         // waits for Promised
	phaseCutting           // waits for Cut
	phaseConfirming        // waits for the newest state to say again that it lists this replica nowhere
	phaseRemoving          // waits for Cut, and then for a state that lists it
	phaseSubscribing       // waits for the leader's answer
	phaseStreaming
	phaseRejected    // waits for a while, and then asks the log where it ends
	phaseQuarantined // waits for an operator, or another epoch
)

// Replica is one copy of one partition.
type Replica struct {
	opts    Options
	be      int32 // own registration; -1: none
	state   State // as of version
	version int32 // -1: not read yet
	suspect bool

	role     Role
	phase    phase
	promised int32 // durable; never goes back
	epoch    int32 // of the role; equals promised except while promising
	wantLead bool  // what phasePromising is for

	generation uint64 // of the log; moves with every promise, truncation and reset
	logStart   int64
	dataStart  int64 // <= end
	end        int64 // of what was queued
	applied    int64 // <= end: may be shipped
	durable    int64 // <= applied
	hw         int64 // <= durable
	history    History
	void       bool
	deleted    bool // the topic is: nothing is done any more
	settling   bool // a promise, truncation or reset is not answered yet: end is not certain

	lead   leading
	follow following

	seq         int64 // of the newest WriteState
	resignRetry time.Duration

	now time.Duration
	out []Effect
}

// NewReplica returns the replica that the store holds, in no role.
func NewReplica(opts Options, s Stored) *Replica {
	opts.LagMax = orDefault(opts.LagMax, 10*time.Second)
	opts.ExpandEvery = orDefault(opts.ExpandEvery, time.Second)
	opts.RetryEvery = orDefault(opts.RetryEvery, 500*time.Millisecond)
	return &Replica{
		opts: opts, be: -1, version: -1, generation: s.Generation, promised: s.Promised, epoch: s.Promised,
		logStart: s.LogStart, dataStart: s.DataStart, end: s.End, applied: s.End, durable: s.End, void: s.Void,
		hw: min(max(s.HighWatermark, s.LogStart), s.End), history: slices.Clone(s.History),
	}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Status is what others may see of a replica.
type Status struct {
	Role          Role
	Epoch         int32
	Generation    uint64
	Promised      int32
	LogStart      int64
	End           int64
	Durable       int64
	LastEpoch     int32 // of the last durable record; NoEpoch: there is none
	HighWatermark int64
	EpochStart    int64 // of a leader
	ISR           []Member
	Maximal       []Member // of a leader: with those whose joining is not decided
}

// Status returns what the replica is. Its lists are not to be changed.
func (r *Replica) Status() Status {
	s := Status{
		Role: r.role, Epoch: r.epoch, Generation: r.generation, Promised: r.promised, LogStart: r.logStart,
		End: r.end, Durable: r.durable, LastEpoch: r.history.At(r.durable - 1), HighWatermark: r.hw,
		EpochStart: r.lead.epochStart, ISR: r.state.ISR,
	}
	if r.role == Leader {
		s.Maximal = r.maximalISR()
	}
	return s
}

// Readable gives the end of what a consumer may read here, and false if it is to ask
// elsewhere.
func (r *Replica) Readable() (int64, bool) {
	return r.hw, r.role == Leader && (!r.suspect || r.followed()) || r.role == Follower && r.phase == phaseStreaming
}

// Settled tells whether the leader's high watermark is known to be no older than its
// predecessor's (KIP-207): before, the newest offset is not to be told.
func (r *Replica) Settled() bool { return r.role == Leader && r.hw >= r.lead.epochStart }

// Idle tells whether nothing is under way, so that the replica needs no Tick.
func (r *Replica) Idle() bool {
	switch r.role {
	case Leader:
		return r.leaderIdle()
	case Follower:
		return r.phase != phaseSubscribing && r.phase != phaseRejected
	}
	return !r.resigning() && r.phase != phaseConfirming
}

// resigning tells whether the state gives this replica a leadership that it cannot take up.
func (r *Replica) resigning() bool {
	return r.void && r.be >= 0 && r.state.Leader == r.opts.Self.Broker && r.state.LeaderBrokerEpoch == r.be
}

// Step takes one event and returns what is to be done, in order. The result is valid
// until the next call.
func (r *Replica) Step(now time.Duration, ev Event) []Effect {
	r.now, r.out = now, r.out[:0]
	switch ev := ev.(type) {
	case Registered:
		r.stop()
		r.be = ev.BrokerEpoch
		r.evaluate()
	case Fenced:
		r.stop()
		r.be, r.suspect = -1, false
	case Suspected:
		r.suspect = ev.Suspect
		r.barrierCheck()
	case StateRead:
		if ev.Version > r.version {
			r.adopt(ev.State, ev.Version)
		}
		if ev.Newest && ev.Version == r.version && r.phase == phaseConfirming {
			r.remove()
		}
	case Promised:
		r.onPromised(ev)
	case Applied:
		r.onApplied(ev)
	case Synced:
		r.onSynced(ev)
	case Cut:
		r.onCut(ev)
	case Received:
		r.onMessage(ev.From, ev.Message)
	case Linked:
		if r.role == Follower && r.phase == phaseSubscribing && ev.Broker == r.state.Leader {
			r.subscribe()
		}
	case Disconnected:
		r.onDisconnected(ev.Broker)
	case Rejected:
		r.onRejected(ev)
	case TopicDeleted:
		r.erase()
	case Damaged:
		r.void = true
		r.emit(Alarm{AlarmVoid, r.opts.Self.Broker})
		r.evaluate()
	case Tick:
		r.tick()
	default:
		r.stepLeader(ev)
	}
	return r.out
}

func (r *Replica) emit(e Effect) { r.out = append(r.out, e) }

// adopt takes over a newer state.
func (r *Replica) adopt(s State, version int32) {
	r.state, r.version = s, version
	r.evaluate()
}

// evaluate takes up the role that the state gives.
func (r *Replica) evaluate() {
	s := &r.state
	self := r.opts.Self.Broker
	switch {
	case r.be < 0 || r.version < 0 || r.deleted:
	case !s.Lists(self):
		r.leave()
	case s.LeaderEpoch == math.MaxInt32:
		r.stop()
		r.emit(Alarm{AlarmEpochTooHigh, self})
	case s.Leader == self && s.LeaderBrokerEpoch == r.be:
		r.evaluateLead()
	case s.Leader == self || s.Leader == NoLeader || s.LeaderEpoch < r.promised:
		r.stop() // R2: another registration's leadership is not continued
	case s.LeaderEpoch > r.epoch || r.role != Follower || r.void:
		r.stop()
		r.role = Follower
		r.startFollowing()
	}
}

// leave has the data deleted of a replica that the state lists nowhere. The state may be an old one, of a server that
// is behind: a replica that has joined the ISR since would delete what is counted on. So it is read again first (R6).
func (r *Replica) leave() {
	if r.phase == phaseConfirming || r.phase == phaseRemoving {
		return
	}
	r.stop()
	if r.end > 0 || r.settling || r.void {
		r.confirm()
	}
}

// confirm asks for the newest state.
func (r *Replica) confirm() {
	r.phase, r.follow.retry = phaseConfirming, r.now+r.opts.RetryEvery
	r.emit(ReadState{})
}

// remove deletes what nobody counts on. A promise that a later state asks for overtakes it.
func (r *Replica) remove() {
	r.generation++
	r.settling = true
	r.phase = phaseRemoving
	r.emit(Remove{r.version, r.generation})
}

func (r *Replica) erase() {
	if r.deleted {
		return
	}
	r.stop()
	r.deleted = true
	r.generation++
	r.emit(Erase{r.generation})
}

func (r *Replica) evaluateLead() {
	e := r.state.LeaderEpoch
	switch {
	case r.void:
		r.stop()
		r.resign()
	case r.role == Leader && r.epoch == e:
		r.adoptISR()
	case r.phase == phasePromising && r.wantLead && r.epoch == e:
	case e > r.promised:
		r.stop()
		r.promise(e, true)
	default:
		r.stop()
	}
}

// promise asks for the epoch to be made durable before anything is done in it.
func (r *Replica) promise(epoch int32, lead bool) {
	r.generation++
	r.settling = true
	r.phase, r.epoch, r.wantLead = phasePromising, epoch, lead
	r.emit(Promise{Epoch: epoch, Generation: r.generation, Lead: lead})
}

func (r *Replica) onPromised(ev Promised) {
	if ev.Generation != r.generation || r.phase != phasePromising {
		return
	}
	r.promised = r.epoch
	r.settling = false
	r.setLog(ev.End, ev.History)
	r.phase = phaseNone
	if r.wantLead {
		r.startLeading()
		return
	}
	r.subscribe()
}

// setLog notes a log whose whole content is durable. One that was removed is shorter than
// all that was known of it.
func (r *Replica) setLog(end int64, h History) {
	r.dataStart, r.logStart, r.hw = min(r.dataStart, end), min(r.logStart, end), min(r.hw, end)
	r.end, r.applied, r.durable, r.history = end, end, end, slices.Clone(h)
}

// stop leaves the role. What was appended and not answered has an unknown outcome.
func (r *Replica) stop() {
	if r.role == Leader {
		r.stopLeading()
	}
	if r.phase == phasePromising {
		// It may or may not become durable; a later promise of the same epoch settles it.
		r.epoch = r.promised
	}
	r.role, r.phase = Offline, phaseNone
}

func (r *Replica) onApplied(ev Applied) {
	if ev.Generation != r.generation {
		return
	}
	r.applied = max(r.applied, ev.End)
	if r.role == Leader {
		r.shipAll()
	}
}

func (r *Replica) onSynced(ev Synced) {
	if ev.Generation != r.generation {
		return
	}
	r.applied, r.durable = max(r.applied, ev.End), max(r.durable, ev.End)
	switch {
	case r.role == Leader:
		r.advance()
	case r.role == Follower && r.phase == phaseStreaming:
		r.hw = max(r.hw, min(r.follow.leaderHW, r.durable))
		r.emit(Send{r.state.Leader, Ack{Epoch: r.epoch, Stream: r.follow.stream, Durable: r.durable}})
	}
}

func (r *Replica) onMessage(from int32, m Message) {
	switch m := m.(type) {
	case Subscribe, Ack, Drop, ProbeAck:
		r.onFollower(from, m)
	default:
		r.onLeader(from, m)
	}
}

func (r *Replica) onDisconnected(broker int32) {
	switch {
	case r.role == Leader:
		if f := r.follower(broker); f != nil {
			r.unsubscribe(f)
		}
	case r.role == Follower && broker == r.state.Leader && (r.phase == phaseStreaming || r.phase == phaseSubscribing):
		r.phase = phaseSubscribing
		r.follow.stream++ // an answer that comes late is not for the next subscription
		r.follow.retry = r.now + r.opts.RetryEvery
	}
}

func (r *Replica) tick() {
	switch {
	case r.role == Leader:
		r.leaderTick()
	case r.role == Follower && r.phase == phaseSubscribing && r.now >= r.follow.retry:
		r.subscribe()
	case r.role == Follower && r.phase == phaseRejected && r.now >= r.follow.retry:
		r.promise(r.epoch, false)
	case r.phase == phaseConfirming && r.now >= r.follow.retry:
		r.confirm()
	case r.resigning() && r.now >= r.resignRetry:
		r.resign()
	}
}
