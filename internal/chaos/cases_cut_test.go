//go:build linux

package chaos

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
)

// Links are cut; clients reach every broker all the while.
func TestCuts(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	s := newStage(t, Config{Brokers: 3, ZooKeepers: 1, ProxyClients: true})
	s.play("E1 E4 G4 leader cut from all but clients", 3, isolateLeader, CutLink, Diverge)
	s.play("E2 leader cut from its followers", 3, cutLeaderFromFollowers, CutLink)
	s.play("E3 leader cut from one follower", 3, cutOneFollower, CutLink)
	s.play("E6 from leader to follower nothing passes", 3, cutToFollower, CutOneWay)
	s.play("E7 from follower to leader nothing passes", 3, cutFromFollower, CutOneWay)
	s.play("E5 follower cut from ZooKeeper", 3, cutFollowerFromZooKeeper, CutLink)
	s.play("D2 leader cut from ZooKeeper", 3, cutLeaderFromZooKeeper, CutLink)
	s.play("E13 connections half open", 3, halfOpen, CutLink, HalfOpen, Kill)
	s.finish()
}

// E1, E4, G4: the others elect a leader. The former one, which clients go on writing to, acknowledges nothing, though
// some of it is in its log, and refuses the rest once it knows that it hears nobody. Back again, it has cut what only
// it had, and holds what the new leader wrote there.
func isolateLeader(c *scene) {
	other := c.beside("written-to-both-sides")
	c.create(other.topic, 1)
	want := other.send("before", 5, c.Brokers...)
	for i := range rounds(1, 5) {
		for tries := 0; ; tries++ { // a machine that stands still for seconds may let nothing into the log
			require.Less(c.t, tries, 5, "nothing that was written to a leader alone is in its log")
			acked, diverged := other.isolateLeader(fmt.Sprintf("round %d.%d", i, tries))
			if want = append(want, acked...); diverged {
				break
			}
		}
	}
	require.ElementsMatch(c.t, want, c.readAll(other.topic, len(want)), "what was acknowledged is there, and nothing else")
	c.committed(other.topic)
}

// isolateLeader does so once, for partition 0 of the scene's topic. It returns what was acknowledged, by whichever
// side, and tells whether the logs diverged.
func (c *scene) isolateLeader(round string) (acked []string, diverged bool) {
	c.t.Helper()
	leader, epoch := c.leads(c.Brokers[0], 0)
	others := c.Others(leader)
	alone := c.startWriter(leader, round+", to the former leader")
	c.note("cut broker %d, leader of epoch %d, from all", leader.ID, epoch)
	c.must(c.Cut(CutLink, Both(leader.Host, append(hosts(others...), c.ZooKeepers...)...)...))
	cut := time.Now()
	heir, later := c.awaitNewEpoch(others[0], 0, epoch)
	acked = c.send(round+", to the new leader", 20, others...)
	c.awaitAcks("of the new leader")
	alone.awaitRefused()
	alone.stop()
	own, err := leader.Partition(c.ctx, c.topic, 0)
	c.must(err)
	theirs := c.highWatermark(heir)
	if diverged = own.End > own.HighWatermark && theirs > own.HighWatermark; diverged {
		c.Count(Diverge)
	}
	c.note("mend; broker %d has %d records that are not committed", leader.ID, own.End-own.HighWatermark)
	c.must(c.Network.Heal())
	c.awaitNewEpoch(leader, 0, later-1)
	c.awaitInSync(c.topic, 3)
	for _, w := range alone.sent() {
		switch {
		case w.err == nil && w.begun.After(cut):
			c.t.Errorf("a leader alone has acknowledged %q", w.value)
		case w.err == nil:
			acked = append(acked, w.value)
		case !w.definite() && w.begun.Before(cut): // it may have been committed as the cut was made
			acked = append(acked, c.ifThere(w.value)...)
		}
	}
	return acked, diverged
}

// ifThere gives the value if partition 0 of the scene's topic holds it.
func (c *scene) ifThere(value string) []string {
	c.t.Helper()
	ends, err := client.NewAdmin(c.connect(c.Servers()...)).ListOffsets(c.ctx, c.topic, client.OffsetEnd)
	require.NoError(c.t, err)
	require.Nil(c.t, ends[0].Error)
	if slices.Contains(c.readAll(c.topic, int(ends[0].Offset)), value) {
		return []string{value}
	}
	return nil
}

