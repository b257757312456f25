package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// recordTotal is how many records the first set of data has.
const recordTotal = 20

// record is one of the set, as skidway's json has it.
type record struct {
	Timestamp string   `json:"timestamp"`
	Key       *string  `json:"key"`
	Value     *string  `json:"value"`
	Headers   []header `json:"headers"`
}

type header struct {
	Key   string  `json:"key"`
	Value *string `json:"value"`
}

// recordAt is the i-th record of the set.
func recordAt(i int) record {
	text := func(s string) *string { return &s }
	r := record{
		Timestamp: time.UnixMilli(1_700_000_000_000 + 1000*int64(i)).UTC().Format("2006-01-02T15:04:05.000Z"),
		Headers:   []header{},
	}
	if i%4 != 0 {
		r.Key = text(fmt.Sprintf("key-%d", i))
	}
	switch i % 5 {
	case 0:
	case 1:
		r.Value = text("")
	default:
		r.Value = text(fmt.Sprintf("value-%d-ü", i))
	}
	if i%2 == 1 {
		r.Headers = []header{
			{"name", text(fmt.Sprintf("header-%d", i))}, {"name", text("again")}, {"empty", text("")}, {"none", nil},
		}
	}
	return r
}

// recordLines are the records as lines of json.
func recordLines() []byte {
	var b bytes.Buffer
	for i := range recordTotal {
		line, err := json.Marshal(recordAt(i))
		if err != nil {
			panic(fmt.Sprintf("texts as json: %v", err))
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

// compare says what in lines of json differs from the records of the set; nil: nothing.
func compare(lines []byte) error {
	split := bytes.Split(bytes.TrimSpace(lines), []byte("\n"))
	if len(split) != recordTotal {
		return fmt.Errorf("%d records were left instead of %d", len(split), recordTotal)
	}
	for i, line := range split {
		var got record
		if err := json.Unmarshal(line, &got); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		is, err := json.Marshal(got)
		if err != nil {
			return err
		}
		want, err := json.Marshal(recordAt(i))
		if err != nil {
			return err
		}
		if !bytes.Equal(is, want) {
			return fmt.Errorf("record %d was left as %s instead of %s", i, is, want)
		}
	}
	return nil
}
