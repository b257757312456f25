package client_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// One group is a queue: each record goes to one of its members, in the order of its partition. Each further group
// gets all of them, and moves on its own.
func TestGroupQueueAndPublish(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 6)
	const n = 3000
	queues := map[string]*seen{}
	for _, group := range []string{"billing", "audit"} {
		s := newSeen(t)
		queues[group] = s
		var members []*worker
		for i := range 3 {
			name := fmt.Sprint(group, i)
			members = append(members, startWorkerIn(t, c, joinAs{name, group, []string{"demo"}}, client.GroupOptions{},
				func(r client.Record) { s.add(name, r) }))
		}
		for _, w := range members {
			w.await(2)
		}
	}
	sendTo(t, c, "demo", n)
	for group, s := range queues {
		s.await(testContext(t), n)
		require.Zero(t, s.again(), "in a group that does not change, nothing comes twice")
		for i := range 3 {
			require.Equal(t, n/3, s.by[fmt.Sprint(group, i)])
		}
	}
}

// Members beyond the number of partitions wait, and take over from one that leaves.
func TestGroupIdleMembers(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 2)
	var members []*worker
	for i := range 4 {
		members = append(members, startWorker(t, c, fmt.Sprint("m", i), client.GroupOptions{}, ignore))
	}
	busy := func() (list []*worker) {
		for _, w := range members {
			if w.count() == 1 {
				list = append(list, w)
			}
		}
		return list
	}
	for range 3 { // in the end one is left
		require.Eventually(t, func() bool { return len(busy()) == 2 }, patience, time.Millisecond)
		w := busy()[0]
		w.close()
		members = slices.DeleteFunc(members, func(o *worker) bool { return o == w })
		if len(members) == 1 {
			break
		}
	}
	members[0].await(2)
}

// Members come and go under load: each record is given at least once, each partition in its order, and those that a
// change does not concern go on without a word.
func TestGroupComesAndGoes(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 8)
	s := newSeen(t)
	join := func(name string) *worker {
		return startWorker(t, c, name, client.GroupOptions{CommitInterval: 20 * time.Millisecond},
			func(r client.Record) { s.add(name, r) })
	}
	stop := load(t, c)
	a, b := join("a"), join("b")
	a.await(4)
	b.await(4)
	d, e := join("d"), join("e")
	for _, w := range []*worker{a, b, d, e} {
		w.await(2)
	}
	d.close()
	require.Eventually(t, func() bool { return a.count()+b.count()+e.count() == 8 }, patience, time.Millisecond)
	e.close()
	a.await(4)
	b.await(4)
	f := join("f")
	f.await(2)
	b.close()
	f.await(4)
	a.await(4)
	n := stop()
	s.await(testContext(t), n)
	for name, records := range s.by {
		require.Positive(t, records, name)
	}
}

// A member that leaves takes nothing of those that stay, and what they read goes on: their hooks hear only of more.
func TestGroupUnconcernedGoOn(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 9)
	a, b := startWorker(t, c, "a", client.GroupOptions{}, ignore), startWorker(t, c, "b", client.GroupOptions{}, ignore)
	a.until("its share", func() bool { return len(a.owns) == 4 || len(a.owns) == 5 })
	b.until("its share", func() bool { return len(b.owns) == 4 || len(b.owns) == 5 })
	d := startWorker(t, c, "d", client.GroupOptions{}, ignore)
	for _, w := range []*worker{a, b, d} {
		w.await(3)
	}
	events := map[*worker]int{a: len(a.happenedNow()), b: len(b.happenedNow())}
	d.close()
	require.Eventually(t, func() bool { return a.count()+b.count() == 9 }, patience, time.Millisecond)
	for w, n := range events {
		for _, event := range w.happenedNow()[n:] {
			require.Contains(t, event, "assigned")
		}
	}
}

// With CommitManual and a commit after the processing, each record is processed once where its key is known already.
func TestGroupManualCommit(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 4)
	sendTo(t, c, "demo", 1000)
	s := newSeen(t)
	o := client.GroupOptions{Commit: client.CommitManual}
	processed := 0
	join := func(name string, records int) *client.GroupConsumer {
		ctx := testContext(t)
		g, err := client.JoinGroup(ctx, c, "g", []string{"demo"}, o)
		require.NoError(t, err)
		for range records {
			for r, err := range g.Records(ctx) {
				require.NoError(t, err)
				s.add(name, r)
				processed++
				g.Mark(r)
				break
			}
			if processed%7 == 0 {
				require.NoError(t, g.Commit(ctx))
			}
		}
		return g
	}
	first := join("first", 500)
	require.NoError(t, first.Close(testContext(t))) // it commits nothing by itself
	uncommitted := 500 - 500/7*7
	second := join("second", 500+uncommitted)
	require.Len(t, s.times, 1000)
	require.Equal(t, uncommitted, s.again())
	require.NoError(t, second.Close(testContext(t)))
}

