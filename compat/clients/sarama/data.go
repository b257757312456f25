package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const firstStamp = 1_700_000_000_000

// encoder is nil for null: an interface that holds a nil slice would be empty.
func encoder(b []byte) sarama.Encoder {
	if b == nil {
		return nil
	}
	return sarama.ByteEncoder(b)
}

// wanted is a record of the set that every program knows.
type wanted struct {
	key, value []byte
	timestamp  time.Time
	headers    []sarama.RecordHeader
}

func recordSet() []wanted {
	records := make([]wanted, 20)
	for i := range records {
		r := wanted{timestamp: time.UnixMilli(firstStamp + 1000*int64(i))}
		if i%4 != 0 {
			r.key = fmt.Appendf(nil, "key-%d", i)
		}
		switch i % 5 {
		case 0:
		case 1:
			r.value = []byte{}
		default:
			r.value = fmt.Appendf(nil, "value-%d-ü", i)
		}
		if i%2 == 1 {
			r.headers = []sarama.RecordHeader{
				{Key: []byte("name"), Value: fmt.Appendf(nil, "header-%d", i)},
				{Key: []byte("name"), Value: []byte("again")},
				{Key: []byte("empty"), Value: []byte{}}, {Key: []byte("none")},
			}
		}
		records[i] = r
	}
	return records
}

func recordMessages(topic string) (messages []*sarama.ProducerMessage) {
	for _, r := range recordSet() {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Key: encoder(r.key), Value: encoder(r.value), Timestamp: r.timestamp, Headers: r.headers,
		})
	}
	return messages
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// checkRecords holds that got is the set.
func checkRecords(got []*sarama.ConsumerMessage) {
	for i, want := range recordSet() {
		r := got[i]
		fine := r.Offset == int64(i) && same(r.Key, want.key) && same(r.Value, want.value) &&
			r.Timestamp.Equal(want.timestamp) && len(r.Headers) == len(want.headers)
		for h := 0; fine && h < len(want.headers); h++ {
			fine = string(r.Headers[h].Key) == string(want.headers[h].Key) && same(r.Headers[h].Value, want.headers[h].Value)
		}
		if !fine {
			fail("record %d: read %+v instead of %+v", i, *r, want)
		}
	}
}

func line(i int) string { return fmt.Sprintf("line %d %s", i, strings.Repeat("x", 100)) }

func lines(topic string, n int) (messages []*sarama.ProducerMessage) {
	for i := range n {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(line(i))})
	}
	return messages
}

// checkLines holds that got are the lines from the one at from on, in order.
func checkLines(got []*sarama.ConsumerMessage, from int) {
	for i, r := range got {
		if string(r.Value) != line(from+i) || r.Offset != int64(from+i) {
			fail("offset %d holds %q instead of %q", r.Offset, r.Value, line(from+i))
		}
	}
}
