// Package wire is Skidway's protocol: msgpack over TCP.
//
// It holds the request and response structs, the error table, the frames, a
// typed codec with limits, the Server that a broker puts its Handler behind, and
// the Conn that a client dials. docs/format/wire.md specifies every byte; the
// tests hold that page to this package.
//
// It is not a broker: it knows nothing of topics, logs or rights, and carries
// record batches as opaque bytes that are copied neither on the way in nor on
// the way out. Everything that comes from a peer is hostile until decoded: a
// length is believed only as far as bytes have arrived.
//
// May import: the standard library, vmihailenco/msgpack (its streaming
// primitives only: generic decoding has no depth limit and trusts declared
// lengths), golang.org/x/sys and golang.org/x/time.
package wire
