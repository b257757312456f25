package partitionlog

import (
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// H1: a retry after a lost acknowledgement gets the offsets of the first time.
func TestH1RetryGetsTheSameOffsets(t *testing.T) {
	d := disk{fs: vfs.NewMem()}
	s, ls := d.open(t)
	l := mustLog(t, ls, 1, 0)
	p := seq{id: 9}
	for range 7 {
		appendWait(t, l, batchOf(t, p, 1, "a", "b"), 50)
		p.first += 2
	}
	check := func(l *Log) {
		for back := int32(1); back <= remembered; back++ {
			r := appendWait(t, l, batchOf(t, seq{id: 9, first: p.first - 2*back}, 1, "a", "b"), 60)
			want := Receipt{Base: 14 - 2*int64(back), Last: 15 - 2*int64(back), AppendTime: 50, Duplicate: true}
			require.Equal(t, want, Receipt{
				Base: r.Base, Last: r.Last, AppendTime: r.AppendTime, Duplicate: r.Duplicate,
			})
		}
		_, end := l.Bounds()
		require.EqualValues(t, 14, end)
	}
	check(l)
	require.NoError(t, s.Close())
	s, ls = d.open(t)
	check(mustLog(t, ls, 1, 0))
	require.NoError(t, s.Close())
}

func TestSequences(t *testing.T) {
	tests := []struct {
		name   string
		before []seq // appended first, two records each
		then   seq
		err    error
		want   int32
	}{
		{name: "begins at 0", then: seq{id: 1}},
		{name: "unknown must begin at 0", then: seq{id: 1, first: 2}, err: ErrOutOfOrderSequence},
		{name: "goes on", before: []seq{{id: 1}}, then: seq{id: 1, first: 2}},
		{name: "gap", before: []seq{{id: 1}}, then: seq{id: 1, first: 4}, err: ErrOutOfOrderSequence, want: 2},
		{name: "overlap", before: []seq{{id: 1}}, then: seq{id: 1, first: 1}, err: ErrOutOfOrderSequence, want: 2},
		{name: "older epoch", before: []seq{{1, 3, 0}}, then: seq{1, 2, 2}, err: ErrProducerFenced},
		{name: "newer epoch begins at 0", before: []seq{{1, 3, 0}}, then: seq{1, 4, 0}},
		{name: "newer epoch in the middle", before: []seq{{1, 3, 0}}, then: seq{1, 4, 2}, err: ErrOutOfOrderSequence},
		{name: "producers are apart", before: []seq{{id: 1}}, then: seq{id: 2}},
		{name: "epoch below 0", then: seq{id: 1, epoch: -1}, err: ErrOutOfOrderSequence},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := mustLog(t, newLogs(t, disk{}), 1, 0)
			for _, p := range tt.before {
				appendWait(t, l, batchOf(t, p, 1, "a", "b"), 1)
			}
			r, err := l.Append(batchOf(t, tt.then, 1, "a", "b"), AppendOptions{Now: 1})
			if tt.err == nil {
				require.NoError(t, err)
				require.False(t, r.Duplicate)
				waitFor(t, r)
				return
			}
			require.ErrorIs(t, err, tt.err)
			var e *SequenceError
			if tt.err == ErrOutOfOrderSequence {
				require.ErrorAs(t, err, &e)
				require.Equal(t, [2]int32{tt.want, tt.then.first}, [2]int32{e.Expected, e.Got})
				require.Equal(t, len(tt.before) > 0, e.Known)
			}
		})
	}
}

// H4: of five in flight the second is refused: so are those behind it.
func TestH4OrderIsKept(t *testing.T) {
	l := mustLog(t, newLogs(t, disk{}), 1, 0)
	for first, ok := range []bool{true, false, true, true, true} {
		p := seq{id: 1, first: int32(first)}
		if !ok {
			continue // refused before it came here
		}
		_, err := l.Append(batchOf(t, p, 1, "a"), AppendOptions{Now: 1})
		if first == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, ErrOutOfOrderSequence)
		}
	}
	for first := range int32(5) {
		r := appendWait(t, l, batchOf(t, seq{id: 1, first: first}, 1, "a"), 1)
		require.EqualValues(t, first, r.Base)
		require.Equal(t, first == 0, r.Duplicate)
	}
}

func TestSequenceWraps(t *testing.T) {
	l := mustLog(t, newLogs(t, disk{}), 1, 0)
	appendWait(t, l, batchOf(t, seq{id: 1}, 1, "a"), 1)
	l.mu.Lock()
	l.producers.get(1).batches[0].first = math.MaxInt32 - 2
	l.mu.Unlock()
	for _, step := range []struct{ first, base int32 }{{math.MaxInt32 - 1, 1}, {2, 5}} {
		b := batchOf(t, seq{id: 1, first: step.first}, 1, "a", "b", "c", "d")
		require.EqualValues(t, step.base, appendWait(t, l, b, 1).Base)
		require.True(t, appendWait(t, l, b, 1).Duplicate)
	}
}

