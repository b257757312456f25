package peer

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/replication"
)

var p0 = Partition{Topic: 7, Index: 0}

func TestMessagesBothWays(t *testing.T) {
	leader, follower := start(t, 1, nil), start(t, 2, nil)
	up, down := follower.follow(leader)
	self := replication.Member{Broker: 2, Storage: 200}
	sub := replication.Subscribe{From: self, BrokerEpoch: 20, Stream: 3, LastEpoch: -1}
	require.NoError(t, follower.Send(up, p0, sub))
	require.Equal(t, []Addressed{{p0, sub}}, leader.messages(down, 1))
	want := []Addressed{{p0, replication.Subscribed{Epoch: 0, Stream: 3}}, {p0, data(0, 300<<10)}, {p0, data(1, 10)}}
	for _, m := range want {
		require.NoError(t, leader.Send(down, m.Partition, m.Message))
	}
	require.Equal(t, want, follower.messages(up, 3))
	require.NoError(t, follower.Call(up, 5, []byte("who leads?")))
	require.Equal(t, Called{down, 5, []byte("who leads?")}, await(leader, func(Called) bool { return true }))
	require.NoError(t, leader.Answer(down, 5, nil))
	require.Equal(t, Answered{up, 5, []byte{}}, await(follower, func(Answered) bool { return true }))
}

// 10,000 partitions on one link: there is no goroutine for each, and an idle link carries heartbeats, of which none is
// about a partition.
func TestTenThousandPartitions(t *testing.T) {
	leader, follower := start(t, 1, nil), start(t, 2, nil)
	up, down := follower.follow(leader)
	for _, b := range []*broker{leader, follower} {
		await(b, func(c Connected) bool { return c.Link.Class == Bulk })
	}
	goroutines := runtime.NumGoroutine()
	for i := range int32(10_000) {
		require.NoError(t, follower.Send(up, Partition{7, i}, replication.Ack{Epoch: 1, Stream: 1, Durable: int64(i)}))
	}
	for i, m := range leader.messages(down, 10_000) {
		require.Equal(t, Partition{7, int32(i)}, m.Partition)
		require.EqualValues(t, i, m.Message.(replication.Ack).Durable)
	}
	// Those of a handshake may be there for a moment more; none a partition is what is to be seen.
	require.Less(t, runtime.NumGoroutine(), goroutines+100)
	require.Eventually(t, func() bool { return follower.Stats().Queued == 0 }, patience, time.Millisecond)
	before := follower.Stats()
	require.Less(t, before.FramesOut, int64(1000), "acks share frames")
	heartbeats := func() int64 { return follower.Stats().FramesOut - before.FramesOut }
	require.Eventually(t, func() bool { return heartbeats() >= 6 }, patience, time.Millisecond)
	after := follower.Stats()
	require.EqualValues(t, frameHead+5+tagBytes, (after.BytesOut-before.BytesOut)/(after.FramesOut-before.FramesOut))
	require.Empty(t, append(leader.seen, leader.Events()...))
}

func TestOptions(t *testing.T) {
	_, err := Start(Options{Secret: []byte("short"), Self: Incarnation{-1, -2, 0}, WindowBytes: 1, QueueBytes: -1,
		MaxLinks: -1, Heartbeat: -1, Silence: -4, HandshakeTimeout: -1, MaxBackoff: 1})
	for _, name := range []string{"Secret", "Cluster", "Self.Broker", "Self.Epoch", "WindowBytes", "QueueBytes",
		"MaxLinks", "Heartbeat", "Silence", "HandshakeTimeout", "MaxBackoff"} {
		require.ErrorContains(t, err, "peer: "+name+" ")
	}
	require.NotContains(t, err.Error(), "short")
	b := start(t, 1, nil)
	_, err = Start(Options{Secret: []byte(testSecret), Cluster: "c", Listen: b.Addr().String()})
	require.ErrorContains(t, err, "cannot listen for other brokers on")
	require.ErrorContains(t, b.Connect(1, "127.0.0.1:1"), "broker 1 cannot connect with broker 1")
}

