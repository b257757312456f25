package partitionlog

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/kv"
)

// replicate makes a log a replica's.
func replicate(t testing.TB, l *Log) *Moves {
	t.Helper()
	m := NewMoves()
	_, err := l.Replicate(m)
	require.NoError(t, err)
	return m
}

// promise promises and waits.
func promise(t testing.TB, l *Log, generation uint64, epoch int32, lead bool) Change {
	t.Helper()
	c, err := l.Promise(Promise{Generation: generation, Epoch: epoch, Lead: lead})
	require.NoError(t, err)
	waitFor(t, c.Receipt)
	return c
}

// lead appends values as the leader of a generation and waits.
func lead(t testing.TB, l *Log, generation uint64, now int64, values ...string) Receipt {
	t.Helper()
	r, err := l.Append(batchOf(t, noSeq, now, values...), AppendOptions{Now: now, Generation: generation})
	require.NoError(t, err)
	waitFor(t, r)
	return r
}

// ship copies what the follower lacks, in pieces of max bytes, and gives the last receipt.
func ship(t testing.TB, from, to *Log, generation uint64, max int) (last Receipt) {
	t.Helper()
	for at := to.Stored().End; ; {
		data, end, err := from.ReadAppended(nil, at, max)
		require.NoError(t, err)
		if end == at {
			return last
		}
		var batches []Shipped
		for len(data) > 0 {
			var s Shipped
			s, data, err = DecodeShipped(data)
			require.NoError(t, err)
			batches = append(batches, s)
		}
		last, err = to.AppendShipped(generation, batches)
		require.NoError(t, err)
		waitFor(t, last)
		at = end
	}
}

// rowsIn are all rows of a partition but for the state row, as text.
func rowsIn(t testing.TB, s *kv.Store, p kv.Partition) (rows []string) {
	t.Helper()
	add := func(kind string) func(int64, []byte) bool {
		return func(n int64, v []byte) bool {
			rows = append(rows, fmt.Sprintf("%s %d: %x", kind, n, v))
			return true
		}
	}
	require.NoError(t, s.Batches(p, 0, add("batch")))
	require.NoError(t, s.TimeRows(p, 0, add("time")))
	require.NoError(t, s.Producers(p, add("producer")))
	require.NoError(t, s.Epochs(p, func(epoch int32, start int64) bool {
		rows = append(rows, fmt.Sprintf("epoch %d: %d", epoch, start))
		return true
	}))
	return rows
}

// I7: a follower's rows are those of its leader, byte for byte, whether they were
// shipped from memory or from the store, before a restart of either or after.
func TestI7FollowerRowsAreTheLeaders(t *testing.T) {
	for name, recent := range map[string]int64{"memory": 1 << 20, "store": -1} {
		t.Run(name, func(t *testing.T) {
			d := disk{recent: recent, rowBytes: 2 << 10}
			fromDisk, toDisk := d, d
			fromDisk.fs, toDisk.fs = vfs.NewMem(), vfs.NewMem()
			p := kv.Partition{Topic: 1}
			generation, now := uint64(0), int64(1000)
			for round := range int32(3) {
				fromStore, fromLogs := fromDisk.open(t)
				toStore, toLogs := toDisk.open(t)
				from, to := mustLog(t, fromLogs, 1, 0), mustLog(t, toLogs, 1, 0)
				replicate(t, from)
				replicate(t, to)
				generation++
				promise(t, from, generation, round, true)
				promise(t, to, generation, round, false)
				for i := range 60 {
					now += int64(i * 37 % 900)
					producer := noSeq
					if i%3 > 0 {
						producer = seq{id: int64(i % 3), epoch: int16(round), first: int32(i / 3)}
					}
					b := batchOf(t, producer, now-50, fmt.Sprintf("%0*d", 1+i*53%900, i))
					r, err := from.Append(b, AppendOptions{Now: now, Generation: generation})
					require.NoError(t, err)
					if i%7 == 0 {
						waitFor(t, r)
						ship(t, from, to, generation, 3000)
					}
				}
				waitFor(t, Receipt{commit: from.last})
				ship(t, from, to, generation, 3000)
				require.Equal(t, rowsIn(t, fromStore, p), rowsIn(t, toStore, p), "round %d", round)
				require.NoError(t, fromStore.Close())
				require.NoError(t, toStore.Close())
			}
		})
	}
}

// newReplica opens a replica's log in memory.
func newReplica(t testing.TB, d disk) (*Log, *Moves) {
	t.Helper()
	l := mustLog(t, newLogs(t, d), 1, 0)
	return l, replicate(t, l)
}

