package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// H14, P8: a commit that was acknowledged is what the next fetch returns, after a kill -9 too; members go on where they
// were, without a rebalance.
func TestH14CommitsSurviveACrash(t *testing.T) {
	dir := t.TempDir()
	var acked sync.Map
	var member consumer
	var id uint64
	for round := range 3 {
		c := startChild(t, dir)
		if round == 0 {
			id = c.create("orders", 4)
			m := c.consumerOn("g", "m")
			m.mustJoin("orders")
			settleGroup(t, m)
			member = *m
		} else {
			member.n, member.conn = &c.node, c.conn
			require.NoError(t, member.beat(nil), "the member goes on with its epoch")
			acked.Range(func(p, offset any) bool {
				require.GreaterOrEqual(t, c.committed("g", id, p.(int32)), offset.(int64))
				return true
			})
			require.Len(t, c.describe("g").Rebalances, 1, "a restart is no rebalance")
		}
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for p := range int32(4) {
			conn := c.conn
			writers.Go(func() {
				for offset := int64(round*1_000_000 + 1); ; offset++ {
					select {
					case <-stop:
						return
					default:
					}
					r, err := conn.Do(context.Background(), &wire.CommitOffsetsRequest{Group: "g", MemberID: member.id,
						MemberEpoch: member.epoch, Topics: []wire.CommitTopic{{ID: id, Partitions: []wire.CommitPartition{
							{Index: p, Offset: offset, LeaderEpoch: -1}}}}})
					if err != nil {
						return
					}
					if r.(*wire.CommitOffsetsResponse).Topics[0].Partitions[0].Error == nil {
						acked.Store(p, offset)
					}
				}
			})
		}
		require.Eventually(t, func() bool {
			n := 0
			acked.Range(func(_, offset any) bool {
				if offset.(int64) > int64(round*1_000_000+20) {
					n++
				}
				return true
			})
			return n == 4
		}, 30*time.Second, 5*time.Millisecond)
		require.NoError(t, c.cmd.Process.Kill())
		close(stop)
		writers.Wait()
		_ = c.cmd.Wait()
	}
}

func (c *child) consumerOn(groupID, id string) *consumer {
	return &consumer{n: &c.node, conn: c.conn, group: groupID, id: id, owned: make(map[group.Partition]bool)}
}

// faultyStore makes writes of a real store fail, or their outcome unknown: applied or not.
type faultyStore struct {
	metadata.Store
	mu   sync.Mutex
	next func(ops []metadata.Op) (apply bool, err error) // of writes to groups; nil: they go through
}

func (s *faultyStore) Multi(ctx context.Context, ops ...metadata.Op) error {
	s.mu.Lock()
	fault := s.next
	s.mu.Unlock()
	if fault == nil {
		return s.Store.Multi(ctx, ops...)
	}
	apply, err := fault(ops)
	if apply {
		if stored := s.Store.Multi(ctx, ops...); stored != nil {
			return stored
		}
	}
	return err
}

