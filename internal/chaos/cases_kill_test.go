//go:build linux

package chaos

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// Processes are killed, and disks are wiped while they are away.
func TestKills(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{Brokers: 3, ZooKeepers: 1})
	s.play("A17 leader killed and started within its session", 3, killLeaderBriefly, Kill)
	s.play("A22 rolling kills of leaders", 3, killLeadersRolling, Kill)
	s.play("A16 all killed at once", 3, killAll, Kill)
	s.play("G16 all replicas away, back in any order", 1, returnInAnyOrder, Kill)
	s.play("C13 disk wiped between kill and start", 3, wipeFollowerAndLeader, Kill, Wipe)
	s.play("G12 last replica in sync loses its disk", 1, wipeLastInSync, Kill, Wipe)
	s.play("G3 follower wiped as it joins", 1, wipeWhileJoining, Kill, Wipe)
	s.play("G20 topic made again while a broker is away", 3, recreateTopic, Kill)
	s.finish()
}

// A17: the leader is back before its session is over, and still its epoch ends: what it shipped may be gone (R2).
func killLeaderBriefly(c *scene) {
	for range rounds(2, 20) {
		leader, epoch := c.leads(c.Brokers[0], 0)
		c.note("kill and start broker %d, leader of epoch %d", leader.ID, epoch)
		c.must(leader.Kill())
		c.must(leader.Launch())
		c.awaitNewEpoch(c.Others(leader)[0], 0, epoch)
		c.awaitAcks("after the leader was killed")
	}
}

// A22: one leader after the other is killed, whether or not the others have caught up.
func killLeadersRolling(c *scene) {
	for i := range rounds(4, 60) {
		leader, _ := c.leads(c.Brokers[i%3], i%3)
		c.note("kill broker %d", leader.ID)
		c.must(leader.Kill())
		time.Sleep(time.Second)
		c.must(leader.Launch())
		time.Sleep(time.Second)
	}
}

// A16: everything acknowledged is there after all brokers were killed at once, and they elect leaders by themselves.
func killAll(c *scene) {
	for range rounds(2, 20) {
		c.note("kill all")
		for _, b := range c.Brokers {
			c.must(b.Kill())
		}
		for _, b := range c.Brokers {
			c.must(b.Launch())
		}
		c.awaitAcks("after all brokers were killed")
	}
}

// G16: replicas go one by one: the first falls out, the second is the last to have been in sync, the third leads to the
// end. Whoever is back first, only one that holds all that is committed leads: never the first alone.
func returnInAnyOrder(c *scene) {
	all := orders([]*Broker{c.Brokers[0], c.Brokers[1], c.Brokers[2]})
	for _, i := range []int{0, 3, 1, 2, 4, 5}[:rounds(2, 6)] {
		last, _ := c.leads(c.Brokers[0], 0)
		away := c.Others(last)
		first, second := away[0], away[1]
		c.note("kill %d, then %d, then the leader %d; they return as %v of that", first.ID, second.ID, last.ID, ranks(all[i]))
		c.must(first.Kill())
		c.awaitISR(last, 0, second, last)
		c.awaitAcks("with two replicas of three")
		c.must(second.Kill())
		c.awaitISR(last, 0, last)
		c.must(last.Kill())
		for n, who := range all[i] {
			b := []*Broker{first, second, last}[who.ID-1]
			c.must(b.Launch())
			if b == first && n == 0 {
				c.leadsNothing(first)
			}
		}
		c.awaitAcks("after all are back")
		c.awaitInSync(c.topic, 3)
	}
}

func ranks(order []*Broker) (list []int32) {
	for _, b := range order {
		list = append(list, b.ID)
	}
	return list
}

// leadsNothing waits until the partition has no leader, as a broker knows it, and holds that this stays so for a while.
func (c *scene) leadsNothing(ask *Broker) {
	c.t.Helper()
	offline := func(ctx context.Context) error {
		p, err := ask.Partition(ctx, c.topic, 0)
		if err == nil && p.Leader != -1 {
			err = fmt.Errorf("broker %d leads", p.Leader)
		}
		return err
	}
	c.await("no leader", offline)
	for range 20 {
		c.await("still no leader", offline)
		time.Sleep(100 * time.Millisecond)
	}
}

