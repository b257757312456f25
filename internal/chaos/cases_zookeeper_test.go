//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/internal/zkserver"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
)

// Brokers that are paused for longer than their sessions last, and ZooKeeper servers that are killed and wiped.
func TestZooKeeperFaults(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{Brokers: 3, ZooKeepers: 3})
	s.playSmall("D1 G1 leader paused past its session", 12, pauseLeader, Pause)
	s.play("D3 controller paused and resumed", 3, pauseController, Pause)
	s.play("D4 two brokers of one id", 3, startTwin)
	s.play("D6 leader of ZooKeeper killed as the ISR changes", 3, killZooKeeperLeader, KillZK, Kill)
	s.play("D5 all of ZooKeeper down", 3, killAllZooKeepers, KillZK)
	s.play("D9 ZooKeeper wiped", 3, wipeZooKeeper, KillZK, WipeZK)
	s.finish()
}

// D1, G1: a leader that stood still while another was elected acknowledges nothing when it goes on, and learns what it
// missed.
func pauseLeader(c *scene) {
	for range rounds(1, 10) {
		leader, epoch := c.leads(c.Brokers[0], 0)
		c.note("pause broker %d, leader of epoch %d", leader.ID, epoch)
		c.must(leader.Pause())
		_, later := c.awaitNewEpoch(c.Others(leader)[0], 0, epoch)
		c.awaitAcks("of the new leader")
		c.note("resume broker %d", leader.ID)
		c.must(leader.Resume())
		c.awaitNewEpoch(leader, 0, later-1)
		c.awaitInSync(c.topic, 3)
	}
}

// D3: a controller that stood still finds that there is another, and does as that says.
func pauseController(c *scene) {
	for range rounds(1, 10) {
		former := c.controller(c.Brokers[0])
		c.note("pause the controller %d", former.ID)
		c.must(former.Pause())
		ask := c.Others(former)[0]
		changed := func(ask *Broker) func(context.Context) error {
			return func(ctx context.Context) error {
				d, err := ask.DescribeCluster(ctx)
				if err == nil && (d.Controller < 0 || d.Controller == former.ID) {
					err = fmt.Errorf("broker %d knows the controller %d", ask.ID, d.Controller)
				}
				return err
			}
		}
		c.await("another controller", changed(ask))
		c.awaitAcks("under the new controller")
		c.note("resume broker %d", former.ID)
		c.must(former.Resume())
		c.await("the former one knows", changed(former))
		c.must(c.AwaitBrokers(within(c.t, patience)))
		c.create(fmt.Sprintf("%s-%d", c.topic, former.ID), 3)
	}
}

// D4: a second broker of an id is refused, says why, and does no harm to the first.
func startTwin(c *scene) {
	c.note("start a second broker %d", c.Brokers[1].ID)
	twin, err := c.Twin(c.Brokers[1])
	c.must(err)
	defer func() { c.must(twin.Close()) }()
	select {
	case <-twin.Exited():
	case <-within(c.t, patience).Done():
		c.t.Fatal("the second broker of an id goes on")
	}
	text, err := os.ReadFile(twin.logPath())
	c.must(err)
	require.False(c.t, twin.cmd.ProcessState.Success())
	require.Contains(c.t, string(text), "id", "it says why")
	c.t.Logf("it was told: %s", lastLine(string(text)))
	c.awaitInSync(c.topic, 3)
	c.awaitAcks("beside the second broker")
}

// D6: with its connection lost in the midst of a change of the ISR, a leader finds out what became of it.
func killZooKeeperLeader(c *scene) {
	for i := range rounds(2, 10) {
		var first *zkserver.Server
		c.await("a leader of ZooKeeper", func(context.Context) error {
			for _, s := range c.ZooKeeper.Servers {
				if s.Mode() == "leader" {
					first = s
					return nil
				}
			}
			return errors.New("there is none")
		})
		b := c.Brokers[i%3]
		c.note("kill broker %d and the leader of ZooKeeper", b.ID)
		c.must(b.Kill())
		c.must(c.KillZooKeeper(first))
		c.awaitAcks("after ZooKeeper's leader was killed")
		c.must(first.Launch())
		c.must(b.Launch())
		c.awaitInSync(c.topic, 3)
	}
}