func (s *faultyStore) fail(next func([]metadata.Op) (bool, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = next
}

// stall holds the next write up: writing is closed when it has come, and it goes on when goOn is closed.
func (s *faultyStore) stall() (writing, goOn chan struct{}) {
	writing, goOn = make(chan struct{}), make(chan struct{})
	s.fail(func([]metadata.Op) (bool, error) {
		s.fail(nil)
		close(writing)
		<-goOn
		return true, nil
	})
	return writing, goOn
}

// startFaulty starts a broker on a metadata store that can fail.
func startFaulty(t *testing.T, change ...func(*Config)) (*node, *faultyStore) {
	t.Helper()
	store := &faultyStore{}
	wrap := func(c *Config) {
		c.knobs.meta = func(real metadata.Store) metadata.Store {
			store.Store = real
			return store
		}
	}
	return startNode(t, append(change, wrap)...), store
}

// While the metadata store is away a commit fails as retriable or unknown, never as done; after an unknown outcome the
// store decides, and what is fetched then is what is there.
func TestCommitWhileTheStoreIsAway(t *testing.T) {
	n, store := startFaulty(t)
	id := n.create("orders", 1)
	require.Nil(t, n.commit("g", nil, id, 0, 1))

	away := errors.New("the store is away")
	store.fail(func([]metadata.Op) (bool, error) { return false, away })
	requireCode(t, wire.CodeGroupUnavailable, n.commit("g", nil, id, 0, 2))
	requireCode(t, wire.CodeGroupUnavailable, n.commit("g", nil, id, 0, 2)) // it cannot be read anew either
	store.fail(nil)
	require.EqualValues(t, 1, n.committed("g", id, 0))

	for _, applied := range []bool{false, true} {
		store.fail(func([]metadata.Op) (bool, error) { return applied, metadata.ErrUnknown })
		requireCode(t, wire.CodeTimedOut, n.commit("g", nil, id, 0, 3))
		store.fail(nil)
		want := int64(1)
		if applied {
			want = 3
		}
		require.Equal(t, want, n.committed("g", id, 0))
	}

	// Another coordinator has taken the group over: the version check refuses the write.
	node, err := n.meta.Get(t.Context(), group.Path("g"))
	require.NoError(t, err)
	require.NoError(t, n.meta.Multi(t.Context(), metadata.Set(node.Path, node.Data, node.Version)))
	requireCode(t, wire.CodeNotCoordinator, n.commit("g", nil, id, 0, 9))
	require.EqualValues(t, 3, n.committed("g", id, 0))
	require.Nil(t, n.commit("g", nil, id, 0, 10), "it is read anew")
}

// A group is deleted while a commit is being written: the commit is answered, then the group goes with it, whether the
// partition had an offset before or not.
func TestDeleteGroupDuringACommit(t *testing.T) {
	for _, partition := range []int32{0, 1, 299} {
		t.Run(fmt.Sprint(partition), func(t *testing.T) { deleteGroupDuringACommit(t, partition) })
	}
}

func deleteGroupDuringACommit(t *testing.T, partition int32) {
	n, store := startFaulty(t)
	id := n.create("orders", 300) // two blocks of offsets
	require.Nil(t, n.commit("g", nil, id, 0, 1))
	writing, goOn := store.stall()
	committed := make(chan *wire.Error, 1)
	go func() { committed <- n.commit("g", nil, id, partition, 2) }()
	<-writing
	deleted := make(chan error, 1)
	other := n.dial()
	go func() {
		r, err := other.Do(context.Background(), &wire.DeleteGroupsRequest{Groups: []string{"g"}})
		if err == nil && r.(*wire.DeleteGroupsResponse).Groups[0].Error != nil {
			err = r.(*wire.DeleteGroupsResponse).Groups[0].Error
		}
		deleted <- err
	}()
	require.Eventually(t, func() bool {
		h := n.groups.loaded("g")
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.state.State() == group.Dead
	}, 20*time.Second, time.Millisecond)
	close(goOn)
	require.Nil(t, <-committed)
	require.NoError(t, <-deleted)
	_, err := n.meta.Get(t.Context(), group.Path("g"))
	require.ErrorIs(t, err, metadata.ErrNoNode)
}

// A view of the topics that was taken before a topic was made, and comes late, does not take the topic's offsets along.
func TestLateViewOfTopicsDeletesNothing(t *testing.T) {
	n := startNode(t)
	old := n.create("old", 1)
	require.Nil(t, n.commit("g", nil, old, 0, 1))
	late := n.groups.topics.now()
	id := n.create("fresh", 1)
	require.Nil(t, n.commit("g", nil, id, 0, 77))
	h := n.groups.loaded("g")
	h.mu.Lock()
	h.topicsChanged(time.Now(), late)
	w := h.settled()
	h.leave()
	require.NoError(t, await(t.Context(), w))
	require.EqualValues(t, 77, n.committed("g", id, 0), "it was acknowledged")
}

// A commit came after its topic was made and before the group's view of the topics knew it: what is forgotten is
// decided by what exists, not by the view.
func TestCommitBeforeTheViewKnowsItsTopic(t *testing.T) {
	n := startNode(t)
	old := n.create("old", 1)
	require.Nil(t, n.commit("g", nil, old, 0, 1))
	h := n.groups.loaded("g")
	before := n.groups.topics.now()
	id := n.create("fresh", 1)
	require.Nil(t, n.commit("g", nil, id, 0, 77))
	h.mu.Lock()
	h.seen = before
	h.forgetDeleted()
	w := h.settled()
	h.leave()
	require.NoError(t, await(t.Context(), w))
	require.EqualValues(t, 77, n.committed("g", id, 0), "it was acknowledged")
}

// Two requests of one member are held back: the older one is answered, and the two do not wake each other for ever.
func TestHeldHeartbeatIsReplaced(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Groups.SessionTimeout = 3 * time.Minute })
	n.create("orders", 1)
	c := n.consumer("g", "m")
	c.mustJoin("orders")
	settleGroup(t, c)
	ask := &wire.GroupHeartbeatRequest{Group: "g", MemberID: "m", MemberEpoch: c.epoch, MaxWaitMs: 60_000}
	first := make(chan error, 1)
	go func() {
		_, err := n.dial().Do(context.Background(), ask)
		first <- err
	}()
	held := func() *holding {
		h := n.groups.loaded("g")
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.held["m"]
	}
	require.Eventually(t, func() bool { return held() != nil }, 20*time.Second, time.Millisecond)
	former := held()
	second, err := n.dial().Start(ask)
	require.NoError(t, err)
	require.NoError(t, <-first, "the former one is answered")
	<-former.over
	require.True(t, former.replaced)
	newer := held()
	require.NotNil(t, newer)
	require.NotSame(t, former, newer)
	require.False(t, isOver(newer))
	_, err = n.dial().Start(ask) // it is held back until the test ends its connection
	require.NoError(t, err)
	<-newer.over
	require.True(t, newer.replaced, "it stayed until the next one came")
	_, err = second.Wait(t.Context())
	require.NoError(t, err)
}

