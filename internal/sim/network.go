package sim

import (
	"time"

	"github.com/skidway/skidway/replication"
)

// network carries messages between brokers: in order on one connection, which may be
// slow, cut in one direction, reset, or known to be broken at one end only.
type network struct {
	w    *world
	conn [][]int           // generation of the connection of a pair, the same both ways
	cut  [][]bool          // messages one way disappear
	last [][]time.Duration // arrival of the newest message
	told [][]int           // the connection that this end knows
	deny [][]bool          // a firewall refuses connections one way
}

func newNetwork(w *world) *network {
	n := &network{w: w}
	for range w.cfg.Brokers {
		n.conn = append(n.conn, make([]int, w.cfg.Brokers))
		n.cut = append(n.cut, make([]bool, w.cfg.Brokers))
		n.last = append(n.last, make([]time.Duration, w.cfg.Brokers))
		n.told = append(n.told, make([]int, w.cfg.Brokers))
		n.deny = append(n.deny, make([]bool, w.cfg.Brokers))
	}
	return n
}

// parcel is what goes over a connection at once.
type parcel struct {
	part     int
	message  replication.Message // nil: none
	bytes    int64               // that it takes of the credit
	released int64               // how much of what came the other way was released in all; -1: no news
}

// message sends a message of a partition.
func (n *network) message(from, to *node, part int, m replication.Message) {
	n.send(from, to, parcel{part: part, message: m, bytes: dataBytes(m)})
}

// send gives a parcel to the connection, with the news of what was released.
func (n *network) send(from, to *node, p parcel) {
	a, b := from.id-1, to.id-1
	e := from.creditEnd(to)
	if total, news := e.grant.Tell(); news {
		p.released = total
	} else {
		p.released = -1
	}
	e.tell = false
	delay := n.w.between(0, 4)
	if n.w.chance(2) && !n.w.healed {
		delay += n.w.between(0, 400)
		n.w.fire(MessageLate)
	}
	at := max(n.w.now+delay, n.last[a][b])
	n.last[a][b] = at
	conn, process, lost := n.told[a][b], to.process, n.cut[a][b]
	if lost {
		n.w.fire(MessageLost)
	}
	// Of a connection that was reset, some messages were read already.
	late := n.w.chance(30)
	n.w.after(at-n.w.now, func() {
		if !lost && to.process == process && (n.conn[a][b] == conn || late && !n.w.healed) {
			to.run(process, func() { n.deliver(from, to, p, conn) })
		}
	})
	if p.message != nil && n.w.chance(n.w.cfg.Replayed) && !n.w.healed {
		n.replay(from, to, p, at-n.w.now+n.w.between(100, 6000))
	}
}

// deliver brings a parcel of a connection.
func (n *network) deliver(from, to *node, p parcel, conn int) {
	a, b := from.id-1, to.id-1
	if n.conn[a][b] != conn {
		n.w.fire(OldBytes)
	}
	n.disconnected(to, from, conn) // a new connection tells that the old one is over
	if p.released >= 0 && n.told[b][a] == conn {
		to.givenBack(from, p.released)
	}
	if p.message != nil {
		n.w.messagef("%d to %d, partition %d: %T%+v", from.id, to.id, p.part, p.message, p.message)
		to.receive(from, p, conn)
	}
}

// replay lets something on the way say a message again, much later (E15, E16). It takes no credit: on a connection that
// lives its tag is false, see package peer; and on one that is over nothing is counted.
func (n *network) replay(from, to *node, p parcel, delay time.Duration) {
	p.bytes, p.released = 0, -1
	conn, sender, process := n.told[from.id-1][to.id-1], from.process, to.process
	n.w.after(delay, func() {
		if from.process == sender { // what another process said bears the tags of another link
			to.run(process, func() { n.deliver(from, to, p, conn) })
		}
	})
}

// reset ends the connection of a pair. Each end hears of it, the one maybe late.
func (n *network) reset(x, y int) {
	n.conn[x][y]++
	n.conn[y][x]++
	for _, pair := range [][2]int{{x, y}, {y, x}} {
		at, peer := n.w.brokers[pair[0]], n.w.brokers[pair[1]]
		delay := n.w.between(0, 5)
		if n.w.chance(30) {
			delay = n.w.between(500, 1500) // half open, until a heartbeat is missed
			n.w.fire(HalfOpen)
		}
		process, conn := at.process, n.conn[x][y]
		n.w.after(delay, func() { at.run(process, func() { n.disconnected(at, peer, conn) }) })
	}
}

// disconnected tells a broker, once, that its connections with the peer before conn are over.
func (n *network) disconnected(at, peer *node, conn int) {
	told := &n.told[at.id-1][peer.id-1]
	if *told >= conn {
		return
	}
	*told = conn
	for part := range at.replicas {
		at.step(part, replication.Disconnected{Broker: peer.id})
	}
}

// tell brings what a broker says of itself or of others, if the connection is up.
func (n *network) tell(from, to *node, ev replication.ControllerEvent) {
	lost, process := n.cut[from.id-1][to.id-1], to.process
	n.w.after(n.w.between(0, 4), func() {
		if !lost {
			to.run(process, func() { to.stepController(ev) })
		}
	})
}

// refuses tells whether a connection is refused: nobody listens there any more, or a
// firewall says so. A machine that is gone, and a cut, answer nothing.
func (n *network) refuses(from, to *node) bool {
	a, b := from.id-1, to.id-1
	dead := !to.up && !to.silent && !n.cut[a][b] && !n.cut[b][a]
	if !dead && n.deny[a][b] && to.up {
		n.w.fire(OneSidedReject)
	}
	return dead || n.deny[a][b]
}

// reject lets a firewall refuse one broker's connections with another for a while.
func (n *network) reject(x, y int) {
	n.deny[x][y] = true
	n.block(x, y, true)
}

func (n *network) block(x, y int, bothWays bool) {
	n.cut[x][y] = true
	n.cut[y][x] = n.cut[y][x] || bothWays
	if !n.cut[y][x] {
		n.w.fire(OneWayCut)
	}
	heal := func() {
		n.cut[x][y], n.cut[y][x], n.deny[x][y] = false, false, false
		n.reset(x, y)
	}
	n.w.after(n.w.between(200, 9000), heal)
}
