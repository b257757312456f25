// Package partitionlog is one partition's log on the store: append, read, the
// offsets, truncation at both ends, the leader epochs' history, the state of
// idempotent producers (KIP-98) and the index by time.
//
// What it is: the rules of a log. An offset is assigned once and in the order
// of the store's commits, a reader sees nothing that is not durable (in a replica's
// log: committed, below the high watermark) and nothing below the log start, a batch's rows (its bytes, its producer's
// state, its place in the time index) are written together or not at all, and what the
// store gives back is checked before it is handed on.
//
// What it is not: it reads no clock (the append time is handed in), runs no
// goroutine, decides no retention and knows no topic's name or settings. It
// does not judge a client's batch (record.Batch.Validate does, before), and it
// decides nothing of replication: package replication says who leads, what is cut
// and how far readers may see; the calls for that are in replica.go, promise.go,
// reset.go, follow.go and ship.go.
//
// It may import the standard library, record and kv.
//
// Locks, in the order in which they may be taken: Log.slow, a shard's, Log.mu,
// then Logs.mu, arena.mu or Moves.mu. Under Log.mu nothing but memory is touched, and
// the store's queue. The values of its rows are drawn in docs/format/rows.md.
package partitionlog
