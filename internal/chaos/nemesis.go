//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Nemesis does harm to a cluster at random: mixes of faults that change every 10 to 20 s, each followed by quiet. The
// same seed gives the same choices; what comes of them is up to the machine. Not safe for concurrent use.
type Nemesis struct {
	c    *Cluster
	rand *rand.Rand
	note func(format string, args ...any) // of the mix
}

// NewNemesis makes one.
func NewNemesis(c *Cluster, seed uint64) *Nemesis {
	return &Nemesis{c: c, rand: rand.New(rand.NewPCG(seed, 0))}
}

// Mix does harm for 10 to 20 s, with one or two kinds of faults. note is told of each before it happens. What is broken
// at the end stays so: call Cluster.Heal.
func (n *Nemesis) Mix(ctx context.Context, note func(format string, args ...any)) error {
	n.note = note
	faults := []func(context.Context) error{n.kill, n.pause, n.zooKeeper, n.bend}
	if n.c.Network.isolated {
		faults = append(faults, n.cut, n.cutOneWay)
	}
	n.rand.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	faults = faults[:1+n.rand.IntN(2)]
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second+n.upTo(10*time.Second))
	defer cancel()
	for ctx.Err() == nil {
		if err := faults[n.rand.IntN(len(faults))](ctx); err != nil {
			return err
		}
	}
	return nil
}

func (n *Nemesis) upTo(d time.Duration) time.Duration { return time.Duration(n.rand.Int64N(int64(d))) }

// sleep waits from a tenth of d to d, or until the mix is over.
func (n *Nemesis) sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d/10 + n.upTo(d*9/10)):
	case <-ctx.Done():
	}
}

func (n *Nemesis) broker() *Broker { return n.c.Brokers[n.rand.IntN(len(n.c.Brokers))] }

// kill kills one broker, or all at times, and starts them.
func (n *Nemesis) kill(ctx context.Context) error {
	victims := []*Broker{n.broker()}
	if n.rand.IntN(5) == 0 {
		victims = n.c.Brokers
	}
	for _, b := range victims {
		n.note("kill broker %d", b.ID)
		if err := errors.Join(b.Resume(), b.Kill()); err != nil {
			return err
		}
	}
	n.sleep(ctx, 3*time.Second)
	for _, b := range victims {
		if err := b.Launch(); err != nil {
			return err
		}
	}
	n.sleep(ctx, 3*time.Second)
	return nil
}

// pause pauses a broker for shorter, or longer, than its session lasts.
func (n *Nemesis) pause(ctx context.Context) error {
	b := n.broker()
	n.note("pause broker %d", b.ID)
	if err := b.Pause(); err != nil {
		return err
	}
	n.sleep(ctx, 2*n.c.cfg.SessionTimeout)
	if err := b.Resume(); err != nil {
		return err
	}
	n.sleep(ctx, time.Second)
	return nil
}

// zooKeeper kills or pauses a ZooKeeper server for a while.
func (n *Nemesis) zooKeeper(ctx context.Context) error {
	i := n.rand.IntN(len(n.c.ZooKeeper.Servers))
	s := n.c.ZooKeeper.Servers[i]
	if n.rand.IntN(2) == 0 {
		n.note("pause ZooKeeper server %d", i+1)
		if err := n.c.PauseZooKeeper(s); err != nil {
			return err
		}
		n.sleep(ctx, 5*time.Second)
		return s.Resume()
	}
	n.note("kill ZooKeeper server %d", i+1)
	if err := n.c.KillZooKeeper(s); err != nil {
		return err
	}
	n.sleep(ctx, 5*time.Second)
	return s.Launch()
}

// cut cuts a broker from some of the others and of the ZooKeeper servers, for a while.
func (n *Nemesis) cut(ctx context.Context) error {
	b := n.broker()
	return n.cutFor(ctx, CutLink, b, Both(b.Host, n.some(b)...))
}

// cutOneWay drops what a broker sends to some of the others, or what they send to it.
func (n *Nemesis) cutOneWay(ctx context.Context) error {
	b := n.broker()
	var cuts []Cut
	from := n.rand.IntN(2) == 0
	for _, h := range n.some(b) {
		if from {
			cuts = append(cuts, Cut{b.Host, h})
		} else {
			cuts = append(cuts, Cut{h, b.Host})
		}
	}
	return n.cutFor(ctx, CutOneWay, b, cuts)
}

// some are one or more of the hosts other than the broker's.
func (n *Nemesis) some(but *Broker) (list []*Host) {
	for _, o := range n.c.Others(but) {
		list = append(list, o.Host)
	}
	list = append(list, n.c.ZooKeepers...)
	n.rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:1+n.rand.IntN(len(list))]
}

func (n *Nemesis) cutFor(ctx context.Context, f Fault, b *Broker, cuts []Cut) error {
	var links string
	for _, c := range cuts {
		links += fmt.Sprintf(" %s>%s", c.From.IP, c.To.IP)
	}
	n.note("%s at broker %d:%s", f, b.ID, links)
	if err := n.c.Cut(f, cuts...); err != nil {
		return err
	}
	n.sleep(ctx, 3*n.c.cfg.SessionTimeout)
	return n.c.Network.Mend(cuts...)
}

// bend makes the clients' links to a broker late, slow or half open, or resets them.
func (n *Nemesis) bend(ctx context.Context) error {
	b := n.broker()
	if b.Clients == nil {
		n.sleep(ctx, time.Second)
		return nil
	}
	f := []Fault{Delay, Slow, HalfOpen, Reset}[n.rand.IntN(4)]
	line := Line{}
	switch f {
	case Delay:
		line.Delay = n.upTo(300 * time.Millisecond)
	case Slow:
		line.BytesPerSecond = 16 << 10
	case HalfOpen:
		line.Stall = true
	case Reset:
		b.Clients.Reset()
	}
	n.note("%s for the clients of broker %d", f, b.ID)
	b.Bend(line, line)
	n.c.Count(f)
	n.sleep(ctx, 5*time.Second)
	b.Bend(Line{}, Line{})
	return nil
}
