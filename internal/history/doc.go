// Package history holds what clients saw of a cluster under faults, and tells where that breaks the promise.
//
// It is: History, the events of clients in the order of one clock, kept as lines of JSON; Check and CheckLinear, which
// find what a log must not do in it (the anomalies of Jepsen's Kafka tests, the real-time order of Redpanda's, and
// linearizability by Porcupine); Load, which produces and consumes with real clients and records what they see; and
// CompareStores, which compares what the replicas' stores hold once their brokers have stopped.
//
// It is not: it makes no fault and starts no broker, and it checks neither groups nor transactions.
//
// It may import everything below row 6; it is used by tests only.
package history
