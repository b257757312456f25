package partitionlog

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// fillTimes appends 100 batches of two records, one each 200 ms from 1000 on,
// whose timestamps are 10 and 11 ms earlier, but for one far in the future.
func fillTimes(t *testing.T, l *Log, future int) {
	for i := range 100 {
		now := int64(1000 + 200*i)
		ts := now - 10
		if i == future {
			ts = 1 << 40
		}
		appendWait(t, l, batchOf(t, noSeq, ts, fmt.Sprintf("%0500d", i), "b"), now)
	}
}

// A clock far ahead does not hide the records behind it once it is deleted.
func TestOffsetForTimeBehindADeletedFuture(t *testing.T) {
	l := mustLog(t, newLogs(t, disk{rowBytes: 2 << 10}), 1, 0)
	fillTimes(t, l, 3)
	off, found, err := l.OffsetForTime(10_990)
	require.NoError(t, err)
	require.True(t, found)
	require.EqualValues(t, 6, off.Offset, "the first record in the order of offsets")
	r, err := l.TruncatePrefix(20)
	require.NoError(t, err)
	waitFor(t, r)
	off, found, err = l.OffsetForTime(10_990)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, OffsetTime{Offset: 100, Timestamp: 10_990}, off)
	_, found, err = l.OffsetForTime(1 << 39)
	require.NoError(t, err)
	require.False(t, found)
}

func TestOffsetForTimeWithLogAppendTime(t *testing.T) {
	l := mustLog(t, newLogs(t, disk{}), 1, 0)
	for i := range 5 {
		r, err := l.Append(batchOf(t, noSeq, 9_999_999, "a", "b"),
			AppendOptions{Now: int64(1000 + i), TimestampType: record.LogAppendTime})
		require.NoError(t, err)
		waitFor(t, r)
	}
	off, found, err := l.OffsetForTime(1003)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, OffsetTime{Offset: 6, Timestamp: 1003}, off)
}

// C18: rows of the index are deleted or overwritten behind the log's back. Answers
// stay right, retention takes nothing early, and the rows are made anew.
func TestC18TimeIndexRebuilt(t *testing.T) {
	tests := map[string]func(w *kv.Rows, p kv.Partition, keys []int64){
		"all deleted": func(w *kv.Rows, p kv.Partition, keys []int64) { deleteTimes(w, p, keys) },
		"first ones":  func(w *kv.Rows, p kv.Partition, keys []int64) { deleteTimes(w, p, keys[:5]) },
		"middle ones": func(w *kv.Rows, p kv.Partition, keys []int64) { deleteTimes(w, p, keys[10:20]) },
		"last ones":   func(w *kv.Rows, p kv.Partition, keys []int64) { deleteTimes(w, p, keys[20:]) },
		"garbage": func(w *kv.Rows, p kv.Partition, keys []int64) {
			deleteTimes(w, p, nil)
			w.PutTime(p, keys[7], []byte{9})
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			d := disk{fs: vfs.NewMem(), rowBytes: 2 << 10}
			s, ls := d.open(t)
			l := mustLog(t, ls, 1, 0)
			fillTimes(t, l, -1)
			var keys []int64
			require.NoError(t, l.rows(0, 1000, func(r timeRow) bool { keys = append(keys, r.last); return true }))
			waitFor(t, Receipt{commit: s.Enqueue(rowsItem(func(w *kv.Rows) { damage(w, l.part, keys) }))})
			require.NoError(t, s.Close())

			rebuilt := 0
			d.events.IndexRebuilt = func(kv.Partition, int64, int64) { rebuilt++ }
			s, ls = d.open(t)
			defer func() { require.NoError(t, s.Close()) }()
			l = mustLog(t, ls, 1, 0)
			checkTimes(t, l)
			appendWait(t, l, batchOf(t, noSeq, 20_990, "last", "one"), 21_000)
			checkTimes(t, l)
			require.NotZero(t, rebuilt)
			before := rebuilt
			checkTimes(t, l)
			require.Equal(t, before, rebuilt, "once")
		})
	}
}

// checkTimes looks fillTimes' records up, and holds retention to never take what is
// younger.
func checkTimes(t *testing.T, l *Log) {
	t.Helper()
	for i := 0; i < 100; i += 1 + i/40*19 { // the rows that are damaged lie among the first
		off, found, err := l.OffsetForTime(int64(990 + 200*i))
		require.NoError(t, err)
		require.True(t, found)
		require.EqualValues(t, 2*i, off.Offset)
		start, err := l.StartForAge(int64(1000 + 200*i))
		require.NoError(t, err)
		require.LessOrEqual(t, start, int64(2*i))
	}
}

