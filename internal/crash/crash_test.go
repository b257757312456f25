package crash

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/internal/failpoint"
)

// slow is a rate at which one record is on its way at a time, steady one at which there are many.
const slow, steady = 50, 500

// A1: the leader is killed when records are applied, and neither synced nor shipped. They are gone with it; the
// producers do not know, send them again, and there is one copy of each.
func TestA1LeaderKilledBeforeSyncAndShip(t *testing.T) {
	c := start(t)
	leader, _ := c.begin(slow, nil)
	require.Eventually(t, func() bool { // both, for the same records: what was shipped before is synced otherwise
		ships, syncs := leader.fired(failpoint.BeforeShip), leader.fired(failpoint.BeforeSync)
		leader.arm(failpoint.BeforeSync, failpoint.Hold)
		leader.arm(failpoint.BeforeShip, failpoint.Hold)
		for range 200 {
			time.Sleep(10 * time.Millisecond)
			if leader.fired(failpoint.BeforeShip) > ships && leader.fired(failpoint.BeforeSync) > syncs {
				return true
			}
		}
		leader.disarm(failpoint.BeforeShip)
		leader.disarm(failpoint.BeforeSync)
		c.progress(5)
		return false
	}, patience, time.Millisecond)
	epoch := c.killHeld(leader)
	c.progress(50)
	require.Greater(t, c.epoch(), epoch)
	c.finish()
}

// killHeld kills a leader, disarms its points, and returns the epoch in which it led.
func (c *cluster) killHeld(leader *node) (epoch int32) {
	c.t.Helper()
	for id := range c.nodes {
		if id == leader.id { // it may not answer
			continue
		}
		if p, ok := c.describeAt(id); ok && p.Leader == leader.id {
			epoch = max(epoch, p.LeaderEpoch)
		}
	}
	require.Positive(c.t, epoch)
	leader.kill()
	c.disarmAll()
	return epoch
}

func (c *cluster) disarmAll() {
	for _, n := range c.nodes {
		for _, p := range []failpoint.Point{failpoint.BeforeSync, failpoint.BeforeShip, failpoint.BeforeAck,
			failpoint.BeforeReply, failpoint.BeforePromise} {
			n.disarm(p)
		}
	}
}

// A2: the followers hold records durably that their leader has not synced when it is killed. It is back at once,
// without them; it must not use their offsets again in its epoch (R2), and all replicas keep them, or none does.
func TestA2LeaderKilledBeforeOwnSync(t *testing.T) {
	c := start(t)
	leader, followers := c.begin(slow, nil)
	leader.arm(failpoint.BeforeSync, failpoint.Hold)
	leader.awaitFired(failpoint.BeforeSync)
	var epoch int32
	require.Eventually(t, func() bool {
		own, ok := c.describeAt(leader.id)
		other, also := c.describeAt(followers[0].id)
		epoch = own.LeaderEpoch
		return ok && also && other.End > own.End
	}, patience, 10*time.Millisecond, "the follower is not ahead of its leader")
	leader.kill()
	c.disarmAll()
	leader.start()
	c.progress(50)
	require.Greater(t, c.epoch(), epoch, "a restarted leader went on in its epoch")
	c.finish()
}

// A3: the leader has records on its own disk that no follower was sent when it is killed. They were not acknowledged;
// when it comes back they are cut, or were sent again and are at their place on all replicas alike.
func TestA3LeaderKilledBeforeShip(t *testing.T) {
	c := start(t)
	leader, followers := c.begin(slow, nil)
	ahead := false
	for round := 0; !ahead; round++ {
		require.Less(t, round, 10, "the leader's own sync was never done first")
		leader.arm(failpoint.BeforeShip, failpoint.Hold)
		before := leader.fired(failpoint.BeforeShip)
		require.Eventually(t, func() bool {
			return leader.fired(failpoint.BeforeShip) > before
		}, patience, time.Millisecond)
		time.Sleep(time.Second) // time for its sync; that it was done is looked at
		follower, ok := c.describeAt(followers[0].id)
		require.True(t, ok)
		epoch := c.killHeld(leader)
		end := c.storedEnd(leader)
		t.Logf("the leader held up to %d, the follower up to %d", end, follower.End)
		ahead = end > follower.End
		leader.start()
		c.progress(50)
		require.Greater(t, c.epoch(), epoch)
		p := c.awaitInSync()
		leader, followers = c.nodes[p.Leader], nil
		for id, n := range c.nodes {
			if id != p.Leader {
				followers = append(followers, n)
			}
		}
	}
	c.finish()
}

// A4: the leader is killed when the high watermark has passed records and their producer has not been told. They
// stay, and the producer, which asks another leader, is told their offsets: it has the state of producers with the
// data.
func TestA4LeaderKilledBeforeReply(t *testing.T) {
	c := start(t)
	for range 3 {
		var leader *node
		if c.load == nil {
			leader, _ = c.begin(steady, nil)
		} else {
			leader = c.nodes[c.awaitInSync().Leader]
		}
		leader.arm(failpoint.BeforeReply, failpoint.Kill)
		leader.awaitEnd()
		require.Positive(t, leader.fired(failpoint.BeforeReply))
		c.disarmAll()
		c.progress(50)
		leader.start()
	}
	c.finish()
}

