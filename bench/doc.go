// Package bench measures a broker: throughput and latency of producing, consuming and both together, under a load
// that is described in full by a Load, through the Go client of Skidway or, for comparison, through franz-go against
// Apache Kafka.
//
// It cannot flatter. Under an open loop a record's latency counts from the moment at which it was meant to be sent,
// not from that at which the client came to send it. Each record carries its producer and sequence, so that what was
// lost, duplicated, reordered or damaged is counted over produce and consume. What the client could not do is said to
// be the client's. The broker's own view (CPU, memory, disk, syncs) stands beside the client's.
//
// It is not a tool for correctness under faults, and it knows no target figures. It may import client, wire, record,
// units, the HDR histogram, a TOML reader and franz-go; in tests the broker. One file holds each driver; all else is
// shared by both.
package bench
