package broker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/wire"
)

// modelTopic is what a topic should hold: per partition the values by offset, and the first offset kept.
type modelTopic struct {
	id    uint64
	parts []modelPartition
}

type modelPartition struct {
	values []string
	start  int64
}

// machine drives a broker and the model side by side.
type machine struct {
	n      *node
	dir    string
	topics map[string]*modelTopic
	made   int
	ids    map[uint64]bool
}

func (m *machine) pick(t *rapid.T) (string, *modelTopic) {
	if len(m.topics) == 0 {
		t.Skip("no topic")
	}
	names := make([]string, 0, len(m.topics))
	for i := range 4 {
		if name := fmt.Sprintf("t%d", i); m.topics[name] != nil {
			names = append(names, name)
		}
	}
	name := rapid.SampledFrom(names).Draw(t, "topic")
	return name, m.topics[name]
}

func (m *machine) create(t *rapid.T) {
	name := fmt.Sprintf("t%d", rapid.IntRange(0, 3).Draw(t, "name"))
	parts := rapid.Int32Range(1, 3).Draw(t, "partitions")
	r := createOne(m.n, wire.NewTopic{Name: name, Partitions: parts})
	if m.topics[name] != nil {
		requireCode(m.n.t, wire.CodeTopicExists, r.Error)
		return
	}
	require.Nil(m.n.t, r.Error)
	require.False(m.n.t, m.ids[r.ID], "a topic id comes again")
	m.ids[r.ID] = true
	m.topics[name] = &modelTopic{id: r.ID, parts: make([]modelPartition, parts)}
}

func (m *machine) drop(t *rapid.T) {
	name, topic := m.pick(t)
	r := do[*wire.DeleteTopicsResponse](m.n, &wire.DeleteTopicsRequest{Names: []string{name}})
	require.Nil(m.n.t, r.Topics[0].Error)
	requireCode(m.n.t, wire.CodeUnknownTopicID, m.n.fetch(topic.id, 0, 0).Error)
	delete(m.topics, name)
}

func (m *machine) append(t *rapid.T) {
	_, topic := m.pick(t)
	i := rapid.IntRange(0, len(topic.parts)-1).Draw(t, "partition")
	p := &topic.parts[i]
	var fresh []string
	for range rapid.IntRange(1, 3).Draw(t, "records") {
		m.made++
		fresh = append(fresh, fmt.Sprintf("v%d", m.made))
	}
	require.EqualValues(m.n.t, len(p.values), m.n.append(topic.id, int32(i), fresh...))
	p.values = append(p.values, fresh...)
}

func (m *machine) cut(t *rapid.T) {
	_, topic := m.pick(t)
	i := rapid.IntRange(0, len(topic.parts)-1).Draw(t, "partition")
	p := &topic.parts[i]
	before := rapid.Int64Range(0, int64(len(p.values))).Draw(t, "before")
	r := do[*wire.DeleteRecordsResponse](m.n, deleteBefore(topic.id, int32(i), before)).Topics[0].Partitions[0]
	require.Nil(m.n.t, r.Error)
	p.start = max(p.start, before)
	require.Equal(m.n.t, p.start, r.Start)
}

func (m *machine) grow(t *rapid.T) {
	name, topic := m.pick(t)
	total := int32(len(topic.parts) + 1)
	r := do[*wire.AddPartitionsResponse](m.n, &wire.AddPartitionsRequest{
		Topics: []wire.PartitionCount{{Name: name, Total: total}},
	})
	require.Nil(m.n.t, r.Topics[0].Error)
	topic.parts = append(topic.parts, modelPartition{})
}

func (m *machine) restart(*rapid.T) {
	m.n.conn.Close()
	require.NoError(m.n.t, m.n.Shutdown(m.n.t.Context()))
	m.start()
}

func (m *machine) start() {
	b, err := Start(m.n.t.Context(), Config{DataDir: m.dir, Listen: "127.0.0.1:0"})
	require.NoError(m.n.t, err)
	m.n.Broker = b
	m.n.conn, err = wire.Dial(m.n.t.Context(), b.Addr().String(), wire.DialOptions{})
	require.NoError(m.n.t, err)
}

// check compares everything.
func (m *machine) check(*rapid.T) {
	md := do[*wire.MetadataResponse](m.n, &wire.MetadataRequest{All: true})
	require.Len(m.n.t, md.Topics, len(m.topics))
	for _, got := range md.Topics {
		want := m.topics[got.Name]
		require.NotNil(m.n.t, want, got.Name)
		require.Equal(m.n.t, want.id, got.ID)
		require.Len(m.n.t, got.Partitions, len(want.parts))
		for i := range want.parts {
			p := &want.parts[i]
			held, read := p.values[p.start:], m.n.read(want.id, int32(i), p.start)
			require.True(m.n.t, slices.Equal(held, read), "want %v, got %v", held, read)
			if p.start > 0 {
				requireCode(m.n.t, wire.CodeOffsetOutOfRange, m.n.fetch(want.id, int32(i), p.start-1).Error)
			}
		}
	}
}

// rapidTB fails the rapid run, which then shrinks it and prints how to repeat it.
type rapidTB struct {
	testing.TB
	rt *rapid.T
}

func (r rapidTB) Errorf(format string, args ...any) { r.rt.Errorf(format, args...) }
func (r rapidTB) FailNow()                          { r.rt.FailNow() }
func (r rapidTB) Helper()                           {}

// Whatever is done in whatever order, over restarts, the broker holds what a naive model holds.
func TestBrokerAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{n: &node{t: rapidTB{t, rt}}, dir: t.TempDir(), topics: map[string]*modelTopic{}, ids: map[uint64]bool{}}
		m.start()
		defer func() {
			m.n.conn.Close()
			require.NoError(t, m.n.Shutdown(t.Context()))
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create, "delete": m.drop, "append": m.append, "append again": m.append, "cut": m.cut,
			"grow": m.grow, "restart": m.restart, "": m.check,
		})
	})
}