// R1: what is applied may be shipped before it is durable, and readers see it neither
// then nor once it is durable, but when the high watermark has passed it.
func TestShippedBeforeDurableReadAfterHighWatermark(t *testing.T) {
	fs := &blockingFS{FS: vfs.NewMem()}
	l, moves := newReplica(t, disk{fs: fs})
	promise(t, l, 1, 1, true)
	lead(t, l, 1, 1, "a")
	moves.Take(nil)
	w := NewWaiter()
	l.Watch(w)
	defer l.Unwatch(w)

	fs.block()
	r, err := l.Append(batchOf(t, noSeq, 2, "b", "c"), AppendOptions{Now: 2, Generation: 1})
	require.NoError(t, err)
	fs.waitBlocked()
	<-moves.C()
	m := moves.Take(nil)
	require.Len(t, m, 1)
	require.Equal(t, [2]int64{3, 1}, [2]int64{m[0].Applied, m[0].Durable})
	data, end, err := l.ReadAppended(nil, 1, 1<<20)
	require.NoError(t, err)
	require.EqualValues(t, 3, end)
	s, rest, err := DecodeShipped(data)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, [2]int64{1, 2}, [2]int64{s.Batch.BaseOffset(), s.Batch.LastOffset()})
	require.EqualValues(t, 1, s.Batch.LeaderEpoch())
	require.EqualValues(t, 2, s.Appended)
	fs.unblock()

	waitFor(t, r)
	m = moves.Take(nil)
	require.Len(t, m, 1)
	require.Equal(t, [2]int64{3, 3}, [2]int64{m[0].Applied, m[0].Durable})
	require.Empty(t, w.C(), "readers wait for the high watermark")
	_, readable := l.Bounds()
	require.Zero(t, readable)
	l.SetHighWatermark(99)
	<-w.C()
	_, readable = l.Bounds()
	require.EqualValues(t, 3, readable, "never beyond the durable end")
	l.SetHighWatermark(1)
	_, readable = l.Bounds()
	require.EqualValues(t, 3, readable, "never back")
	require.Empty(t, moves.Take(nil), "nothing moves where nothing happens")
}

// G26: a leader that has just been elected may know of a lower high watermark than readers have seen: who asks for what
// lies between that and the end of the log is ahead of it, not outside of the log, and waits.
func TestG26ReaderAheadOfHighWatermark(t *testing.T) {
	l, _ := newReplica(t, disk{fs: vfs.NewMem()})
	promise(t, l, 1, 1, true)
	lead(t, l, 1, 1, "a", "b", "c")
	l.SetHighWatermark(1)
	for _, ahead := range []int64{2, 3} {
		r, err := l.Read([]byte("kept"), ahead, 1<<20)
		require.NoError(t, err)
		require.Equal(t, ReadResult{Data: []byte("kept"), Start: 0, End: 1}, r)
	}
	_, err := l.Read(nil, 4, 1<<20)
	require.ErrorIs(t, err, ErrOffsetOutOfRange)
	l.SetHighWatermark(3)
	r, err := l.Read(nil, 2, 1<<20)
	require.NoError(t, err)
	require.NotEmpty(t, r.Data)
}

// Without memory for recent batches what is not durable cannot be read yet.
func TestReadAppendedWithoutMemory(t *testing.T) {
	fs := &blockingFS{FS: vfs.NewMem()}
	l, _ := newReplica(t, disk{fs: fs, recent: -1})
	promise(t, l, 1, 1, true)
	fs.block()
	r, err := l.Append(batchOf(t, noSeq, 2, "b"), AppendOptions{Now: 2, Generation: 1})
	require.NoError(t, err)
	fs.waitBlocked()
	_, end, err := l.ReadAppended(nil, 0, 1<<20)
	require.NoError(t, err)
	require.Zero(t, end)
	fs.unblock()
	waitFor(t, r)
	_, end, err = l.ReadAppended(nil, 0, 1<<20)
	require.NoError(t, err)
	require.EqualValues(t, 1, end)
	_, _, err = l.ReadAppended(nil, 2, 1)
	var out *OffsetRangeError
	require.ErrorAs(t, err, &out)
	require.Equal(t, OffsetRangeError{Offset: 2, Start: 0, End: 1}, *out)
}

