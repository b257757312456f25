// Package replication decides how a partition's replicas agree: who leads, which
// records count as committed, what a replica cuts off, and who may take over.
//
// A Replica is one copy of one partition, a Session is a broker's registration with the
// metadata store, a Controller finds out which broker decides and which are gone, and
// Plan is what it changes; Credit and Grant count what a connection carries. All are
// without side effects: they read no clock, run no goroutine, draw no random number, and
// touch no network and no disk. The caller passes the time and what happened, and carries
// out what comes back, in order:
//
//	for _, effect := range replica.Step(now, event) { ... }
//
// docs/design/0009-replication.md is the protocol, with the rules R1 to R8 that the
// comments refer to. None of them is safe for concurrent use.
//
// The package may import record, kv, metadata, partitionlog and wire.
package replication