func (c *scene) highWatermark(b *Broker) (n int64) {
	c.t.Helper()
	c.await("a high watermark", func(ctx context.Context) error {
		p, err := b.Partition(ctx, c.topic, 0)
		if err == nil {
			n = p.HighWatermark
		}
		return err
	})
	return n
}

// E2: the leader stays, as ZooKeeper hears it; alone it commits nothing. Other partitions go on.
func cutLeaderFromFollowers(c *scene) {
	leader, _ := c.leads(c.Brokers[0], 0)
	c.note("cut broker %d from its followers", leader.ID)
	c.must(c.Cut(CutLink, Both(leader.Host, hosts(c.Others(leader)...)...)...))
	c.awaitISR(leader, 0, leader)
	before := c.highWatermark(leader)
	time.Sleep(session)
	require.Equal(c.t, before, c.highWatermark(leader), "below min.insync.replicas nothing is committed")
	c.awaitAcks("of the other partitions")
	c.must(c.Network.Heal())
	c.awaitISR(leader, 0, c.Brokers...)
}

// E3: the one follower falls out, and all goes on.
func cutOneFollower(c *scene) {
	leader, _ := c.leads(c.Brokers[0], 0)
	follower := c.Others(leader)[0]
	c.fallsOut(leader, follower, CutLink, Both(leader.Host, follower.Host))
}

// E6: the leader's packets do not arrive.
func cutToFollower(c *scene) {
	leader, _ := c.leads(c.Brokers[0], 0)
	follower := c.Others(leader)[0]
	c.fallsOut(leader, follower, CutOneWay, []Cut{{leader.Host, follower.Host}})
}

// E7: the follower's acknowledgements do not arrive.
func cutFromFollower(c *scene) {
	leader, _ := c.leads(c.Brokers[0], 0)
	follower := c.Others(leader)[0]
	c.fallsOut(leader, follower, CutOneWay, []Cut{{follower.Host, leader.Host}})
}

// fallsOut cuts, waits until the follower is not in sync, and holds that all goes on.
func (c *scene) fallsOut(leader, follower *Broker, f Fault, cuts []Cut) {
	c.t.Helper()
	for range rounds(1, 5) {
		c.note("%s between leader %d and follower %d", f, leader.ID, follower.ID)
		c.must(c.Cut(f, cuts...))
		c.awaitISR(leader, 0, c.Others(follower)...)
		c.awaitAcks("without the follower")
		c.note("mend")
		c.must(c.Network.Heal())
		c.awaitISR(leader, 0, c.Brokers...)
	}
}

// E5: its session over, the follower is no member, whatever it has; it is one again after it has registered.
func cutFollowerFromZooKeeper(c *scene) {
	leader, _ := c.leads(c.Brokers[0], 0)
	follower := c.Others(leader)[0]
	c.fallsOut(leader, follower, CutLink, Both(follower.Host, c.ZooKeepers...))
}

// D2: a leader that ZooKeeper does not hear is replaced, though its clients and followers reach it.
func cutLeaderFromZooKeeper(c *scene) {
	leader, epoch := c.leads(c.Brokers[0], 0)
	c.note("cut broker %d, leader of epoch %d, from ZooKeeper", leader.ID, epoch)
	c.must(c.Cut(CutLink, Both(leader.Host, c.ZooKeepers...)...))
	_, later := c.awaitNewEpoch(c.Others(leader)[0], 0, epoch)
	c.awaitAcks("of the new leader")
	c.note("mend")
	c.must(c.Network.Heal())
	c.awaitNewEpoch(leader, 0, later-1)
}

// E13: a machine is gone without a word: nobody's connection to it ends, and all find out, clients too.
func halfOpen(c *scene) {
	leader, epoch := c.leads(c.Brokers[0], 0)
	c.note("broker %d is gone, and its connections stay", leader.ID)
	passed, _ := leader.Clients.Passed()
	require.NotZero(c.t, passed, "clients are connected")
	leader.Bend(Line{Stall: true}, Line{Stall: true})
	c.Count(HalfOpen)
	c.must(c.Cut(CutLink, Both(leader.Host, append(hosts(c.Others(leader)...), c.ZooKeepers...)...)...))
	c.must(leader.Kill())
	heir, _ := c.awaitNewEpoch(c.Others(leader)[0], 0, epoch)
	at := c.highWatermark(heir)
	c.await("clients write to the new leader", func(ctx context.Context) error {
		p, err := heir.Partition(ctx, c.topic, 0)
		if err == nil && p.HighWatermark <= at {
			err = fmt.Errorf("the high watermark is still %d", at)
		}
		return err
	})
}
