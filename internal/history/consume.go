package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

const (
	// oneIn is how rarely a reader asks where a partition ends, or goes back: once in so many polls each.
	oneIn = 16
	// farthestBack bounds how many records it goes back.
	farthestBack = 200
	// pollRecords is the most that a poll of a reader returns: few, so that there are many polls.
	pollRecords = 100
)

// consume is the life of one reader.
func (l *Load) consume() {
	c, err := l.connect(l.reading)
	if err != nil {
		return
	}
	defer func() { _ = c.Close(ended()) }() // nothing is awaited
	r, err := client.NewConsumer(c, client.ConsumerOptions{MaxPollRecords: pollRecords})
	if err != nil {
		return
	}
	t := &task{l: l, c: c, r: r, process: l.history.NewProcess()}
	t.begin(l.reading)
	for l.reading.Err() == nil {
		t.poll(l.reading)
		switch rand.IntN(oneIn) {
		case 0:
			t.askEnd(l.reading, rand.Int32N(l.partitions))
		case 1:
			t.goBack(l.reading, rand.Int32N(l.partitions))
		}
	}
}

// task is a process that reads.
type task struct {
	l       *Load
	c       *client.Client
	r       *client.Consumer
	process int
}

func (t *task) add(op Op, kind Kind, partition int32, offsets ...int64) {
	t.l.history.Add(Event{Process: t.process, Op: op, Kind: kind, Partition: partition, Offsets: offsets})
}

// begin assigns all partitions from their start on.
func (t *task) begin(ctx context.Context) {
	for {
		err := t.r.Assign(ctx, t.l.opts.Topic, client.AtStart())
		if err == nil {
			break
		}
		if !sleep(ctx, pause) {
			return
		}
	}
	for _, s := range t.r.State() {
		t.add(Assign, OK, s.Partition, s.Position)
	}
}

// poll takes the next records into the history.
func (t *task) poll(ctx context.Context) {
	t.add(Poll, Invoke, None)
	records, err := t.r.Poll(ctx)
	var e *client.Error
	switch {
	case err == nil:
		for _, polled := range byPartition(records) {
			polled.Process, polled.Op, polled.Kind = t.process, Poll, OK
			t.l.history.Add(polled)
		}
	case ctx.Err() != nil:
	case errors.As(err, &e) && e.Partition >= 0:
		t.l.history.Add(Event{Process: t.process, Op: Poll, Kind: Fail, Partition: e.Partition, Error: nameOf(err)})
		t.seek(ctx, e.Partition, 0)
	default:
		sleep(ctx, pause)
	}
}

// byPartition makes an event of the records of each partition, in the order in which they came.
func byPartition(records []client.Record) []Event {
	var out []Event
	at := make(map[int32]int)
	for _, r := range records {
		i, there := at[r.Partition]
		if !there {
			i = len(out)
			at[r.Partition] = i
			out = append(out, Event{Partition: r.Partition})
		}
		out[i].Values = append(out[i].Values, DecodeValue(r.Value))
		out[i].Offsets = append(out[i].Offsets, r.Offset)
	}
	return out
}

// goBack reads some records of a partition once more.
func (t *task) goBack(ctx context.Context, partition int32) {
	at, err := t.r.Position(t.l.opts.Topic, partition)
	if err == nil {
		t.seek(ctx, partition, max(0, at-rand.Int64N(farthestBack)))
	}
}

func (t *task) seek(ctx context.Context, partition int32, offset int64) {
	for t.r.Seek(ctx, t.l.opts.Topic, partition, client.At(offset)) != nil {
		if !sleep(ctx, pause) {
			return
		}
	}
	t.add(Assign, OK, partition, offset)
}

// askEnd asks where a partition ends for readers.
func (t *task) askEnd(ctx context.Context, partition int32) {
	t.add(Latest, Invoke, partition)
	ends, err := t.ends(ctx, partition)
	if err != nil {
		t.l.history.Add(Event{Process: t.process, Op: Latest, Kind: Fail, Partition: partition, Error: nameOf(err)})
		return
	}
	t.add(Latest, OK, partition, ends[0].Offset)
}

// ends asks for the ends of partitions, all if none are named, and fails if one is not told.
func (t *task) ends(ctx context.Context, partitions ...int32) ([]wire.ListOffsetsResult, error) {
	ends, err := client.NewAdmin(t.c).ListOffsets(ctx, t.l.opts.Topic, client.OffsetEnd, partitions...)
	if err != nil {
		return nil, err
	}
	for i := range ends {
		if ends[i].Error != nil {
			return nil, ends[i].Error
		}
	}
	return ends, nil
}

// readToEnd reads all partitions from their start to where they end now.
func (l *Load) readToEnd(ctx context.Context) error {
	c, err := l.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ended()) }() // nothing is awaited
	r, err := client.NewConsumer(c, client.ConsumerOptions{})
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	t := &task{l: l, c: c, r: r, process: l.history.NewProcess()}
	for partition := range l.partitions {
		t.add(Final, Invoke, partition)
	}
	var ends []wire.ListOffsetsResult
	for ends == nil {
		if ends, err = t.ends(ctx); err != nil && !sleep(ctx, pause) {
			return fmt.Errorf("history: the ends of the log were not told: %w", err)
		}
	}
	t.begin(ctx)
	all := make([]Event, l.partitions)
	for i := range all {
		all[i] = Event{Process: t.process, Op: Final, Kind: OK, Partition: int32(i)}
	}
	for !t.reached(ends) {
		records, err := r.Poll(ctx)
		var e *client.Error
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("history: the log was not read to its end: %w", ctx.Err())
		case errors.As(err, &e) && e.Partition >= 0:
			l.history.Add(Event{Process: t.process, Op: Final, Kind: Fail, Partition: e.Partition, Error: nameOf(err)})
			return fmt.Errorf("history: the log cannot be read to its end: %w", err)
		case err != nil:
			sleep(ctx, pause)
		}
		for _, some := range byPartition(records) {
			one := &all[some.Partition]
			one.Values, one.Offsets = append(one.Values, some.Values...), append(one.Offsets, some.Offsets...)
		}
	}
	for _, e := range all {
		l.history.Add(e)
	}
	return nil
}

// reached tells whether all is read up to the ends.
func (t *task) reached(ends []wire.ListOffsetsResult) bool {
	at := make(map[int32]int64)
	for _, s := range t.r.State() {
		at[s.Partition] = s.Position
	}
	for _, end := range ends {
		if at[end.Index] < end.Offset {
			return false
		}
	}
	return true
}
