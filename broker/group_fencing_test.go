package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// commitThrough commits an offset of one partition as a client of this coordinator does.
func commitThrough(c *coordinator, groupID string, id uint64, partition int32, offset int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h, err := c.enter(ctx, groupID, createMissing)
	if err != nil {
		return err
	}
	refused := h.commit(&wire.CommitOffsetsRequest{Group: groupID, MemberEpoch: -1}, id,
		&wire.CommitPartition{Index: partition, Offset: offset, LeaderEpoch: -1}, time.Now().UnixMilli())
	if refused != nil {
		h.leave()
		return refused
	}
	w := h.gathered()
	h.leave()
	return await(ctx, w)
}

// takeOver lets a coordinator load the group that others may believe to be theirs, and gives what was committed.
func takeOver(c *coordinator, groupID string) (*group.Book, error) {
	h, err := c.enter(context.Background(), groupID, refuseMissing)
	if err != nil {
		return nil, err
	}
	defer h.leave()
	return h.book, nil
}

// unfenced takes the checks of groups' versions out of a write: the bug that the tests are to find.
func unfenced(ops []metadata.Op) []metadata.Op {
	return slices.DeleteFunc(slices.Clone(ops), func(op metadata.Op) bool { return op.Kind == metadata.OpCheck })
}

// fence is whether writes are checked, by name.
func fences() map[string]func([]metadata.Op) []metadata.Op {
	return map[string]func([]metadata.Op) []metadata.Op{
		"checked": func(ops []metadata.Op) []metadata.Op { return ops },
		"not":     unfenced,
	}
}

// H14, section 12: the commit of a coordinator is under way while another takes the group over and acknowledges a newer
// one. It lands late, and is refused; without the check of the version it would undo what was acknowledged.
func TestH14CommitUnderWayOfADeposedCoordinator(t *testing.T) {
	for name, fence := range fences() {
		t.Run(name, func(t *testing.T) {
			n, store := startFaulty(t)
			id := n.create("orders", 1)
			require.NoError(t, commitThrough(n.groups, "g", id, 0, 1))
			writing, goOn := make(chan struct{}), make(chan struct{})
			store.fail(func(ops []metadata.Op) (bool, error) {
				store.fail(nil)
				close(writing)
				<-goOn
				return false, store.Store.Multi(context.Background(), fence(ops)...)
			})
			late := make(chan error, 1)
			go func() { late <- commitThrough(n.groups, "g", id, 0, 5) }()
			<-writing
			heir := newCoordinator(n.Broker)
			require.NoError(t, commitThrough(heir, "g", id, 0, 9))
			close(goOn)
			err := <-late
			book, loadErr := takeOver(newCoordinator(n.Broker), "g")
			require.NoError(t, loadErr)
			o, _ := book.Get(group.Partition{Topic: id})
			if name == "checked" {
				requireCode(t, wire.CodeNotCoordinator, wire.AsError(err))
				require.EqualValues(t, 9, o.Offset, "it was acknowledged")
				return
			}
			require.EqualValues(t, 5, o.Offset, "without the check the late commit lands, and this test finds it")
		})
	}
}

// P8, H14, H15: coordinators take a group over from one another, and go on as if it were theirs. Writes whose outcome
// they never heard land at any time later, or never. What was acknowledged is what the next coordinator finds, unless
// a later commit has an unknown outcome; and what one has found stays. Without the check it does not.
func TestH14LateWritesOfDeposedCoordinators(t *testing.T) {
	const seeds = 16
	for name, fence := range fences() {
		t.Run(name, func(t *testing.T) {
			n, store := startFaulty(t)
			id := n.create("orders", 2)
			s := &lateWrites{n: n, store: store, id: id, fence: fence}
			var broken []error
			for seed := range uint64(seeds) {
				if err := s.run(seed); err != nil {
					broken = append(broken, fmt.Errorf("seed %d: %w", seed, err))
				}
			}
			require.Positive(t, s.landed, "late writes that the store took")
			require.Positive(t, s.acked)
			if name == "checked" {
				require.Empty(t, broken)
				require.Positive(t, s.fenced, "late writes that the store refused")
				return
			}
			require.NotEmpty(t, broken, "without the check nothing is found")
			t.Log(broken[0])
		})
	}
}