// D5: without ZooKeeper, records are acknowledged as long as the replicas in sync are there. Nothing is elected.
func killAllZooKeepers(c *scene) {
	leader, epoch := c.leads(c.Brokers[0], 0)
	c.note("kill all ZooKeeper servers")
	for _, s := range c.ZooKeeper.Servers {
		c.must(c.KillZooKeeper(s))
	}
	for began := time.Now(); time.Since(began) < time.Duration(rounds(3, 20))*session; {
		c.awaitAcks("without ZooKeeper")
		time.Sleep(session / 3)
	}
	p, err := leader.Partition(c.ctx, c.topic, 0)
	c.must(err)
	require.Equal(c.t, []int32{leader.ID, epoch, 3}, []int32{p.Leader, p.LeaderEpoch, int32(len(p.ISR))})
	c.awaitAcks("without ZooKeeper, at the end")
}

// D9: where ZooKeeper has lost all, brokers refuse to start, say why, and delete nothing (R6): with the data back, all
// is there.
func wipeZooKeeper(c *scene) {
	topic, committed := c.topicID(c.Brokers[0], c.topic), c.highWatermarks()
	c.note("kill all ZooKeeper servers, and start them without what they have written")
	for _, s := range c.ZooKeeper.Servers {
		c.must(c.KillZooKeeper(s))
		c.must(os.Rename(s.DataDir(), s.DataDir()+".saved"))
	}
	c.startZooKeepers()
	_, err := zk.Open(c.ctx, zk.Config{
		Servers: c.ZooKeeper.Addresses(), Chroot: chroot, Logger: slog.New(slog.DiscardHandler),
	})
	require.ErrorIs(c.t, err, metadata.ErrNoNode, "brokers that run make nothing in an empty ZooKeeper")
	c.Count(WipeZK)
	time.Sleep(2 * session)
	c.note("kill all brokers, and start them")
	for _, b := range c.Brokers {
		c.must(b.Kill())
		c.must(os.Rename(b.logPath(), b.logPath()+".before"))
		c.must(b.Launch())
	}
	for _, b := range c.Brokers {
		select {
		case <-b.Exited():
		case <-within(c.t, patience).Done():
			c.t.Fatalf("broker %d goes on in a ZooKeeper that has lost its cluster", b.ID)
		}
		b.meant = true
		text, err := os.ReadFile(b.logPath())
		c.must(err)
		require.False(c.t, b.cmd.ProcessState.Success())
		require.Contains(c.t, string(text), "there is no cluster at", "it says why")
		c.t.Logf("broker %d says: %s", b.ID, lastLine(string(text)))
		c.holds(b, topic, committed)
	}
	c.note("give ZooKeeper its data back")
	for _, s := range c.ZooKeeper.Servers {
		c.must(c.KillZooKeeper(s))
		c.must(os.RemoveAll(s.DataDir()))
		c.must(os.Rename(s.DataDir()+".saved", s.DataDir()))
	}
	c.startZooKeepers()
}

// highWatermarks are those of the topic's partitions.
func (c *scene) highWatermarks() (ends []int64) {
	c.t.Helper()
	d, err := c.Brokers[0].Topic(c.ctx, c.topic)
	c.must(err)
	for _, p := range d.Partitions {
		own, err := c.Broker(p.Leader).Partition(c.ctx, c.topic, int(p.Index))
		c.must(err)
		require.Len(c.t, own.ISR, len(c.Brokers))
		ends = append(ends, own.HighWatermark)
	}
	require.Positive(c.t, slices.Max(ends), "something is committed")
	return ends
}

// holds holds that the store of a broker that does not run has the records of a topic's partitions up to these ends.
func (c *scene) holds(b *Broker, topic uint64, ends []int64) {
	c.t.Helper()
	store, err := kv.Open(kv.Options{Dir: b.dataDir(), Role: kv.RoleAny})
	c.must(err)
	for i, end := range ends {
		last, there, err := store.LastBatch(kv.Partition{Topic: topic, Index: int32(i)})
		c.must(err)
		require.True(c.t, end == 0 || there && last+1 >= end, "broker %d holds up to %d of partition %d, of %d", b.ID, last,
			i, end)
	}
	c.must(store.Close())
}

func (c *scene) startZooKeepers() {
	c.t.Helper()
	for _, s := range c.ZooKeeper.Servers {
		c.must(s.Launch())
	}
	c.must(c.AwaitZooKeeper(within(c.t, patience)))
}
