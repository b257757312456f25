// Package zk keeps a cluster's metadata in ZooKeeper: a metadata.Sessions below one node, the chroot.
//
// Store gives out sessions, one incarnation after the other. A Session is one ZooKeeper session: it moves from server
// to server, and when ZooKeeper says that it is over, or puts another in its place, it is over for good; the client
// library, which would go on with a fresh session by itself, is cut off before it can send anything in it.
//
// Each request has a deadline, and a result of one of three classes. OK: it is done. Definite: nothing was changed,
// and nothing will be. Unknown (metadata.ErrUnknown): the connection broke, the session ended or the deadline passed
// with a write under way, which may still be applied. Reads are repeated on the next connection until their deadline.
//
// Watches feed metadata.Changes: neither a goroutine nor a channel of this package belongs to a watch.
//
// docs/design/0008-zookeeper.md says what is used of ZooKeeper and why. It may import metadata. It is the only importer
// of ZooKeeper's client.
package zk
