// Package sim runs a whole cluster on one goroutine from one seed: brokers with the
// cores of package replication, on models of the disk, the network, the clocks and the
// metadata store, under faults. The same seed gives the same trace.
//
//	go test ./internal/sim -run TestSeeds -seeds 1000 -first 1
//
// It checks the promise at every step: what was committed never changes or disappears,
// one leader acknowledges per epoch, order and idempotence hold; and at the end, when
// all faults are healed, that everything is acknowledged and that replicas are equal.
//
// The package may import everything below row 6; it is used by tests only.
package sim
