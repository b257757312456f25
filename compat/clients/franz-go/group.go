package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// member is one consumer of a group, which polls on a goroutine of its own.
type member struct {
	cl   *kgo.Client
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	owns   []int32
	values []string
	moves  int // how often its partitions changed
	err    error
}

func (s session) join(opts ...kgo.Opt) *member {
	m := &member{done: make(chan struct{})}
	change := func(do func(p int32)) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, of map[string][]int32) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if len(of[s.topic]) > 0 {
				m.moves++
			}
			for _, p := range of[s.topic] {
				do(p)
			}
			slices.Sort(m.owns)
		}
	}
	lose := change(func(p int32) { m.owns = slices.DeleteFunc(m.owns, func(q int32) bool { return p == q }) })
	m.cl = s.client(append([]kgo.Opt{
		kgo.ConsumerGroup(s.topic), kgo.ConsumeTopics(s.topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(300 * time.Millisecond),
		kgo.OnPartitionsAssigned(change(func(p int32) { m.owns = append(m.owns, p) })),
		kgo.OnPartitionsRevoked(lose), kgo.OnPartitionsLost(lose),
	}, opts...)...)
	ctx, stop := context.WithCancel(s.ctx)
	m.stop = stop
	go m.poll(ctx)
	return m
}

func (m *member) poll(ctx context.Context) {
	defer close(m.done)
	for {
		fetches := m.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		m.mu.Lock()
		for _, r := range fetches.Records() {
			m.values = append(m.values, string(r.Value))
		}
		if errs := fetches.Errors(); len(errs) > 0 {
			m.err = errs[0].Err
		}
		m.mu.Unlock()
	}
}

// state is what the member owns and has read by now.
func (m *member) state() (owns []int32, values []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.owns), slices.Clone(m.values)
}

func (m *member) commit(s session) { check("commit", m.cl.CommitUncommittedOffsets(s.ctx)) }

func (m *member) leave() {
	m.stop()
	<-m.done
	m.cl.Close()
}

// await waits until something is so; the members say how far they were when it never came.
func await(what string, is func() bool, members ...*member) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	said := ""
	for _, m := range members {
		owns, values := m.state()
		said += fmt.Sprintf("; a member owns %v, read %d, last error %v", owns, len(values), m.err)
	}
	fail("no end of waiting until %s%s", what, said)
}

func owns(m *member, n int) func() bool {
	return func() bool { owns, _ := m.state(); return len(owns) == n }
}

// share tells whether two members have two partitions each, and together all.
func share(a, b *member) func() bool {
	return func() bool {
		of, more := first(a.state()), first(b.state())
		all := slices.Sorted(slices.Values(slices.Concat(of, more)))
		return len(of) == 2 && slices.Equal(all, []int32{0, 1, 2, 3})
	}
}

func first(owns []int32, _ []string) []int32 { return owns }

// fill writes 25 records to each of the 4 partitions, the first of them numbered from.
func (s session) fill(from int) {
	var records []*kgo.Record
	for i := range 25 {
		for p := range int32(4) {
			records = append(records, &kgo.Record{Topic: s.topic, Partition: p, Value: fmt.Appendf(nil, "%d:%d", p, from+i)})
		}
	}
	s.produce(records)
}

// exactly holds that values are those of a fill, each once.
func exactly(what string, values []string, from int) {
	seen := make(map[string]int)
	for _, v := range values {
		seen[v]++
	}
	for p := range 4 {
		for i := range 25 {
			v := fmt.Sprintf("%d:%d", p, from+i)
			if seen[v] != 1 {
				fail("%s: %s was read %d times", what, v, seen[v])
			}
			delete(seen, v)
		}
	}
	if len(seen) > 0 {
		fail("%s: %v were read, too", what, seen)
	}
}

// group: one member, two, one again, and one that resumes.
func (s session) group(opts ...kgo.Opt) {
	s.fill(0)
	a := s.join(opts...)
	await("the first member owns 4 and has read 100", func() bool {
		owns, values := a.state()
		return len(owns) == 4 && len(values) >= 100
	}, a)
	a.commit(s)
	b := s.join(opts...)
	await("two members share", share(a, b), a, b)
	_, before := a.state()
	exactly("before the rebalance", before, 0)
	s.fill(25)
	both := func() []string {
		_, of := a.state()
		_, more := b.state()
		return slices.Concat(of[100:], more)
	}
	await("both have read 100", func() bool { return len(both()) >= 100 }, a, b)
	exactly("shared", both(), 25)
	a.commit(s)
	b.commit(s)
	b.leave()
	await("the first member owns all again", owns(a, 4), a)
	a.commit(s)
	a.leave()
	s.fill(50)
	c := s.join(opts...)
	await("the third has read 100", func() bool { _, v := c.state(); return len(v) >= 100 }, c)
	_, resumed := c.state()
	exactly("resumed", resumed, 50)
	c.leave()
}

// static: a member that comes back under its instance id gets its partitions, and the other hears nothing of it.
func (s session) static() {
	as := func(id string) []kgo.Opt {
		return []kgo.Opt{kgo.InstanceID(id), kgo.SessionTimeout(30 * time.Second), kgo.Balancers(kgo.RangeBalancer())}
	}
	a := s.join(as("one")...)
	await("the first member owns all", owns(a, 4), a)
	b := s.join(as("two")...)
	await("two members share", share(a, b), a, b)
	had, _ := b.state()
	a.mu.Lock()
	moves := a.moves
	a.mu.Unlock()
	b.leave()
	b = s.join(as("two")...)
	await("the second is back", owns(b, 2), a, b)
	if has, _ := b.state(); !slices.Equal(has, had) {
		fail("the static member had %v and came back to %v", had, has)
	}
	s.fill(0)
	await("both have read 100", func() bool {
		_, of := a.state()
		_, more := b.state()
		return len(of)+len(more) >= 100
	}, a, b)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.moves != moves {
		fail("the other member's partitions moved %d times when a static member came back", a.moves-moves)
	}
}
