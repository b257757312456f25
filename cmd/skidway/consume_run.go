package main

import (
	"bufio"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/position"
)

// consuming is a consume under way. Its goroutine is the only one that touches it, but for what hooks do.
type consuming struct {
	app      *app
	plan     consumePlan
	consumer *client.Consumer
	out      *bufio.Writer
	buf      []byte
	until    map[int32]int64 // where each partition that is still read ends; -1: nowhere
	printed  int64
	lost     atomic.Pointer[outage] // the connection is away, and the user was told
	reading  atomic.Bool            // the broker was found: an attempt that fails is worth a word
	ending   atomic.Bool            // it is this program that closes connections
	back     atomic.Int64           // ns since 1970 when the last outage was over
}

// backFor is how long after an outage the end of another connection is old news.
const backFor = 2 * time.Second

func (a *app) consume(ctx context.Context, plan consumePlan) error {
	j := &consuming{app: a, plan: plan, out: bufio.NewWriterSize(a.out, 64<<10), until: make(map[int32]int64)}
	short, cancel := a.bounded(ctx)
	defer cancel()
	c, err := a.connectData(short, client.Hooks{OnConnect: j.connected, OnDisconnect: j.disconnected, OnSkip: j.skipped})
	if err != nil {
		return err
	}
	defer func() {
		j.ending.Store(true)
		a.close(c)
	}()
	partitions, err := j.begin(short, c)
	if err != nil {
		return a.suggestTopic(short, c, err)
	}
	if len(j.until) == 0 {
		return nil
	}
	j.reading.Store(true)
	j.note(partitions)
	err = j.run(ctx)
	if ferr := j.out.Flush(); err == nil {
		err = ferr
	}
	if interrupted(ctx) {
		return errInterrupted
	}
	return quietPipe(err)
}

// begin makes the consumer and gives it what is to be read.
func (j *consuming) begin(ctx context.Context, c *client.Client) (partitions int, err error) {
	open, partitions, err := j.plan.stretches(ctx, c)
	if err != nil {
		return partitions, err
	}
	added := client.IgnoreAdded
	if len(j.plan.partitions) == 0 && j.plan.span.Until.Kind == position.None {
		added = client.FollowAdded
	}
	j.consumer, err = client.NewConsumer(c, client.ConsumerOptions{OutOfRange: client.OutOfRangeNearest,
		AddedPartitions: added})
	if err != nil {
		return partitions, err
	}
	return partitions, j.assign(ctx, added, open)
}

// assign gives the consumer all that is to be read at once, for each Assign asks about the whole topic, and then moves
// each partition to where it begins.
func (j *consuming) assign(ctx context.Context, added client.AddedPartitions, open []stretch) error {
	if len(open) == 0 {
		return nil
	}
	var named []int32 // none: all, and those that are added
	if added == client.IgnoreAdded {
		for _, s := range open {
			named = append(named, s.index)
		}
	}
	if err := j.consumer.Assign(ctx, j.plan.topic, client.AtEnd(), named...); err != nil {
		return err
	}
	for _, s := range open {
		j.until[s.index] = s.until
		if err := j.consumer.Seek(ctx, j.plan.topic, s.index, client.At(s.from)); err != nil {
			return err
		}
	}
	return nil
}

// note tells a person who looks at nothing happening what is waited for.
func (j *consuming) note(partitions int) {
	if j.plan.span.Until.Kind != position.None || j.plan.count > 0 || !isTerminal(j.app.errOut) || !isTerminal(j.app.out) {
		return
	}
	fmt.Fprintf(j.app.errOut, "waiting for new records in %s (%s, at %s); Ctrl-C stops, --until end would exit\n",
		j.plan.topic, plural(int64(partitions), "partition"), j.plan.span.From)
}

// outage is a connection that is away.
type outage struct {
	address string
	since   time.Time
	err     error
}

// polled is what one Poll returned.
type polled struct {
	records []client.Record
	err     error
	// idle is where the consumer is if no records came for as long as a Poll lasts. All that it has passed was returned
	// before; while a Poll is under way that is not so.
	idle []client.PartitionState
}

// pollFor is how long a Poll waits for records, and so how often it is looked at whether there is anything to wait for.
const pollFor = 250 * time.Millisecond

