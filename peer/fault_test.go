package peer

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/replication"
)

func ack(n int64) replication.Ack { return replication.Ack{Epoch: 1, Stream: 1, Durable: n} }

func impatient(o *Options) {
	o.Heartbeat, o.Silence, o.MaxBackoff = 20*time.Millisecond, 2*time.Second, 100*time.Millisecond
}

// through connects a follower by way of a proxy.
func through(t *testing.T, change func(*proxy)) (leader, follower *broker, p *proxy, up, down Link) {
	leader, follower = start(t, 1, impatient), start(t, 2, impatient)
	p = newProxy(t, leader.Addr())
	if change != nil {
		change(p)
	}
	require.NoError(t, follower.Connect(1, p.Addr().String()))
	up, down = follower.connected(1, Follower), leader.connected(2, Leader)
	for _, b := range []*broker{leader, follower} {
		await(b, func(c Connected) bool { return c.Link.Class == Bulk })
	}
	return leader, follower, p, up, down
}

// E13, E16: a half-open link is noticed by both ends and made anew. What was on its way on the old
// one never comes on the new one, also when the network delivers it late.
func TestE13HalfOpen(t *testing.T) {
	leader, follower, p, up, down := through(t, nil)
	require.NoError(t, follower.Send(up, p0, ack(1)))
	require.Equal(t, []Addressed{{p0, ack(1)}}, leader.messages(down, 1))
	p.stall(true)
	require.NoError(t, follower.Send(up, p0, ack(2)))
	why := await(follower, func(d Disconnected) bool { return d.Link == up }).Why
	require.ErrorContains(t, why, "nothing came for 2s")
	why = await(leader, func(d Disconnected) bool { return d.Link == down }).Why
	require.ErrorContains(t, why, "nothing came for 2s")
	require.ErrorIs(t, follower.Send(up, p0, ack(3)), ErrNotConnected)
	p.stall(false) // ack 2 is delivered now, to a connection that is over
	up2, down2 := follower.connected(1, Follower), leader.connected(2, Leader)
	require.Greater(t, down2.Session, down.Session)
	require.NoError(t, follower.Send(up2, p0, ack(4)))
	require.Equal(t, []Addressed{{p0, ack(4)}}, leader.messages(down2, 1))
	require.Zero(t, follower.Stats().Refused)
	require.Positive(t, follower.Stats().Reconnects)
}

// E14: connections that are reset are made again, every time; nobody is said to be dead.
func TestE14Resets(t *testing.T) {
	leader, follower, p, up, _ := through(t, nil)
	for i := range int64(5) {
		p.cut()
		await(follower, func(d Disconnected) bool { return d.Link == up })
		up = follower.connected(1, Follower)
		require.NoError(t, follower.Send(up, p0, ack(i)))
		await(leader, func(r Received) bool { return r.Messages[0] == Addressed{p0, ack(i)} })
	}
	require.Zero(t, follower.Stats().Refused)
}

// E15: a frame that is changed, repeated or left out ends its link before any of it counts.
func TestE15Tampering(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"flipped":  func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"repeated": func(b []byte) []byte { return append(b, b...) },
		"left out": func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			armed, changed := false, false
			leader, follower, p, up, down := through(t, func(p *proxy) {
				p.change = func(_ int, part []byte) []byte {
					if !armed || changed {
						return part
					}
					changed = true
					return change(part)
				}
			})
			require.NoError(t, follower.Send(up, p0, ack(1)))
			leader.messages(down, 1)
			p.mu.Lock()
			armed = true // the next frame of either of the follower's links
			p.mu.Unlock()
			for {
				why := await(leader, func(d Disconnected) bool { return true }).Why
				if why == errTag {
					break
				}
			}
			for _, ev := range leader.seen {
				_, received := ev.(Received)
				require.False(t, received)
			}
		})
	}
}

// I-16: what a stranger captures of a handshake is worth nothing in a connection of its own.
func TestI16ReplayedHandshake(t *testing.T) {
	leader, follower, p, up, down := through(t, nil)
	require.NoError(t, follower.Send(up, p0, ack(9)))
	leader.messages(down, 1)
	follower.Disconnect(1)
	before := leader.Stats()
	for conn := range 2 {
		c, err := net.Dial("tcp", leader.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write(p.recorded(conn))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return leader.Stats().RejectedHandshakes == before.RejectedHandshakes+2 },
		patience, time.Millisecond)
	require.Equal(t, before.Connects, leader.Stats().Connects)
	require.Equal(t, 2, strings.Count(leader.logs.String(), "the brokers have different cluster secrets"))
}