// What a generation drops takes back all that it did in memory: producers, epochs, the
// time index. What is appended then is as if it had never been.
func TestDroppedAppendLeavesNothing(t *testing.T) {
	d := disk{rowBytes: 1 << 10}
	l, _ := newReplica(t, d)
	promise(t, l, 1, 3, false)
	first := Shipped{Batch: batchOf(t, seq{id: 7}, 5, "one"), Appended: 10, Gap: 0}
	first.Batch.Stamp(0, 1)
	r, err := l.AppendShipped(1, []Shipped{first})
	require.NoError(t, err)
	waitFor(t, r)
	before := rowsIn(t, l.logs.store, l.part)

	release := stall(l)
	next := Shipped{Batch: batchOf(t, seq{id: 7, first: 1}, 99, "two"), Appended: 2000, Gap: 1990}
	next.Batch.Stamp(1, 2)
	dropped, err := l.AppendShipped(1, []Shipped{next})
	require.NoError(t, err)
	change, err := l.Promise(Promise{Generation: 2, Epoch: 4, Lead: true})
	require.NoError(t, err)
	require.EqualValues(t, 1, change.End)
	require.Equal(t, []EpochStart{{1, 0}, {4, 1}}, change.History)
	release()
	<-dropped.Done()
	require.ErrorIs(t, dropped.Err(), ErrStaleGeneration)
	waitFor(t, change.Receipt)
	require.Equal(t, append(before, "epoch 4: 1"), rowsIn(t, l.logs.store, l.part))
	require.Equal(t, Stats{Start: 0, End: 0, Bytes: int64(len(first.Batch) + len(next.Batch)), OldestAppend: 10,
		MaxTimestamp: 99}, l.Stats(), "until it is needed")

	_, known, err := l.Duplicate(next.Batch)
	require.NoError(t, err)
	require.False(t, known, "the second batch was never appended")
	_, known, err = l.Duplicate(first.Batch)
	require.NoError(t, err)
	require.True(t, known)
	r, err = l.Append(next.Batch, AppendOptions{Now: 30, Generation: 2})
	require.NoError(t, err)
	waitFor(t, r)
	require.Equal(t, [2]int64{1, 1}, [2]int64{r.Base, r.Last})
	l.SetHighWatermark(2)
	require.Equal(t, Stats{Start: 0, End: 2, Bytes: int64(len(first.Batch) + len(next.Batch)), OldestAppend: 10,
		MaxTimestamp: 99}, l.Stats())
}

// A leader that shipped nothing leaves an epoch without a record. It goes, from memory
// and from the store, when records of an older epoch come behind it; kept, it would
// claim them (KIP-101).
func TestEmptyEpochIsDroppedOnAppend(t *testing.T) {
	d := disk{fs: vfs.NewMem()}
	store, ls := d.open(t)
	l := mustLog(t, ls, 1, 0)
	replicate(t, l)
	promise(t, l, 1, 1, true)
	lead(t, l, 1, 1, "of epoch 1")
	c := promise(t, l, 2, 3, true)
	require.Equal(t, []EpochStart{{1, 0}, {3, 1}}, c.History)
	promise(t, l, 3, 4, false)
	older := Shipped{Batch: batchOf(t, noSeq, 1, "of epoch 2"), Appended: 1, Gap: -1}
	older.Batch.Stamp(1, 2)
	r, err := l.AppendShipped(3, []Shipped{older})
	require.NoError(t, err)
	waitFor(t, r)
	want := []EpochStart{{1, 0}, {2, 1}}
	require.Equal(t, want, l.Stored().History)
	require.NoError(t, store.Close())
	store, ls = d.open(t)
	stored, err := mustLog(t, ls, 1, 0).Replicate(NewMoves())
	require.NoError(t, err)
	require.Equal(t, want, stored.History)
	require.NoError(t, store.Close())
}

// R2: a leader that comes back does not continue its epoch, nor does one lead an epoch
// that it followed in.
func TestR2EpochIsLedOnce(t *testing.T) {
	l, _ := newReplica(t, disk{})
	promise(t, l, 1, 5, true)
	lead(t, l, 1, 1, "a")
	_, err := l.Promise(Promise{Generation: 2, Epoch: 5, Lead: true})
	require.ErrorIs(t, err, ErrStaleEpoch)
	_, err = l.Promise(Promise{Generation: 2, Epoch: 4})
	require.ErrorIs(t, err, ErrStaleEpoch)
	lead(t, l, 1, 1, "nothing has changed")
	promise(t, l, 2, 5, false)
	_, err = l.Append(batchOf(t, noSeq, 1, "x"), AppendOptions{Now: 1, Generation: 1})
	require.ErrorIs(t, err, ErrStaleGeneration)
	_, err = l.Append(batchOf(t, noSeq, 1, "x"), AppendOptions{Now: 1, Generation: 2})
	require.ErrorIs(t, err, ErrStaleGeneration, "a follower")
	_, err = l.TruncateSuffix(0)
	require.ErrorIs(t, err, ErrStaleGeneration)
}

