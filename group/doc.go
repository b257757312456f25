// Package group is one consumer group: who its members are, which of them each
// partition is for, which of them holds it, and what was committed.
//
// A Group is a state machine after KIP-848. The server assigns: members send one
// request, the heartbeat, and are answered with what they are to consume. A Book
// holds the committed offsets of one group. docs/design/0005-groups.md says why it
// is so, docs/format/groups.md what the nodes hold.
//
// Both are pure: they read no clock, run no goroutine, draw no random number, and
// touch no network and no disk. The caller passes the time, the topics, member ids
// and group ids in, and carries out what comes back:
//
//	answer, err := g.Heartbeat(now, request)
//	write(g.Changes())         // to the metadata store, in order
//	send(answer)               // never before that write is durable
//	for _, id := range g.Woken() { ... } // members that a heartbeat now has news for
//
// The order is what keeps a partition from having two owners over a crash: an answer
// that gives a partition away is sent only when the store says so too. Where the write
// is refused, or its outcome is unknown, the Group is thrown away and restored from
// the store; nothing was promised to anybody.
//
// Classic is a group as Kafka's classic protocol has it: docs/design/0014-classic-groups.md.
//
// A Group, a Classic, a Book and a Fold are not safe for concurrent use. A Topics is.
//
// The package may import record, units and metadata.
package group
