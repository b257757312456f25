package client

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// ledBy is a topic whose partitions are led by the brokers given.
func ledBy(brokers ...int32) *topicInfo {
	info := &topicInfo{name: "demo", id: 7}
	for _, b := range brokers {
		info.leaders = append(info.leaders, leader{broker: b})
	}
	return info
}

// reading is a Consumer that has begun to read all partitions of a topic. It has no connection.
func reading(o ConsumerOptions, info *topicInfo) *Consumer {
	c := newConsumer(&Client{}, o.withDefaults(), byProgram)
	for i := range info.count() {
		c.assign(info, i, 0)
	}
	return c
}

func (c *Consumer) lanes() (out []string) {
	for i := range int32(len(c.assigned)) {
		l := c.assigned[place{"demo", i}].lane
		out = append(out, fmt.Sprintf("%d/%d", l.broker, l.number))
	}
	return out
}

// Each broker's partitions are shared out between its two lanes, however the leaders lie; a partition stays in its lane
// as long as its leader does.
func TestLanes(t *testing.T) {
	c := reading(ConsumerOptions{}, ledBy(1, 2, 1, 2, 1, 2))
	require.Equal(t, []string{"1/0", "2/0", "1/1", "2/1", "1/0", "2/0"}, c.lanes())
	c.learn(ledBy(1, 2, 1, 2, 1, 2))
	require.Equal(t, []string{"1/0", "2/0", "1/1", "2/1", "1/0", "2/0"}, c.lanes(), "nothing is news")
	c.learn(ledBy(1, -1, 2, 2, 1, 2))
	require.Equal(t, []string{"1/0", "-1/0", "2/0", "2/1", "1/0", "2/0"}, c.lanes())
	c.Unassign("demo", 5)
	c.assign(ledBy(1, -1, 2, 2, 1, 1), 5, 0)
	require.Equal(t, []string{"1/0", "-1/0", "2/0", "2/1", "1/0", "1/1"}, c.lanes(), "to the emptier one")
	c.Unassign("demo")
	require.Empty(t, c.load)
}

// The numbers of partitions by lane are those of the assignments, whatever happens.
func TestLaneLoads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		brokers := rapid.SliceOfN(rapid.Int32Range(-1, 3), 6, 6)
		info := ledBy(brokers.Draw(t, "leaders")...)
		c := reading(ConsumerOptions{}, info)
		t.Repeat(map[string]func(*rapid.T){
			"learn":    func(t *rapid.T) { info = ledBy(brokers.Draw(t, "leaders")...); c.learn(info) },
			"assign":   func(t *rapid.T) { c.assign(info, rapid.Int32Range(0, 5).Draw(t, "partition"), 0) },
			"unassign": func(t *rapid.T) { c.Unassign("demo", rapid.Int32Range(0, 5).Draw(t, "partition")) },
			"release":  func(t *rapid.T) { c.release(place{"demo", rapid.Int32Range(0, 5).Draw(t, "partition")}, 7) },
			"": func(t *rapid.T) {
				want := map[lane]int{}
				for at, a := range c.assigned {
					require.Equal(t, info.leaders[at.partition].broker, a.lane.broker)
					if a.lane.broker >= 0 {
						want[a.lane]++
					}
				}
				require.Equal(t, want, c.load)
			},
		})
	})
}

// answerTo is what a broker says to a fetch of one partition: one batch of three records from the offset asked for on.
func answerTo(t *testing.T, w *wanted) *wire.FetchResponse {
	t.Helper()
	require.Len(t, w.request.Topics, 1)
	require.Len(t, w.request.Topics[0].Partitions, 1)
	ask := w.request.Topics[0].Partitions[0]
	b := record.NewBuilder(record.None)
	for i := range int64(3) {
		b.Append(record.Record{Value: fmt.Append(nil, ask.Offset+i)})
	}
	data, err := b.Seal(nil)
	require.NoError(t, err)
	data.Stamp(ask.Offset, 0)
	return &wire.FetchResponse{Topics: []wire.FetchTopicResult{{ID: w.request.Topics[0].ID,
		Partitions: []wire.FetchResult{{Index: ask.Index, End: 100, Batches: data}}}}}
}

// drain returns the values of all that is buffered.
func (c *Consumer) drain(t *testing.T) (out []string) {
	t.Helper()
	for {
		got, ok, err := c.next(100)
		require.Nil(t, err)
		if !ok {
			return out
		}
		for _, r := range got.records {
			out = append(out, string(r.Value))
		}
	}
}

