package replication

import (
	"slices"
	"time"
)

// A ControllerEvent is something that happened to a broker as a controller, or as one
// that may become it. Registered, Fenced and Tick are such events, too.
type ControllerEvent interface{ controllerEvent() }

// ControllerRead is what the store holds about the controller, read behind a sync.
type ControllerRead struct {
	Held         bool // there is a controller
	Broker       int32
	BrokerEpoch  int32
	NodeEpoch    int32 // the controller epoch that the node says
	NodeVersion  int32
	Epoch        int32 // the newest controller epoch
	EpochVersion int32 // of its node, which guards what a controller writes
}

// ControllerChanged says that the controller's node may be another. It carries nothing (R4).
type ControllerChanged struct{}

// Elected is the outcome of an Elect.
type Elected struct{ Outcome Outcome }

// Changed says that something which the plan depends on may have changed.
type Changed struct{}

// SnapshotRead is all that a plan depends on. ControllerEpoch and Preferred are set here.
type SnapshotRead struct{ Snapshot Snapshot }

// ChangesWritten is the outcome of an Apply, or of a DeclareDead. OutcomeCheckFailed: the
// controller epoch is another one. All other outcomes are left to the next plan.
type ChangesWritten struct{ Outcome Outcome }

func (Registered) controllerEvent()        {}
func (Fenced) controllerEvent()            {}
func (Tick) controllerEvent()              {}
func (ControllerRead) controllerEvent()    {}
func (ControllerChanged) controllerEvent() {}
func (Elected) controllerEvent()           {}
func (Changed) controllerEvent()           {}
func (SnapshotRead) controllerEvent()      {}
func (ChangesWritten) controllerEvent()    {}

// A ControllerEffect is something that the caller has to do for a Controller.
type ControllerEffect interface{ controllerEffect() }

// ReadController is to be answered by ControllerRead.
type ReadController struct{}

// Elect is to write, in one multi: the controller's ephemeral node with this broker, its
// broker epoch and Epoch, of which the one of version TakeOver is deleted first (-1: there
// is none); and Epoch, if its node has the version. Answered by Elected.
type Elect struct {
	BrokerEpoch  int32
	Epoch        int32
	EpochVersion int32
	TakeOver     int32
}

// ReadSnapshot is to be answered by SnapshotRead.
type ReadSnapshot struct{}

// Apply is to write the changes, each if the controller epoch's node has the version, and
// the partition has its own. Answered by ChangesWritten.
type Apply struct {
	Changes      []StateChange
	EpochVersion int32
}

// DeclareDead is to delete the broker's ephemeral node, if the controller epoch's node has
// the version and the broker has that epoch. Answered by ChangesWritten.
type DeclareDead struct{ Broker, BrokerEpoch, EpochVersion int32 }

func (ReadController) controllerEffect() {}
func (Elect) controllerEffect()          {}
func (ReadSnapshot) controllerEffect()   {}
func (Apply) controllerEffect()          {}
func (DeclareDead) controllerEffect()    {}

// ControllerOptions configure a Controller. A zero duration takes its default.
type ControllerOptions struct {
	Broker         int32
	Timeout        time.Duration // of a session; 6 s
	RetryEvery     time.Duration // 500 ms
	PreferredEvery time.Duration // between attempts to give leaderships back; 5 min
}

// Controller is one broker's part in there being one controller: it elects, plans while it
// is the one, and finds dead brokers eagerly (sections 4 and R8 of the design). Each write
// is guarded by the version of the controller epoch's node, so that a controller which was
// followed by another changes nothing. Not safe for concurrent use.
type Controller struct {
	opts ControllerOptions
	be   int32 // -1: not registered

	read     ControllerRead
	known    bool // read is of this registration
	waiting  bool // for an answer about the controller
	retry    time.Duration
	epoch    int32 // of this controller
	guard    int32 // version of the controller epoch's node while it controls
	controls bool

	planning  bool // a snapshot is being read
	planRetry time.Duration
	again     bool // something changed meanwhile
	preferred time.Duration

	brokers []Broker // registered, as far as is known
	peers   []peer   // in order of broker
	backoff backoff  // of take-overs

	now time.Duration
	out []ControllerEffect
}

// NewController returns the controller's part of a broker that is not registered.
func NewController(opts ControllerOptions) *Controller {
	opts.Timeout = orDefault(opts.Timeout, 6*time.Second)
	opts.RetryEvery = orDefault(opts.RetryEvery, 500*time.Millisecond)
	opts.PreferredEvery = orDefault(opts.PreferredEvery, 5*time.Minute)
	return &Controller{opts: opts, be: -1}
}

// Controls returns the controller epoch, and whether this broker is the controller, as far
// as it knows. What it says to peers carries the epoch.
func (c *Controller) Controls() (int32, bool) { return c.epoch, c.controls }

