package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

const firstStamp = 1_700_000_000_000

// recordSet are the 20 records that every program knows.
func recordSet() []kafka.Message {
	records := make([]kafka.Message, 20)
	for i := range records {
		r := kafka.Message{Time: time.UnixMilli(firstStamp + 1000*int64(i))}
		if i%4 != 0 {
			r.Key = fmt.Appendf(nil, "key-%d", i)
		}
		switch i % 5 {
		case 0:
		case 1:
			r.Value = []byte{}
		default:
			r.Value = fmt.Appendf(nil, "value-%d-ü", i)
		}
		if i%2 == 1 {
			r.Headers = []kafka.Header{
				{Key: "name", Value: fmt.Appendf(nil, "header-%d", i)}, {Key: "name", Value: []byte("again")},
				{Key: "empty", Value: []byte{}}, {Key: "none"},
			}
		}
		records[i] = r
	}
	return records
}

// same takes null for empty: kafka-go's reader tells no difference.
func same(a, b []byte) bool { return bytes.Equal(a, b) }

// checkRecords holds that got is the set.
func checkRecords(got []kafka.Message) {
	for i, want := range recordSet() {
		r := got[i]
		fine := r.Offset == int64(i) && same(r.Key, want.Key) && same(r.Value, want.Value) && r.Time.Equal(want.Time) &&
			len(r.Headers) == len(want.Headers)
		for h := 0; fine && h < len(want.Headers); h++ {
			fine = r.Headers[h].Key == want.Headers[h].Key && same(r.Headers[h].Value, want.Headers[h].Value)
		}
		if !fine {
			fail("record %d: read %+v instead of %+v", i, r, want)
		}
	}
}

func line(i int) string { return fmt.Sprintf("line %d %s", i, strings.Repeat("x", 100)) }

func lines(n int) (messages []kafka.Message) {
	for i := range n {
		messages = append(messages, kafka.Message{Value: []byte(line(i))})
	}
	return messages
}

// checkLines holds that got are the lines from the one at from on, in order.
func checkLines(got []kafka.Message, from int) {
	for i, r := range got {
		if string(r.Value) != line(from+i) || r.Offset != int64(from+i) {
			fail("offset %d holds %q instead of %q", r.Offset, r.Value, line(from+i))
		}
	}
}
