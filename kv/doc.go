// Package kv is the store of one broker: one Pebble database that carries
// every partition's rows, and the one committer through which every change
// goes.
//
// It owns three things. The layout of every key (keys.go draws the bytes).
// The options that safety and speed need, and Pebble itself: no other package
// imports it. And the order of writes: items are applied in the order in
// which they were enqueued, many folded into one batch, one write of the
// write-ahead log and one fsync, and an item hears that it is durable only
// after that fsync returned. A store that comes back after a crash holds a
// prefix of the items, each whole or not at all.
//
// It is not a log: it knows neither offsets' meaning nor the content of the
// values, which belong to the packages that put them (docs/format/keys.md
// names the owners). It does not check what it is handed beyond its own
// invariants, and it does not wait for anyone but the disk.
//
// A failed write or a failed fsync is never retried and never survived: what
// the disk holds is then unknown, so the store is dead from that moment on,
// nothing more is acknowledged, and Events.Fatal ends the process.
//
// It may import the standard library, Pebble and golang.org/x/sys.
package kv
