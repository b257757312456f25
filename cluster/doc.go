// Package cluster is a broker's place among others: it registers the broker with the
// metadata store, in one incarnation after another, keeps a view of the brokers, the
// topics and the partitions' states up to date, stands for election as the controller,
// and does the controller's work while it is it.
//
// What is to change is decided by package replication; this package reads, and writes
// what it says under the guards that docs/design/0009-replication.md names. It serves no
// client and touches no log: the broker takes the news from it and carries them to its
// replicas.
package cluster