func isOver(h *holding) bool {
	select {
	case <-h.over:
		return true
	default:
		return false
	}
}

// A join that is refused leaves no group behind.
func TestRefusedJoinMakesNoGroup(t *testing.T) {
	n := startNode(t)
	c := n.consumer("typo", "m")
	err := c.beat(func(r *wire.GroupHeartbeatRequest) { r.Subscribes, r.Regex = true, "(" })
	require.ErrorContains(t, err, `group "typo", member "m"`)
	require.Nil(t, n.groups.loaded("typo"))
	err = c.beat(nil)
	require.ErrorContains(t, err, "has to say what it subscribes to")
	require.Nil(t, n.groups.loaded("typo"))
	require.NoError(t, c.join("orders"), "one that is right makes it")
	require.NotNil(t, n.groups.loaded("typo"))
}

// A topic is deleted while a commit for it is being written: its offset goes all the same.
func TestTopicDeletedDuringACommit(t *testing.T) {
	n, store := startFaulty(t)
	keep, id := n.create("keep", 1), n.create("orders", 1)
	require.Nil(t, n.commit("g", nil, keep, 0, 1))
	writing, goOn := store.stall()
	committed := make(chan *wire.Error, 1)
	other := &node{Broker: n.Broker, t: t, conn: n.dial()}
	go func() { committed <- other.commit("g", nil, id, 0, 5) }()
	<-writing
	do[*wire.DeleteTopicsResponse](n, &wire.DeleteTopicsRequest{Names: []string{"orders"}})
	h := n.groups.loaded("g")
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		_, there := h.seen.topics.ByID(id)
		return !there
	}, 20*time.Second, time.Millisecond)
	close(goOn)
	require.Nil(t, <-committed)
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		_, found := h.book.Get(group.Partition{Topic: id})
		return !found
	}, 20*time.Second, time.Millisecond)
}

// What expires is decided by what is durable: an offset that is being committed meanwhile is not lost.
func TestExpiryDuringACommit(t *testing.T) {
	n, store := startFaulty(t, func(c *Config) { c.Groups.OffsetRetention = time.Hour })
	id := n.create("orders", 1)
	require.Nil(t, n.commit("g", nil, id, 0, 1))
	writing, goOn := store.stall()
	committed := make(chan *wire.Error, 1)
	other := &node{Broker: n.Broker, t: t, conn: n.dial()}
	go func() { committed <- other.commit("g", nil, id, 0, 2) }()
	<-writing
	expire := func() *groupWrite {
		h := n.groups.loaded("g")
		h.mu.Lock()
		defer h.leave()
		h.expire(time.Now().Add(2 * time.Hour)) // the first commit is too old by then
		return h.settled()
	}
	expire()
	close(goOn)
	require.Nil(t, <-committed)
	require.EqualValues(t, 2, n.committed("g", id, 0), "it was acknowledged")
	require.NoError(t, await(t.Context(), expire()))
	require.EqualValues(t, -1, n.committed("g", id, 0), "with nothing under way it expires")
}