// A duplicate of a batch that is in flight is done when that one is, not before.
func TestDuplicateIsDoneWithTheOriginal(t *testing.T) {
	fs := &blockingFS{FS: vfs.NewMem()}
	ls := newLogs(t, disk{fs: fs})
	l := mustLog(t, ls, 1, 0)
	appendWait(t, l, batchOf(t, seq{id: 1}, 1, "a"), 1)
	fs.block()
	b := batchOf(t, seq{id: 1, first: 1}, 1, "b")
	original, err := l.Append(b, AppendOptions{Now: 1})
	require.NoError(t, err)
	again, err := l.Append(b, AppendOptions{Now: 1})
	require.NoError(t, err)
	require.True(t, again.Duplicate)
	require.Equal(t, original.Base, again.Base)
	fs.waitBlocked()
	for _, r := range []Receipt{original, again} {
		select {
		case <-r.Done():
			t.Fatal("done before the fsync")
		default:
		}
	}
	_, end := l.Bounds()
	require.EqualValues(t, 1, end)
	fs.unblock()
	waitFor(t, original)
	waitFor(t, again)
}

// I-21: a flood of producer ids stays bounded, in memory and in the store, and
// the ones that were pushed out are refused, not appended twice.
func TestI21ProducerFlood(t *testing.T) {
	d := disk{fs: vfs.NewMem(), producers: 10}
	s, ls := d.open(t)
	l := mustLog(t, ls, 1, 0)
	for id := range int64(100) {
		appendWait(t, l, batchOf(t, seq{id: id}, 1, "a"), 1)
	}
	require.Equal(t, 10, l.producers.len())
	require.EqualValues(t, 10, ls.producers.Load())
	require.Equal(t, 10, rowsOfProducers(t, l))
	_, err := l.Append(batchOf(t, seq{id: 5, first: 1}, 1, "b"), AppendOptions{Now: 1})
	require.ErrorIs(t, err, ErrOutOfOrderSequence)
	require.NoError(t, s.Close())

	s, ls = d.open(t)
	l = mustLog(t, ls, 1, 0)
	require.True(t, appendWait(t, l, batchOf(t, seq{id: 90}, 1, "a"), 1).Duplicate)
	appendWait(t, l, batchOf(t, seq{id: 1000}, 1, "a"), 1)
	require.Equal(t, 10, rowsOfProducers(t, l))
	require.NoError(t, s.Close())
}

func rowsOfProducers(t *testing.T, l *Log) (n int) {
	require.NoError(t, l.logs.store.Producers(l.part, func(int64, []byte) bool { n++; return true }))
	return n
}

func TestProducersExpireAndIdleOnesLeaveMemory(t *testing.T) {
	ls := newLogs(t, disk{})
	l, other := mustLog(t, ls, 1, 0), mustLog(t, ls, 1, 1)
	now := time.Now().UnixMilli()
	appendWait(t, l, batchOf(t, seq{id: 1}, 1, "a"), now)
	now += DefaultProducerExpiry.Milliseconds() / 2
	appendWait(t, l, batchOf(t, seq{id: 2}, 1, "a"), now)
	appendWait(t, other, batchOf(t, noSeq, 1, "a"), now+idleMs+1000)
	_, ok := ls.FlushStarts()
	require.False(t, ok, "nothing has expired")
	require.Nil(t, l.producers)
	require.Zero(t, ls.producers.Load())

	require.True(t, appendWait(t, l, batchOf(t, seq{id: 1}, 1, "a"), now).Duplicate, "read again")
	now += DefaultProducerExpiry.Milliseconds()/2 + 2*idleMs
	appendWait(t, l, batchOf(t, seq{id: 2, first: 1}, 1, "b"), now)
	r, ok := ls.FlushStarts()
	require.True(t, ok)
	waitFor(t, r)
	require.Equal(t, 1, rowsOfProducers(t, l))
	_, err := l.Append(batchOf(t, seq{id: 1, first: 1}, 1, "b"), AppendOptions{Now: now})
	require.ErrorIs(t, err, ErrOutOfOrderSequence)
}

// A producer that comes back between its expiry and the commit that deletes its
// row keeps the new row.
func TestExpiryDoesNotTakeAReturningProducer(t *testing.T) {
	ls := newLogs(t, disk{})
	l := mustLog(t, ls, 1, 0)
	appendWait(t, l, batchOf(t, seq{id: 1}, 1, "a"), 1_000_000)
	l.mu.Lock()
	ids := l.producers.expire(2_000_000)
	l.mu.Unlock()
	appendWait(t, l, batchOf(t, seq{id: 1, epoch: 1}, 1, "a"), 3_000_000)
	it := &startsItem{expired: []expiredProducers{{log: l, ids: ids}}}
	waitFor(t, Receipt{commit: ls.store.Enqueue(it)})
	require.Equal(t, 1, rowsOfProducers(t, l))
}
