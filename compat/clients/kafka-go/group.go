package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// member is one consumer of a group: kafka-go's ConsumerGroup, with a Reader for each partition that it is given.
type member struct {
	s     session
	group *kafka.ConsumerGroup
	stop  context.CancelFunc
	done  chan struct{}

	mu         sync.Mutex
	generation *kafka.Generation
	owns       []int
	values     []string
	next       map[int]int64
	err        error
}

func (s session) join() *member {
	g, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: s.topic, Brokers: []string{s.address}, Topics: []string{s.topic}, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: 300 * time.Millisecond, GroupBalancers: []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		JoinGroupBackoff: 200 * time.Millisecond, Timeout: 30 * time.Second,
	})
	check("joining", err)
	ctx, stop := context.WithCancel(s.ctx)
	m := &member{s: s, group: g, stop: stop, done: make(chan struct{}), next: make(map[int]int64)}
	go m.run(ctx)
	return m
}

func (m *member) run(ctx context.Context) {
	defer close(m.done)
	for {
		gen, err := m.group.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.mu.Lock()
			m.err = err
			m.mu.Unlock()
			continue
		}
		m.mu.Lock()
		m.generation, m.owns = gen, nil
		for _, p := range gen.Assignments[m.s.topic] {
			m.owns = append(m.owns, p.ID)
			gen.Start(func(ctx context.Context) { m.read(ctx, p) })
		}
		m.mu.Unlock()
	}
}

// read reads a partition until the generation ends.
func (m *member) read(ctx context.Context, p kafka.PartitionAssignment) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{m.s.address}, Topic: m.s.topic, Partition: p.ID, MaxWait: 200 * time.Millisecond,
	})
	defer r.Close()
	if err := r.SetOffset(p.Offset); err != nil {
		fail("seek: %v", err)
	}
	for {
		got, err := r.ReadMessage(ctx)
		if err != nil {
			return
		}
		m.mu.Lock()
		m.values = append(m.values, string(got.Value))
		m.next[p.ID] = got.Offset + 1
		m.mu.Unlock()
	}
}

// state is what the member owns and has read by now.
func (m *member) state() (owns []int, values []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.owns), slices.Clone(m.values)
}

func (m *member) commit() {
	m.mu.Lock()
	defer m.mu.Unlock()
	offsets := make(map[int]int64)
	for _, p := range m.owns {
		offsets[p] = m.next[p]
	}
	check("commit", m.generation.CommitOffsets(map[string]map[int]int64{m.s.topic: offsets}))
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

// fill writes 25 records to each of the 4 partitions, the first of them numbered from.
func (s session) fill(from int) {
	var messages []kafka.Message
	for i := range 25 {
		for p := range 4 {
			messages = append(messages, kafka.Message{WriterData: p, Value: fmt.Appendf(nil, "%d:%d", p, from+i)})
		}
	}
	s.produce(s.writer(), messages)
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
func (s session) group() {
	s.fill(0)
	a := s.join()
	await("the first member owns 4 and has read 100", func() bool {
		owns, values := a.state()
		return len(owns) == 4 && len(values) >= 100
	}, a)
	a.commit()
	b := s.join()
	await("two members share", func() bool {
		of, _ := a.state()
		more, _ := b.state()
		return len(of) == 2 && slices.Equal(slices.Sorted(slices.Values(slices.Concat(of, more))), []int{0, 1, 2, 3})
	}, a, b)
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
	c := s.join()
	await("the third has read 100", func() bool { _, v := c.state(); return len(v) >= 100 }, c)
	_, resumed := c.state()
	exactly("resumed", resumed, 50)
	c.leave()
}

func (s session) adminGroups() {
	cl := s.client()
	s.fill(0)
	m := s.join()
	await("the member has read 100", func() bool { _, v := m.state(); return len(v) >= 100 }, m)
	m.commit()
	listed, err := cl.ListGroups(s.ctx, &kafka.ListGroupsRequest{})
	check("list", err)
	if !slices.ContainsFunc(listed.Groups, func(g kafka.ListGroupsResponseGroup) bool { return g.GroupID == s.topic }) {
		fail("the group is not in the list %v", listed.Groups)
	}
	described, err := cl.DescribeGroups(s.ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{s.topic}})
	check("describe", err)
	if d := described.Groups[0]; d.GroupState != "Stable" || len(d.Members) != 1 {
		fail("described as %q with %d members: %v", d.GroupState, len(d.Members), d.Error)
	}
	refused, err := cl.DeleteGroups(s.ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{s.topic}})
	check("delete", err)
	if err := refused.Errors[s.topic]; !errors.Is(err, kafka.NonEmptyGroup) {
		fail("deleting a group with a member: %v", err)
	}
	m.leave()
	committed, err := cl.OffsetFetch(s.ctx, &kafka.OffsetFetchRequest{
		GroupID: s.topic, Topics: map[string][]int{s.topic: {0, 1, 2, 3}},
	})
	check("committed offsets", err)
	for _, p := range committed.Topics[s.topic] {
		if p.CommittedOffset != 25 {
			fail("partition %d is committed at %d instead of 25", p.Partition, p.CommittedOffset)
		}
	}
	gone, err := cl.DeleteGroups(s.ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{s.topic}})
	check("delete", err)
	check("delete", gone.Errors[s.topic])
}