// H19: what is committed is what was marked, and never what was only given: after a crash nothing is passed over.
func TestH19CommitsOnlyWhatIsMarked(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 1)
	sendTo(t, c, "demo", 100)
	ctx := testContext(t)
	committed := make(chan []client.Offset, 100)
	o := client.GroupOptions{CommitInterval: 5 * time.Millisecond, OnCommit: func(offsets []client.Offset, err error) {
		require.NoError(t, err)
		committed <- offsets
	}}
	g, err := client.JoinGroup(ctx, c, "g", []string{"demo"}, o)
	require.NoError(t, err)
	records, err := g.Poll(ctx)
	require.NoError(t, err)
	require.Len(t, records, 100)
	g.Mark(records[:40]...)
	want := []client.Offset{{Topic: "demo", Offset: 40, LeaderEpoch: records[39].LeaderEpoch}}
	require.Equal(t, want, <-committed)
	at, err := g.Committed(ctx, "demo")
	require.NoError(t, err)
	require.Equal(t, want, at)
	g.Mark(records[10]) // nothing goes back by marking
	require.NoError(t, g.Commit(ctx))
	at, err = g.Committed(ctx, "demo")
	require.NoError(t, err)
	require.Equal(t, want, at)
	g.Mark(records[44])
	require.NoError(t, g.Close(ctx)) // which commits it
	require.Equal(t, int64(45), (<-committed)[0].Offset)

	g, err = client.JoinGroup(ctx, c, "g", []string{"demo"}, client.GroupOptions{})
	require.NoError(t, err)
	records, err = g.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(45), records[0].Offset)
	require.NoError(t, g.Close(ctx))
}

// Where a group begins that has committed nothing.
func TestGroupWithoutOffsets(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 1)
	sendTo(t, c, "demo", 10)
	ctx := testContext(t)
	for policy, first := range []int64{client.NoOffsetStart: 0, client.NoOffsetEnd: 11} {
		assigned := make(chan bool, 1)
		g, err := client.JoinGroup(ctx, c, fmt.Sprint("g", policy), []string{"demo"}, client.GroupOptions{
			NoOffset:   client.NoOffset(policy),
			OnAssigned: func(context.Context, *client.GroupConsumer, []client.TopicPartition) { assigned <- true }})
		require.NoError(t, err)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			<-assigned
			sendTo(t, c, "demo", 1)
		}()
		records, err := g.Poll(ctx)
		require.NoError(t, err)
		require.Equal(t, first, records[0].Offset)
		<-sent // the next round looks up the end
		require.NoError(t, g.Close(ctx))
	}
	g, err := client.JoinGroup(ctx, c, "strict", []string{"demo"}, client.GroupOptions{NoOffset: client.NoOffsetFail})
	require.NoError(t, err)
	_, err = g.Poll(ctx)
	require.ErrorIs(t, err, client.ErrNoOffset)
	require.NoError(t, g.Seek(ctx, "demo", 0, client.At(7)))
	records, err := g.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(7), records[0].Offset)
	require.NoError(t, g.Close(ctx))
}

// H18: the committed offset lies outside the log. The policy decides, and the skip is counted and told.
func TestH18GroupOutOfRange(t *testing.T) {
	var skips atomic.Int64
	hooks := client.Hooks{OnSkip: func(string, int32, int64, int64) { skips.Add(1) }}
	_, c, _ := filled(t, 100, client.Options{Hooks: hooks})
	ctx := testContext(t)
	require.NoError(t, c.CommitOffsets(ctx, "g", client.Offset{Topic: "demo", Offset: 10, LeaderEpoch: -1}))
	_, err := client.NewAdmin(c).DeleteRecords(ctx, "demo", map[int32]int64{0: 40})
	require.NoError(t, err)

	g, err := client.JoinGroup(ctx, c, "g", []string{"demo"}, client.GroupOptions{})
	require.NoError(t, err)
	_, err = g.Poll(ctx)
	require.ErrorIs(t, err, client.ErrOffsetOutOfRange)
	require.NoError(t, g.Close(ctx))
	require.Zero(t, g.Stats().Skips)

	g, err = client.JoinGroup(ctx, c, "g", []string{"demo"}, client.GroupOptions{
		Consumer: client.ConsumerOptions{OutOfRange: client.OutOfRangeNearest}})
	require.NoError(t, err)
	records, err := g.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(40), records[0].Offset)
	require.Equal(t, []int64{1, 30}, []int64{g.Stats().Skips, g.Stats().Skipped})
	require.EqualValues(t, 1, skips.Load())
	require.NoError(t, g.Close(ctx))
}

