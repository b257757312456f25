package crash

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

	"github.com/skidway/skidway/internal/failpoint"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/metadata/zk"
	"github.com/skidway/skidway/replication"
)

// store is the cluster's metadata, as ZooKeeper has it.
func (c *cluster) store() *zk.Store {
	c.t.Helper()
	s, err := zk.Open(c.context(), zk.Config{
		Servers: []string{c.zk}, Chroot: chroot, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { require.NoError(c.t, s.Close()) })
	return s
}

// state is the partition's, as ZooKeeper has it.
func (c *cluster) state(s *zk.Store) replication.State {
	c.t.Helper()
	node, err := s.Get(c.context(), fmt.Sprintf("/parts/%d/0", c.id))
	require.NoError(c.t, err)
	state, err := replication.DecodeState(node.Data)
	require.NoError(c.t, err)
	return state
}

// inSync is the member of the ISR that is the broker's; false: it has none.
func inSync(s replication.State, broker int32) (replication.Member, bool) {
	i := slices.IndexFunc(s.ISR, func(m replication.Member) bool { return m.Broker == broker })
	if i < 0 {
		return replication.Member{}, false
	}
	return s.ISR[i], true
}

// registered is the epoch in which a broker is registered.
func registered(ctx context.Context, s *zk.Store, broker int32) (epoch int32, there bool, err error) {
	node, err := s.Get(ctx, fmt.Sprintf("/brokers/epochs/%d", broker))
	if err != nil {
		return 0, false, err
	}
	_, err = s.Get(ctx, fmt.Sprintf("/brokers/ids/%d", broker))
	if errors.Is(err, metadata.ErrNoNode) {
		return node.Version, false, nil
	}
	return node.Version, err == nil, err
}

// G3, KIP-903: a leader is about to write that a follower joins the ISR, when that is killed, loses its disk, and
// registers anew. The write is refused, for it is checked with the registration that the leader knew: otherwise a
// replica would count that holds nothing. Until the write is settled nothing is acknowledged, as it may have landed.
func TestG3WipedWhileItsExpandIsUnderWay(t *testing.T) {
	c := start(t)
	leader, followers := c.begin(steady, nil)
	follower, s := followers[0], c.store()
	was, there := inSync(c.state(s), follower.id)
	require.True(t, there)
	follower.kill()
	require.Eventually(t, func() bool {
		_, there := inSync(c.state(s), follower.id)
		return !there
	}, patience, time.Millisecond, "the follower stays in the ISR")

	leader.arm(failpoint.BeforeISR, failpoint.Hold)
	follower.start()
	leader.awaitFired(failpoint.BeforeISR)
	epoch, there, err := registered(c.context(), s, follower.id)
	require.NoError(t, err)
	require.True(t, there)
	follower.kill()
	require.NoError(t, os.RemoveAll(follower.dir))
	follower.arm(failpoint.BeforeAck, failpoint.Hold) // it is to join by no other write meanwhile
	follower.start()
	require.Eventually(t, func() bool {
		now, there, err := registered(c.context(), s, follower.id)
		return err == nil && there && now > epoch
	}, patience, time.Millisecond, "the follower is not registered anew")
	_, there = inSync(c.state(s), follower.id)
	require.False(t, there, "the write is held")

	acked := c.load.Acked()
	leader.disarm(failpoint.BeforeISR)
	for begun := time.Now(); c.load.Acked() < acked+100; time.Sleep(time.Millisecond) {
		m, there := inSync(c.state(s), follower.id)
		require.False(t, there, "%v is in sync, and its disk is gone", m)
		require.Less(t, time.Since(begun), patience, "the leader does not find out that its write was refused")
	}
	follower.disarm(failpoint.BeforeAck)
	c.awaitInSync() // as ZooKeeper has it, too, until brokers that stop leave the ISR
	now, there := inSync(c.state(s), follower.id)
	require.True(t, there)
	require.NotEqual(t, was.Storage, now.Storage, "it is a member with another store")
	c.finish()
}
