package peer

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/replication"
)

// pair is a leader's outbox and its follower's, with the frames between them in memory.
type pair struct {
	t            *rapid.T
	leader, back *outbox
	q            queue
	flight       [][]byte // to the follower
	got          []int    // sizes of the Data that arrived, in order
	held         int      // of them, not released
	due          bool     // a CreditBack came
}

func (p *pair) deliver() {
	frames, waited := p.leader.take(false)
	p.q.bytes.Add(-waited)
	p.flight = append(p.flight, frames...)
	for _, f := range p.flight {
		in, err := newDecoder().entries(f[frameHead:], Link{Side: Follower})
		require.NoError(p.t, err)
		for _, ev := range in.events {
			r := ev.(Received)
			require.NoError(p.t, p.back.receive(r.Data), "never more than the window")
			p.held += r.Data
			for _, m := range r.Messages {
				p.got = append(p.got, DataBytes(m.Message))
			}
		}
	}
	p.flight = nil
}

func (p *pair) credit() {
	frames, _ := p.back.take(true)
	for _, f := range frames {
		in, err := newDecoder().entries(f[frameHead:], Link{Side: Leader})
		require.NoError(p.t, err)
		if in.released >= 0 {
			due, err := p.leader.acknowledge(in.released)
			require.NoError(p.t, err)
			p.due = p.due || due
		}
	}
}

// Credit: never more than the window is out, but for one Data alone; a Data that is refused is taken after the
// CreditBack that follows; all arrive, in order, as long as what arrived is released. Nothing starves. (The count
// itself is package replication's, and tested there.)
func TestCredit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.Int64Range(1, 1000).Draw(t, "window")
		p := &pair{t: t}
		p.q.limit = rapid.Int64Range(1, 2000).Draw(t, "limit")
		p.leader, p.back = newOutbox(Leader, window, &p.q), newOutbox(Follower, window, &queue{limit: 1 << 30})
		sizes := rapid.SliceOfN(rapid.IntRange(1, 1500), 1, 60).Draw(t, "sizes")
		next, waiting := 0, false
		send := func() {
			if next == len(sizes) || waiting && !p.due {
				return
			}
			waiting, p.due = false, false
			_, err := p.leader.send(p0, data(int64(next), sizes[next]))
			if err != nil {
				require.ErrorIs(t, err, ErrNoCredit)
				waiting = true
				require.Zero(t, p.leader.room())
				_, err = p.leader.send(p0, data(0, 1))
				require.ErrorIs(t, err, ErrNoCredit, "a small one does not overtake")
				_, err = p.leader.send(p0, replication.Data{HW: 3})
				require.NoError(t, err, "without batches no credit is needed")
				return
			}
			next++
		}
		release := func(n int) {
			p.back.release(n)
			p.held -= n
		}
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				send()
			case 1:
				p.deliver()
			case 2:
				release(rapid.IntRange(0, p.held).Draw(t, "release"))
			case 3:
				p.credit()
			}
			if n := p.leader.credit.Outstanding(); n > window {
				require.GreaterOrEqual(t, int64(sizes[next-1]), n, "alone")
			}
			p.due = p.due || p.leader.recheck() // as Transport.wrote does
		}
		for i := 0; next < len(sizes) || p.held > 0; i++ {
			require.Less(t, i, 4*len(sizes)+4, "starved at %d of %d", next, len(sizes))
			send()
			p.deliver()
			release(p.held)
			p.credit()
			p.due = p.due || p.leader.recheck()
		}
		p.deliver()
		require.EqualValues(t, p.held, p.back.held())
		real := make([]int, 0, len(sizes))
		for _, n := range p.got {
			if n > 0 {
				real = append(real, n)
			}
		}
		require.Equal(t, sizes, real)
	})
}

// A peer that sends without credit, or gives back what it never got, is cut.
func TestCreditViolations(t *testing.T) {
	o := newOutbox(Follower, 100, &queue{limit: 1 << 20})
	require.NoError(t, o.receive(60))
	require.ErrorContains(t, o.receive(41), "beside 60 unreleased, with a window of 100")
	o.release(60)
	require.ErrorContains(t, o.receive(41), "beside 60", "the peer has not been told yet")
	o.take(false)
	require.NoError(t, o.receive(5000), "one alone may be larger")
	require.ErrorContains(t, o.receive(1), "unreleased")
	l := newOutbox(Leader, 100, &queue{limit: 1 << 20})
	_, err := l.send(p0, data(0, 50))
	require.NoError(t, err)
	_, err = l.acknowledge(51)
	require.ErrorContains(t, err, "credit for 51 bytes of 50 that were sent")
	_, err = l.acknowledge(50)
	require.NoError(t, err)
	_, err = l.acknowledge(49)
	require.Error(t, err)
}

// Over real connections: a follower that releases late never holds more than the window, and gets all.
func TestSlowFollower(t *testing.T) {
	small := func(o *Options) { o.WindowBytes = minWindow; o.QueueBytes = minWindow }
	leader, follower := start(t, 1, small), start(t, 2, small)
	up, down := follower.follow(leader)
	const size, all = 10_000, 200
	sent, got, held, noCredit := 0, 0, 0, 0
	for got < all {
		for sent < all {
			err := leader.Send(down, p0, data(int64(sent), size))
			if err != nil {
				require.ErrorIs(t, err, ErrNoCredit)
				noCredit++
				break
			}
			sent++
		}
		for held == 0 || got < sent {
			r := await(follower, func(Received) bool { return true })
			for _, m := range r.Messages {
				require.EqualValues(t, got, m.Message.(replication.Data).Base)
				got++
			}
			held += r.Data
			require.LessOrEqual(t, held, minWindow)
		}
		require.EqualValues(t, held, follower.Stats().Unreleased)
		follower.Release(up, held)
		held = 0
		if sent < all {
			await(leader, func(c CreditBack) bool { return c.Link == down })
		}
	}
	require.Positive(t, noCredit)
	require.Positive(t, leader.Credit(down))
}

// The bound of all links together: what one link's queue holds is taken from the others, and given back.
func TestQueueBytes(t *testing.T) {
	q := &queue{limit: 100}
	a, b := newOutbox(Leader, 1000, q), newOutbox(Leader, 1000, q)
	_, err := a.send(p0, data(0, 90))
	require.NoError(t, err)
	_, err = b.send(p0, data(0, 90))
	require.ErrorIs(t, err, ErrNoCredit)
	require.True(t, q.starved.Load())
	require.False(t, b.recheck())
	_, waited := a.take(false)
	q.bytes.Add(-waited)
	require.True(t, b.recheck())
	_, err = b.send(p0, data(0, 90))
	require.NoError(t, err)
	b.close()
	b.close()
	require.Zero(t, q.bytes.Load())
}
