// Package record is one record batch in its single encoded form. The bytes a producer builds are the bytes that are
// sent, stored, replicated and fetched: Kafka's record-batch v2 layout (KIP-98), which any Kafka client reads.
//
// What it is: the layout (see HeaderSize), accessors that read a field in place, the checks that a broker makes before
// it appends a stranger's bytes (Validate), a reader of the records (Records), and the producer's side (Builder).
//
// What it is not: it keeps no log, reads no clock, starts no goroutine, does no I/O, and never re-encodes a batch. The
// base offset and the leader epoch lie outside the checksum, so a broker stamps them in place; the append time lies
// inside, so StampAppendTime patches the checksum.
//
// It may import the standard library and the compression codecs, nothing else of this module.
//
// Words: a batch's "body" is what follows the header, compressed or not; its "records" are the body, decompressed.
package record
