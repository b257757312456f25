// Package local keeps the metadata of a standalone broker: a metadata.Store on the
// 'x' rows of the broker's own kv store.
//
// All nodes are held in memory, as a tree; the rows are read once, at New. A multi is
// checked and applied to the tree under a mutex, then handed to kv's committer as one
// item, so that it is all there after a crash or not at all; it is answered when it
// is durable. Multis that arrive while an fsync runs share the next one.
//
// The tree is thus ahead of the disk for the length of an fsync. Nobody sees that:
// reads, and multis that fail, are answered when all that they saw is durable. If a
// commit fails, the tree can no longer be trusted; the store is then dead, and only a
// restart of the broker, which reads the rows again, tells what was kept.
//
// A process is one session: Store is its own metadata.Session, which is over when a
// write has failed. Ephemeral nodes are in memory only, so that they are gone when the
// store is read again, whatever ended the process before. Watches fire when a multi is
// applied to the tree; who reads again then waits until it is durable.
//
// It runs no goroutine. It may import metadata and kv.
package local