// Seek, Pause and Resume in a group; marks of what lies before a Seek say nothing.
func TestGroupSeekAndPause(t *testing.T) {
	_, c, _ := filled(t, 100, client.Options{})
	ctx := testContext(t)
	g, err := client.JoinGroup(ctx, c, "g", []string{"demo"}, client.GroupOptions{Commit: client.CommitManual,
		Consumer: client.ConsumerOptions{MaxPollRecords: 10},
		OnAssigned: func(ctx context.Context, g *client.GroupConsumer, parts []client.TopicPartition) {
			require.NoError(t, g.Seek(ctx, parts[0].Topic, parts[0].Partition, client.At(20)))
		}})
	require.NoError(t, err)
	records, err := g.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(20), records[0].Offset)
	at, err := g.Position("demo", 0)
	require.NoError(t, err)
	require.Equal(t, int64(30), at)
	require.NoError(t, g.Seek(ctx, "demo", 0, client.At(5)))
	g.Mark(records...) // of another life
	require.NoError(t, g.Commit(ctx))
	committed, err := g.Committed(ctx, "demo", 0)
	require.NoError(t, err)
	require.Empty(t, committed)
	g.Pause("demo")
	require.True(t, g.State()[0].Paused)
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = g.Poll(soon)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	g.Resume("demo")
	records, err = g.Poll(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(5), records[0].Offset)
	require.NoError(t, g.CommitOffsets(ctx, client.Offset{Topic: "demo", Offset: 99, LeaderEpoch: -1, Metadata: "x"}))
	committed, err = g.Committed(ctx, "demo", 0)
	require.NoError(t, err)
	require.Equal(t, []client.Offset{{Topic: "demo", Offset: 99, LeaderEpoch: -1, Metadata: "x"}}, committed)
	require.ErrorIs(t, g.CommitOffsets(ctx, client.Offset{Topic: "demo", Partition: 7}), client.ErrNotAssigned)
	require.NoError(t, g.Close(ctx))
	require.ErrorIs(t, g.Commit(ctx), client.ErrClosed)
	_, err = g.Poll(ctx)
	require.ErrorIs(t, err, client.ErrClosed)
}

// A regular expression picks up topics that come later, and new partitions of those that are there.
func TestGroupFollowsTopics(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 1)
	w := startWorkerIn(t, c, joinAs{name: "w", group: "g"}, client.GroupOptions{Regex: "dem.*"}, ignore)
	w.await(1)
	create(t, c, "demos", 2)
	create(t, c, "other", 2)
	w.await(3)
	added, err := client.NewAdmin(c).AddPartitions(testContext(t), []wire.PartitionCount{{Name: "demo", Total: 4}},
		client.Apply)
	require.NoError(t, err)
	require.Nil(t, added[0].Error)
	w.await(6)
	_, err = client.NewAdmin(c).DeleteTopics(testContext(t), []string{"demos"}, client.Apply)
	require.NoError(t, err)
	w.await(4)
	w.close()
	require.Equal(t, "revoked 4", w.happenedNow()[len(w.happenedNow())-1])
}

// A program that takes longer than MaxProcessing loses its partitions to others, is told why, and joins again with
// its next poll. One that is slow and within its limit is left alone, however long the heartbeats' interval.
func TestGroupSlowProcessing(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 2)
	sendTo(t, c, "demo", 2)
	var stuck sync.Once
	var why atomic.Value
	resume := make(chan struct{})
	o := client.GroupOptions{MaxProcessing: 300 * time.Millisecond, RebalanceTimeout: time.Minute,
		OnLost: func(_ context.Context, _ *client.GroupConsumer, _ []client.TopicPartition, err error) { why.Store(err) }}
	slow := startWorker(t, c, "slow", o, func(client.Record) { stuck.Do(func() { <-resume }) })
	other := startWorker(t, c, "other", client.GroupOptions{}, ignore)
	other.await(2)
	require.Equal(t, []string{"assigned 2"}, slow.happenedNow(), "it hears nothing while it does not ask")
	close(resume)
	slow.until("the loss, and a share", func() bool { return len(slow.events) == 3 && len(slow.owns) == 1 })
	require.Equal(t, []string{"assigned 2", "lost 2", "assigned 1"}, slow.happenedNow())
	require.ErrorIs(t, why.Load().(error), client.ErrTooSlow)
	require.EqualValues(t, 1, slow.g.Stats().SlowLeaves)
	other.await(1)
}

