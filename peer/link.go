package peer

import (
	"fmt"

	"github.com/skidway/skidway/replication"
)

// Partition addresses a message: the topic's id and the partition's number.
type Partition struct {
	Topic uint64
	Index int32
}

// Unregistered is the broker epoch of a broker without a registration. It has no links: it
// refuses those of others, so that its address never looks like that of a dead process.
const Unregistered int32 = -1

// Incarnation is a broker as it is registered: another epoch or storage id is another
// incarnation (docs/design/0009-replication.md).
type Incarnation struct {
	Broker  int32
	Epoch   int32 // broker epoch
	Storage uint64
}

// Side says who dialled a link, and thereby which messages belong on it.
type Side uint8

// The sides. A broker dials the one that it follows.
const (
	// Follower: this broker dialled. It sends Subscribe, Ack, Drop and ProbeAck here.
	Follower Side = iota + 1
	// Leader: the peer dialled. This broker sends Subscribed, Diverged, Refused,
	// Released, OutOfRange, Data and Probe here.
	Leader
)

// Class separates the traffic of partitions in sync from bulk copies.
type Class uint8

// The classes, each with a connection and a credit of its own. Two links keep no order between
// them: a partition's messages stay on the link that its Subscribe was sent on.
const (
	Live Class = iota + 1 // replicas in sync, or nearly
	Bulk                  // catch-up
)

// Link names one connection with a peer, from its Connected to its Disconnected. Sessions
// rise and are never used twice by a Transport: what is sent to a link that is over goes
// nowhere, and never to the next one.
type Link struct {
	Peer    int32
	Side    Side
	Class   Class
	Session uint64
}

// String is "broker 2 (we follow, live, session 7)".
func (l Link) String() string {
	side, class := "we lead", "live"
	if l.Side == Follower {
		side = "we follow"
	}
	if l.Class == Bulk {
		class = "bulk"
	}
	return fmt.Sprintf("broker %d (%s, %s, session %d)", l.Peer, side, class, l.Session)
}

// Addressed is a message and the partition that it is about.
type Addressed struct {
	Partition Partition
	Message   replication.Message
}

// DataBytes is what a message takes of a link's credit: the bytes of a Data's batches, and
// nothing for all others.
func DataBytes(m replication.Message) int {
	d, ok := m.(replication.Data)
	if !ok {
		return 0
	}
	n := 0
	for _, b := range d.Batches {
		n += len(b.Bytes)
	}
	return n
}