// A link that is over takes nothing, and its credit is nobody's.
func TestSendAfterTheEnd(t *testing.T) {
	leader, follower := start(t, 1, nil), start(t, 2, nil)
	up, down := follower.follow(leader)
	require.ErrorContains(t, follower.Send(up, p0, data(0, 1)), "not for this side")
	require.ErrorContains(t, leader.Send(down, p0, replication.Ack{}), "not for this side")
	require.ErrorContains(t, leader.Send(down, p0, nil), "not for this side")
	require.ErrorIs(t, leader.Send(down, p0, data(0, MaxDataBytes+1)), ErrTooLarge)
	long := replication.OutOfRange{History: make(replication.History, maxHistory+1)}
	require.ErrorIs(t, leader.Send(down, p0, long), ErrTooLarge)
	require.ErrorIs(t, leader.Call(down, 1, make([]byte, MaxCallBytes+1)), ErrTooLarge)
	require.NoError(t, leader.Send(down, p0, data(0, 1)))
	r := await(follower, func(r Received) bool { return true })
	require.Panics(t, func() { follower.Release(up, 2) })
	follower.Disconnect(1)
	require.ErrorIs(t, await(follower, func(d Disconnected) bool { return d.Link == up }).Why, errDisconnected)
	await(leader, func(d Disconnected) bool { return d.Link == down })
	require.ErrorIs(t, follower.Send(up, p0, replication.Ack{}), ErrNotConnected)
	require.ErrorIs(t, leader.Answer(down, 1, nil), ErrNotConnected)
	follower.Release(up, r.Data)
	require.Zero(t, leader.Credit(down))
	require.NoError(t, follower.Close())
	require.ErrorIs(t, follower.Connect(1, leader.Addr().String()), ErrClosed)
	require.Empty(t, follower.Events())
}

// A new registration is another incarnation: all links are made anew, and say so.
func TestRenew(t *testing.T) {
	leader := start(t, 1, nil)
	follower := start(t, 2, func(o *Options) { o.Self.Epoch = Unregistered })
	require.NoError(t, follower.Connect(1, leader.Addr().String()))
	require.NoError(t, follower.Renew(4))
	up := follower.connected(1, Follower)
	require.EqualValues(t, 4, await(leader, func(Connected) bool { return true }).Peer.Epoch)
	require.ErrorContains(t, follower.Renew(3), "each registration has a higher one")
	require.NoError(t, follower.Renew(4), "the same one")
	require.NoError(t, follower.Renew(Unregistered))
	require.ErrorIs(t, await(follower, func(d Disconnected) bool { return d.Link == up }).Why, errRenewed)
	require.ErrorContains(t, follower.Renew(4), "each registration has a higher one")
	require.NoError(t, follower.Renew(5))
	require.Greater(t, follower.connected(1, Follower).Session, up.Session)
	want := Incarnation{2, 5, 200}
	await(leader, func(c Connected) bool { return c.Peer == want })
}

// R8: a process that is gone refuses at the address where it was; one that merely resets, does not.
func TestRefused(t *testing.T) {
	leader, follower := start(t, 1, nil), start(t, 2, nil)
	up, _ := follower.follow(leader)
	require.NoError(t, leader.Close())
	await(follower, func(d Disconnected) bool { return d.Link == up })
	require.Equal(t, Refused{Incarnation{1, 10, 100}}, await(follower, func(Refused) bool { return true }))
	require.Eventually(t, func() bool { return follower.Stats().DialFailures > 4 }, patience, time.Millisecond)
	require.EqualValues(t, 1, follower.Stats().Refused, "once for each link that was up")

	stranger := start(t, 3, nil) // never had a link there
	require.NoError(t, stranger.Connect(1, leader.Addr().String()))
	require.Eventually(t, func() bool { return stranger.Stats().DialFailures > 4 }, patience, time.Millisecond)
	require.Zero(t, stranger.Stats().Refused)
	require.Empty(t, stranger.Events())
}

// What a peer leaves unread is bounded: its link is cut.
func TestOverflow(t *testing.T) {
	calm := func(o *Options) { o.Silence = time.Minute }
	leader, follower := start(t, 1, calm), start(t, 2, calm)
	p := newProxy(t, leader.Addr())
	require.NoError(t, follower.Connect(1, p.Addr().String()))
	down := leader.connected(2, Leader)
	p.stall(true)
	long := replication.OutOfRange{History: make(replication.History, maxHistory)}
	for n := 0; ; n++ {
		require.Less(t, n, 1000)
		if err := leader.Send(down, p0, long); err != nil {
			require.ErrorIs(t, err, ErrNotConnected)
			break
		}
	}
	require.ErrorIs(t, await(leader, func(d Disconnected) bool { return d.Link == down }).Why, errOverflow)
	require.Eventually(t, func() bool { return leader.Stats().Queued == 0 }, patience, time.Millisecond)
}
