package kv

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const testMemTable = 64 << 20

// flush carries out a flush in pieces, at a disk's rate, and returns how long it took.
func flush(p *flushPacer, now time.Time, rate float64) time.Duration {
	const piece = 256 << 10
	start := now
	p.begin(now, testMemTable)
	for range testMemTable / piece {
		now = now.Add(p.pause(now, piece) + time.Duration(piece/rate*1e9))
	}
	p.end(1)
	return now.Sub(start)
}

// A flush takes four fifths of the time in which its memtable filled, where the disk would take less.
func TestPaceSpreadsAFlush(t *testing.T) {
	for _, fill := range []time.Duration{300 * time.Millisecond, 500 * time.Millisecond, time.Second} {
		now, p := time.Unix(0, 0), &flushPacer{}
		p.rotate(now)
		now = now.Add(fill)
		p.rotate(now)
		require.InDelta(t, paceShare*fill.Seconds(), flush(p, now, 1<<30).Seconds(), 0.01)
	}
}

// One that is slower than that anyway is not held.
func TestPaceOfASlowDisk(t *testing.T) {
	now, p := time.Unix(0, 0), &flushPacer{}
	p.rotate(now)
	now = now.Add(500 * time.Millisecond)
	p.rotate(now)
	require.InDelta(t, 1, flush(p, now, testMemTable).Seconds(), 0.001)
}

// However slowly records come, a memtable is written out in a second.
func TestPaceHasAFloor(t *testing.T) {
	now, p := time.Unix(0, 0), &flushPacer{}
	p.rotate(now)
	now = now.Add(time.Hour)
	p.rotate(now)
	require.InDelta(t, 1, flush(p, now, 1<<30).Seconds(), 0.01)
}

// With two full memtables the disk is the limit, from the very next write on.
func TestPaceGivesWay(t *testing.T) {
	now, p := time.Unix(0, 0), &flushPacer{}
	p.rotate(now)
	now = now.Add(time.Second)
	p.rotate(now)
	p.begin(now, testMemTable)
	require.Zero(t, p.pause(now, 32<<20))
	require.Equal(t, paceMost, p.pause(now, 1<<20), "half of it is written at once")
	p.rotate(now)
	require.Zero(t, p.pause(now, 1<<20))
	p.end(2)
	p.begin(now, testMemTable)
	require.Zero(t, p.pause(now, 1<<20), "the first piece")
}

// The first memtable of a store, and what is flushed on demand, is not held.
func TestPaceKnowsNothingYet(t *testing.T) {
	p := &flushPacer{}
	now := time.Unix(0, 0)
	require.InDelta(t, 1.0/16, flush(p, now, 1<<30).Seconds(), 0.001)
	p.rotate(now)
	p.rotate(now)
	require.InDelta(t, 1.0/16, flush(p, now, 1<<30).Seconds(), 0.001)
}
