package sim

import (
	"slices"

	"github.com/skidway/skidway/replication"
)

// creditEnd is what one end of a pair's connection counts: what it may send, and what came. It begins anew with each
// connection, and with each process.
type creditEnd struct {
	conn    int
	credit  replication.Credit
	grant   replication.Grant
	tell    bool   // the other end is to be told of what was released
	starved []bool // by partition: a leader's that waits for credit
}

// creditEnd is this broker's end of the connection with a peer that it knows.
func (n *node) creditEnd(peer *node) *creditEnd {
	e := &n.credits[peer.id-1]
	if conn := n.w.net.told[n.id-1][peer.id-1]; e.starved == nil || e.conn != conn {
		if e.credit.Outstanding() > 0 {
			n.w.fired[CreditEnded]++
		}
		before := e.credit
		*e = creditEnd{
			conn: conn, starved: make([]bool, n.w.cfg.Partitions),
			credit: replication.NewCredit(n.w.cfg.Window), grant: replication.NewGrant(n.w.cfg.Window, n.w.cfg.Window),
		}
		if n.w.cfg.Bug == CreditKept && before.Outstanding() > 0 {
			e.credit = before
		}
	}
	return e
}

// dataBytes is what a message takes of a connection's credit.
func dataBytes(m replication.Message) (size int64) {
	if d, ok := m.(replication.Data); ok {
		for _, b := range d.Batches {
			size += int64(len(b.Bytes))
		}
	}
	return size
}

// room is how many bytes of a partition may be shipped now. If there is none, the partition is woken when there is.
func (n *node) room(part int, to *node) int64 {
	e := n.creditEnd(to)
	switch {
	case n.w.cfg.Bug == CreditIgnored:
		return n.w.cfg.Window
	case e.credit.Takes(1):
		return e.credit.Room()
	}
	e.credit.WantSome()
	e.starved[part] = true
	n.w.fired[NoCredit]++
	return 0
}

// givenBack notes what a peer has released in all, and wakes what waits for that.
func (n *node) givenBack(peer *node, total int64) {
	e := n.creditEnd(peer)
	if err := e.credit.GivenBack(total); err != nil {
		n.w.failf("credit: broker %d hears from %d of %v", n.id, peer.id, err)
		return
	}
	if !e.credit.Due(func(int64) bool { return true }) {
		return
	}
	starved := slices.Clone(e.starved)
	clear(e.starved)
	for part, waits := range starved {
		if waits {
			n.step(part, replication.Tick{})
		}
	}
}

// arrival is what came over a connection and is not released yet.
type arrival struct {
	peer  *node
	conn  int
	bytes int64
}

// receive takes a message. What takes credit is released when it is durable, or at once if nothing of it is appended.
func (n *node) receive(from *node, p parcel, conn int) {
	if p.bytes > 0 && conn == n.w.net.told[n.id-1][from.id-1] {
		if err := n.creditEnd(from).grant.Receive(p.bytes); err != nil {
			n.w.failf("credit: broker %d receives from %d %v", n.id, from.id, err)
		}
		n.arrived = arrival{from, conn, p.bytes}
	}
	n.step(p.part, replication.Received{From: from.id, Message: p.message})
	n.dropped(n.arrived)
	n.arrived = arrival{}
	n.tellCredit()
}

// dropped releases what is not in the log, nor will be.
func (n *node) dropped(a arrival) {
	if n.w.cfg.Bug != CreditEaten {
		n.released(a)
	}
}

// released notes what is off a connection, if that is not over.
func (n *node) released(a arrival) {
	if a.bytes == 0 || a.conn != n.w.net.told[n.id-1][a.peer.id-1] {
		return
	}
	e := n.creditEnd(a.peer)
	e.tell = e.grant.Release(a.bytes) || e.tell
}

// tellCredit tells the peers what was released, where nothing else that was sent has told them.
func (n *node) tellCredit() {
	for i := range n.credits {
		if n.credits[i].tell {
			n.w.net.send(n, n.w.brokers[i], parcel{})
		}
	}
}
