package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/units"
	"github.com/skidway/skidway/wire"
)

// mostFailures is the number of failed records that are named one by one.
const mostFailures = 5

// report counts what became of the records of a produce. Safe for concurrent use.
type report struct {
	topic string

	mu      sync.Mutex
	read    int64 // records taken from the input
	parts   map[int32]*written
	fails   []failed // the first mostFailures
	failing int64    // records that failed
	stop    bool     // a failure that every record after it would share
}

// written is what was written to one partition.
type written struct {
	first, last    int64 // -1: not told
	records, bytes int64
}

type failed struct {
	record int64
	err    error
}

func newReport(topic string) *report { return &report{topic: topic, parts: make(map[int32]*written)} }

// next counts a record of the input and returns its number; the first is 1.
func (r *report) next() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read++
	return r.read
}

func (r *report) written(partition int32, offset int64, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.parts[partition]
	if w == nil {
		w = &written{first: offset, last: offset}
		r.parts[partition] = w
	}
	w.first, w.last = min(w.first, offset), max(w.last, offset)
	w.records++
	w.bytes += int64(bytes)
}

func (r *report) failed(record int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing++
	r.stop = r.stop || !ofOneRecord(err)
	if len(r.fails) < mostFailures {
		r.fails = append(r.fails, failed{record, err})
	}
}

// fatal tells whether it is of no use to go on.
func (r *report) fatal() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop
}

// ofOneRecord tells an error that is about one record from one that all others would meet, too.
func ofOneRecord(err error) bool {
	var f *failure.Failure
	var ce *client.Error
	if errors.As(err, &f) {
		return true // the input's
	}
	if !errors.As(err, &ce) {
		return false
	}
	switch ce.Code {
	case wire.CodeRecordTooLarge, wire.CodeUnknownPartition, wire.CodeInvalidTimestamp, wire.CodeInvalidBatch:
		return true
	}
	return false
}

// failures makes a failure of each of the first records that failed, with their number; records of one cause and one
// code after each other are put together.
func (r *report) failures(explain func(error) error) failure.List {
	r.mu.Lock()
	defer r.mu.Unlock()
	var l failure.List
	for i, one := range r.fails {
		f := &failure.Failure{}
		if !errors.As(explain(one.err), &f) {
			f = &failure.Failure{Code: failure.CodeInternal, Exit: failure.ExitRefused, Message: one.err.Error(), Err: one.err}
		}
		var in *failure.Failure
		if !errors.As(one.err, &in) { // the input's say it themselves
			f.Message = fmt.Sprintf("record %d %s: %s", one.record, fate(one.err), f.Message)
		}
		if rest := r.failing - int64(i) - 1; rest > 0 && (i == mostFailures-1 || r.stop) {
			f.Notes = append(f.Notes, failure.Note{Label: "also", Text: plural(rest, "more record")})
			return append(l, f)
		}
		l = append(l, f)
	}
	return l
}

// fate says what is known of a record that failed.
func fate(err error) string {
	var ce *client.Error
	if errors.As(err, &ce) && ce.Outcome == client.OutcomeUnknown {
		return "may or may not have been written"
	}
	return "was not written"
}

// print writes what was written where: for people on standard error, with --format json on standard output.
func (r *report) print(a *app) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var parts []int32
	for p := range r.parts {
		parts = append(parts, p)
	}
	slices.Sort(parts)
	for _, p := range parts {
		if a.format != "json" {
			fmt.Fprintln(a.errOut, r.line(p))
			continue
		}
		w := r.parts[p]
		err := a.write(func(out io.Writer) error {
			return failure.EncodeLine(out, table.Object{{Name: "topic", Value: r.topic}, {Name: "partition", Value: p},
				{Name: "first_offset", Value: w.first}, {Name: "last_offset", Value: w.last},
				{Name: "records", Value: w.records}, {Name: "bytes", Value: w.bytes}})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *report) line(partition int32) string {
	w := r.parts[partition]
	switch {
	case w.first < 0:
		return fmt.Sprintf("%s[%d] not acknowledged   %s, %s", r.topic, partition, plural(w.records, "record"),
			units.FormatBytes(w.bytes))
	case w.records == 1:
		return fmt.Sprintf("%s[%d] offset %d", r.topic, partition, w.first)
	default:
		return fmt.Sprintf("%s[%d] offsets %d-%d   %s, %s", r.topic, partition, w.first, w.last,
			plural(w.records, "record"), units.FormatBytes(w.bytes))
	}
}