// lateWrites is a world of coordinators of one group a seed, on one store.
type lateWrites struct {
	n     *node
	store *faultyStore
	id    uint64
	fence func([]metadata.Op) []metadata.Op

	group        string
	coordinators []*coordinator
	post         [][]metadata.Op // writes whose senders gave up on them
	found        [2]int64        // by partition, what the next coordinator has to find; -1: nothing
	maybe        [2][]int64      // or one of these, whose outcome is unknown
	next         int64

	acked, landed, fenced int
}

func (s *lateWrites) run(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 12))
	s.group, s.post, s.next = fmt.Sprint("g", seed), nil, 0
	s.coordinators = []*coordinator{newCoordinator(s.n.Broker)}
	s.found, s.maybe = [2]int64{-1, -1}, [2][]int64{}
	if err := s.commit(0, 0, false); err != nil {
		return err
	}
	for range 20 {
		var err error
		switch who := rng.IntN(len(s.coordinators)); rng.IntN(5) {
		case 0, 1:
			err = s.commit(who, rng.IntN(2), false)
		case 2:
			err = s.commit(who, rng.IntN(2), true)
		case 3:
			s.land(rng)
		case 4:
			s.coordinators = append(s.coordinators, newCoordinator(s.n.Broker))
			err = s.check(len(s.coordinators) - 1)
		}
		if err != nil {
			return err
		}
	}
	for len(s.post) > 0 {
		s.land(rng)
	}
	s.coordinators = append(s.coordinators, newCoordinator(s.n.Broker))
	return s.check(len(s.coordinators) - 1)
}

// commit commits the next offset. With unknown the write stays in the post, and its sender gives up.
func (s *lateWrites) commit(who, partition int, unknown bool) error {
	s.next++
	sent := false
	s.store.fail(func(ops []metadata.Op) (bool, error) {
		offsets := slices.ContainsFunc(ops, func(op metadata.Op) bool { return op.Kind == metadata.OpCheck })
		if !offsets || !unknown { // what loads or makes the group goes through
			return false, s.store.Store.Multi(context.Background(), s.fence(ops)...)
		}
		sent = true
		s.post = append(s.post, slices.Clone(ops))
		return false, metadata.ErrUnknown
	})
	defer s.store.fail(nil)
	err := commitThrough(s.coordinators[who], s.group, s.id, int32(partition), s.next)
	switch {
	case err == nil:
		s.acked++
		s.found[partition], s.maybe[partition] = s.next, nil
	case sent && wire.AsError(err).Code == wire.CodeTimedOut:
		s.maybe[partition] = append(s.maybe[partition], s.next)
	case wire.AsError(err).Code != wire.CodeNotCoordinator:
		return fmt.Errorf("a commit of coordinator %d: %w", who, err)
	}
	return nil
}

// land lets one write of the post reach the store.
func (s *lateWrites) land(rng *rand.Rand) {
	if len(s.post) == 0 {
		return
	}
	i := rng.IntN(len(s.post))
	if s.store.Store.Multi(context.Background(), s.fence(s.post[i])...) == nil {
		s.landed++
	} else {
		s.fenced++
	}
	s.post = slices.Delete(s.post, i, i+1)
}

// check lets a new coordinator take over, and holds what it finds against what was acknowledged.
func (s *lateWrites) check(who int) error {
	book, err := takeOver(s.coordinators[who], s.group)
	if err != nil {
		return err
	}
	for p := range s.found {
		offset := int64(-1)
		if o, ok := book.Get(group.Partition{Topic: s.id, Index: int32(p)}); ok {
			offset = o.Offset
		}
		if offset != s.found[p] && !slices.Contains(s.maybe[p], offset) {
			return fmt.Errorf("P8: coordinator %d finds %d for partition %d, and %d was acknowledged, or found (unknown: %v)",
				who, offset, p, s.found[p], s.maybe[p])
		}
		s.found[p], s.maybe[p] = offset, nil
	}
	return nil
}
