package broker

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/wire"
)

// handClock is a clock that a test sets. It begins at the machine's time.
type handClock struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
}

func newHandClock() *handClock { return &handClock{wall: time.Now().Round(0), mono: time.Hour} }

func (h *handClock) read() (time.Time, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.wall, h.mono
}

// pass lets time go by; jump moves the wall clock alone.
func (h *handClock) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wall, h.mono = h.wall.Add(d), h.mono+d
}

func (h *handClock) jump(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wall = h.wall.Add(d)
}

// passSlowly lets time go by in steps that a ticker would see.
func (h *handClock) passSlowly(b *Broker, d time.Duration) {
	for step := 30 * time.Second; d > 0; d -= step {
		h.pass(min(step, d))
		b.clock.now()
	}
}

// timed runs the broker by a clock that the test sets, with fast ticks.
func timed(h *handClock) func(*Config) {
	return func(c *Config) {
		c.knobs.clock, c.knobs.tick, c.knobs.flush, c.knobs.reclaim =
			h.read, 2*time.Millisecond, 10*time.Millisecond, 20*time.Millisecond
	}
}

// start is the first offset of a partition.
func (n *node) start(id uint64, partition int32) int64 {
	n.t.Helper()
	r := do[*wire.ListOffsetsResponse](n, &wire.ListOffsetsRequest{Topics: []wire.ListOffsetsTopic{
		{ID: id, Partitions: []wire.ListOffsetsPartition{{Index: partition, At: wire.AtStart}}},
	}}).Topics[0].Partitions[0]
	require.Nil(n.t, r.Error)
	return r.Offset
}

func (n *node) eventuallyStart(id uint64, partition int32, want int64) {
	n.t.Helper()
	require.Eventually(n.t, func() bool { return n.start(id, partition) == want }, 10*time.Second, 2*time.Millisecond)
}

func (n *node) alter(name, setting, value string) {
	n.t.Helper()
	r := do[*wire.AlterTopicsResponse](n, &wire.AlterTopicsRequest{Topics: []wire.TopicChange{
		{Name: name, Set: []wire.Setting{{Name: setting, Value: value}}},
	}})
	require.Nil(n.t, r.Topics[0].Error)
}

// Records go when they are older than the topic's retention, by the time of their append, and the setting may change
// while the broker runs.
func TestRetentionByAge(t *testing.T) {
	clock := newHandClock()
	n := startNode(t, timed(clock))
	short := n.create("short", 1, "retention", "10m")
	long := n.create("long", 1, "retention", "7d")
	n.append(short, 0, "a", "b")
	n.append(long, 0, "a", "b")
	clock.passSlowly(n.Broker, 9*time.Minute)
	n.append(short, 0, "c")
	require.EqualValues(t, 0, n.start(short, 0))
	clock.passSlowly(n.Broker, 2*time.Minute)
	n.eventuallyStart(short, 0, 2)
	require.Equal(t, []string{"c"}, n.read(short, 0, 2))
	requireCode(t, wire.CodeOffsetOutOfRange, n.fetch(short, 0, 0).Error)
	require.EqualValues(t, 0, n.start(long, 0))

	n.alter("long", "retention", "5m")
	n.eventuallyStart(long, 0, 2)
	n.alter("short", "retention", "forever")
	clock.passSlowly(n.Broker, time.Hour)
	time.Sleep(20 * time.Millisecond) // ten ticks
	require.EqualValues(t, 2, n.start(short, 0))
}

func TestRetentionByBytes(t *testing.T) {
	n := startNode(t, timed(newHandClock()))
	id := n.create("orders", 1, "retention_bytes", "1KiB")
	const value = "0123456789012345678901234567890123456789"
	one := len(batch(t, value))
	for range 200 {
		n.append(id, 0, value)
	}
	// Ticks between the appends cut too: only the last one's cut stays.
	n.eventuallyStart(id, 0, 200-int64(1<<10/one))
	r := n.fetch(id, 0, n.start(id, 0))
	require.Nil(t, r.Error)
	require.Greater(t, len(r.Batches), 1<<10-one, "what is to be kept is kept, but for a part of a batch")
}

// What expired while the broker was down is not served to the first reader after the start, nor kept because nobody
// reads.
func TestRetentionAtStart(t *testing.T) {
	clock, dir := newHandClock(), t.TempDir()
	inDir := func(c *Config) { c.DataDir, c.knobs.warm = dir, -1 }
	n := startNode(t, timed(clock), inDir)
	id := n.create("orders", 2, "retention", "10m")
	n.append(id, 0, "old")
	n.append(id, 1, "old")
	n.stopNode()
	clock.pass(time.Hour)
	// No tick comes, so the open alone decides.
	n = startNode(t, timed(clock), inDir, func(c *Config) { c.knobs.tick = time.Hour })
	requireCode(t, wire.CodeOffsetOutOfRange, n.fetch(id, 0, 0).Error)
	require.Nil(t, (*n.topics.id(id).parts.Load())[1].log.Load(), "nobody asked for it")
	n.stopNode()

	n = startNode(t, timed(clock), inDir, func(c *Config) { c.knobs.warm = time.Millisecond })
	require.Eventually(t, func() bool {
		log := (*n.topics.id(id).parts.Load())[1].log.Load()
		if log == nil {
			return false
		}
		start, _ := log.Bounds()
		return start == 1
	}, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 1, n.append(id, 1, "next"), "offsets go on")
}

