package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// member is one consumer of a group; it is the group's handler, too.
type member struct {
	topic string
	group sarama.ConsumerGroup
	stop  context.CancelFunc
	done  chan struct{}

	mu      sync.Mutex
	session sarama.ConsumerGroupSession
	owns    map[int32]bool
	values  []string
	moves   int // how often its partitions changed
	err     error
}

func (s session) join(c *sarama.Config) *member {
	g, err := sarama.NewConsumerGroup([]string{s.address}, s.topic, c)
	check("joining", err)
	m := &member{topic: s.topic, group: g, done: make(chan struct{}), owns: make(map[int32]bool)}
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	go func() {
		for err := range g.Errors() {
			m.fails(err)
		}
	}()
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			if err := g.Consume(ctx, []string{s.topic}, m); err != nil {
				m.fails(err)
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m
}

func (m *member) fails(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Setup is called when the member has partitions.
func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session = s
	return nil
}

// Cleanup is called when it has none any more.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim reads a partition for as long as the member has it.
func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	m.own(c.Partition(), true)
	defer m.own(c.Partition(), false)
	for r := range c.Messages() {
		m.mu.Lock()
		m.values = append(m.values, string(r.Value))
		m.mu.Unlock()
		s.MarkMessage(r, "")
	}
	return nil
}

func (m *member) own(p int32, is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moves++
	if is {
		m.owns[p] = true
	} else {
		delete(m.owns, p)
	}
}

// state is what the member owns and has read by now.
func (m *member) state() (owns []int32, values []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.owns)), slices.Clone(m.values)
}

func (m *member) commit() {
	m.mu.Lock()
	s := m.session
	m.mu.Unlock()
	s.Commit()
}

func (m *member) leave() {
	m.stop()
	<-m.done
	check("leaving", m.group.Close())
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
		of, _ := a.state()
		more, _ := b.state()
		all := slices.Sorted(slices.Values(slices.Concat(of, more)))
		return len(of) == 2 && slices.Equal(all, []int32{0, 1, 2, 3})
	}
}

// fill writes 25 records to each of the 4 partitions, the first of them numbered from.
func (s session) fill(from int) {
	var messages []*sarama.ProducerMessage
	for i := range 25 {
		for p := range int32(4) {
			value := sarama.StringEncoder(fmt.Sprintf("%d:%d", p, from+i))
			messages = append(messages, &sarama.ProducerMessage{Topic: s.topic, Partition: p, Value: value})
		}
	}
	s.produce(messages, config())
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
func (s session) group(strategy func() sarama.BalanceStrategy) {
	join := func() *member {
		c := config()
		c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy()}
		return s.join(c)
	}
	s.fill(0)
	a := join()
	await("the first member owns 4 and has read 100", func() bool {
		owns, values := a.state()
		return len(owns) == 4 && len(values) >= 100
	}, a)
	a.commit()
	b := join()
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
	a.commit()
	b.commit()
	b.leave()
	await("the first member owns all again", owns(a, 4), a)
	a.leave()
	s.fill(50)
	c := join()
	await("the third has read 100", func() bool { _, v := c.state(); return len(v) >= 100 }, c)
	_, resumed := c.state()
	exactly("resumed", resumed, 50)
	c.leave()
}

// static: a member that comes back under its instance id gets its partitions, and the other hears nothing of it.
func (s session) static() {
	as := func(id string) *sarama.Config {
		c := config()
		c.Consumer.Group.InstanceId, c.Consumer.Group.Session.Timeout = id, 30*time.Second
		return c
	}
	a := s.join(as("one"))
	await("the first member owns all", owns(a, 4), a)
	b := s.join(as("two"))
	await("two members share", share(a, b), a, b)
	had, _ := b.state()
	a.mu.Lock()
	moves := a.moves
	a.mu.Unlock()
	b.leave()
	b = s.join(as("two"))
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
