package sim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/replication"
)

// seedsPerBug bounds how many seeds may be needed to find a seeded bug.
const seedsPerBug = 400

// Each seeded bug is found by some seed: the checks can fail. M5 and M7 need more to come
// together than seeds bring: they have cases of their own, here and in replication.
func TestSeededBugsAreCaught(t *testing.T) {
	type planted struct {
		bug  Bug
		from uint64 // a seed that finds it, so that the test is short; any change may move it
	}
	for name, p := range map[string]planted{
		"M1": {M1AckBeforeSync, 1}, "M2": {M2LeaderApplied, 1}, "M4": {M4EpochKept, 60}, "M6": {M6PendingExpand, 76},
		"M8": {M8EpochStart, 1}, "M9": {M9ShrinkEarly, 1}, "M11": {M11NoBrokerEpochCheck, 8},
		"M13": {M13BelowMinISR, 3}, "M18": {M18TellBeforeEpoch, 1}, "M19": {M19UnknownIsFailed, 139},
		"M22": {M22TellUnasked, 1},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := p.from; seed < p.from+seedsPerBug; seed++ {
				cfg := config(seed, p.bug)
				if p.bug == M19UnknownIsFailed {
					cfg.Unknown = 20
				}
				// One that only does not come to an end is not found: it broke no promise yet.
				if r := Run(cfg); r.Err != nil && !strings.Contains(r.Err.Error(), "I13") {
					t.Logf("seed %d: %v", seed, r.Err)
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
		d.enqueue(item{generation: 1, effect: replication.Promise{Epoch: 5, Generation: 1}, raises: true})
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
