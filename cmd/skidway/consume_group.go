package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/position"
	"github.com/skidway/skidway/wire"
)

// groupCommitInterval is how often what was printed is committed.
const groupCommitInterval = time.Second

// groupReading is a consume as a member of a group.
type groupReading struct {
	app    *app
	plan   consumePlan
	name   string // of the group
	client *client.Client
	group  *client.GroupConsumer
	out    *bufio.Writer
	buf    []byte
	ends   map[int32]int64 // of partitions that hold records at the start, with --until end; nil: it goes on
	count  int64           // printed
	looked time.Time       // when the topic was last looked for, with nothing to read
}

// consumeInGroup reads as a member of a group until the plan or Ctrl-C ends it; then it commits and leaves.
func (a *app) consumeInGroup(ctx context.Context, flags consumeFlags, plan consumePlan) error {
	if err := checkGroupFlags(flags, plan); err != nil {
		return err
	}
	short, cancel := a.bounded(ctx)
	defer cancel()
	j := &groupReading{app: a, plan: plan, name: flags.group, out: bufio.NewWriterSize(a.out, 64<<10)}
	watch := &consuming{app: a}
	c, err := a.connectData(short, client.Hooks{OnConnect: watch.connected, OnDisconnect: watch.disconnected,
		OnSkip: watch.skipped})
	if err != nil {
		return err
	}
	defer func() {
		watch.ending.Store(true)
		a.close(c)
	}()
	j.client = c
	if err := j.begin(short); err != nil {
		return a.suggestTopic(short, c, err)
	}
	watch.reading.Store(true)
	err = j.run(ctx)
	watch.ending.Store(true)
	bye, stop := context.WithTimeout(context.Background(), a.timeout)
	defer stop()
	if cerr := j.group.Close(bye); err == nil || errors.Is(err, errInterrupted) {
		err = errors.Join(cerr, err)
	}
	return quietPipe(err)
}

// checkGroupFlags refuses what a member cannot choose.
func checkGroupFlags(flags consumeFlags, plan consumePlan) error {
	switch {
	case len(flags.partitions) > 0:
		return failure.Usage("--group and -p: the group decides which partitions a member reads")
	case flags.offset != "":
		return failure.Usage("--group and -o: a member begins where the group is").
			WithHint("move the group with  skidway group seek %s --to %s", flags.group, flags.offset)
	case flags.from != "" && plan.span.From.Kind != position.Start && plan.span.From.Kind != position.End:
		return failure.BadValue("--from", "%q: with --group it is start or end, for partitions without a committed offset",
			flags.from).WithHint("move the group with  skidway group seek %s --to %s", flags.group, flags.from)
	case plan.span.Until.Kind == position.End && flags.from != "" && plan.span.From.Kind == position.End:
		return failure.Usage("--from end and --until end leave nothing to read")
	case plan.span.Until.Kind != position.None && plan.span.Until.Kind != position.End:
		return failure.BadValue("--until", "%q: with --group it is end", flags.until)
	}
	return nil
}

// begin joins the group.
func (j *groupReading) begin(ctx context.Context) error {
	places, err := locate(ctx, j.client, j.plan.topic, nil, position.Position{}) // a topic that is not there is told
	if err != nil {
		return err
	}
	if j.plan.span.Until.Kind == position.End {
		j.ends = make(map[int32]int64)
		for _, pl := range places {
			if pl.end > pl.start {
				j.ends[pl.index] = pl.end
			}
		}
	}
	o := client.GroupOptions{CommitInterval: groupCommitInterval}
	o.Consumer.OutOfRange = client.OutOfRangeNearest
	if j.plan.span.From.Kind == position.End && j.ends == nil && j.plan.fromGiven {
		o.NoOffset = client.NoOffsetEnd
	}
	j.group, err = client.JoinGroup(ctx, j.client, j.name, []string{j.plan.topic}, o)
	return err
}

// groupPoll is how long one Poll waits, so that the end is seen when no records come.
const groupPoll = 250 * time.Millisecond

// run prints records until the plan ends it.
func (j *groupReading) run(ctx context.Context) error {
	for {
		poll, cancel := context.WithTimeout(ctx, groupPoll)
		records, err := j.group.Poll(poll)
		cancel()
		if ctx.Err() != nil {
			return errors.Join(j.out.Flush(), context.Cause(ctx))
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		done, err := j.print(records)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			if err := j.deleted(ctx); err != nil {
				return err
			}
		}
		if len(records) == 0 && j.ends != nil {
			if done, err = j.atEnd(ctx); err != nil {
				return err
			}
		}
		if done {
			return nil
		}
	}
}

// lookEvery is how often a member that has no partitions looks whether its topic is still there.
const lookEvery = time.Second

// deleted is the error that ends the reading when the topic is gone: a group goes on without it, and a member that was
// told to read it would wait for ever. That it cannot be asked for is no error, as in a Poll.
func (j *groupReading) deleted(ctx context.Context) error {
	if len(j.group.State()) > 0 || time.Since(j.looked) < lookEvery {
		return nil
	}
	j.looked = time.Now()
	short, cancel := j.app.bounded(ctx)
	defer cancel()
	topics, err := client.NewAdmin(j.client).DescribeTopics(short, j.plan.topic)
	if err != nil || len(topics) != 1 || topics[0].Error == nil || topics[0].Error.Code != wire.CodeUnknownTopic {
		return nil
	}
	return &client.Error{Code: wire.CodeUnknownTopic, Topic: j.plan.topic, Partition: -1,
		Message: fmt.Sprintf("topic %q was deleted", j.plan.topic)}
}

// print writes records out before it marks them: what was not written is not committed.
func (j *groupReading) print(records []client.Record) (done bool, err error) {
	n := len(records)
	for i := range records {
		if !j.plan.filter.Keep(&records[i]) {
			continue
		}
		j.buf = j.plan.format.Append(j.buf[:0], &records[i])
		if _, err := j.out.Write(j.buf); err != nil {
			return false, err
		}
		if j.count++; j.count == j.plan.count {
			n, done = i+1, true
			break
		}
	}
	if err := j.out.Flush(); err != nil {
		return false, err
	}
	for i := range n {
		j.group.Mark(records[i])
	}
	return done, nil
}

// atEnd tells whether the group has committed all that was there at the start: what this member has read, it commits
// first; what others read, they do.
func (j *groupReading) atEnd(ctx context.Context) (bool, error) {
	if err := j.group.Commit(ctx); err != nil {
		return false, fmt.Errorf("committing: %w", err)
	}
	committed, err := committedOf(ctx, client.NewAdmin(j.client), j.name)
	if err != nil {
		return false, err
	}
	places, err := locate(ctx, j.client, j.plan.topic, nil, position.Position{})
	if err != nil {
		return false, err
	}
	for _, pl := range places {
		if pl.start >= j.ends[pl.index] { // retention has taken all of it
			delete(j.ends, pl.index)
		}
	}
	for partition, end := range j.ends {
		o, ok := committed[placeKey{j.plan.topic, partition}]
		if !ok || max(o.Start, o.Offset.Offset) < end { // retention may have passed what is committed
			return false, nil
		}
	}
	return true, nil
}
