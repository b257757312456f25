package client_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// coordinatorOf returns the index of the broker that coordinates a group.
func coordinatorOf(t testing.TB, cl *client.Client, group string) int {
	t.Helper()
	d, err := client.NewAdmin(cl).DescribeGroup(testContext(t), group)
	require.NoError(t, err)
	return int(d.Coordinator) - 1
}

// committedBy asks what a group has committed for the one partition of demo; -1: nothing.
func committedBy(t testing.TB, cl *client.Client, group string) int64 {
	t.Helper()
	offsets, err := cl.FetchOffsets(testContext(t), group, "demo", 0)
	require.NoError(t, err)
	if len(offsets) == 0 {
		return -1
	}
	return offsets[0].Offset
}

// Groups are listed wherever they are coordinated, whichever broker is asked; those of a broker that is gone are
// another's soon.
func TestClusterListGroups(t *testing.T) {
	c := startCluster(t, 3)
	cl := c.connect(client.Options{})
	ctx := testContext(t)
	createReplicated(t, cl, "demo", 1, 3)
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("group-%02d", i))
		require.NoError(t, cl.CommitOffsets(ctx, names[i], client.Offset{Topic: "demo", Offset: int64(i), LeaderEpoch: -1}))
	}
	// list holds that all groups are there, and returns the brokers that coordinate them.
	list := func(admin *client.Admin) map[int32]bool {
		groups, err := admin.ListGroups(ctx)
		require.NoError(t, err)
		var got []string
		by := map[int32]bool{}
		for _, g := range groups {
			got, by[g.Coordinator] = append(got, g.Group), true
		}
		require.Equal(t, names, got)
		return by
	}
	for _, s := range c.list {
		by := list(client.NewAdmin(connect(t, s.address(), client.Options{})))
		require.False(t, by[-1], "each broker was asked")
		require.Greater(t, len(by), 1, "they are spread over the brokers")
	}
	c.list[2].stop()
	require.Eventually(t, func() bool {
		by := list(client.NewAdmin(cl))
		return !by[3] && !by[-1]
	}, patience, 20*time.Millisecond)
}

// commits checks what is committed for the partitions of demo against what was acknowledged (I10). Safe for concurrent
// use.
type commits struct {
	t  testing.TB
	cl *client.Client

	mu    sync.Mutex
	acked map[int32]int64 // by partition
}

// watch takes note of a commit that a member was told is durable.
func (k *commits) watch(offsets []client.Offset, err error) {
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range offsets {
		k.acked[o.Partition] = max(k.acked[o.Partition], o.Offset)
	}
}

// check asks what is committed, and holds that it is not less than what was acknowledged before.
func (k *commits) check(ctx context.Context) error {
	before := make(map[int32]int64)
	k.mu.Lock()
	for p, o := range k.acked {
		before[p] = o
	}
	k.mu.Unlock()
	offsets, err := k.cl.FetchOffsets(ctx, "g", "demo")
	if err != nil {
		return err
	}
	now := make(map[int32]int64)
	for _, o := range offsets {
		now[o.Partition] = o.Offset
	}
	for p, o := range before {
		if now[p] < o {
			k.t.Errorf("partition %d: %d is committed, and %d was acknowledged before", p, now[p], o)
		}
	}
	return nil
}

// always checks until it is stopped, and returns how often it could.
func (k *commits) always() (stop func() int) {
	ctx, cancel := context.WithCancel(testContext(k.t))
	done := make(chan int, 1)
	go func() {
		n := 0
		for ctx.Err() == nil {
			if err := k.check(ctx); err == nil {
				n++
			}
			time.Sleep(5 * time.Millisecond)
		}
		done <- n
	}()
	return func() int {
		cancel()
		return <-done
	}
}

