package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
)

// seen is what a group as a whole was given, over all its members. Safe for concurrent use.
type seen struct {
	t testing.TB

	mu     sync.Mutex
	next   map[int32]int64 // by partition: the first offset that nobody was given
	times  map[place]int   // how often each record was given
	by     map[string]int  // records by member
	change chan struct{}   // closed, and made anew, with each record
}

type place struct {
	partition int32
	offset    int64
}

func newSeen(t testing.TB) *seen {
	return &seen{t: t, next: map[int32]int64{}, times: map[place]int{}, by: map[string]int{}, change: make(chan struct{})}
}

// add takes note of a record. What is new comes in the order of its partition; what was given before may come again.
func (s *seen) add(member string, r client.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Offset > s.next[r.Partition] {
		s.t.Errorf("%s: offset %d of partition %d came, and %d did not", member, r.Offset, r.Partition,
			s.next[r.Partition])
	}
	s.next[r.Partition] = max(s.next[r.Partition], r.Offset+1)
	s.times[place{r.Partition, r.Offset}]++
	s.by[member]++
	close(s.change)
	s.change = make(chan struct{})
}

// await waits until a number of different records was given.
func (s *seen) await(ctx context.Context, n int) {
	s.t.Helper()
	s.until(ctx, fmt.Sprintf("%d records", n), func() bool { return len(s.times) >= n })
}

func (s *seen) until(ctx context.Context, what string, done func() bool) {
	s.t.Helper()
	for {
		s.mu.Lock()
		ok, have, change := done(), len(s.times), s.change
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-ctx.Done():
			require.Failf(s.t, "waited too long", "for %s; %d came", what, have)
		}
	}
}

// again counts records that were given more than once.
func (s *seen) again() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.times {
		if times > 1 {
			n++
		}
	}
	return n
}

// worker is a member that consumes in a goroutine, marks each record, and takes note of it and of its hooks.
type worker struct {
	t    testing.TB
	name string
	g    *client.GroupConsumer
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	owns   []client.TopicPartition
	events []string      // of hooks, in words
	change chan struct{} // closed, and made anew, with each event
}

// startWorker has a member join; each of its records goes to handle.
func startWorker(t testing.TB, c *client.Client, name string, o client.GroupOptions,
	handle func(client.Record)) *worker {
	t.Helper()
	return startWorkerIn(t, c, joinAs{name: name, group: "g", topics: []string{"demo"}}, o, handle)
}

type joinAs struct {
	name, group string
	topics      []string
}

func startWorkerIn(t testing.TB, c *client.Client, as joinAs, o client.GroupOptions,
	handle func(client.Record)) *worker {
	t.Helper()
	w := &worker{t: t, name: as.name, done: make(chan struct{}), change: make(chan struct{})}
	w.watch(&o)
	g, err := client.JoinGroup(testContext(t), c, as.group, as.topics, o)
	require.NoError(t, err)
	w.g = g
	ctx, stop := context.WithCancel(testContext(t))
	w.stop = stop
	go func() {
		defer close(w.done)
		for r, err := range g.Records(ctx) {
			switch {
			case errors.Is(err, client.ErrClosed) || ctx.Err() != nil:
				return
			case err != nil:
				t.Errorf("%s: %v", as.name, err)
				return
			}
			w.holds(r)
			handle(r)
			g.Mark(r)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-w.done
	})
	return w
}

// watch puts the worker's own hooks before those of the options.
func (w *worker) watch(o *client.GroupOptions) {
	assigned, revoked, lost := o.OnAssigned, o.OnRevoked, o.OnLost
	o.OnAssigned = func(ctx context.Context, g *client.GroupConsumer, parts []client.TopicPartition) {
		w.happened("assigned", parts, true)
		if assigned != nil {
			assigned(ctx, g, parts)
		}
	}
	o.OnRevoked = func(ctx context.Context, g *client.GroupConsumer, parts []client.TopicPartition) {
		if revoked != nil {
			revoked(ctx, g, parts)
		}
		w.happened("revoked", parts, false)
	}
	o.OnLost = func(ctx context.Context, g *client.GroupConsumer, parts []client.TopicPartition, why error) {
		w.happened("lost", parts, false)
		if lost != nil {
			lost(ctx, g, parts, why)
		}
	}
}

// happened takes note of a hook. A partition is assigned, and then revoked or lost, once.
func (w *worker) happened(what string, parts []client.TopicPartition, gains bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range parts {
		if slices.Contains(w.owns, p) == gains {
			w.t.Errorf("%s: %v is %s, and it has %v", w.name, p, what, w.owns)
		}
		w.owns = slices.DeleteFunc(w.owns, func(q client.TopicPartition) bool { return q == p })
		if gains {
			w.owns = append(w.owns, p)
		}
	}
	w.events = append(w.events, fmt.Sprintf("%s %d", what, len(parts)))
	close(w.change)
	w.change = make(chan struct{})
}

// holds checks that a record is one of a partition that the hooks have told of.
func (w *worker) holds(r client.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.owns, client.TopicPartition{Topic: r.Topic, Partition: r.Partition}) {
		w.t.Errorf("%s: a record of %s[%d] comes, which is not its own", w.name, r.Topic, r.Partition)
	}
}

// await waits for a number of partitions.
func (w *worker) await(partitions int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d partitions", partitions), func() bool { return len(w.owns) == partitions })
}

func (w *worker) until(what string, done func() bool) {
	w.t.Helper()
	ctx := testContext(w.t)
	for {
		w.mu.Lock()
		ok, change, events := done(), w.change, slices.Clone(w.events)
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-ctx.Done():
			require.Failf(w.t, "waited too long", "%s: for %s; %v", w.name, what, events)
		}
	}
}

// count returns the number of partitions that it has.
func (w *worker) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.owns)
}

// happenedNow returns what the hooks have told.
func (w *worker) happenedNow() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

// close leaves the group in good order.
func (w *worker) close() {
	w.t.Helper()
	require.NoError(w.t, w.g.Close(testContext(w.t)))
	<-w.done
}

// ignore is what to do with a record in a test that is not about records.
func ignore(client.Record) {}

// load sends records to "demo" until it is stopped, and returns how many it has sent.
func load(t testing.TB, c *client.Client) (stop func() int) {
	t.Helper()
	p := newProducer(t, c, client.ProducerOptions{Partitioner: client.RoundRobin, Linger: time.Millisecond})
	ctx, cancel := context.WithCancel(testContext(t))
	sent, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			for range 5 {
				p.SendAsync(testContext(t), client.Record{Topic: "demo", Value: []byte(fmt.Sprint(sent))},
					func(_ client.Record, err error) {
						if err != nil {
							t.Errorf("send: %v", err)
						}
					})
				sent++
			}
		}
	}()
	return func() int {
		cancel()
		<-done
		require.NoError(t, p.Flush(testContext(t)))
		return sent
	}
}

// sendTo sends n records to a topic, in turn over its partitions.
func sendTo(t testing.TB, c *client.Client, topic string, n int) {
	t.Helper()
	ctx := testContext(t)
	p := newProducer(t, c, client.ProducerOptions{Partitioner: client.RoundRobin})
	for i := range n {
		p.SendAsync(ctx, client.Record{Topic: topic, Value: []byte(fmt.Sprint(i))},
			func(_ client.Record, err error) { require.NoError(t, err) })
	}
	require.NoError(t, p.Flush(ctx))
}