// A partition goes elsewhere only when OnRevoked has returned, and what it commits counts.
func TestGroupRevokedMayCommit(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 2)
	sendTo(t, c, "demo", 20)
	ctx := testContext(t)
	var inHook atomic.Bool
	entered, release := make(chan struct{}), make(chan struct{})
	first := startWorker(t, c, "first", client.GroupOptions{Commit: client.CommitManual,
		OnRevoked: func(ctx context.Context, g *client.GroupConsumer, parts []client.TopicPartition) {
			if inHook.Swap(true) {
				return
			}
			close(entered)
			<-release
			require.NoError(t, g.Commit(ctx))
		}}, ignore)
	first.await(2)
	require.Eventually(t, func() bool {
		for _, s := range first.g.State() {
			if s.Position != 10 {
				return false
			}
		}
		return true
	}, patience, time.Millisecond)
	second := startWorker(t, c, "second", client.GroupOptions{}, func(r client.Record) {
		t.Errorf("%v comes again", r.Offset)
	})
	<-entered
	require.Empty(t, second.happenedNow())
	close(release)
	second.await(1)
	_, err := second.g.Committed(ctx, "demo")
	require.NoError(t, err)
	require.EqualValues(t, 10, second.g.State()[0].Position)
}

// A hook that does not return: its context ends, and its partition alone goes elsewhere, before the coordinator would
// throw the member out.
func TestGroupRevokedTooSlow(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 2)
	sendTo(t, c, "demo", 2)
	late := make(chan error, 1)
	first := startWorker(t, c, "first", client.GroupOptions{Commit: client.CommitManual, RebalanceTimeout: 5 * time.Second,
		OnRevoked: func(ctx context.Context, g *client.GroupConsumer, parts []client.TopicPartition) {
			<-ctx.Done()
			select {
			case late <- g.CommitOffsets(testContext(t), client.Offset{Topic: "demo", Partition: parts[0].Partition, Offset: 1}):
			default:
			}
		}}, ignore)
	first.await(2)
	second := startWorker(t, c, "second", client.GroupOptions{}, ignore)
	second.await(1)
	require.ErrorIs(t, <-late, client.ErrNotAssigned, "it must not commit any more")
	first.await(1)
	require.Equal(t, []string{"assigned 2", "revoked 1"}, first.happenedNow())
}

// A simple consumer, outside any group, keeps its offsets with the group's name.
func TestSimpleConsumerOffsets(t *testing.T) {
	s, c, _ := filled(t, 10, client.Options{})
	ctx := testContext(t)
	none, err := c.FetchOffsets(ctx, "simple", "demo")
	require.NoError(t, err)
	require.Empty(t, none)
	at := client.Offset{Topic: "demo", Offset: 4, LeaderEpoch: 0, Metadata: "m"}
	require.NoError(t, c.CommitOffsets(ctx, "simple", at))
	s.stop()
	s.start()
	got, err := c.FetchOffsets(ctx, "simple", "demo", 0)
	require.NoError(t, err)
	require.Equal(t, []client.Offset{at}, got)
	r := newConsumer(t, c, client.ConsumerOptions{})
	require.NoError(t, r.Assign(ctx, "demo", client.At(got[0].Offset)))
	records, err := r.Poll(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 4, records[0].Offset)
	err = c.CommitOffsets(ctx, "simple", client.Offset{Topic: "demo", Partition: 9, Offset: 1})
	require.ErrorIs(t, err, client.ErrUnknownPartition)

	w := startWorkerIn(t, c, joinAs{"w", "simple", []string{"demo"}}, client.GroupOptions{}, ignore)
	w.await(1)
	err = c.CommitOffsets(ctx, "simple", at) // only while the group is empty
	require.ErrorIs(t, err, client.ErrUnknownMember)
}