// H14: the coordinator of a group is killed under load, twice, and comes back. The group goes on at another broker,
// each record is processed, in the order of its partition, and what is committed never goes back.
func TestH14GroupCoordinatorKilled(t *testing.T) {
	brokers := startProcesses(t, 3)
	cl := connectAll(t, brokers)
	createReplicated(t, cl, "demo", 6, 3)
	s, book := newSeen(t), &commits{t: t, cl: cl, acked: map[int32]int64{}}
	var members []*worker
	for i := range 3 {
		name := fmt.Sprint("m", i)
		o := client.GroupOptions{CommitInterval: 10 * time.Millisecond, OnCommit: book.watch}
		members = append(members, startWorker(t, cl, name, o, func(r client.Record) { s.add(name, r) }))
	}
	for _, w := range members {
		w.await(2)
	}
	stopLoad, stopCheck := load(t, cl), book.always()
	for range 2 {
		victim := coordinatorOf(t, cl, "g")
		brokers[victim].kill()
		require.Eventually(t, func() bool { // it says so itself, so it has read the group
			d, err := client.NewAdmin(cl).DescribeGroup(testContext(t), "g")
			return err == nil && int(d.Coordinator) != victim+1
		}, patience, 5*time.Millisecond)
		before := s.count()
		s.until(testContext(t), "500 records more", func() bool { return len(s.times) >= before+500 })
		brokers[victim].start()
		awaitInSync(t, cl, "demo", 3)
	}
	n := stopLoad()
	s.await(testContext(t), n)
	for _, w := range members {
		w.close() // which commits
	}
	require.Positive(t, stopCheck())
	require.NoError(t, book.check(testContext(t)))
	offsets, err := cl.FetchOffsets(testContext(t), "g", "demo")
	require.NoError(t, err)
	require.EqualValues(t, n, sum(offsets), "all is committed")
}

// H15: a coordinator is paused with a commit in its hands, another broker takes the group over, and a newer commit is
// acknowledged there. When the former one goes on, its write is refused, and it answers nothing from the past.
func TestH15DeposedCoordinatorIsFenced(t *testing.T) {
	brokers := startProcesses(t, 3)
	cl := connectAll(t, brokers)
	ctx := testContext(t)
	createReplicated(t, cl, "demo", 1, 3)
	require.NoError(t, cl.CommitOffsets(ctx, "g", client.Offset{Topic: "demo", Offset: 1, LeaderEpoch: -1}))
	paused := coordinatorOf(t, cl, "g")
	topics, err := client.NewAdmin(cl).DescribeTopics(ctx, "demo")
	require.NoError(t, err)
	conn, err := wire.Dial(ctx, brokers[paused].listen, wire.DialOptions{ClientName: "late"})
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	commit := &wire.CommitOffsetsRequest{Group: "g", MemberEpoch: -1, Topics: []wire.CommitTopic{{ID: topics[0].ID,
		Partitions: []wire.CommitPartition{{Offset: 2, LeaderEpoch: -1}}}}}

	brokers[paused].pause()
	resume := sync.OnceFunc(func() { brokers[paused].signal(syscall.SIGCONT) })
	defer resume()
	write, err := conn.Start(commit)
	require.NoError(t, err)
	look, err := conn.Start(&wire.FetchOffsetsRequest{Group: "g", MemberEpoch: -1, All: true})
	require.NoError(t, err)
	others := connect(t, brokers[(paused+1)%3].listen, client.Options{RequestTimeout: patience})
	require.Eventually(t, func() bool {
		d, err := client.NewAdmin(others).DescribeGroup(ctx, "g")
		return err == nil && int(d.Coordinator) != paused+1
	}, patience, 20*time.Millisecond)
	require.NoError(t, others.CommitOffsets(ctx, "g", client.Offset{Topic: "demo", Offset: 100, LeaderEpoch: -1}))
	require.EqualValues(t, 100, committedBy(t, others, "g"))
	resume()
	// It says nothing, or refuses, or is the coordinator again by the time it comes to the commit, which then is the
	// newest.
	want := int64(100)
	answer, err := write.Wait(ctx)
	if r, ok := answer.(*wire.CommitOffsetsResponse); ok && err == nil && r.Topics[0].Partitions[0].Error == nil {
		want = 2
	}
	answer, err = look.Wait(ctx)
	if r, ok := answer.(*wire.FetchOffsetsResponse); ok && err == nil {
		require.Contains(t, []int64{100, want}, r.Topics[0].Partitions[0].Offset, "not from before it was deposed")
	}
	require.Equal(t, want, committedBy(t, others, "g"))
}
