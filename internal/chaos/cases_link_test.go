//go:build linux

package chaos

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Links are bad: late, slow, broken, and with what was sent before coming again.
func TestBadLinks(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{Brokers: 3, ZooKeepers: 1, ProxyClients: true, ProxyPeers: true})
	s.play("E11 E12 links late and slow", 3, lateAndSlow, Delay, Slow)
	s.play("E14 E15 links reset, frames repeated", 3, resetAndReplay, Reset, Replay)
	s.finish()
}

// E11, E12: late and slow links cost time, and nothing else.
func lateAndSlow(c *scene) {
	for _, b := range c.Brokers {
		b.Bend(Line{Delay: 50 * time.Millisecond}, Line{Delay: 50 * time.Millisecond})
	}
	c.Count(Delay)
	c.awaitAcks("over late links")
	c.Brokers[1].Bend(Line{BytesPerSecond: 128 << 10}, Line{BytesPerSecond: 128 << 10})
	c.Count(Slow)
	c.awaitAcks("over a slow link")
}

// E14, E15: a frame that comes again ends the link, as one that was reset is over; nothing is appended twice.
func resetAndReplay(c *scene) {
	for i := range rounds(6, 60) {
		b := c.Brokers[i%3]
		c.await("connections to a broker", func(context.Context) error {
			if b.Peers.Replay() == 0 {
				return errors.New("there is none that has sent anything")
			}
			return nil
		})
		c.Count(Replay)
		c.awaitAcks("after frames came again")
		if b.Clients.Reset()+b.Peers.Reset() > 0 {
			c.Count(Reset)
		}
		c.awaitAcks("after connections were reset")
	}
	c.awaitInSync(c.topic, 3)
}

// B3: all brokers lose their power at once; what their disks had not been told to keep is gone, what was acknowledged
// is there.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	s := newStage(t, Config{
		Brokers: 3, ZooKeepers: 1, Binary: "faultfs", Env: []string{"SKIDWAY_FAULTFS=seed=7,writeback=0.2"},
	})
	s.play("B3 all lose their power at once", 3, losePower, Kill, PowerLoss)
	s.finish()
}

func losePower(c *scene) {
	for range rounds(3, 50) {
		c.note("power loss")
		for _, b := range c.Brokers {
			c.must(b.Kill())
		}
		c.Count(PowerLoss)
		for _, b := range c.Brokers {
			c.must(b.Launch())
		}
		c.awaitAcks("after the power loss")
	}
	require.NoError(c.t, c.AwaitBrokers(within(c.t, patience)))
}