// A5: the leader is killed when a producer has just been told that a record is taken.
func TestA5LeaderKilledAfterReply(t *testing.T) {
	c := start(t)
	var mu sync.Mutex
	var victim *node // to be killed with the next acknowledgement
	killed := make(chan *node, 1)
	leader, _ := c.begin(steady, func() {
		mu.Lock()
		defer mu.Unlock()
		if victim != nil {
			victim.kill()
			killed <- victim
			victim = nil
		}
	})
	for range 3 {
		mu.Lock()
		victim = leader
		mu.Unlock()
		select {
		case n := <-killed:
			require.Same(t, leader, n)
		case <-c.context().Done():
			require.Fail(t, "nothing is acknowledged")
		}
		c.progress(50)
		leader.start()
		leader = c.nodes[c.awaitInSync().Leader]
	}
	c.finish()
}

// A6: a follower has records that it has not synced. They do not count: while it is in sync the high watermark stays
// below them. It is killed, and the others go on without it.
func TestA6FollowerKilledBeforeSync(t *testing.T) {
	c := start(t)
	leader, followers := c.begin(steady, nil)
	held := followers[0]
	held.arm(failpoint.BeforeSync, failpoint.Hold)
	held.awaitFired(failpoint.BeforeSync)
	for range 20 {
		// The high watermark is asked for first: what the follower holds durably afterwards is no less than it was then.
		p, ok := c.describeAt(leader.id)
		f, also := c.describeAt(held.id)
		if ok && also && p.Leader == leader.id && slices.Contains(p.ISR, held.id) {
			require.LessOrEqual(t, p.HighWatermark, f.End)
		}
	}
	held.kill()
	c.disarmAll()
	c.progress(100)
	c.finish()
}

// A7: a follower has synced records and not said so when it is killed. They are on its disk, and count when it is back.
func TestA7FollowerKilledBeforeAck(t *testing.T) {
	c := start(t)
	leader, followers := c.begin(slow, nil)
	held := followers[0]
	held.arm(failpoint.BeforeAck, failpoint.Hold)
	held.awaitFired(failpoint.BeforeAck)
	p, ok := c.describeAt(leader.id)
	require.True(t, ok)
	held.kill()
	c.disarmAll()
	if slices.Contains(p.ISR, held.id) {
		require.Greater(t, c.storedEnd(held), p.HighWatermark, "it was synced, and not counted")
	}
	c.progress(50)
	held.start()
	c.awaitInSync()
	c.finish()
}

// A8: a broker is made leader and killed before it has made that durable. Back again it is another registration, which
// that leadership was not given to: it waits for a new epoch.
func TestA8NewLeaderKilledBeforePromise(t *testing.T) {
	c := start(t)
	leader, followers := c.begin(steady, nil)
	for _, f := range followers {
		f.arm(failpoint.BeforePromise, failpoint.Hold)
	}
	leader.kill()
	var chosen *node
	require.Eventually(t, func() bool {
		for _, f := range followers {
			if f.fired(failpoint.BeforePromise) > 0 {
				chosen = f
			}
		}
		return chosen != nil
	}, patience, time.Millisecond)
	var epoch int32
	require.Eventually(t, func() bool {
		for _, f := range followers {
			if p, ok := c.describeAt(f.id); f != chosen && ok && p.Leader == chosen.id {
				epoch = p.LeaderEpoch
			}
		}
		return epoch > 0
	}, patience, 10*time.Millisecond, "the other broker does not know the new leader")
	chosen.kill()
	c.disarmAll()
	chosen.start()
	c.progress(50)
	require.Greater(t, c.epoch(), epoch, "it leads in an epoch that it was given before it died")
	c.finish()
}

// rounds is how often what is done in a loop is done: a few times, or as SKIDWAY_CRASH_ROUNDS says.
func rounds(t *testing.T) int {
	text := os.Getenv("SKIDWAY_CRASH_ROUNDS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "SKIDWAY_CRASH_ROUNDS")
	return n
}

// A16: all brokers are killed at once under load, again and again.
func TestA16AllKilled(t *testing.T) {
	c := start(t)
	c.begin(steady, nil)
	for range rounds(t) {
		for _, n := range c.nodes {
			require.NoError(t, n.cmd.Process.Kill())
		}
		for _, n := range c.nodes {
			n.awaitEnd()
		}
		for _, n := range c.nodes {
			n.start()
		}
		c.progress(100)
	}
	c.finish()
}

// A17: the leader is killed and started again within its session, again and again: each time it is another
// registration, and leads, if it does, in a new epoch.
func TestA17LeaderRestarted(t *testing.T) {
	c := start(t)
	leader, _ := c.begin(steady, nil)
	for range rounds(t) {
		epoch := c.epoch()
		leader.kill()
		leader.start()
		c.progress(100)
		require.Greater(t, c.epoch(), epoch)
		leader = c.nodes[c.awaitInSync().Leader]
	}
	c.finish()
}
