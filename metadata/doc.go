// Package metadata is what the brokers of one cluster agree on: topics, their
// settings, tombstones of deleted topics, and the counters that identities come from.
//
// It has three parts. Store is the small interface to a tree of versioned nodes
// with ZooKeeper's semantics; metadata/local keeps it on the broker's own disk.
// The schema (Topic, Tombstone, Settings) says what the nodes hold and which
// names and values are legal. The operations (CreateTopics, DeleteTopics,
// AlterTopic, ...) are logic over any Store: each reads, decides, and writes one
// multi that is guarded by what it read.
//
// It is not a cache, it runs no goroutine, reads no clock and touches no file: the
// caller passes the time in, and deletes the data of a deleted topic itself.
//
// It may import record and units.
//
// # The tree
//
//	/cluster/id        the cluster's id
//	/topics/<name>     Topic: id, number of partitions, settings, state
//	/deleted/<id>      Tombstone: the only reason for which a topic's data may be deleted
//	/ids/topic         next topic id
//	/ids/producer      next producer id
//	/ids/group         next id of a creation of a consumer group
//	/groups/<enc>      consumer groups: package group says what is there and below
//
// # Deleting a topic
//
// One multi writes the tombstone and marks the topic as being deleted
// (DeleteTopics). The caller then deletes the data of that topic id, and last
// removes the topic's node (FinishDeletes), which frees the name. After a crash
// between any two of these steps ListTopics shows the topic with Deleting set,
// and the caller goes on from there: each step may be repeated. In a cluster each
// broker deletes its own data of the ids that have a tombstone (DeletedIDs), and the
// controller removes the partitions and then the topic's node. Data is never
// deleted because a topic is absent. A topic id is never reused, so a topic made
// again under the same name never meets the data of the former one.
package metadata
