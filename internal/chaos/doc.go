// Package chaos runs clusters of real processes, brokers and ZooKeeper servers, each in a network namespace of its own,
// and does to them what machines and networks do: processes are killed and paused, disks wiped, links cut, in one
// direction or both, slowed and delayed, and what an earlier connection said comes again. docs/design/0012-chaos.md
// says which case of the catalogue of faults is where.
//
//	go test ./internal/chaos                # each case once
//	make chaos DURATION=30m                 # mixes of faults under load, for that long
//
// The package is used by its tests only, and does something on Linux alone.
package chaos
