package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const firstStamp = 1_700_000_000_000

// recordSet are the 20 records that every program knows.
func recordSet(topic string) []*kgo.Record {
	records := make([]*kgo.Record, 20)
	for i := range records {
		r := &kgo.Record{Topic: topic, Timestamp: time.UnixMilli(firstStamp + 1000*int64(i))}
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
			r.Headers = []kgo.RecordHeader{
				{Key: "name", Value: fmt.Appendf(nil, "header-%d", i)}, {Key: "name", Value: []byte("again")},
				{Key: "empty", Value: []byte{}}, {Key: "none"},
			}
		}
		records[i] = r
	}
	return records
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// checkRecords holds that got is the set.
func checkRecords(got []*kgo.Record) {
	for i, want := range recordSet("") {
		r := got[i]
		fine := r.Offset == int64(i) && same(r.Key, want.Key) && same(r.Value, want.Value) &&
			r.Timestamp.Equal(want.Timestamp) && len(r.Headers) == len(want.Headers)
		for h := range want.Headers {
			fine = fine && r.Headers[h].Key == want.Headers[h].Key && same(r.Headers[h].Value, want.Headers[h].Value)
		}
		if !fine {
			fail("record %d: read %+v instead of %+v", i, *r, *want)
		}
	}
}

func line(i int) string { return fmt.Sprintf("line %d %s", i, strings.Repeat("x", 100)) }

func lines(topic string, n int) []*kgo.Record {
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Value: []byte(line(i))}
	}
	return records
}

// checkLines holds that got are the lines from the one at from on, in order.
func checkLines(got []*kgo.Record, from int) {
	for i, r := range got {
		if string(r.Value) != line(from+i) || r.Offset != int64(from+i) {
			fail("offset %d holds %q instead of %q", r.Offset, r.Value, line(from+i))
		}
	}
}
