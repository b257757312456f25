//go:build linux

package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Links are cut; clients reach every broker all the while.
func TestCuts(t *testing.T) {
	t.Parallel()
	needNamespaces(t)
	s := newStage(t, Config{Brokers: 3, ZooKeepers: 1, ProxyClients: true})
	s.play("E1 E4 G4 leader cut from all but clients", 3, isolateLeader, CutLink)
	s.play("E2 leader cut from its followers", 3, cutLeaderFromFollowers, CutLink)
	s.play("E3 leader cut from one follower", 3, cutOneFollower, CutLink)
	s.play("E6 from leader to follower nothing passes", 3, cutToFollower, CutOneWay)
	s.play("E7 from follower to leader nothing passes", 3, cutFromFollower, CutOneWay)
	s.play("E5 follower cut from ZooKeeper", 3, cutFollowerFromZooKeeper, CutLink)
	s.play("D2 leader cut from ZooKeeper", 3, cutLeaderFromZooKeeper, CutLink)
	s.play("E13 connections half open", 3, halfOpen, CutLink, HalfOpen, Kill)
	s.finish()
}

// E1, E4, G4: the others elect a leader. The former one, to which clients go on writing, moves its high watermark no
// more, so that it acknowledges nothing, and what it has beyond is cut when it is back.
func isolateLeader(c *scene) {
	for range rounds(1, 5) {
		leader, epoch := c.leads(c.Brokers[0], 0)
		others := c.Others(leader)
		c.note("cut broker %d, leader of epoch %d, from all", leader.ID, epoch)
		c.must(c.Cut(CutLink, Both(leader.Host, append(hosts(others...), c.ZooKeepers...)...)...))
		_, later := c.awaitNewEpoch(others[0], 0, epoch)
		before := c.highWatermark(leader)
		c.awaitAcks("of the new leader")
		require.Equal(c.t, before, c.highWatermark(leader), "a leader alone has committed records")
		c.note("mend")
		c.must(c.Network.Heal())
		c.awaitNewEpoch(leader, 0, later-1)
		c.awaitInSync(c.topic, 3)
	}
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
