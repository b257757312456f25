package partitionlog

import (
	"math"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

func TestAppendAndRead(t *testing.T) {
	for name, recent := range map[string]int64{"recent": 0, "store": -1} {
		t.Run(name, func(t *testing.T) {
			l := mustLog(t, newLogs(t, disk{recent: recent}), 1, 0)
			for i, n := range []int{1, 3, 2} {
				r := appendWait(t, l, batchOf(t, noSeq, 100, numbered("v", n)...), int64(1000+i))
				require.False(t, r.Duplicate)
			}
			start, end := l.Bounds()
			require.Equal(t, [2]int64{0, 6}, [2]int64{start, end})
			for offset := range end {
				got, err := readAll(l, offset, 1)
				require.NoError(t, err)
				require.Len(t, got, int(end-offset))
				require.Equal(t, offset, got[0].Offset)
			}
			r, err := l.Read([]byte("x"), end, 100)
			require.NoError(t, err)
			require.Equal(t, ReadResult{Data: []byte("x"), Start: 0, End: 6}, r)
		})
	}
}

func TestReadGivesWholeBatchesWithinTheLimit(t *testing.T) {
	for name, recent := range map[string]int64{"recent": 0, "store": -1} {
		t.Run(name, func(t *testing.T) {
			l := mustLog(t, newLogs(t, disk{recent: recent}), 1, 0)
			b := batchOf(t, noSeq, 1, "a", "b")
			for range 4 {
				appendWait(t, l, b, 1)
			}
			for max, batches := range map[int]int{
				0: 1, len(b): 1, 2*len(b) - 1: 1, 2 * len(b): 2, 3*len(b) + 1: 3, 100 * len(b): 4,
			} {
				r, err := l.Read(nil, 1, max)
				require.NoError(t, err)
				require.Len(t, r.Data, batches*len(b), "limit %d", max)
			}
		})
	}
}

func TestAppendCopiesAndStamps(t *testing.T) {
	l := mustLog(t, newLogs(t, disk{}), 1, 0)
	b := batchOf(t, noSeq, 77, "a", "b")
	before := append(record.Batch(nil), b...)
	r, err := l.Append(b, AppendOptions{Now: 5000, TimestampType: record.LogAppendTime})
	require.NoError(t, err)
	require.Equal(t, before, b)
	clear(b) // the caller's memory is its own again at once
	waitFor(t, r)
	got, err := l.Read(nil, 0, 1)
	require.NoError(t, err)
	stored := record.Batch(got.Data)
	require.NoError(t, stored.Validate(record.Limits{}))
	require.Equal(t, record.LogAppendTime, stored.TimestampType())
	require.EqualValues(t, 5000, stored.MaxTimestamp())
	require.EqualValues(t, 0, stored.LeaderEpoch())
	require.EqualValues(t, 1, r.Last)
}

func TestAppendTimeNeverGoesBack(t *testing.T) {
	l := mustLog(t, newLogs(t, disk{}), 1, 0)
	for _, step := range []struct{ now, want int64 }{{1000, 1000}, {900, 1000}, {2000, 2000}, {1999, 2000}} {
		r := appendWait(t, l, batchOf(t, noSeq, 1, "a"), step.now)
		require.Equal(t, step.want, r.AppendTime)
	}
}

func TestReadOutOfRange(t *testing.T) {
	l := mustLog(t, newLogs(t, disk{}), 1, 0)
	appendWait(t, l, batchOf(t, noSeq, 1, numbered("v", 10)...), 1)
	l.RaiseStart(4)
	for _, offset := range []int64{-1, 0, 3, 11, math.MaxInt64} {
		_, err := l.Read(nil, offset, 1)
		require.ErrorIs(t, err, ErrOffsetOutOfRange)
		var e *OffsetRangeError
		require.ErrorAs(t, err, &e)
		require.Equal(t, OffsetRangeError{Offset: offset, Start: 4, End: 10}, *e)
	}
}

// G24: offsets near the end of their range are refused, and do not wrap.
func TestG24OffsetsDoNotWrap(t *testing.T) {
	l := mustLog(t, newLogs(t, disk{}), 1, 0)
	l.mu.Lock()
	const at = math.MaxInt64 - 3
	l.next, l.end, l.start = at, at, at
	l.mu.Unlock()
	_, err := l.Append(batchOf(t, noSeq, 1, "a", "b", "c", "d"), AppendOptions{Now: 1})
	require.ErrorIs(t, err, ErrOffsetsExhausted)
	r := appendWait(t, l, batchOf(t, noSeq, 1, "a", "b"), 1)
	require.EqualValues(t, math.MaxInt64-2, r.Last)
	_, err = l.Append(batchOf(t, noSeq, 1, "a", "b"), AppendOptions{Now: 1})
	require.ErrorIs(t, err, ErrOffsetsExhausted)
	got, err := readAll(l, at, 1)
	require.NoError(t, err)
	require.Len(t, got, 2)
}

func TestReopen(t *testing.T) {
	d := disk{fs: vfs.NewMem()}
	s, ls := d.open(t)
	l := mustLog(t, ls, 7, 3)
	appendWait(t, l, batchOf(t, noSeq, 50, numbered("v", 10)...), 1000)
	appendWait(t, l, batchOf(t, noSeq, 40, numbered("w", 5)...), 2000)
	p, err := l.TruncatePrefix(4)
	require.NoError(t, err)
	waitFor(t, p)
	want := l.Stats()
	require.NoError(t, s.Close())

	s, ls = d.open(t)
	defer func() { require.NoError(t, s.Close()) }()
	l = mustLog(t, ls, 7, 3)
	require.Equal(t, want, l.Stats())
	got, err := readAll(l, 4, 1<<20)
	require.NoError(t, err)
	require.Len(t, got, 11)
	r := appendWait(t, l, batchOf(t, noSeq, 60, "x"), 1500)
	require.EqualValues(t, 15, r.Base)
	require.EqualValues(t, 2000, r.AppendTime)
}

func TestConcurrentFirstTouchOpensOnce(t *testing.T) {
	ls := newLogs(t, disk{})
	var wg sync.WaitGroup
	logs := make([]*Log, 16)
	for i := range logs {
		wg.Go(func() {
			l, err := ls.Log(kv.Partition{Topic: 1, Index: 2})
			if err == nil {
				logs[i] = l
			}
		})
	}
	wg.Wait()
	for _, l := range logs {
		require.NotNil(t, l)
		require.Same(t, logs[0], l)
	}
}

func TestDrop(t *testing.T) {
	d := disk{fs: vfs.NewMem()}
	s, ls := d.open(t)
	l := mustLog(t, ls, 1, 0)
	other := mustLog(t, ls, 2, 0)
	w := NewWaiter()
	appendWait(t, other, batchOf(t, noSeq, 1, "a"), 1)
	r, err := l.Append(batchOf(t, seq{id: 5}, 1, "a"), AppendOptions{Now: 1})
	require.NoError(t, err)
	waitFor(t, r)
	l.Watch(w)
	waitFor(t, ls.Drop(1))
	<-w.C()
	_, err = l.Append(batchOf(t, noSeq, 1, "a"), AppendOptions{Now: 1})
	require.ErrorIs(t, err, ErrDeleted)
	_, err = l.Read(nil, 0, 1)
	require.ErrorIs(t, err, ErrDeleted)
	_, err = ls.Log(l.Partition())
	require.ErrorIs(t, err, ErrDeleted)
	for open := range ls.Opened() {
		require.Same(t, other, open)
	}
	require.NoError(t, s.Close())

	s, ls = d.open(t) // a new process does not know the topic, and finds nothing
	defer func() { require.NoError(t, s.Close()) }()
	require.Equal(t, Stats{MaxTimestamp: -1}, mustLog(t, ls, 1, 0).Stats())
	require.EqualValues(t, 1, mustLog(t, ls, 2, 0).Stats().End)
}

func TestWaiter(t *testing.T) {
	ls := newLogs(t, disk{})
	a, b := mustLog(t, ls, 1, 0), mustLog(t, ls, 1, 1)
	w := NewWaiter()
	a.Watch(w)
	b.Watch(w)
	appendWait(t, a, batchOf(t, noSeq, 1, "a"), 1)
	<-w.C()
	appendWait(t, b, batchOf(t, noSeq, 1, "a"), 1)
	<-w.C()
	b.Unwatch(w)
	b.Unwatch(w)
	appendWait(t, b, batchOf(t, noSeq, 1, "a"), 1)
	select {
	case <-w.C():
		t.Fatal("woken by a log that is not watched")
	default:
	}
	a.Unwatch(w)
	require.Nil(t, a.waiters)
}

func TestOptionsReportEveryFault(t *testing.T) {
	err := Options{TimeRowBytes: 5, TimeRowInterval: 1, MaxProducers: 1, ProducerExpiry: 1, LeaderEpoch: -1}.Validate()
	for _, want := range []string{"TimeRowBytes", "TimeRowInterval", "MaxProducers", "ProducerExpiry", "LeaderEpoch"} {
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, Options{}.Validate())
}
