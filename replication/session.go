package replication

import "time"

// A SessionEvent is something that happened to a broker's session with the metadata store.
type SessionEvent interface{ sessionEvent() }

// Started says that the process runs and holds its store's lock.
type Started struct{}

// Connected says that the connection has a session. Another one than before is a new
// incarnation, whether or not an end of the former was heard of.
type Connected struct{ Session int64 }

// Expired says that the session is over.
type Expired struct{ Session int64 }

// RegistrationRead is what the store holds about this broker, read behind a sync.
type RegistrationRead struct {
	Session int64
	// Version of the broker's epoch node, which is its newest broker epoch; -1: no node.
	Version    int32
	Storage    uint64 // what that node says: the storage id, and the store's epoch
	StoreEpoch int32
	Node       *RegistrationNode // the ephemeral node; nil: none
}

// RegistrationNode is a broker's ephemeral node.
type RegistrationNode struct {
	Owner       int64 // the session
	Version     int32
	Storage     uint64
	BrokerEpoch int32
}

// StorageReplaced says that the store has another storage id, durably.
type StorageReplaced struct{ Storage uint64 }

// StoreEpochSaved says that the store's epoch is durable.
type StoreEpochSaved struct{ Epoch int32 }

// RegisterDone is the outcome of a Register.
type RegisterDone struct {
	Session     int64
	BrokerEpoch int32
	Outcome     Outcome
}

// RoundTrip says that a request, sent at that time, was answered by the store.
type RoundTrip struct {
	Session int64
	Sent    time.Duration
}

// RegistrationGone says that the broker's ephemeral node was found missing, or that a
// check of the broker's own registration failed.
type RegistrationGone struct{ BrokerEpoch int32 }

func (Started) sessionEvent()          {}
func (Connected) sessionEvent()        {}
func (Expired) sessionEvent()          {}
func (RegistrationRead) sessionEvent() {}
func (StorageReplaced) sessionEvent()  {}
func (StoreEpochSaved) sessionEvent()  {}
func (RegisterDone) sessionEvent()     {}
func (RoundTrip) sessionEvent()        {}
func (RegistrationGone) sessionEvent() {}
func (Tick) sessionEvent()             {}

// A SessionEffect is something that the caller has to do for a session.
type SessionEffect interface{ sessionEffect() }

// Connect is to discard the connection, if there is one, and make another: answered by Connected.
type Connect struct{}

// ReadRegistration is to be answered by RegistrationRead.
type ReadRegistration struct{ Session int64 }

// ReplaceStorage is to give the store a new storage id, as it does not hold all that it
// acknowledged; answered by StorageReplaced. Only before the first registration of a process.
type ReplaceStorage struct{}

// SaveStoreEpoch is to make the store's epoch durable: answered by StoreEpochSaved.
type SaveStoreEpoch struct{ Epoch int32 }

// Register is to write, in one multi: the epoch node, if it has the version (-1: create
// it), with the storage id and the store's epoch, so that its version becomes the broker
// epoch; the ephemeral node, of which the one of version Stale is deleted first (-1: there
// is none). Answered by RegisterDone.
type Register struct {
	Session     int64
	Version     int32
	BrokerEpoch int32
	Storage     uint64
	Stale       int32
}

// Tell is an event for all replicas of the broker, and for its Controller.
type Tell struct{ Event Event }

// DuplicateBroker says that another process uses this broker's id: this one has to end.
type DuplicateBroker struct{ Storage uint64 }

func (Connect) sessionEffect()          {}
func (ReadRegistration) sessionEffect() {}
func (ReplaceStorage) sessionEffect()   {}
func (SaveStoreEpoch) sessionEffect()   {}
func (Register) sessionEffect()         {}
func (Tell) sessionEffect()             {}
func (DuplicateBroker) sessionEffect()  {}

// SessionOptions configure a Session. A zero duration takes its default.
type SessionOptions struct {
	Timeout    time.Duration // of the session; 6 s
	RetryEvery time.Duration // 500 ms
}

type sessionPhase int8

const (
	sessionNone sessionPhase = iota
	sessionReading
	sessionReplacing
	sessionSaving
	sessionRegistering
	sessionActive
)

// Session is a broker's registration: what it does when it gets, loses and gets back its
// session with the metadata store (section 3 of the design). Nothing of an earlier
// registration is valid in a later one (R2). Not safe for concurrent use.
type Session struct {
	opts       SessionOptions
	storage    uint64
	storeEpoch int32

	session  int64 // 0: none
	phase    sessionPhase
	be       int32 // of the registration; -1: none
	target   int32 // the broker epoch that is being registered
	read     RegistrationRead
	retry    time.Duration
	occupied time.Duration // since when another store's node is in the way
	blocked  bool
	heard    time.Duration // when the newest request that was answered left
	suspect  bool

	now time.Duration
	out []SessionEffect
}

// NewSession returns the session of a broker with that store, without a connection.
func NewSession(opts SessionOptions, storage uint64, storeEpoch int32) *Session {
	opts.Timeout = orDefault(opts.Timeout, 6*time.Second)
	opts.RetryEvery = orDefault(opts.RetryEvery, 500*time.Millisecond)
	return &Session{opts: opts, storage: storage, storeEpoch: storeEpoch, be: -1}
}

