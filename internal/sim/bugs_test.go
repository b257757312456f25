package sim

import (
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/replication"
)

// seedsPerBug bounds how many seeds may be needed to find a seeded bug.
const seedsPerBug = 400

// Each seeded bug is found by some seed, as a breach of what its rule is for: the checks can fail. M5 and M7 need more
// to come together than seeds bring: they have cases of their own, here and in replication. scripts/mutants has more.
func TestSeededBugsAreCaught(t *testing.T) {
	const notHeld, lost = `P2: `, `(P2|I[1-9]): |lost what it had acknowledged`
	for name, p := range map[string]struct {
		bug   Bug
		finds string // an expression
		from  uint64 // a seed near which it is found, so that the test is short
	}{
		"M1": {M1AckBeforeSync, notHeld, 1}, "M2": {M2LeaderApplied, notHeld, 1}, "M4": {M4EpochKept, lost, 50},
		"M6": {M6PendingExpand, lost, 430}, "M8": {M8EpochStart, lost, 1}, "M9": {M9ShrinkEarly, notHeld, 1},
		"M11": {M11NoBrokerEpochCheck, "I9: ", 1}, "M13": {M13BelowMinISR, "I9: ", 1},
		"M19": {M19UnknownIsFailed, lost, 670},
		"M18": {M18TellBeforeEpoch, "I10: ", 1}, "M22": {M22TellUnasked, "I10: ", 100},
		"M20": {M20DeletedByAbsence, lost, 1}, "M29": {M29EventNotState, "I13: ", 90},
		"generation":     {GenerationIgnored, lost, 1},
		"credit ignored": {CreditIgnored, "credit: ", 1}, "credit eaten": {CreditEaten, "I13: ", 1},
		"credit kept": {CreditKept, "credit: ", 1},
	} {
		t.Run(name, func(t *testing.T) {
			expr := regexp.MustCompile(p.finds)
			finds := func(r Result) bool { return r.Err != nil && expr.MatchString(r.Err.Error()) }
			results := runAll(seedsPerBug, func(i int) Config {
				cfg := config(p.from+uint64(i), p.bug)
				if p.bug == M19UnknownIsFailed {
					cfg.Unknown = 20
				}
				return cfg
			}, finds)
			i := slices.IndexFunc(results, finds)
			require.NotEqual(t, -1, i, "no seed finds it")
			t.Logf("seed %d: %v", p.from+uint64(i), results[i].Err)
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