// A partition that moves while a fetch of it is under way is fetched over two connections for a moment. Its records
// come once and in order, whichever answer is the first.
func TestLaneChangesUnderAFetch(t *testing.T) {
	for _, lateFirst := range []bool{true, false} {
		for _, back := range []bool{true, false} {
			c := reading(ConsumerOptions{}, ledBy(1))
			c.cancel() // no fetcher is started: the fetches are this test's
			fetcher := func() *fetcher {
				return &fetcher{c: c, lane: c.assigned[place{"demo", 0}].lane, link: &link{address: "broker"}}
			}
			first := fetcher()
			before, _ := first.plan(time.Now())
			c.learn(ledBy(2))
			if back { // by another lane, as the one that it had is the fuller one meanwhile
				c.assign(&topicInfo{name: "other", id: 8, leaders: []leader{{broker: 1}}}, 0, 0)
				delete(c.assigned, place{"other", 0}) // and is nothing to fetch
				c.learn(ledBy(1))
			}
			second := fetcher()
			require.NotEqual(t, first.lane, second.lane)
			after, _ := second.plan(time.Now())
			require.NotNil(t, after)
			none, _ := first.plan(time.Now())
			require.Nil(t, none, "only one lane asks for it")
			if lateFirst {
				first.store(before, answerTo(t, before))
			}
			second.store(after, answerTo(t, after))
			if !lateFirst {
				first.store(before, answerTo(t, before))
			}
			require.Equal(t, []string{"0", "1", "2"}, c.drain(t))
			again, _ := second.plan(time.Now())
			second.store(again, answerTo(t, again))
			second.store(again, answerTo(t, again)) // as a broker has no business to
			require.Equal(t, []string{"3", "4", "5"}, c.drain(t))
		}
	}
}

// An error of the broker that led a partition before says nothing of the one that leads it now.
func TestLaneChangesUnderAnError(t *testing.T) {
	c := reading(ConsumerOptions{}, ledBy(1))
	a := c.assigned[place{"demo", 0}]
	old := &fetcher{c: c, lane: a.lane, link: &link{address: "broker"}}
	w, _ := old.plan(time.Now())
	refused := answerTo(t, w)
	refused.Topics[0].Partitions[0].Error = wire.Errorf(wire.CodeCorruptBatch, "damaged")
	c.learn(ledBy(2))
	old.store(w, refused)
	require.Nil(t, a.err)
	require.False(t, a.stopped)
}

// A lane that rests because what another one has fetched fills the buffer is woken when there is room again: after a
// take, and after partitions were taken away.
func TestFullBufferIsRoomForAllLanes(t *testing.T) {
	for name, makeRoom := range map[string]func(*Consumer){
		"take":     func(c *Consumer) { c.drain(t) },
		"unassign": func(c *Consumer) { c.Unassign("demo", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			c := reading(ConsumerOptions{MaxBufferedBytes: 1}, ledBy(1, 2))
			c.cancel() // no fetcher is started: the fetches are this test's
			for b := range int32(2) {
				at := lane{broker: b + 1}
				c.fetchers[at] = &fetcher{c: c, lane: at, wake: make(chan struct{}, 1), link: &link{address: "broker"}}
			}
			first, second := c.fetchers[lane{broker: 1}], c.fetchers[lane{broker: 2}]
			w, _ := first.plan(time.Now())
			first.store(w, answerTo(t, w))
			none, _ := second.plan(time.Now())
			require.Nil(t, none)
			makeRoom(c)
			require.Len(t, second.wake, 1)
			w, _ = second.plan(time.Now())
			require.NotNil(t, w)
		})
	}
}

// What the fetches under way may bring, and what is buffered, stay within MaxBufferedBytes while there is room; each
// leaves something to the next.
func TestLanesShareTheBuffer(t *testing.T) {
	c := reading(ConsumerOptions{MaxBufferedBytes: 1000, MaxBytes: 10_000}, ledBy(1, 2, 3))
	for broker, want := range []int32{500, 250, 125} {
		f := &fetcher{c: c, lane: lane{broker: int32(broker) + 1}}
		w, _ := f.plan(time.Now())
		require.Equal(t, want, w.request.MaxBytes)
	}
	require.EqualValues(t, 875, c.asked)
}