// Step takes one event and returns what is to be done, in order. The result is valid
// until the next call.
func (c *Controller) Step(now time.Duration, ev ControllerEvent) []ControllerEffect {
	c.now, c.out = now, c.out[:0]
	switch ev := ev.(type) {
	case Registered:
		c.resign()
		c.be = ev.BrokerEpoch
		c.ask()
	case Fenced:
		c.resign()
		c.be = -1
	case ControllerChanged:
		c.ask()
	case ControllerRead:
		c.onRead(ev)
	case Elected:
		c.onElected(ev.Outcome)
	case Changed:
		c.plan()
	case SnapshotRead:
		c.onSnapshot(ev.Snapshot)
	case ChangesWritten:
		c.onWritten(ev.Outcome)
	case Tick:
		c.tick()
	default:
		c.stepEager(ev)
	}
	return c.out
}

func (c *Controller) emit(e ControllerEffect) { c.out = append(c.out, e) }

func (c *Controller) resign() {
	c.controls, c.known, c.waiting, c.planning, c.again = false, false, false, false, false
}

func (c *Controller) ask() {
	if c.be >= 0 {
		c.waiting, c.retry = true, c.now+c.opts.RetryEvery
		c.emit(ReadController{})
	}
}

// onRead acts on what is there: whoever the node names, with its broker epoch and the
// newest controller epoch, is the controller, however it came to be.
func (c *Controller) onRead(r ControllerRead) {
	if c.be < 0 {
		return
	}
	if c.controls && r.EpochVersion < c.guard {
		return // read before the election
	}
	c.waiting = false
	c.read, c.known = r, true
	mine := r.Held && r.Broker == c.opts.Broker && r.BrokerEpoch == c.be && r.NodeEpoch == r.Epoch
	switch {
	case mine && c.controls && c.guard == r.EpochVersion:
	case mine:
		c.control(r.Epoch, r.EpochVersion)
	case r.Held && r.Broker == c.opts.Broker:
		// Of an earlier registration of this broker, maybe with the same session: nobody else would follow it.
		c.controls = false
		c.elect(r.NodeVersion)
	case r.Held:
		c.controls = false
		c.consider()
	default:
		c.controls = false
		c.elect(-1)
	}
}

func (c *Controller) elect(takeOver int32) {
	c.waiting, c.retry = true, c.now+c.opts.RetryEvery
	c.emit(Elect{c.be, c.read.Epoch + 1, c.read.EpochVersion, takeOver})
}

func (c *Controller) onElected(o Outcome) {
	if c.be < 0 || !c.known || c.controls {
		return
	}
	if o == OutcomeOK {
		c.waiting = false
		c.control(c.read.Epoch+1, c.read.EpochVersion+1)
		return
	}
	c.known = false
	c.ask()
}

func (c *Controller) control(epoch, guard int32) {
	c.controls, c.epoch, c.guard = true, epoch, guard
	c.planning, c.preferred = false, c.now+c.opts.PreferredEvery
	c.plan()
	c.consider()
}

func (c *Controller) plan() {
	switch {
	case !c.controls:
	case c.planning:
		c.again = true
	default:
		c.planning, c.again, c.planRetry = true, false, c.now+c.opts.RetryEvery
		c.emit(ReadSnapshot{})
	}
}

func (c *Controller) onSnapshot(s Snapshot) {
	c.noteBrokers(s.Brokers)
	if !c.controls || !c.planning {
		return
	}
	c.planning = false
	s.ControllerEpoch = c.epoch
	if c.now >= c.preferred {
		c.preferred, s.Preferred = c.now+c.opts.PreferredEvery, true
	}
	if changes := Plan(s); len(changes) > 0 {
		c.emit(Apply{changes, c.guard})
	}
	if c.again {
		c.plan()
	}
}

// onWritten plans again; one whose epoch is over changes nothing any more.
func (c *Controller) onWritten(o Outcome) {
	if !c.controls {
		return
	}
	if o == OutcomeCheckFailed {
		c.resign()
		c.ask()
		return
	}
	c.plan()
}

func (c *Controller) tick() {
	if c.be < 0 {
		return
	}
	if !c.known && !c.waiting || c.waiting && c.now >= c.retry {
		c.ask()
	}
	if c.planning && c.now >= c.planRetry || c.controls && c.now >= c.preferred {
		c.planning = false
		c.plan()
	}
	c.consider()
}

// noteBrokers notes who is registered.
func (c *Controller) noteBrokers(brokers []Broker) {
	c.brokers = slices.Clone(brokers)
	slices.SortFunc(c.brokers, func(a, b Broker) int { return int(a.Member.Broker) - int(b.Member.Broker) })
}