// run reads until there is nothing left to read. What is printed is flushed whenever no records are at hand.
func (j *consuming) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	polls := make(chan polled)
	go poll(ctx, j.consumer, polls)
	progress := time.Now()
	for {
		var p polled
		select {
		case p = <-polls:
		default:
			if err := j.out.Flush(); err != nil {
				return err
			}
			select {
			case p = <-polls:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		switch {
		case p.err != nil:
			return p.err
		case len(p.records) == 0:
			if j.finished(p.idle) {
				return nil
			}
			if err := j.stalled(p.idle, progress); err != nil {
				return err
			}
			continue
		}
		progress = time.Now()
		if done, err := j.take(p.records); done || err != nil {
			return err
		}
	}
}

func poll(ctx context.Context, consumer *client.Consumer, to chan<- polled) {
	for {
		short, cancel := context.WithTimeout(ctx, pollFor)
		var p polled
		p.records, p.err = consumer.Poll(short)
		cancel()
		if p.err == context.DeadlineExceeded { // the Poll's own, and none that an error wraps
			p = polled{idle: consumer.State()}
		}
		select {
		case to <- p:
		case <-ctx.Done():
			return
		}
		if p.err != nil {
			return
		}
	}
}

// take prints records and tells whether all is read that was to be read.
func (j *consuming) take(records []client.Record) (done bool, err error) {
	for i := range records {
		r := &records[i]
		until, known := j.until[r.Partition]
		if !known && j.plan.span.Until.Kind != position.None {
			continue // fetched ahead of the partition's end
		}
		if known && until >= 0 && r.Offset >= until {
			j.finish(r.Partition)
			continue
		}
		if j.plan.filter.Keep(r) {
			j.buf = j.plan.format.Append(j.buf[:0], r)
			if _, err := j.out.Write(j.buf); err != nil {
				return false, err
			}
			if j.printed++; j.printed == j.plan.count {
				return true, nil
			}
		}
		if known && until >= 0 && r.Offset+1 >= until {
			j.finish(r.Partition)
		}
	}
	return len(j.until) == 0, nil
}

func (j *consuming) finish(partition int32) {
	delete(j.until, partition)
	j.consumer.Unassign(j.plan.topic, partition)
}

// finished looks for partitions whose last records are not there to be read any more, and tells whether none is left.
func (j *consuming) finished(idle []client.PartitionState) bool {
	for _, s := range idle {
		if until, ok := j.until[s.Partition]; ok && until >= 0 && s.Position >= until {
			j.finish(s.Partition)
		}
	}
	return len(j.until) == 0
}

// stalled tells that what is to be read does not come, although it is there, or that the broker is away: a consumer
// with an end must not wait for ever.
func (j *consuming) stalled(idle []client.PartitionState, progress time.Time) error {
	if j.plan.span.Until.Kind == position.None {
		return nil
	}
	away := j.lost.Load()
	late := time.Since(progress) >= j.app.timeout
	for _, s := range idle {
		until, ok := j.until[s.Partition]
		if !ok || until < 0 {
			continue
		}
		f := &failure.Failure{Code: failure.CodeTimedOut, Exit: failure.ExitUnreachable, Retriable: true,
			Hint: fmt.Sprintf("go on with  skidway consume %s -p %d -o %d:%d", j.plan.topic, s.Partition, s.Position, until)}
		read := fmt.Sprintf("%s[%d] is read up to offset %d of %d", j.plan.topic, s.Partition, s.Position, until)
		switch {
		case away != nil && time.Since(away.since) >= j.app.timeout:
			f.Message = fmt.Sprintf("timed out after %v: %s does not answer: %v; %s", j.app.timeout, away.address,
				innermost(away.err), read)
			return f
		case late && away == nil && (s.End < 0 || s.Position < min(until, s.End)):
			f.Message = fmt.Sprintf("timed out after %v: no records come; %s", j.app.timeout, read)
			return f
		}
	}
	return nil
}

// disconnected and connected tell once that the broker went away, and once that it is back, though there are several
// connections to it.
func (j *consuming) disconnected(address string, err error) {
	if time.Since(time.Unix(0, j.back.Load())) <= backFor {
		return
	}
	if err != nil && !j.ending.Load() && j.lost.CompareAndSwap(nil, &outage{address, time.Now(), err}) {
		fmt.Fprintf(j.app.errOut, "warning: lost the connection to %s: %v; trying again\n", address, innermost(err))
	}
}

func (j *consuming) connected(address string, _ time.Duration, err error) {
	if err == nil && j.lost.Swap(nil) != nil {
		j.back.Store(time.Now().UnixNano())
		fmt.Fprintf(j.app.errOut, "connected to %s again\n", address)
	}
	if err != nil && j.reading.Load() && !j.ending.Load() && j.lost.CompareAndSwap(nil, &outage{address, time.Now(),
		err}) {
		fmt.Fprintf(j.app.errOut, "warning: cannot connect to %s: %v; trying again\n", address, innermost(err))
	}
}

// skipped warns of records that were deleted before they were read.
func (j *consuming) skipped(topic string, partition int32, from, to int64) {
	if to > from {
		fmt.Fprintf(j.app.errOut, "warning: %s[%d]: offsets %d-%d are no longer kept; going on at %d\n", topic, partition,
			from, to-1, to)
		return
	}
	fmt.Fprintf(j.app.errOut, "warning: %s[%d]: offset %d is behind the end of the log; going on at %d\n", topic,
		partition, from, to)
}
