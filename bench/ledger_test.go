package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// feed acknowledges the sequences of producer 0 and receives others of them, in one partition.
func feed(acked, received []uint64) Verification {
	l := newLedger(1, 1, 1)
	for _, s := range acked {
		l.ack(0, s)
	}
	for _, s := range received {
		l.receive(0, &tag{run: 1, sequence: s}, true)
	}
	return Verification{Sent: int64(len(acked)), Acked: int64(len(acked)), Checked: true, Received: l.distinct.Load(),
		Lost:       l.lost(),
		Duplicated: l.duplicated.Load(), Reordered: l.reordered.Load(), Damaged: l.damaged.Load()}
}

func TestLedger(t *testing.T) {
	for name, c := range map[string]struct {
		acked, received                       []uint64
		distinct, lost, duplicated, reordered int64
	}{
		"all":                    {[]uint64{0, 1, 2, 3}, []uint64{0, 1, 2, 3}, 4, 0, 0, 0},
		"nothing":                {nil, nil, 0, 0, 0, 0},
		"one lost":               {[]uint64{0, 1, 2, 3}, []uint64{0, 1, 3}, 3, 1, 0, 0},
		"the last lost":          {[]uint64{0, 1, 2}, []uint64{0, 1}, 2, 1, 0, 0},
		"all lost":               {[]uint64{0, 1, chunkBits}, nil, 0, 3, 0, 0},
		"one twice":              {[]uint64{0, 1, 2}, []uint64{0, 1, 1, 2}, 3, 0, 1, 0},
		"one twice, later":       {[]uint64{0, 1, 2}, []uint64{0, 1, 2, 0}, 3, 0, 1, 0},
		"two exchanged":          {[]uint64{0, 1, 2}, []uint64{0, 2, 1}, 3, 0, 0, 1},
		"one late":               {[]uint64{0, 1, 2, 3}, []uint64{1, 2, 3, 0}, 4, 0, 0, 1},
		"unknown outcome, there": {[]uint64{0, 2}, []uint64{0, 1, 2}, 3, 0, 0, 0},
		"everything at once":     {[]uint64{0, 1, 2, 3, 4}, []uint64{3, 0, 3, 4}, 3, 2, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			v := feed(c.acked, c.received)
			require.Equal(t, []int64{c.distinct, c.lost, c.duplicated, c.reordered},
				[]int64{v.Received, v.Lost, v.Duplicated, v.Reordered})
			require.Equal(t, c.lost+c.duplicated+c.reordered == 0, v.OK())
		})
	}
}

// Order is a promise within a partition and of one producer, not across them.
func TestLedgerKeepsProducersAndPartitionsApart(t *testing.T) {
	l := newLedger(1, 2, 2)
	for _, at := range []struct {
		partition int32
		t         tag
	}{
		{0, tag{run: 1, sequence: 5}}, {1, tag{run: 1, sequence: 3}}, {0, tag{run: 1, producer: 1, sequence: 3}},
		{0, tag{run: 1, sequence: 6}}, {1, tag{run: 1, sequence: 4}},
	} {
		require.True(t, l.receive(at.partition, &at.t, true))
	}
	require.Zero(t, l.reordered.Load())
	require.False(t, l.receive(0, &tag{run: 2, sequence: 7}, true), "another run's record")
	require.False(t, l.receive(0, &tag{run: 1, producer: 9}, true), "nobody's record")
	require.EqualValues(t, 5, l.distinct.Load())
	require.False(t, l.receive(0, &tag{run: 1, sequence: 7}, false))
	require.EqualValues(t, 1, l.damaged.Load())
}

func TestLedgerAgainstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sequence := rapid.Custom(func(t *rapid.T) uint64 {
			return rapid.Uint64Range(0, 5).Draw(t, "chunk")*chunkBits/2 + rapid.Uint64Range(0, 70).Draw(t, "bit")
		})
		acked := rapid.SliceOfDistinct(sequence, func(s uint64) uint64 { return s }).Draw(t, "acked")
		received := rapid.SliceOf(sequence).Draw(t, "received")
		seen := map[uint64]bool{}
		for _, s := range received {
			seen[s] = true
		}
		lost := 0
		for _, s := range acked {
			if !seen[s] {
				lost++
			}
		}
		v := feed(acked, received)
		require.EqualValues(t, lost, v.Lost)
		require.EqualValues(t, len(seen), v.Received)
		require.EqualValues(t, len(received)-len(seen), v.Duplicated)
	})
}

func TestPayload(t *testing.T) {
	for _, size := range []int{HeaderBytes, HeaderBytes + 1, 100, 1024, 70_000} {
		f := newFiller(size, 42)
		value := make([]byte, size)
		want := tag{run: 3, producer: 4, slot: 5, sequence: 6, intended: -7}
		f.write(value, &want)
		got, ok := f.read(value)
		require.True(t, ok)
		require.Equal(t, want, got)
		for at := 0; at < size; at += max(1, size/97) {
			value[at] ^= 0x20
			_, ok = f.read(value)
			require.False(t, ok, "byte %d of %d is damaged", at, size)
			value[at] ^= 0x20
		}
		_, ok = f.read(value[:size-1])
		require.False(t, ok, "cut short")
		_, ok = f.read(append(value, 0))
		require.False(t, ok, "too long")
	}
	f := newFiller(100, 42)
	_, ok := f.read(nil)
	require.False(t, ok)
}
