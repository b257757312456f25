// Package peer is the connections between brokers: replication's messages over TCP.
//
// A Transport listens for the other brokers of its cluster and dials those that it follows.
// Both ends of a connection prove that they hold the cluster's secret, and every frame after
// that bears a tag made with the session's key, so that nobody else can forge, replay, reorder
// or leave out what moves a high watermark (faults I-16, I-17). Links break when they are
// silent; DATA goes only as far as the follower's credit; what happened is pulled in batches of
// events. docs/format/peer.md draws the bytes, docs/design/0010-peers.md says why it is so.
//
// It decides nothing about a partition: the messages are package replication's, and record
// batches are opaque bytes that are never encoded again.
//
// May import: replication, wire (socket options), internal/bounded, and libraries.
package peer