// deleteTimes deletes time rows by the only way that kv offers, a garbage value
// standing for a deleted one.
func deleteTimes(w *kv.Rows, p kv.Partition, keys []int64) {
	for _, key := range keys {
		w.PutTime(p, key, nil)
	}
}

// C18: a producer's row is damaged: it is not taken for a producer that never was.
func TestC18ProducerRowDamaged(t *testing.T) {
	d := disk{fs: vfs.NewMem()}
	s, ls := d.open(t)
	l := mustLog(t, ls, 1, 0)
	for first := range int32(8) {
		appendWait(t, l, batchOf(t, seq{id: 1, first: first}, 1, "a"), 1)
		appendWait(t, l, batchOf(t, seq{id: 2, first: first}, 1, "a"), 1)
	}
	waitFor(t, Receipt{commit: s.Enqueue(rowsItem(func(w *kv.Rows) {
		w.PutProducer(l.part, 1, []byte{1, 2, 3})
		w.DeleteProducer(l.part, 2)
	}))})
	require.NoError(t, s.Close())
	s, ls = d.open(t)
	defer func() { require.NoError(t, s.Close()) }()
	l = mustLog(t, ls, 1, 0)
	for id := int64(1); id <= 2; id++ {
		for first := int32(3); first < 8; first++ {
			require.True(t, appendWait(t, l, batchOf(t, seq{id: id, first: first}, 1, "a"), 1).Duplicate)
		}
		require.False(t, appendWait(t, l, batchOf(t, seq{id: id, first: 8}, 1, "a"), 1).Duplicate)
	}
}

func TestStatsAndStarts(t *testing.T) {
	l := mustLog(t, newLogs(t, disk{rowBytes: 2 << 10}), 1, 0)
	require.Equal(t, Stats{MaxTimestamp: -1}, l.Stats())
	fillTimes(t, l, -1)
	st := l.Stats()
	require.EqualValues(t, 1000, st.OldestAppend)
	require.EqualValues(t, 20_790, st.MaxTimestamp)
	start, err := l.StartForAge(11_000)
	require.NoError(t, err)
	require.InDelta(t, 100, start, 10)
	require.LessOrEqual(t, start, int64(100))
	l.RaiseStart(start)
	r, ok := l.logs.FlushStarts()
	require.True(t, ok)
	waitFor(t, r)
	_, ok = l.logs.FlushStarts()
	require.False(t, ok)
	require.InDelta(t, 11_000, l.Stats().OldestAppend, 1000)
	require.Equal(t, st.Bytes*(200-start)/200, l.Stats().Bytes)
	all, err := l.StartForAge(1 << 40)
	require.NoError(t, err)
	require.EqualValues(t, 200, all)
}

func TestEpochEnd(t *testing.T) {
	d := disk{fs: vfs.NewMem()}
	s, _ := d.open(t)
	for _, epoch := range []int32{3, 5} {
		ls := New(s, Options{LeaderEpoch: epoch})
		appendWait(t, mustLog(t, ls, 1, 0), batchOf(t, noSeq, 1, "a", "b"), 1)
	}
	stale := New(s, Options{LeaderEpoch: 4})
	_, err := mustLog(t, stale, 1, 0).Append(batchOf(t, noSeq, 1, "a"), AppendOptions{Now: 1})
	require.ErrorIs(t, err, ErrStaleEpoch)
	l := mustLog(t, New(s, Options{LeaderEpoch: 5}), 1, 0)
	check := func(want map[int32][2]int64) {
		for epoch, w := range want {
			floor, end, err := l.EpochEnd(epoch)
			require.NoError(t, err)
			require.Equal(t, w, [2]int64{int64(floor), end}, "epoch %d", epoch)
		}
	}
	check(map[int32][2]int64{2: {2, 0}, 3: {3, 2}, 4: {3, 2}, 5: {5, 4}, 6: {-1, -1}})
	r, err := l.TruncateSuffix(2)
	require.NoError(t, err)
	waitFor(t, r)
	check(map[int32][2]int64{3: {3, 2}, 5: {-1, -1}})
	appendWait(t, l, batchOf(t, noSeq, 1, "a"), 1)
	r, err = l.TruncatePrefix(2)
	require.NoError(t, err)
	waitFor(t, r)
	check(map[int32][2]int64{3: {3, 2}, 5: {5, 3}})
	require.NoError(t, s.Close())
}
