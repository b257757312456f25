package broker

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/wire"
)

// H13, H17: 200 members join and leave at once. No partition ever has two owners, and the group settles.
func TestH17Storm(t *testing.T) {
	const members, partitions = 200, 100
	n := startNode(t)
	n.create("orders", partitions)
	var mu sync.Mutex
	owner := map[group.Partition]string{}
	var running sync.WaitGroup
	survivors := make([]*consumer, members)
	for i := range members {
		c := n.consumer("g", fmt.Sprintf("m%03d", i))
		running.Go(func() {
			for round := range 6 {
				before := map[group.Partition]bool{}
				for at := range c.owned {
					before[at] = true
				}
				var err error
				if c.epoch == 0 {
					err = c.join("orders")
				} else {
					mu.Lock() // let go before it is said
					for at := range before {
						if owner[at] == c.id && !c.owned[at] {
							delete(owner, at)
						}
					}
					mu.Unlock()
					err = c.beat(nil)
				}
				if err != nil {
					t.Errorf("%s: %v", c.id, err)
					return
				}
				mu.Lock()
				for at := range before {
					if !c.owned[at] && owner[at] == c.id {
						delete(owner, at)
					}
				}
				for at := range c.owned {
					if other := owner[at]; other != "" && other != c.id {
						t.Errorf("partition %d is with %s and %s", at.Index, other, c.id)
					}
					owner[at] = c.id
				}
				mu.Unlock()
				if i%2 == 1 && round == 4 {
					mu.Lock()
					for at := range c.owned {
						delete(owner, at)
					}
					mu.Unlock()
					if err := c.beat(func(r *wire.GroupHeartbeatRequest) {
						r.MemberEpoch, r.ReportsOwned, r.Owned = group.EpochLeave, false, nil
					}); err != nil {
						t.Errorf("%s leaves: %v", c.id, err)
					}
					return
				}
			}
			survivors[i] = c
		})
	}
	running.Wait()
	rest := slices.DeleteFunc(survivors, func(c *consumer) bool { return c == nil })
	require.Len(t, rest, members/2)
	settleGroup(t, rest...)
	for _, c := range rest {
		require.Len(t, c.owned, 1, c.id)
	}
}

// A thousand members share a thousand partitions: they settle, with one each.
func TestThousandMembersSettle(t *testing.T) {
	const members, partitions = 1000, 1000
	n := startNode(t, func(c *Config) { c.Groups.SessionTimeout = 5 * time.Minute })
	n.create("orders", partitions)
	all := make([]*consumer, members)
	for i := range all {
		all[i] = n.consumer("g", fmt.Sprintf("m%04d", i))
	}
	begun := time.Now()
	each := func(f func(c *consumer) error) {
		var running sync.WaitGroup
		for _, c := range all {
			running.Go(func() {
				if err := f(c); err != nil {
					t.Errorf("%s: %v", c.id, err)
				}
			})
		}
		running.Wait()
	}
	each(func(c *consumer) error { return c.join("orders") })
	for n.describe("g").State != "stable" && !t.Failed() {
		each(func(c *consumer) error { return c.beat(nil) })
	}
	each(func(c *consumer) error { return c.beat(nil) })
	t.Logf("settled in %v, all at once and each with two heartbeats or more", time.Since(begun).Round(time.Millisecond))
	owner := map[group.Partition]string{}
	for _, c := range all {
		require.Len(t, c.owned, 1, c.id)
		for at := range c.owned {
			require.Empty(t, owner[at])
			owner[at] = c.id
		}
	}
	require.Len(t, owner, partitions)
}