// A start that was raised holds over a restart, also when the new clock is behind.
func TestRaisedStartHoldsOverRestart(t *testing.T) {
	clock, dir := newHandClock(), t.TempDir()
	n := startNode(t, timed(clock), func(c *Config) { c.DataDir = dir })
	id := n.create("orders", 1, "retention", "10m")
	n.append(id, 0, "old", "old")
	clock.passSlowly(n.Broker, 11*time.Minute)
	n.eventuallyStart(id, 0, 2)
	n.stopNode()
	clock.jump(-time.Hour)
	n = startNode(t, timed(clock), func(c *Config) { c.DataDir = dir })
	require.EqualValues(t, 2, n.start(id, 0))
}

// F1: the wall clock jumps a year ahead. Nothing is deleted by age, what is appended gets a sane time, everyone is
// told; retention by size goes on. When the clock comes back, all is as before.
func TestClockJumpsAheadF1(t *testing.T) {
	clock := newHandClock()
	n := startNode(t, timed(clock), withHTTP)
	id := n.create("orders", 1, "retention", "10m", "timestamps", "append")
	sized := n.create("sized", 1, "retention_bytes", "1KiB")
	n.append(id, 0, "a")
	before := clock.wall.UnixMilli()
	clock.jump(365 * 24 * time.Hour)
	require.Eventually(t, func() bool { p, _ := n.clock.paused(); return p }, 10*time.Second, time.Millisecond)
	time.Sleep(20 * time.Millisecond)
	require.EqualValues(t, 0, n.start(id, 0))
	r := n.produce(id, 0, batch(t, "b"))
	require.Nil(t, r.Error)
	require.Less(t, r.AppendTimeMs, before+60_000, "append times do not jump")

	require.Contains(t, n.get("/readyz?verbose", 200), `"status":"degraded"`)
	require.Contains(t, n.get("/readyz?verbose", 200), "paused")
	require.Contains(t, n.get("/metrics", 200), "skidway_retention_clock_paused 1")
	d := do[*wire.DescribeBrokerResponse](n, &wire.DescribeBrokerRequest{})
	require.True(t, d.Ready)
	require.Contains(t, d.Checks, wire.Check{Name: "clock", OK: false, Detail: d.Checks[2].Detail})

	for range 100 {
		n.append(sized, 0, "0123456789012345678901234567890123456789")
	}
	require.Eventually(t, func() bool { return n.start(sized, 0) > 0 }, 10*time.Second, 2*time.Millisecond)

	clock.jump(-365 * 24 * time.Hour)
	require.Eventually(t, func() bool { p, _ := n.clock.paused(); return !p }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 0, n.start(id, 0))
	clock.passSlowly(n.Broker, 11*time.Minute)
	n.eventuallyStart(id, 0, 2)
}

// F2: the wall clock jumps a year back. Nothing panics, no age is negative, retention goes on when the clock is
// believed again.
func TestClockJumpsBackF2(t *testing.T) {
	clock := newHandClock()
	n := startNode(t, timed(clock))
	id := n.create("orders", 1, "retention", "10m")
	n.append(id, 0, "a")
	clock.jump(-365 * 24 * time.Hour)
	n.append(id, 0, "b")
	clock.passSlowly(n.Broker, 20*time.Minute)
	require.EqualValues(t, 0, n.start(id, 0))
	clock.passSlowly(n.Broker, time.Hour)
	n.eventuallyStart(id, 0, 2)
}

// F3: what clients say of the time neither deletes nor pins anything.
func TestClientTimestampsDoNotDeleteF3(t *testing.T) {
	clock := newHandClock()
	n := startNode(t, timed(clock))
	id := n.create("orders", 1, "retention", "10m", "timestamp_after_max", "forever")
	require.Nil(t, n.produce(id, 0, recordAt(t, 1)).Error)
	require.Nil(t, n.produce(id, 0, recordAt(t, clock.wall.AddDate(50, 0, 0).UnixMilli())).Error)
	time.Sleep(20 * time.Millisecond)
	require.EqualValues(t, 0, n.start(id, 0))
	clock.passSlowly(n.Broker, 11*time.Minute)
	n.eventuallyStart(id, 0, 2)
}
