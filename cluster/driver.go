package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// driver carries out what the cores of the session and of the controller decide. It is one goroutine; what waits for
// the metadata store runs aside, and comes back as an event.
type driver struct {
	m          *Member
	began      time.Time
	session    *replication.Session
	controller *replication.Controller
	events     chan any // of both cores, from what runs aside
	aside      sync.WaitGroup
	fatal      error // why the broker cannot be of its cluster

	s    metadata.Session // the newest; nil: none yet
	inc  *incarnation     // of the registration; nil: there is none
	stop context.CancelFunc
}

// driverTick is how often the cores are given the time.
const driverTick = 100 * time.Millisecond

// Events of the driver's own.
type (
	sessionBegun struct{ s metadata.Session } // there is a session
	viewRead     struct{ controller bool }    // the view was read, the controller's node too
)

func (d *driver) now() time.Duration { return time.Since(d.began) }

// run returns when ctx ends, or why the broker cannot be of its cluster.
func (d *driver) run(ctx context.Context) error {
	defer d.aside.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer d.end()
	ticker := time.NewTicker(driverTick)
	defer ticker.Stop()
	d.stepSession(ctx, replication.Started{})
	for d.fatal == nil {
		select {
		case <-ctx.Done():
			return nil
		case ev := <-d.events:
			d.take(ctx, ev)
		case <-ticker.C:
			d.tick(ctx)
		}
	}
	return d.fatal
}

func (d *driver) tick(ctx context.Context) {
	if d.s != nil {
		sent := d.now() - d.s.Silence(time.Now())
		d.stepSession(ctx, replication.RoundTrip{Session: d.s.ID(), Sent: sent})
	}
	d.stepSession(ctx, replication.Tick{})
	d.stepController(ctx, replication.Tick{})
}

// take takes an event to the core that it is for.
func (d *driver) take(ctx context.Context, ev any) {
	switch ev := ev.(type) {
	case sessionBegun:
		d.s = ev.s
		d.stepSession(ctx, replication.Connected{Session: ev.s.ID()})
		d.goAside(ctx, func(ctx context.Context) any {
			select {
			case <-ev.s.Done():
			case <-ctx.Done():
			}
			return replication.Expired{Session: ev.s.ID()}
		})
	case viewRead:
		d.viewRead(ctx, ev)
	case replication.SessionEvent:
		d.stepSession(ctx, ev)
	case replication.ControllerEvent:
		d.stepController(ctx, ev)
	default:
		panic(fmt.Sprintf("cluster: event %T", ev))
	}
}

// post gives the driver an event from another goroutine.
func (d *driver) post(ctx context.Context, ev any) {
	select {
	case d.events <- ev:
	case <-ctx.Done():
	}
}

// goAside runs what waits for something on a goroutine of its own. What it returns, unless that is nil, is an event.
func (d *driver) goAside(ctx context.Context, f func(context.Context) any) {
	d.aside.Go(func() {
		if ev := f(ctx); ev != nil {
			d.post(ctx, ev)
		}
	})
}

// viewRead tells the controller's core what may have changed.
func (d *driver) viewRead(ctx context.Context, ev viewRead) {
	if d.inc == nil {
		return
	}
	if now, there := d.m.view.broker(d.inc.own.Member.Broker); !there || now.session != d.inc.s.ID() {
		d.stepSession(ctx, replication.RegistrationGone{BrokerEpoch: d.inc.own.Epoch})
		return
	}
	if ev.controller {
		d.stepController(ctx, replication.ControllerChanged{})
	}
	d.stepController(ctx, replication.BrokersRead{Brokers: d.m.view.members()})
	d.stepController(ctx, replication.Changed{})
}

// stepSession gives the core an event, and carries out what follows. The effects are kept beyond the core's next step,
// which one of them may bring about.
func (d *driver) stepSession(ctx context.Context, ev replication.SessionEvent) {
	for _, e := range slices.Clone(d.session.Step(d.now(), ev)) {
		d.carrySession(ctx, e)
	}
}

func (d *driver) stepController(ctx context.Context, ev replication.ControllerEvent) {
	for _, e := range slices.Clone(d.controller.Step(d.now(), ev)) {
		d.carryController(ctx, e)
	}
}

// carrySession carries out one effect of the session's core.
func (d *driver) carrySession(ctx context.Context, e replication.SessionEffect) {
	switch e := e.(type) {
	case replication.Connect:
		d.goAside(ctx, d.connect)
	case replication.ReadRegistration:
		s := d.s
		d.goAside(ctx, func(ctx context.Context) any { return d.m.readRegistration(ctx, s) })
	case replication.SaveStoreEpoch:
		if err := d.m.store.SaveClaimEpoch(e.Epoch); err != nil {
			d.fatal = fmt.Errorf("the broker's own store failed: %w", err)
			return
		}
		d.stepSession(ctx, replication.StoreEpochSaved(e))
	case replication.ReplaceStorage:
		d.fatal = errors.New("the broker's store is older than what the cluster knows of it: start the broker again, and" +
			" it joins as one that lost what it held")
	case replication.Register:
		s := d.s
		d.goAside(ctx, func(ctx context.Context) any {
			return replication.RegisterDone{Session: e.Session, BrokerEpoch: e.BrokerEpoch, Outcome: d.m.register(ctx, s, e)}
		})
	case replication.DuplicateBroker:
		other, _ := d.m.Broker(d.m.opts.Self.Broker)
		d.fatal = &DuplicateError{Broker: d.m.opts.Self.Broker, Address: other.Client}
	case replication.Tell:
		d.tell(ctx, e.Event)
	}
}

// tell passes on what the session's core has to say.
func (d *driver) tell(ctx context.Context, ev replication.Event) {
	switch ev := ev.(type) {
	case replication.Registered:
		d.begin(ctx, ev.BrokerEpoch)
		d.stepController(ctx, ev)
	case replication.Fenced:
		d.m.log.Warn("the broker is not registered with its cluster any more; it registers again")
		d.end()
		d.stepController(ctx, ev)
	case replication.Suspected:
		d.m.view.setSuspect(ev.Suspect)
	}
}

// begin is the beginning of a registration.
func (d *driver) begin(ctx context.Context, epoch int32) {
	d.end()
	own := d.m.registration(epoch)
	own.session = d.s.ID()
	d.inc = &incarnation{
		m: d.m, s: d.s, own: own, changes: metadata.NewChanges(), watched: make(map[string]bool),
		post: d.post,
	}
	d.m.log.Info("broker registered", "broker", own.Member.Broker, "broker_epoch", epoch, "storage", own.Member.Storage)
	d.m.setSession(d.s)
	d.m.view.setEpoch(epoch)
	inc := d.inc
	ctx, d.stop = context.WithCancel(ctx)
	d.goAside(ctx, func(ctx context.Context) any { inc.run(ctx); return nil })
}

// end is the end of a registration: nothing of it is valid any more.
func (d *driver) end() {
	if d.inc == nil {
		return
	}
	d.stop()
	d.inc = nil
	d.m.setSession(nil)
	d.m.view.setEpoch(Fenced)
}

// connect waits for a session.
func (d *driver) connect(ctx context.Context) any {
	for ctx.Err() == nil {
		s, err := d.m.sessions.Session(ctx)
		if err == nil {
			return sessionBegun{s}
		}
		d.m.log.Warn("there is no session with the metadata store; it is tried again", "error", err)
		sleep(ctx, time.Second)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
