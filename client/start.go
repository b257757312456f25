package client

import (
	"fmt"
	"time"
)

// Start is the place in a partition at which reading begins. The zero value is the start of the log.
type Start struct {
	kind  startKind
	value int64 // an offset, or a time in ms
	delta int64
}

type startKind int8

const (
	fromStart startKind = iota
	fromEnd
	fromOffset
	fromTime
)

// AtStart is the first record that the log holds.
func AtStart() Start { return Start{kind: fromStart} }

// AtEnd is behind the last record that is durable at the moment of the call it is given to: only records that come
// later are read.
func AtEnd() Start { return Start{kind: fromEnd} }

// At is an offset. Whether it lies in the log shows at the first fetch: see ConsumerOptions.OutOfRange.
func At(offset int64) Start { return Start{kind: fromOffset, value: offset} }

// AtTime is the first record whose timestamp is t or later; the end of the log if there is none.
func AtTime(t time.Time) Start { return Start{kind: fromTime, value: t.UnixMilli()} }

// Plus moves the place by n records, forward or (n < 0) back. The result is clipped to the log at the moment of the
// call it is given to, except that of At.
func (s Start) Plus(n int64) Start {
	s.delta += n
	return s
}

// String returns the place in words: "start", "end", "offset 47", "time 2026-11-22T20:01:07Z", and "+3" or "-3"
// behind it.
func (s Start) String() string {
	var text string
	switch s.kind {
	case fromStart:
		text = "start"
	case fromEnd:
		text = "end"
	case fromOffset:
		text = fmt.Sprintf("offset %d", s.value)
	case fromTime:
		text = "time " + time.UnixMilli(s.value).UTC().Format(time.RFC3339Nano)
	}
	if s.delta != 0 {
		text += fmt.Sprintf("%+d", s.delta)
	}
	return text
}