// BrokerEpoch returns the broker epoch, and false while the broker is not registered.
func (s *Session) BrokerEpoch() (int32, bool) { return s.be, s.be >= 0 }

// Step takes one event and returns what is to be done, in order. The result is valid
// until the next call.
func (s *Session) Step(now time.Duration, ev SessionEvent) []SessionEffect {
	s.now, s.out = now, s.out[:0]
	switch ev := ev.(type) {
	case Started:
		s.emit(Connect{})
	case Connected:
		if ev.Session != s.session {
			s.end()
			s.session, s.heard = ev.Session, now
			s.readAgain()
		}
	case Expired:
		if ev.Session == s.session {
			s.end()
			s.session = 0
			s.emit(Connect{})
		}
	case RegistrationRead:
		if ev.Session == s.session && s.phase == sessionReading {
			s.onRead(ev)
		}
	case StorageReplaced:
		if s.phase == sessionReplacing {
			s.storage, s.storeEpoch = ev.Storage, 0
			s.readAgain()
		}
	case StoreEpochSaved:
		s.storeEpoch = max(s.storeEpoch, ev.Epoch)
		if s.phase == sessionSaving && ev.Epoch == s.target {
			s.register()
		}
	case RegisterDone:
		if ev.Session == s.session && s.phase == sessionRegistering && ev.BrokerEpoch == s.target {
			s.onRegistered(ev.Outcome)
		}
	case RoundTrip:
		s.onRoundTrip(ev)
	case RegistrationGone:
		if s.phase == sessionActive && ev.BrokerEpoch == s.be {
			s.end()
			s.readAgain()
		}
	case Tick:
		s.tick()
	}
	return s.out
}

func (s *Session) emit(e SessionEffect) { s.out = append(s.out, e) }

// end lets nothing of the incarnation be valid any more.
func (s *Session) end() {
	if s.be >= 0 {
		s.emit(Tell{Fenced{}})
	}
	s.be, s.suspect, s.blocked, s.phase = -1, false, false, sessionNone
}

func (s *Session) readAgain() {
	s.phase, s.retry = sessionReading, s.now+s.opts.RetryEvery
	s.emit(ReadRegistration{s.session})
}

func (s *Session) onRead(r RegistrationRead) {
	s.read = r
	n := r.Node
	switch {
	case n != nil && n.Owner == s.session && n.Storage == s.storage && n.BrokerEpoch == r.Version:
		s.active(r.Version) // an attempt whose outcome was unknown
	case n != nil && n.Storage != s.storage:
		s.wait(n)
	case r.Version >= 0 && r.Storage == s.storage && s.storeEpoch < r.StoreEpoch:
		// The store was there before, with more in it: it went back in time (C15).
		s.phase = sessionReplacing
		s.emit(ReplaceStorage{})
	default:
		// Saved first: a crash in between leaves the store ahead, never behind.
		s.phase, s.target = sessionSaving, r.Version+1
		s.emit(SaveStoreEpoch{s.target})
	}
}

// wait lets the node of another store go away. It may be this broker's own, from before
// its disk was replaced: then it goes with its session. One that stays is alive.
func (s *Session) wait(n *RegistrationNode) {
	if !s.blocked {
		s.blocked, s.occupied = true, s.now
	}
	if s.now-s.occupied > 2*s.opts.Timeout {
		s.emit(DuplicateBroker{n.Storage})
	}
	s.retry = s.now + s.opts.RetryEvery
}

func (s *Session) register() {
	s.phase, s.retry = sessionRegistering, s.now+s.opts.RetryEvery
	reg := Register{
		Session: s.session, Version: s.read.Version, BrokerEpoch: s.target, Storage: s.storage, Stale: -1,
	}
	if s.read.Node != nil {
		reg.Stale = s.read.Node.Version // of this very store, whose lock is held: of a dead process
	}
	s.emit(reg)
}

// onRegistered reads again unless all is well: of several attempts with one version one
// succeeds at most, and the node that is read tells whose it was (R5).
func (s *Session) onRegistered(o Outcome) {
	switch o {
	case OutcomeOK:
		s.active(s.target)
	case OutcomeUnknown:
		s.phase = sessionReading // at the retry
	default:
		s.readAgain()
	}
}

func (s *Session) active(be int32) {
	s.phase, s.be, s.heard, s.blocked = sessionActive, be, s.now, false
	s.emit(Tell{Registered{be}})
}

func (s *Session) onRoundTrip(ev RoundTrip) {
	if ev.Session != s.session {
		return
	}
	s.heard = max(s.heard, ev.Sent)
	s.doubt()
}

// doubt tells the replicas when the store was not heard of for so long that the session
// may be over already. Nothing that is safe depends on it (R3).
func (s *Session) doubt() {
	suspect := s.be >= 0 && s.now-s.heard > s.opts.Timeout*2/3
	if suspect != s.suspect {
		s.suspect = suspect
		s.emit(Tell{Suspected{suspect}})
	}
}

func (s *Session) tick() {
	switch s.phase {
	case sessionReading, sessionRegistering:
		if s.now >= s.retry {
			s.readAgain()
		}
	case sessionActive:
		s.doubt()
	}
}
