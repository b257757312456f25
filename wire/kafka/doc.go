// Package kafka speaks Kafka's protocol before the same wire.Handler as Skidway's own: whoever has a Kafka client, in
// any language, can use a broker.
//
// It decodes Kafka's requests, asks the handler what the native protocol would ask, and encodes the answers. Record
// batches pass through as they are, copied neither on the way in nor on the way out. What Kafka's clients ask and the
// native protocol has no word for is in the interface Node. Connections, memory, time and order are wire.Server's: this
// package is a wire.Dialect.
//
// One table (kinds.go) holds the kinds of request: the versions served and advertised, the layout of the request, and
// the function that starts it; one file holds one kind. The layout is checked before a request is decoded: how many
// elements there are, how long each is, and that nothing follows. Only then kmsg, whose readers believe a length as far
// as bytes are left, allocates.
//
// It may import record, units, wire, and of franz-go kmsg (the codec) and kerr (the numbers of errors).
package kafka