// C13: a wiped store has another id: its broker is in no ISR, and copies everything anew, also if it led.
func wipeFollowerAndLeader(c *scene) {
	leader, epoch := c.leads(c.Brokers[0], 0)
	follower := c.Others(leader)[0]
	c.note("wipe the follower %d", follower.ID)
	c.must(follower.Kill())
	c.must(follower.Wipe())
	c.must(follower.Launch())
	c.awaitInSync(c.topic, 3)
	c.note("wipe the leader %d", leader.ID)
	c.must(leader.Kill())
	c.must(leader.Wipe())
	c.must(leader.Launch())
	c.awaitNewEpoch(follower, 0, epoch)
	c.awaitInSync(c.topic, 3)
	c.awaitAcks("after the leader's disk was wiped")
}

// G12: the last replica in sync comes back with an empty disk. It may not lead; the one that holds all, although it is
// not in sync, does.
func wipeLastInSync(c *scene) {
	last, _ := c.leads(c.Brokers[0], 0)
	away := c.Others(last)
	first, second := away[0], away[1]
	c.note("kill %d, %d and the leader %d, and wipe that", first.ID, second.ID, last.ID)
	c.must(first.Kill())
	c.awaitISR(last, 0, second, last)
	c.must(second.Kill())
	c.awaitISR(last, 0, last)
	c.must(last.Kill())
	c.must(last.Wipe())
	c.must(last.Launch())
	c.leadsNothing(last)
	c.must(first.Launch())
	c.must(c.AwaitBrokers(within(c.t, patience)))
	c.leadsNothing(first) // nobody who is there holds all that is committed
	c.must(second.Launch())
	c.await("the replica that holds all leads", func(ctx context.Context) error {
		leader, _, err := c.Leader(ctx, first, c.topic, 0)
		if err == nil && leader != second {
			err = fmt.Errorf("%d leads", leader.ID)
		}
		return err
	})
}

// G3: a follower is wiped, and there again, while it joins the ISR: what it held before does not count.
func wipeWhileJoining(c *scene) {
	leader, _ := c.leads(c.Brokers[0], 0)
	follower := c.Others(leader)[0]
	for i := range rounds(3, 20) {
		c.await("a store to wipe", func(context.Context) error {
			_, err := os.Stat(follower.dataDir())
			return err
		})
		c.note("wipe the follower %d", follower.ID)
		c.must(follower.Kill())
		c.must(follower.Wipe())
		c.must(follower.Launch())
		// from before it registers to after it has joined, about
		time.Sleep(time.Duration(i%8) * 150 * time.Millisecond)
	}
	c.awaitISR(leader, 0, c.Brokers...)
}

// G20: a topic is deleted and made again under its name while a broker is away, which then never serves what was in
// the first one.
func recreateTopic(c *scene) {
	const name = "made-again"
	c.create(name, 1)
	send := func(text string, n int) {
		p, err := client.NewProducer(c.connect(c.Servers()...), client.ProducerOptions{})
		require.NoError(c.t, err)
		for range n {
			_, err := p.Send(c.ctx, client.Record{Topic: name, Value: []byte(text)})
			require.NoError(c.t, err)
		}
		require.NoError(c.t, p.Close(c.ctx))
	}
	send("old", 20)
	away := c.Brokers[2]
	before, err := away.Topic(c.ctx, name)
	require.NoError(c.t, err)
	c.note("kill broker %d, and make the topic again", away.ID)
	c.must(away.Kill())
	c.must(c.AwaitBrokers(within(c.t, patience)))
	gone, err := c.admin().DeleteTopics(c.ctx, []string{name}, client.Apply)
	require.NoError(c.t, err)
	require.Nil(c.t, gone[0].Error)
	c.create(name, 1)
	send("new", 5)
	c.must(away.Launch())
	c.must(c.AwaitBrokers(within(c.t, patience)))
	c.await("the broker that was away knows the new topic", func(ctx context.Context) error {
		after, err := away.Topic(ctx, name)
		if err == nil && after.ID == before.ID {
			err = fmt.Errorf("it knows the old one")
		}
		return err
	})
	results, err := c.admin().Reassign(c.ctx, []wire.Reassignment{{
		ID: c.topicID(away, name), Replicas: []int32{away.ID, c.Brokers[0].ID},
	}}, client.Apply)
	require.NoError(c.t, err)
	require.Nil(c.t, results[0].Error)
	c.await("it leads the topic", func(ctx context.Context) error {
		p, err := away.Partition(ctx, name, 0)
		if err == nil && (p.Leader != away.ID || len(p.Replicas) != 2) {
			err = fmt.Errorf("%d leads, and replicas are %v", p.Leader, p.Replicas)
		}
		return err
	})
	require.Equal(c.t, []string{"new", "new", "new", "new", "new"}, c.readAll(name, 5))
}
