package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/replication"
)

// Each seeded bug is found by some seed: the checks can fail.
func TestSeededBugsAreCaught(t *testing.T) {
	for name, bug := range map[string]Bug{
		"M1": M1AckBeforeSync, "M2": M2LeaderApplied, "M4": M4EpochKept, "M9": M9ShrinkEarly, "M13": M13BelowMinISR,
		"M19": M19UnknownIsFailed, "M6": M6PendingExpand, "M8": M8EpochStart,
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(300) {
				if r := Run(config(seed+1, bug)); r.Err != nil {
					t.Logf("seed %d: %v", seed+1, r.Err)
					return
				}
			}
			t.Errorf("no seed finds it")
		})
	}
}

// A follower that forgot its promise listens to a leader of an older epoch (M5).
func TestM5PromiseIsKept(t *testing.T) {
	follows := func(bug Bug) bool {
		d := newDisk(1, bug)
		d.enqueue(item{0, 1, replication.Promise{Epoch: 5, Generation: 1}, true})
		d.commit()
		d.sync(1)
		d.crash(0)
		r := replication.NewReplica(replication.Options{Self: replication.Member{Broker: 2, Storage: 2}},
			replication.Stored{Promised: d.synced[0].promised})
		r.Step(0, replication.Registered{BrokerEpoch: 1})
		r.Step(0, replication.StateRead{Version: 1, State: replication.State{
			Replicas: []int32{1, 2}, Leader: 1, LeaderBrokerEpoch: 1, LeaderEpoch: 4, MinISR: 1,
		}})
		return r.Status().Role == replication.Follower
	}
	require.False(t, follows(NoBug))
	require.True(t, follows(M5PromiseNotPersisted))
}