// G22: a follower that begins anew knows what producers did before its first record, so
// that a retry makes no second copy, and learns the rest with the records.
func TestResetTakesProducersOver(t *testing.T) {
	from, _ := newReplica(t, disk{})
	promise(t, from, 1, 1, true)
	b := func(first int32) []byte { return batchOf(t, seq{id: 7, first: first}, 1, "x") }
	for i := range int32(8) {
		r, err := from.Append(b(i), AppendOptions{Now: int64(i), Generation: 1})
		require.NoError(t, err)
		waitFor(t, r)
	}
	from.SetHighWatermark(8)
	r, err := from.TruncatePrefix(6)
	require.NoError(t, err)
	waitFor(t, r)
	rows, err := from.ProducerRows()
	require.NoError(t, err)
	stored := from.Stored()
	require.EqualValues(t, 6, stored.DataStart)

	to, _ := newReplica(t, disk{})
	promise(t, to, 1, 1, false)
	rc, err := to.MarkVoid()
	require.NoError(t, err)
	waitFor(t, rc)
	_, err = to.AppendShipped(1, nil)
	require.ErrorIs(t, err, ErrVoid)
	c, err := to.Reset(Reset{
		Generation: 2, DataStart: stored.DataStart, LogStart: stored.LogStart, History: stored.History, Producers: rows,
	})
	require.NoError(t, err)
	waitFor(t, c.Receipt)
	require.Equal(t, Stored{
		Generation: 2, Promised: 1, LogStart: 6, DataStart: 6, End: 6, HighWatermark: 6, History: []EpochStart{{1, 0}},
	}, to.Stored())
	for first, known := range map[int32]bool{5: true, 6: false} {
		_, got, err := to.Duplicate(b(first))
		require.NoError(t, err)
		require.Equal(t, known, got, "sequence %d", first)
	}
	ship(t, from, to, 2, 100)
	again, err := to.ProducerRows()
	require.NoError(t, err)
	require.Equal(t, rows, again)

	for _, bad := range []Reset{
		{DataStart: -1}, {DataStart: 5, LogStart: 4}, {History: []EpochStart{{2, 0}, {1, 5}}},
		{Producers: []ProducerRow{{ID: 1, Value: []byte("?")}}},
		{Producers: append(rows, rows...), DataStart: 1, LogStart: 1},
	} {
		bad.Generation = 3
		_, err = to.Reset(bad)
		require.ErrorIs(t, err, ErrBadReset)
	}
	require.EqualValues(t, 2, to.Stored().Generation)
}

// Thousands of logs promise in few commits, and one goroutine hears of all of them,
// each once, in the order in which they moved.
func TestMovesCoalesce(t *testing.T) {
	ls := newLogs(t, disk{})
	moves := NewMoves()
	const n = 500
	var logs []*Log
	for i := range int32(n) {
		l := mustLog(t, ls, 1, i)
		_, err := l.Replicate(moves)
		require.NoError(t, err)
		logs = append(logs, l)
	}
	release := stall(logs[0])
	var last Change
	for _, l := range logs {
		c, err := l.Promise(Promise{Generation: 1, Epoch: 1})
		require.NoError(t, err)
		last = c
	}
	require.Empty(t, moves.Take(nil))
	release()
	waitFor(t, last.Receipt)
	<-moves.C()
	taken := moves.Take(nil)
	require.Len(t, taken, n)
	for i, m := range taken {
		require.Same(t, logs[i], m.Log)
		require.NotNil(t, m.Change)
	}
	require.Empty(t, moves.Take(nil))
}

// A standalone log that becomes a replica's was committed to its end; until then the
// calls of a replica have no meaning.
func TestStandaloneBecomesReplica(t *testing.T) {
	d := disk{fs: vfs.NewMem()}
	store, ls := d.open(t)
	l := mustLog(t, ls, 1, 0)
	appendWait(t, l, batchOf(t, noSeq, 1, "a", "b"), 1)
	appendWait(t, l, batchOf(t, noSeq, 1, "c"), 1)
	l.RaiseStart(1)
	l.SetHighWatermark(1)
	flushed, _ := ls.FlushStarts()
	waitFor(t, flushed)
	_, end := l.Bounds()
	require.EqualValues(t, 3, end)
	require.Panics(t, func() { _, _ = l.Promise(Promise{Generation: 9, Epoch: 9}) })
	s, err := l.Replicate(NewMoves())
	require.NoError(t, err)
	epoch := store.Identity().LeaderEpoch
	want := Stored{
		Promised: NoEpoch, LogStart: 1, DataStart: 0, End: 3, HighWatermark: 3, History: []EpochStart{{epoch, 0}},
	}
	require.Equal(t, want, s)
	_, err = l.Append(batchOf(t, noSeq, 1, "d"), AppendOptions{Now: 1})
	require.ErrorIs(t, err, ErrStaleGeneration)
	require.NoError(t, store.Close())
	store, ls = d.open(t)
	s, err = mustLog(t, ls, 1, 0).Replicate(NewMoves())
	require.NoError(t, err)
	require.Equal(t, want, s, "nothing was written")
	require.NoError(t, store.Close())
}
