package replication

import (
	"slices"
	"time"
)

// BrokersRead is who is registered.
type BrokersRead struct{ Brokers []Broker }

// PeerSaid says that a connection with the peer is up on which it said its broker epoch
// and, where it is the controller, its controller epoch; else NoEpoch.
type PeerSaid struct{ Broker, BrokerEpoch, ControllerEpoch int32 }

// PeerRefused says that the connection with the peer broke and that a new one was refused.
// One that is not answered in time is none: silence waits for the session.
type PeerRefused struct{ Broker int32 }

// RefusalReported says that another broker was refused by that incarnation of a broker.
type RefusalReported struct{ From, Broker, BrokerEpoch int32 }

func (BrokersRead) controllerEvent()     {}
func (PeerSaid) controllerEvent()        {}
func (PeerRefused) controllerEvent()     {}
func (RefusalReported) controllerEvent() {}

// ReportRefusal is to tell a peer that this broker was refused: its RefusalReported.
type ReportRefusal struct{ To, Broker, BrokerEpoch int32 }

func (ReportRefusal) controllerEffect() {}

// takeOverStep lies between the take-overs that several brokers would try at once: each
// waits for as many of them as there are brokers with a smaller id.
const takeOverStep = 50 * time.Millisecond

// peer is what this broker has seen of another.
type peer struct {
	broker          int32
	be              int32
	controllerEpoch int32
	refused         bool
	since           time.Duration // of the first refusal
	refusedAt       time.Duration // of the newest
	reports         []refusal
	backoff         backoff
}

type refusal struct {
	from int32
	at   time.Duration
}

// backoff allows one action a session timeout, doubling; quiet for long, it begins anew.
type backoff struct {
	next time.Duration
	wait time.Duration
}

func (b *backoff) ready(now time.Duration) bool { return now >= b.next }

func (b *backoff) used(now, least time.Duration) {
	if b.wait == 0 || now > b.next+8*b.wait {
		b.wait = least
	} else {
		b.wait *= 2
	}
	b.next = now + b.wait
}

func (c *Controller) stepEager(ev ControllerEvent) {
	switch ev := ev.(type) {
	case BrokersRead:
		c.noteBrokers(ev.Brokers)
		c.consider()
	case PeerSaid:
		c.onSaid(ev)
	case PeerRefused:
		c.onRefused(ev.Broker)
	case RefusalReported:
		if p := c.peer(ev.Broker); p != nil && p.be == ev.BrokerEpoch {
			p.reports = slices.DeleteFunc(p.reports, func(r refusal) bool { return r.from == ev.From })
			p.reports = append(p.reports, refusal{ev.From, c.now})
			c.consider()
		}
	}
}

func (c *Controller) peer(broker int32) *peer {
	i, ok := slices.BinarySearchFunc(c.peers, broker, func(p peer, id int32) int { return int(p.broker - id) })
	if !ok {
		return nil
	}
	return &c.peers[i]
}

// onSaid notes the incarnation that a refusal is about, and that it is alive.
func (c *Controller) onSaid(ev PeerSaid) {
	p := c.peer(ev.Broker)
	if p == nil {
		i, _ := slices.BinarySearchFunc(c.peers, ev.Broker, func(p peer, id int32) int { return int(p.broker - id) })
		c.peers = slices.Insert(c.peers, i, peer{broker: ev.Broker})
		p = &c.peers[i]
	}
	p.be, p.controllerEpoch = ev.BrokerEpoch, ev.ControllerEpoch
	p.refused, p.reports = false, nil
}

func (c *Controller) onRefused(broker int32) {
	p := c.peer(broker)
	if p == nil {
		return // never connected: it may never have listened
	}
	if !p.refused {
		p.since = c.now
	}
	p.refused, p.refusedAt = true, c.now
	for _, b := range c.brokers {
		if id := b.Member.Broker; id != c.opts.Broker && id != broker {
			c.emit(ReportRefusal{id, broker, p.be})
		}
	}
	c.consider()
}

// confirmed tells whether the incarnation is gone for all that can be known: this broker
// was refused and, where there is a third, so was one of those. A firewall that rejects
// looks like death from one side only.
func (c *Controller) confirmed(p *peer) bool {
	if !p.refused || c.now-p.refusedAt > c.opts.Timeout {
		return false
	}
	third := false
	for _, b := range c.brokers {
		id := b.Member.Broker
		if id == c.opts.Broker || id == p.broker {
			continue
		}
		third = true
		if slices.ContainsFunc(p.reports, func(r refusal) bool { return r.from == id && c.now-r.at <= c.opts.Timeout }) {
			return true
		}
	}
	return !third
}

// consider removes who is gone, or takes over from a controller that is.
func (c *Controller) consider() {
	if c.be < 0 || !c.known {
		return
	}
	if !c.controls {
		c.considerTakeOver()
		return
	}
	for i := range c.peers {
		p := &c.peers[i]
		registered := slices.ContainsFunc(c.brokers, func(b Broker) bool {
			return b.Member.Broker == p.broker && b.Epoch == p.be
		})
		if registered && p.backoff.ready(c.now) && c.confirmed(p) {
			p.backoff.used(c.now, c.opts.Timeout)
			c.emit(DeclareDead{p.broker, p.be, c.guard})
		}
	}
}

// considerTakeOver replaces the controller that was read, if the very one refused. If it
// lives, its next write fails.
func (c *Controller) considerTakeOver() {
	r := &c.read
	p := c.peer(r.Broker)
	if !r.Held || c.waiting || p == nil || p.be != r.BrokerEpoch || p.controllerEpoch != r.NodeEpoch {
		return
	}
	if !c.backoff.ready(c.now) || !c.confirmed(p) || c.now < p.since+c.rank()*takeOverStep {
		return
	}
	c.backoff.used(c.now, c.opts.Timeout)
	c.elect(r.NodeVersion)
}

// rank counts the registered brokers with a smaller id.
func (c *Controller) rank() (n time.Duration) {
	for _, b := range c.brokers {
		if b.Member.Broker < c.opts.Broker {
			n++
		}
	}
	return n
}
