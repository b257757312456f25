// Command compat runs the field's own Kafka clients and tools against a broker, and writes docs/compatibility.md.
//
// A client is a small program in its own language in clients/NAME, with its own pinned manifest. It is started as
//
//	PROGRAM ADDRESS CASE TOPIC
//
// ADDRESS is the bootstrap server's, HOST:PORT. TOPIC exists, is empty (but for the case read) and new; it is also the
// name for the case's consumer group. The program exits 0 when all is as it should be; 1 when it is not, and its last
// line says what is wrong; 77 when the client has no such feature, and its last line says so. CASE version prints the
// client's version. What a client wrote is read again here, so that no client is believed alone.
//
// Two sets of data are known to all programs:
//
//   - the records: 20, the i-th (from 0) with the timestamp 1700000000000+1000*i ms, the key "key-i", or null when i%4
//     is 0, the value "value-i-ü", or null when i%5 is 0 and empty when i%5 is 1, and, when i is odd, four headers:
//     name=header-i, name=again, empty= (empty) and none (null);
//   - n lines: the i-th is "line i " and 100 times x, without a key.
//
// Run against Apache Kafka (-kafka), the cases prove themselves.
//
// It may import zkserver, for ending children with their parent, and kgo, to look at what was written.
package main
