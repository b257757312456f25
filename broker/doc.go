// Package broker assembles one node of Skidway: the store, the partition logs, the topics, the protocol server, the
// timers, the metrics and the health page. It is the only package that knows all of them.
//
// One file holds one kind of request; its header comment says what the request does and what it does not. Everything
// that a broker needs to know is in Config, which is passed in: nothing here reads a file, a flag or the environment.
//
// It is not the place for rules that can be told without a running node: the layout of keys is kv's, offsets and
// idempotence are partitionlog's, the schema of topics and settings is metadata's, what retention removes is decided
// by retention, frames and error codes are wire's. broker carries bytes and answers between them.
//
// It may import everything below row 5 (record, units, kv, metadata, partitionlog, metadata/local, wire, retention)
// and the metrics library. Only cmd, bench and tests import it.
//
// # Lock order
//
//	Broker.adminMu  ->  partition.mu  ->  openedSet.mu, topicSet.mu, clock.mu
//
// adminMu serialises changes of topics, and producerIDs.mu the taking of ids: these two alone are held while the store
// is written and waited for, and neither is taken on the way of a record. partition.mu is held while a log is opened,
// which reads the store. Under the others nothing but memory is touched.
package broker
